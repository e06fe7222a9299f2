"""Keeps a series short: of neighbours in time the first, the last and the extremes.

A picture of the kept points looks as one of all, because it is no finer than its pixels; what stands out,
and where there was no value, is never lost. Pure.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

PointT = TypeVar("PointT")
ItemT = TypeVar("ItemT")
Values = Callable[[PointT], tuple[float | None, ...]]
"""The numbers of a point whose extremes matter, always as many."""
Instant = Callable[[PointT], datetime]

_FINER = 0.75


def thinned(points: Sequence[PointT], most: int, at: Instant[PointT], values: Values[PointT]) -> list[PointT]:
    """At most ``most`` of the points, in their order, which is that of time.

    ``most`` is at least what one span of time may keep: 2, and 3 for each value.
    """
    if len(points) <= most:
        return list(points)
    begin, length = at(points[0]), (at(points[-1]) - at(points[0])).total_seconds()
    spans = most // 2
    while True:
        groups: dict[int, list[int]] = {}
        for place, point in enumerate(points):
            part = (at(point) - begin).total_seconds() / length if length else place / len(points)
            groups.setdefault(min(int(part * spans), spans - 1), []).append(place)
        kept = sorted(place for group in groups.values() for place in _outstanding(points, group, values))
        if len(kept) <= most or spans == 1:
            return [points[place] for place in kept]
        spans = max(int(spans * _FINER), 1)


def _outstanding(points: Sequence[PointT], group: Sequence[int], values: Values[PointT]) -> set[int]:
    kept = {group[0], group[-1]}
    numbers = [values(points[place]) for place in group]
    for column in range(len(numbers[0])):
        known: list[tuple[float, int]] = []
        missing: int | None = None
        for place, row in zip(group, numbers, strict=True):
            number = row[column]
            if number is not None:
                known.append((number, place))
            elif missing is None:
                missing = place
        if known:
            kept |= {min(known)[1], max(known)[1]}
        if missing is not None:
            kept.add(missing)
    return kept


class Thinned(Generic[PointT]):
    """A series that is thinned while it grows, so that it never holds more than twice ``most`` points."""

    def __init__(self, most: int, at: Instant[PointT], values: Values[PointT]) -> None:
        self._most = most
        self._at = at
        self._values = values
        self._points: list[PointT] = []

    def add(self, point: PointT) -> None:
        """Points come in order of time."""
        self._points.append(point)
        if len(self._points) >= 2 * self._most:
            self._points = thinned(self._points, self._most, self._at, self._values)

    def points(self) -> tuple[PointT, ...]:
        """At most ``most``."""
        return tuple(thinned(self._points, self._most, self._at, self._values))


class Ends(Generic[ItemT]):
    """The first and the last of many: at most ``most`` items."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._first: list[ItemT] = []
        self._last: list[ItemT] = []
        self.left_out = 0

    def add(self, item: ItemT) -> None:
        """One more at the end."""
        if len(self._first) < self._half:
            self._first.append(item)
            return
        self._last.append(item)
        if len(self._last) > self._half:
            del self._last[0]
            self.left_out += 1

    def items(self) -> tuple[ItemT, ...]:
        """In their order."""
        return (*self._first, *self._last)
