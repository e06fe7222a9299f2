"""Whether this is an hour at which a model's rollout may start or step up."""

from collections.abc import Callable, Sequence
from datetime import datetime

from controller.domain.fleet.facts import Hold, Pause
from controller.domain.fleet.members import Member
from controller.domain.fleet.rules import Recurrence
from controller.domain.vocabulary import Reason
from controller.fleet_settings import FleetSettings, FleetTimes
from controller.policy.recurring import begins_next, lasts_until


class Hours:
    """The operator's times, each model's own, and a pause of everything."""

    def __init__(self, settings: FleetSettings, now: Callable[[], datetime]) -> None:
        self._windows = [(each, each.to_recurrence()) for each in settings.windows]
        self._freezes = [(each, each.to_recurrence()) for each in settings.freezes]
        self._now = now
        self.pause: Pause | None = None

    def closed(self, member: Member) -> Hold | None:
        """Why nothing of the member starts or steps up now, if that is so."""
        if self.pause is not None:
            return Hold(Reason.EVERYTHING_PAUSED, self.pause.sentence)
        now, rules = self._now(), member.rules
        freezes = [*_of(self._freezes, member), *rules.freezes]
        windows = [each for each in (_of(self._windows, member), list(rules.windows)) if each]
        return _frozen(freezes, now) or next(filter(None, (_outside(each, now) for each in windows)), None)


def _of(times: Sequence[tuple[FleetTimes, Recurrence]], member: Member) -> list[Recurrence]:
    return [found for setting, found in times if setting.concerns(member.namespace, member.model)]


def _frozen(freezes: Sequence[Recurrence], now: datetime) -> Hold | None:
    """The freeze that lasts longest, if there is one."""
    ends = [(end, each) for each in freezes if (end := lasts_until(each, now)) is not None]
    if not ends:
        return None
    end, freeze = max(ends, key=lambda pair: pair[0].timestamp())
    called = f" {freeze.name}" if freeze.name else ""
    return Hold(Reason.RELEASE_FREEZE, f"release freeze{called} until {_local(end, freeze)}")


def _outside(windows: Sequence[Recurrence], now: datetime) -> Hold | None:
    """That no window is open, and which is the next to open."""
    if any(lasts_until(window, now) is not None for window in windows):
        return None
    starts = [(start, each) for each in windows if (start := begins_next(each, now)) is not None]
    if not starts:
        return Hold(Reason.OUTSIDE_WINDOW, "no release window ever opens: mend its schedule")
    start, window = min(starts, key=lambda pair: pair[0].timestamp())
    called = f" {window.name}" if window.name else ""
    return Hold(Reason.OUTSIDE_WINDOW, f"release window{called} opens {_local(start, window)}")


def _local(instant: datetime, recurrence: Recurrence) -> str:
    return f"{instant:%a %Y-%m-%d %H:%M} {recurrence.time_zone}"
