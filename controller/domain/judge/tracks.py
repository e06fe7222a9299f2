"""Cleans raw series into tracks: counters that never fall, and have a level at any instant.

The invariant: a track's level at an instant depends only on the samples around it, so it is the same however
much more was seen of the series.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import add, le, lt, sub

from controller.domain.judge.series import (
    Arm,
    Role,
    Series,
    Window,
    births,
    instant_of,
    is_count,
    micros,
)

Counts = tuple[int, ...]


@dataclass(slots=True)
class Cleaning:
    """Sorts out samples that cannot be counts, and remembers what was wrong, and when."""

    window: Window
    faults: list[tuple[str, int]] = field(default_factory=list)

    def clean(self, one: Series) -> dict[int, int]:
        """Counts by instant, ascending."""
        last, latest = -1, micros(self.window.server_time)
        kept: dict[int, int] = {}
        for seconds, value in one.samples:
            instant = instant_of(seconds)
            if not is_count(value):
                self.fault("samples that are not a count were ignored", instant)
            elif not last < instant <= latest:
                self.fault(
                    "samples out of order, or from the future, were ignored",
                    instant if instant <= latest else -1,
                )
            else:
                kept[instant] = int(value)
                last = instant
        return kept

    def fault(self, sentence: str, instant: int = -1) -> None:
        """Note it; -1 for what is wrong at any time."""
        self.faults.append((sentence, instant))

    def warnings(self, until: int) -> tuple[str, ...]:
        """One sentence for each kind of fault, with how often it was seen from the cursor until then.

        Samples before the cursor are seen by several calls, and later ones will be: each counts them once.
        """
        since = micros(self.window.cursor)
        counts = Counter(sentence for sentence, instant in self.faults if since <= instant < until)
        undated = sorted({sentence for sentence, instant in self.faults if instant < 0})
        return (*(f"{count} {sentence}" for sentence, count in sorted(counts.items())), *undated)


@dataclass(frozen=True, slots=True)
class Track:
    """One counter of one or more parts, freed of resets: ``levels`` never fall."""

    measure: str
    arm: Arm
    role: Role
    born: bool
    times: Sequence[int]
    """Microseconds since 1970, ascending."""
    levels: Sequence[Counts]
    bounds: tuple[float, ...] = ()

    def increments(self, edges: Sequence[int], longest_gap: int) -> Iterator[Counts]:
        """What was counted from each edge to the next, per part; a longer gap counts at its end."""
        for low, high in pairwise(self._at(edges, longest_gap)):
            yield tuple(map(sub, high, low))

    def _at(self, edges: Sequence[int], longest_gap: int) -> Iterator[Counts]:
        zero = (0,) * len(self.levels[0])
        after = 0
        for edge in edges:
            while after < len(self.times) and self.times[after] < edge:
                after += 1
            if after == 0:
                yield zero if self.born else self.levels[0]
            elif after == len(self.times) or self.times[after] - self.times[after - 1] > longest_gap:
                yield self.levels[after - 1]
            else:
                yield self._between(after, edge)

    def _between(self, after: int, edge: int) -> Counts:
        start, end = self.times[after - 1], self.times[after]
        pairs = zip(self.levels[after - 1], self.levels[after], strict=True)
        return tuple(low + (high - low) * (edge - start) // (end - start) for low, high in pairs)


def tracks_of(series: Sequence[Series], window: Window, cleaning: Cleaning) -> Iterator[Track]:
    """One track for each counter and each histogram that has a usable sample."""
    born = births(series, window)
    common = _common_bounds(series)
    groups: dict[tuple[str, str, Arm, Role], dict[float, Series]] = defaultdict(dict)
    for one in series:
        if one.samples and (one.role is not Role.BUCKET or one.bound_seconds in common[one.measure, one.arm]):
            groups[one.measure, one.identity, one.arm, one.role][one.bound_seconds] = one
    for (measure, _, arm, role), parts in groups.items():
        bounds = sorted(parts)
        if bounds[-1] != math.inf:
            cleaning.fault("histograms without a last bucket were ignored")
            continue
        points = list(_points([cleaning.clean(parts[bound]) for bound in bounds], cleaning))
        if points:
            times, levels = _without_resets(points, cleaning)
            new = all(born(part) for part in parts.values())
            yield Track(measure, arm, role, new, times, levels, tuple(bounds[:-1]))


def _points(parts: Sequence[dict[int, int]], cleaning: Cleaning) -> Iterator[tuple[int, Counts]]:
    """The instants at which every part has a count, and the counts do not fall from bound to bound."""
    for instant in parts[-1]:
        counts = tuple(part.get(instant, -1) for part in parts)
        if counts[0] >= 0 and all(map(le, counts, counts[1:])):
            yield instant, counts
        else:
            cleaning.fault("histogram samples with missing or falling buckets were ignored", instant)


def _without_resets(
    points: Sequence[tuple[int, Counts]], cleaning: Cleaning
) -> tuple[list[int], list[Counts]]:
    """Levels of each part by itself: cumulative over time, no longer over bounds."""
    levels: list[Counts] = []
    lost = (0,) * len(points[0][1])
    before = lost
    for instant, counts in points:
        if any(map(lt, counts, before)):
            lost = tuple(map(add, lost, before))
            cleaning.fault("counter resets", instant)
        total = tuple(map(add, lost, counts))
        levels.append(tuple(map(sub, total, (0, *total))))
        before = counts
    return [instant for instant, _ in points], levels


def _common_bounds(series: Sequence[Series]) -> dict[tuple[str, Arm], frozenset[float]]:
    """The bounds that every histogram of an arm's measure has: only these can be added up."""
    bounds: dict[tuple[str, Arm], dict[str, set[float]]] = defaultdict(lambda: defaultdict(set))
    for one in series:
        if one.role is Role.BUCKET:
            bounds[one.measure, one.arm][one.identity].add(one.bound_seconds)
    return {
        place: frozenset.intersection(*map(frozenset, by_identity.values()))
        for place, by_identity in bounds.items()
    }
