"""The peers' numbers, on scrapes written by hand."""

from math import isnan

import pytest

from bench.judge.lane import CLIENT_BOUNDS
from bench.judge.queries import Growth, irate, rate
from tests.unit.bench_judge.stage import by_hand


def test_a_rate_over_one_minute_holds_three_increments_of_a_15_second_scrape() -> None:
    lane = by_hand([(0, 0), (100, 0), (110, 1), (120, 2), (130, 3)])
    growth = rate(lane.canary, lane.now, 60)
    assert growth is not None
    assert (growth.good, growth.bad) == (30, 3)


def test_irate_is_the_last_two_scrapes_however_long_the_range() -> None:
    lane = by_hand([(0, 0), (0, 900), (90, 910)])
    growth = irate(lane.canary, lane.now, 300)
    assert growth is not None
    assert growth.success == 0.9


def test_one_scrape_is_an_empty_answer_and_no_requests_are_nan() -> None:
    assert rate(by_hand([(1, 0)]).canary, 1000.0, 60) is None
    assert irate(by_hand([(1, 0)]).canary, 1000.0, 300) is None
    still = by_hand([(5, 1), (5, 1)])
    growth = rate(still.canary, still.now, 60)
    assert growth is not None
    assert isnan(growth.success)
    assert isnan(growth.quantile(0.99, CLIENT_BOUNDS))


def test_copies_are_added_up() -> None:
    first, second = by_hand([(0, 0), (10, 0)]), by_hand([(0, 0), (20, 10)])
    growth = rate([*first.canary, *second.canary], 1000.0, 60)
    assert growth is not None
    assert (growth.good, growth.bad, growth.buckets[-1]) == (30, 10, 40)


@pytest.mark.parametrize(
    ("buckets", "q", "seconds"),
    [
        ((50, 100, 100), 0.5, 1.0),
        ((50, 100, 100), 0.75, 1.5),
        ((0, 100, 100), 0.1, 1.1),
        ((10, 20, 100), 0.99, 2.0),
    ],
)
def test_a_quantile_is_linear_in_its_bucket(buckets: tuple[int, ...], q: float, seconds: float) -> None:
    assert Growth(0, 0, buckets).quantile(q, (1.0, 2.0)) == pytest.approx(seconds)
