"""Folds what a pass saw into the record: clocks, route, evidence. No decision is taken here."""

from dataclasses import dataclass, replace
from datetime import timedelta

from controller.domain.fleet.facts import FleetSeen, Ties
from controller.domain.judge.calibration import Calibration
from controller.domain.mirroring import unmirrored_now
from controller.domain.model import ZERO, Rollout, Route, SetSplit
from controller.domain.observation import Observation, Reading, RouteSeen
from controller.domain.recognition import unrecognised
from controller.domain.release import Split
from controller.domain.sampling import counting, trials_after
from controller.domain.timing import asking_after, clocks_after, elapsed_since
from controller.domain.trials import TrialSeen
from controller.domain.vocabulary import Phase, Reason
from controller.domain.weighing import at_new_weight, measured, tried

SHORTEST_UNREADY = timedelta(milliseconds=500)
"""Passes closer together than this find a canary unready at one moment, not at several."""
LOST = frozenset({Reason.ROUTE_REJECTED, Reason.ROUTE_NOT_FOUND, Reason.PERMISSION_LOST})
"""Problems of a route that only a person can mend."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The record after an observation, and what the phase's rules need besides."""

    rollout: Rollout
    write: SetSplit | None = None
    """The write to repeat, because the gateway was found at the previous split."""
    drift: RouteSeen | None = None
    """The gateway runs something that is neither the previous nor the intended split."""
    fresh: bool = False
    """Whether this pass brought new counts at the present weight."""


def fold(rollout: Rollout, seen: Observation) -> Folded:
    """The record with everything in it that was seen."""
    route, write, drift = _route(rollout.route, seen.route)
    rollout = replace(rollout, route=route)
    outcomes: tuple[TrialSeen, ...] = ()
    before = rollout.evidence
    if drift is None:
        rollout = replace(rollout, evidence=measured(rollout, seen.reading, seen.probes))
        outcomes = counting(rollout, seen.trials)
        rollout = replace(rollout, evidence=tried(rollout, outcomes))
    unready = _unready(rollout, seen)
    rollout = replace(rollout, told=_told(rollout, seen))
    if isinstance(seen.calibration, Calibration):
        rollout = replace(rollout, calibration=seen.calibration)
    if seen.pack is not None and unrecognised(rollout):
        rollout = replace(rollout, pack=seen.pack.pack)
    if seen.canary is not None and seen.canary.cautions and rollout.phase is Phase.PREPARING:
        rollout = replace(rollout, cautions=seen.canary.cautions)
    clocks = clocks_after(rollout, seen)
    fresh = before.cursor is not None and rollout.evidence.cursor not in (None, before.cursor)
    asking = asking_after(rollout, seen)
    trials = trials_after(rollout, outcomes, clocks.total)
    rollout = replace(rollout, ties=_ties(rollout, seen.fleet), trials=trials)
    return Folded(replace(rollout, clocks=clocks, unready_passes=unready, asking=asking), write, drift, fresh)


def with_split(rollout: Rollout, split: Split) -> Rollout:
    """The record asking for another split: step clock, counts and what was told and asked start anew.

    But not an incident, which is none of the weight's.
    """
    clocks = replace(rollout.clocks, since_step=ZERO, at_weight=ZERO, unmeasured=ZERO, observing=False)
    route = Route(
        previous=_present(rollout.route),
        intended=split,
        weight_sum=rollout.route.weight_sum,
        gateways=rollout.route.gateways,
        unmirrored=rollout.route.unmirrored,
    )
    return replace(
        rollout,
        route=route,
        clocks=clocks,
        evidence=at_new_weight(rollout, split),
        unready_passes=0,
        told=tuple(reason for reason in rollout.told if reason is Reason.BOTH_ABOVE_LIMIT),
        asking=None,
    )


def _present(route: Route) -> Split:
    """What the gateway is known to run: a foreign split once a person accepted it, else the last in force."""
    if route.foreign is not None:
        return route.foreign
    return route.intended if route.in_force else route.previous


def _route(route: Route, seen: RouteSeen | None) -> tuple[Route, SetSplit | None, RouteSeen | None]:
    if seen is None:
        return route, None, None
    route = replace(route, series=seen.series or route.series)
    if unmirrored := unmirrored_now(route, seen):
        return replace(route, in_force=False, unmirrored=unmirrored), None, None
    if seen.problem in LOST:
        return replace(route, in_force=False), None, seen
    if seen.split == route.intended:
        in_force = seen.accepted and seen.problem is None
        previous = route.intended if in_force else route.previous
        return replace(route, in_force=in_force, previous=previous, foreign=None), None, None
    if seen.split == route.previous:
        raising = route.intended.gives_more_than(seen.split)
        write = None if raising and seen.problem else SetSplit(route.intended, expected=seen.split)
        return replace(route, in_force=False), write, None
    return replace(route, in_force=False, foreign=seen.split), None, seen


def _told(rollout: Rollout, seen: Observation) -> tuple[Reason, ...]:
    """What need not be told again; a second silence and a second incident are."""
    over: set[Reason] = set()
    if isinstance(seen.reading, Reading):
        over = {Reason.METRICS_UNAVAILABLE}
        if not rollout.evidence.broken_by_both:
            over.add(Reason.BOTH_ABOVE_LIMIT)
    return tuple(reason for reason in rollout.told if reason not in over)


def _ties(rollout: Rollout, fleet: FleetSeen | None) -> Ties:
    """With whom of its group it is rolled out.

    Before the promotion whoever takes another's place takes it here, too; afterwards a partner leaves when it
    has succeeded, or its record is gone: nothing that becomes of its model later matters any more.
    """
    if fleet is None or not fleet.group:
        return rollout.ties
    partners = dict(rollout.ties.partners)
    for other in fleet.group:
        known = partners.get(other.model)
        if not promoted(rollout):
            if other.phase is not None and not other.phase.terminal:
                partners[other.model] = other.rollout
        elif known and (not other.rollout or (other.rollout == known and other.phase is Phase.SUCCEEDED)):
            del partners[other.model]
    return replace(rollout.ties, partners=tuple(sorted(partners.items())))


def exposed(rollout: Rollout) -> bool:
    """Whether it is past the phases before any traffic, so that the gateway may know the canary."""
    phase = rollout.resume_to if rollout.phase is Phase.PAUSED else rollout.phase
    before = phase in (None, Phase.PENDING, Phase.PREPARING, Phase.VALIDATING)
    return rollout.route.intended.canary is not None or not before


def promoted(rollout: Rollout) -> bool:
    """Whether its promotion has begun, and has not been taken back."""
    phase = rollout.resume_to if rollout.phase in (Phase.PAUSED, Phase.FROZEN) else rollout.phase
    return phase in (Phase.PROMOTING, Phase.BAKING, Phase.HALTED)


def _unready(rollout: Rollout, seen: Observation) -> int:
    if seen.canary is None or not rollout.route.intended.reaches:
        return rollout.unready_passes
    if seen.canary.ready:
        return 0
    mark = rollout.clocks.mark
    same_moment = mark is not None and ZERO < elapsed_since(mark, seen.tick) < SHORTEST_UNREADY
    return rollout.unready_passes + (0 if same_moment and rollout.unready_passes else 1)
