"""Axes: round numbers that cover what is shown, and labels that do not lie on each other."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.report.scales import spread, ticks, time_ticks

NUMBERS = st.floats(-1e12, 1e12)


@given(NUMBERS, NUMBERS)
def test_ticks_cover_the_range_evenly_and_are_few(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    found = ticks(low, high)
    assert 2 <= len(found) <= 8
    slack = 1e-9 * max(abs(low), abs(high))
    assert found[0] <= low + slack
    assert found[-1] >= high - slack
    assert all(before < after for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0.0, 7.0, (0, 2, 4, 6, 8)),
        (0.0, 0.0, (0, 0.2, 0.4, 0.6, 0.8, 1)),
        (float("nan"), float("inf"), (0, 0.2, 0.4, 0.6, 0.8, 1)),
        (0.0, 100.0, (0, 20, 40, 60, 80, 100)),
    ],
)
def test_ticks_are_round(low: float, high: float, found: tuple[float, ...]) -> None:
    assert ticks(low, high) == pytest.approx(found)


@given(st.floats(0, 1e9), st.integers(2, 12))
def test_times_begin_at_0_and_end_in_time(seconds: float, most: int) -> None:
    found = time_ticks(seconds, most)
    assert found[0] == 0
    assert len(found) <= most + 1
    assert found[-1] <= seconds * (1 + 1e-9)


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        (7.8, (0, 2, 4, 6)),
        (90, (0, 15, 30, 45, 60, 75, 90)),
        (7200, (0, 1800, 3600, 5400, 7200)),
        (0, (0,)),
        (0.1, (0, 0.1)),
    ],
)
def test_times_are_those_of_clocks(seconds: float, found: tuple[float, ...]) -> None:
    assert time_ticks(seconds) == found


@given(st.lists(st.floats(-50, 250), max_size=6))
def test_labels_keep_their_order_and_their_distance(places: list[float]) -> None:
    found = spread(places, 14, 0, 200)
    assert all(0 <= each <= 200 + 1e-9 for each in found)
    order = sorted(range(len(places)), key=lambda each: places[each])
    assert all(found[b] - found[a] >= 14 - 1e-9 for a, b in pairwise(order))
