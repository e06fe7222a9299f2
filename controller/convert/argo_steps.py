"""The steps of an Argo canary: weights, with the pauses after them.

An endless pause waits for a person before the next weight: an approval there says the same.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from controller.convert.draft import AUDIENCE, DraftStep
from controller.convert.notes import Notes, refusal
from controller.convert.place import Place
from controller.convert.units import seconds_or_duration, writable
from controller.policy.quantities import show_weight, shown

_MOST_STEPS = 1000
_FULL = 1000
_LOST = {
    "setCanaryScale": ("copies follow the weight", "workload: {scale: true}"),
    "setHeaderRoute": ("who gets the canary by a header is not converted", AUDIENCE),
    "setMirrorRoute": (
        "no requests are picked to be copied",
        "copy a share of all before the first weight: - shadow: 10%",
    ),
    "experiment": ("there are no experiments", "checks with worse_by compare canary and stable"),
    "plugin": ("there are no plugins", "have a gate ask the program: gate: NAME on a step"),
    "replicaProgressThreshold": ("all copies that a weight needs have to be ready", ""),
}


class Steps:
    """Reads the list. ``analyse`` takes an analysis inside of it, and gives the time that it needs."""

    def __init__(self, whole: Decimal, analyse: Callable[[Place], timedelta], notes: Notes) -> None:
        self.steps: list[DraftStep] = []
        self.before_promotion = False
        self._whole = whole
        self._analyse = analyse
        self._notes = notes
        self._full = False

    def read(self, places: Place) -> None:
        """All steps. Raises `Refused` when none of them is a weight."""
        for place in places.items()[:_MOST_STEPS]:
            keys = place.names()
            if "setWeight" in keys:
                self._weight(place.at("setWeight"))
            elif "pause" in keys:
                self._pause(place.at("pause"))
            elif "analysis" in keys:
                self._wait(place.at("analysis"), self._analyse(place.at("analysis")))
            else:
                key = next(iter(keys), "")
                unknown = f"the step {shown(key or None)} is not known", "write steps by hand"
                self._notes.lost(place.at(key) if key else place, *_LOST.get(key, unknown))
        if not self.steps:
            raise refusal(
                places, "no step sets a weight below 100%", "write setWeight, or a policy with steps: auto"
            )
        self._tell(places)

    def _tell(self, places: Place) -> None:
        message = "each weight also waits for 100 requests of the canary"
        self._notes.assumed(places, message, "min_requests says how many", ("steps",))
        if any(step.hold is None for step in self.steps):
            message = "a weight without a pause takes 5m"
            self._notes.assumed(places, message, "for says how long", ("steps",))

    def _weight(self, place: Place) -> None:
        number = place.number()
        if number is None or not 0 <= number <= self._whole:
            self._notes.lost(place, f"{place.quoted} is no weight", "write it into steps")
            return
        exact = number * _FULL / self._whole
        permille = int(exact)
        last = self.steps[-1].permille if self.steps else 0
        if self._full:
            self._notes.lost(place, "the weight was 100% before: weights only rise", "")
        elif permille >= _FULL:
            self._full = True
            message = "a weight of 100% is the promotion, which follows the last step"
            self._notes.changed(place, message, "bake says how long the old version is kept ready after it")
        elif exact and not permille:
            self._notes.lost(place, f"{place.quoted} is less than 0.1%", "write it into steps")
        elif self.steps and permille <= last:
            message = f"{show_weight(permille) if permille else '0%'} is not above {show_weight(last)}"
            self._notes.lost(place, f"{message}: weights only rise", "")
        elif permille:
            if exact != permille:
                message = f"{show_weight(permille)}, no finer than 0.1%"
                self._notes.changed(place, message, at=("steps", len(self.steps)))
            self.steps.append(DraftStep(permille, approval=self.before_promotion))
            self.before_promotion = False

    def _pause(self, place: Place) -> None:
        duration = place.at("duration")
        if not duration.there:
            if self._full:
                self._notes.lost(place, "nobody is waited for at 100%", "approval: {before: [promotion]}")
            else:
                self.before_promotion = True
            return
        time = seconds_or_duration(duration)
        if time is None:
            message = f"{duration.quoted} is no duration"
            self._notes.lost(duration, message, "write for into the step")
        else:
            self._wait(duration, time)

    def _wait(self, place: Place, time: timedelta) -> None:
        """The time goes to the last weight."""
        if not time:
            return
        if self._full or not self.steps:
            when = "after the last weight" if self._full else "before the first weight"
            self._notes.lost(place, f"there is no pause {when}", "write bake" if self._full else "")
            return
        step = self.steps[-1]
        total = (step.hold or timedelta()) + time
        if writable(total):
            self.steps[-1] = replace(step, hold=total)
        else:
            self._notes.lost(place, "the time is below 1s or above a year", "write for into the step")
