"""Thinned series keep the first, the last, the extremes and the gaps."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.report.thinning import Ends, Thinned, thinned
from tests.fakes import EPOCH


@dataclass(frozen=True)
class Point:
    at: datetime
    value: float | None


def at(point: Point) -> datetime:
    return point.at


def values(point: Point) -> tuple[float | None, ...]:
    return (point.value,)


def points_of(spans: list[tuple[int, float | None]]) -> list[Point]:
    now, found = EPOCH, []
    for seconds, value in spans:
        now += timedelta(seconds=seconds)
        found.append(Point(now, value))
    return found


SERIES = st.lists(
    st.tuples(st.sampled_from([0, 1, 60, 86_400]), st.none() | st.floats(-1e6, 1e6)), min_size=1, max_size=300
).map(points_of)


@given(SERIES, st.integers(5, 60))
def test_what_stands_out_is_kept(points: list[Point], most: int) -> None:
    kept = thinned(points, most, at, values)
    assert len(kept) <= most
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert kept == sorted(kept, key=at)
    known = [point.value for point in points if point.value is not None]
    if known:
        left = [point.value for point in kept if point.value is not None]
        assert (min(left), max(left)) == (min(known), max(known))
    assert any(point.value is None for point in kept) == any(point.value is None for point in points)


@given(SERIES, st.integers(5, 60))
def test_a_series_that_grows_is_never_long_and_keeps_its_extremes(points: list[Point], most: int) -> None:
    series: Thinned[Point] = Thinned(most, at, values)
    for point in points:
        series.add(point)
        assert len(series._points) < 2 * most
    kept = series.points()
    assert len(kept) <= most
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    known = [point.value for point in points if point.value is not None]
    if known:
        assert max(known) in [point.value for point in kept]


def test_a_short_series_is_left_alone() -> None:
    points = points_of([(1, 1.0), (1, 1.0), (1, None)])
    assert thinned(points, 5, at, values) == points


@given(st.integers(0, 50), st.integers(2, 20))
def test_of_many_the_first_and_the_last_stay(count: int, most: int) -> None:
    ends: Ends[int] = Ends(most)
    for number in range(count):
        ends.add(number)
    found = ends.items()
    assert len(found) + ends.left_out == count
    assert len(found) <= most
    assert list(found) == sorted(set(found))
    if count:
        assert (found[0], found[-1]) == (0, count - 1)
