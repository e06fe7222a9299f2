"""Round numbers for axes. Pure."""

from itertools import pairwise
from math import ceil, floor, isfinite, log10

_ROUND = (1.0, 2.0, 5.0, 10.0)
_FINEST, _SMALLEST = 1e-9, 1e-100
_SHORTEST_TIME = 0.1
_TIMES = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 900.0, 1800.0),
    *(3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0),
    *(86_400.0, 172_800.0, 604_800.0, 1_209_600.0, 2_592_000.0),
)
"""Seconds between two marks: what clocks and calendars are divided by."""


def ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Round numbers from at or below ``low`` to at or above ``high``, evenly spaced, at least two.

    **Source**: P. Heckbert, "Nice numbers for graph labels", Graphics Gems, 1990.
    """
    if not isfinite(high - low):
        low, high = 0.0, 1.0
    size = max(abs(low), abs(high))
    if high - low <= _FINEST * size or size < _SMALLEST:  # so close that they cannot be told apart
        high = low + (size if size >= _SMALLEST else 1.0)
    apart = _above((high - low) / most)
    first, last = floor(low / apart), ceil(high / apart)
    return tuple(apart * step for step in range(first, max(last, first + 1) + 1))


def time_ticks(seconds: float, most: int = 6) -> tuple[float, ...]:
    """Round times from 0 to at most ``seconds``; one more than ``most`` at most."""
    if not isfinite(seconds) or seconds <= 0:
        return (0.0,)
    wanted = max(seconds / most, _SHORTEST_TIME)
    longer = (each for each in _TIMES if each >= wanted)
    apart = _above(wanted) if wanted < _TIMES[0] else next(longer, _above(wanted))
    return tuple(apart * step for step in range(floor(seconds / apart) + 1))


def spread(places: list[float], apart: float, low: float, high: float) -> list[float]:
    """Places for labels near ``places``, ``apart`` from each other where there is room for that."""
    order = sorted(range(len(places)), key=lambda each: places[each])
    moved = [min(max(places[each], low), high) for each in order]
    for before, after in pairwise(range(len(moved))):
        moved[after] = max(moved[after], moved[before] + apart)
    if moved and moved[-1] > high:
        moved[-1] = high
        for after, before in pairwise(reversed(range(len(moved)))):
            moved[before] = min(moved[before], moved[after] - apart)
    found = [0.0] * len(places)
    for each, place in zip(order, moved, strict=True):
        found[each] = max(place, low)
    return found


def _above(wanted: float) -> float:
    """The round number at or above it."""
    power: float = 10.0 ** floor(log10(wanted)) if wanted > 0 else 1.0
    return next((each * power for each in _ROUND if each * power >= wanted), 10.0 * power)
