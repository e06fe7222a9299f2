"""Turns raw counter samples into aligned blocks of counts. Pure: the same samples give the same blocks.

How it works:

- Blocks follow each other: the first begins at a multiple of the grid since 1970, each other one where the
  one before it ends. A counter's level at an edge is interpolated between the samples around it and floored,
  so both versions cover the same seconds, increments are whole and add up to what was counted.
- A counter that falls was reset: its new value is what came since. A histogram is one counter of many parts.
- A series first seen after recording began was born: it counts from 0. One that is there when the window
  opens is not: its first value is where it stands.
- A block closes once every live series has a sample at or after its end. A series that is silent for
  `patience` is frozen: nobody waits for it, its level stays, and what it brings when it returns counts from
  then on. So a closed block never changes, whenever it is computed again.

The invariant: blocks from one call over [a, c) are those from [a, b) and then [b, c). Only a histogram's
bounds must be known: answers that it leaves out are not timed until a histogram of either version was seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.judge.series import (
    EPOCH,
    MICROSECOND,
    Arm,
    Role,
    Series,
    Window,
    micros,
    micros_of,
    patience,
)
from controller.domain.judge.tracks import Cleaning, Counts, Track, tracks_of
from controller.domain.policy import Check, CheckKind


@dataclass(frozen=True, slots=True)
class Assembly:
    """The closed blocks from the cursor on, gapless; and what was wrong with the samples in their time."""

    blocks: tuple[Block, ...]
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Counted:
    """What one version's counters of one measure counted in one block."""

    bounds: tuple[float, ...] = ()
    good: int = 0
    bad: int = 0
    all: int = 0
    buckets: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.buckets = [0] * (len(self.bounds) + 1)

    def add(self, track: Track, counts: Counts) -> None:
        match track.role:
            case Role.GOOD:
                self.good += counts[0]
            case Role.BAD:
                self.bad += counts[0]
            case Role.ALL:
                self.all += counts[0]
            case Role.BEYOND:
                self.buckets[-1] += counts[0]
            case Role.BUCKET if track.bounds == self.bounds:
                self.buckets = [a + b for a, b in zip(self.buckets, counts, strict=True)]

    @property
    def requests(self) -> int:
        """A bad request that its own counter showed before that of all requests is one, too."""
        return max(self.good + self.bad, self.all)

    def tally(self, kind: CheckKind) -> Tally:
        if kind is CheckKind.RATIO:
            return Tally(requests=self.requests, bad=self.bad)
        total = sum(self.buckets) if self.bounds else 0
        return Tally(total, bounds=self.bounds, buckets=tuple(self.buckets)) if total else Tally()


ANSWERS = ""
"""What a version's requests are filed under, and what takes them how long."""

_Measures = dict[str, _Counted]
"""One version's counts in one block, by what they are filed under."""


def assemble(series: Sequence[Series], checks: Sequence[Check], window: Window) -> Assembly:
    """The blocks that are closed, with a `CheckCounts` for each check that counts; gauges have none."""
    cleaning = Cleaning(window)
    tracks = tuple(tracks_of(series, window, cleaning))
    edges = _edges(tracks, window)
    arms = [_arm(tracks, arm, edges, window) for arm in (Arm.CANARY, Arm.STABLE)]
    blocks = tuple(
        _block(span, canary, stable, checks)
        for span, canary, stable in zip(pairwise(edges), *arms, strict=True)
    )
    return Assembly(blocks, cleaning.warnings(until=edges[-1]) if edges else ())


def _edges(tracks: Sequence[Track], window: Window) -> list[int]:
    """The ends of the closed blocks, and the start of the first. When all are frozen, the last one led."""
    length, cursor = micros_of(window.block), micros(window.cursor)
    oldest = micros(window.server_time) - micros_of(patience(window.scrape))
    last = [track.times[-1] for track in tracks]
    newest = min((instant for instant in last if instant >= oldest), default=max(last, default=cursor))
    grid = micros_of(window.grid or window.block)
    first = -(-cursor // grid) * grid
    return list(range(first, newest + 1, length))


def _arm(tracks: Sequence[Track], arm: Arm, edges: Sequence[int], window: Window) -> list[_Measures]:
    """One version's counts, block by block."""
    longest_gap = micros_of(patience(window.scrape))
    bounds = _bounds(tracks, arm)
    counted: list[_Measures] = [
        {measure: _Counted(of_measure) for measure, of_measure in bounds.items()} for _ in pairwise(edges)
    ]
    for track in tracks:
        if track.arm is arm and track.role is not Role.PULSE:
            for block, counts in zip(counted, track.increments(edges, longest_gap), strict=True):
                block[track.measure].add(track, counts)
    return counted


def _bounds(tracks: Sequence[Track], arm: Arm) -> dict[str, tuple[float, ...]]:
    """The version's histogram bounds; the other's where all its answers are missing from its histogram."""
    bounds: dict[str, tuple[float, ...]] = {}
    for track in sorted(tracks, key=lambda track: track.arm is arm):  # its own last: they stay
        bounds[track.measure] = track.bounds or bounds.get(track.measure, ())
    return bounds


def _block(span: tuple[int, int], canary: _Measures, stable: _Measures, checks: Sequence[Check]) -> Block:
    start, end = (EPOCH + edge * MICROSECOND for edge in span)
    nothing = _Counted()
    counts = tuple(
        CheckCounts(
            check.name,
            canary.get(check.counts, nothing).tally(check.kind),
            stable.get(check.counts, nothing).tally(check.kind),
        )
        for check in checks
        if check.kind.in_blocks
    )
    requests, beside = (arm.get(ANSWERS, nothing).requests for arm in (canary, stable))
    return Block(start, end, requests, beside, counts)
