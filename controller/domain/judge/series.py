"""What the metric source gives for one rollout: time series, each with what it counts and for which version.

The invariant: a `Series` is data as it came, good or bad; `tracks` cleans it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_RECENT_SPACINGS = 5
_A_FEW = 2
_LARGEST_COUNT = 2**53
_LATEST_SECONDS = 2**33


class Arm(StrEnum):
    """Which of the two versions a series belongs to."""

    CANARY = "canary"
    STABLE = "stable"


class Role(StrEnum):
    """What a series counts."""

    GOOD = "good"
    """Answers that were not bad."""
    BAD = "bad"
    """Bad answers; requests are good and bad ones, so never fewer than bad ones."""
    ALL = "all"
    """Answers, good and bad ones, where good ones have no counter of their own."""
    BUCKET = "bucket"
    """Answers up to ``bound_seconds``: one cumulative bucket of a histogram."""
    BEYOND = "beyond"
    """Answers that the histogram leaves out and that took longer than its last bound."""
    PULSE = "pulse"
    """Nothing: its samples only show when the version was scraped."""


@dataclass(frozen=True, slots=True)
class Series:
    """One time series. **Shape**: ``samples`` are (seconds since 1970, value) by time.

    ``identity`` tells counters apart; all buckets of one histogram share one. ``target`` is what was scraped
    for it, empty if that is not known. ``measure`` is what it counts for, as `Check.counts` names it.
    """

    identity: str
    arm: Arm
    role: Role
    samples: Sequence[tuple[float, float]]
    bound_seconds: float = math.inf
    target: str = ""
    measure: str = ""

    @property
    def first(self) -> int:
        """The instant of its first sample, usable or not, in microseconds since 1970."""
        return instant_of(self.samples[0][0])


@dataclass(frozen=True, slots=True)
class Window:
    """What was asked for. Samples start at ``begin``, more than `patience` before ``cursor``.

    Blocks begin at a multiple of ``grid`` since 1970, which is ``block`` if it is None.
    """

    begin: datetime
    cursor: datetime
    server_time: datetime
    block: timedelta
    scrape: timedelta
    grid: timedelta | None = None


def block_length(interval: timedelta, scrape: timedelta) -> timedelta:
    """An interval, or as many as a scrape takes: what one scrape shows is one piece of evidence."""
    return interval * max(1, round(scrape / interval))


def patience(scrape: timedelta) -> timedelta:
    """How long a series may be silent before nobody waits for it."""
    return 2.5 * scrape + timedelta(seconds=5)


def scrape_interval(series: Iterable[Series]) -> timedelta | None:
    """The time between samples, to a tenth of a second; the longest if series differ, None if unknown.

    A series with a single spacing is believed only where there is no other: that one may be a gap.
    """
    recent = [[at for at, _ in one.samples[-_RECENT_SPACINGS - 1 :]] for one in series]
    several = [times for times in recent if len(times) > _A_FEW] or recent
    typical = max((_median_spacing(times) for times in several), default=0.0)
    return timedelta(seconds=max(0.1, round(typical, 1))) if typical > 0 else None


def _median_spacing(times: Sequence[float]) -> float:
    """The lower median, which one gap does not move; 0 for a single sample."""
    spacings = sorted(later - earlier for earlier, later in pairwise(times))
    return spacings[(len(spacings) - 1) // 2] if spacings else 0.0


def newcomers(series: Sequence[Series], window: Window) -> tuple[Series, ...]:
    """The series that come late, if one of them comes after the cursor and so may be born there.

    One that only returns, after a silence longer than the window, needs its last value put in front.
    """
    opened = micros(window.begin) + micros_of(patience(window.scrape))
    late = tuple(one for one in series if one.samples and one.first > opened)
    return late if any(one.first >= micros(window.cursor) for one in late) else ()


def births(series: Sequence[Series], window: Window) -> Callable[[Series], bool]:
    """Tells which series, all with samples, were born in the window, so that they count from 0.

    One that was missing in an earlier scrape of its target was. Else it came with its target, which is new
    if recording had begun long before.
    """
    sampled = [one for one in series if one.samples]
    begin, long = micros(window.begin), micros_of(patience(window.scrape))
    recorded = min((one.first for one in sampled), default=begin)
    settled = (recorded if recorded > begin + long else begin) + long
    targets: dict[str, int] = {}
    for one in sampled:
        targets[one.target] = min(one.first, targets.get(one.target, one.first))
    next_scrape = micros_of(window.scrape) // 2

    def born(one: Series) -> bool:
        missed = bool(one.target) and one.first >= targets[one.target] + next_scrape
        return missed or one.first > settled

    return born


def fresh(series: Iterable[Series], window: Window) -> bool:
    """Whether any of them has a usable sample that is not older than `patience`."""
    latest = micros(window.server_time)
    oldest = latest - micros_of(patience(window.scrape))
    return any(
        is_count(value) and oldest <= instant_of(at) <= latest for one in series for at, value in one.samples
    )


def is_count(value: float) -> bool:
    """Whether a counter can have this value; floats above 2**53 no longer count by ones."""
    return 0 <= value <= _LARGEST_COUNT


def instant_of(seconds: float) -> int:
    """Microseconds since 1970; -1 for what is not an instant."""
    return round(seconds * 1e6) if 0 <= seconds <= _LATEST_SECONDS else -1


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    return micros_of(instant - EPOCH)


def micros_of(duration: timedelta) -> int:
    """Whole microseconds."""
    return duration // MICROSECOND
