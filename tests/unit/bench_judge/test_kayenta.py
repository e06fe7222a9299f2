"""Kayenta's rule, quirk by quirk."""

import numpy as np
import pytest
from numpy.random import default_rng

from bench.judge.kayenta import FRACTION, Kayenta, is_high, shift
from bench.judge.rules import End, Ended
from tests.unit.bench_judge.stage import by_hand

POINTS = default_rng(1).normal(10, 1, 50)


def test_the_shift_is_the_median_of_all_differences_within_its_interval() -> None:
    found = shift(np.array([5.0, 6.0, 9.0]), np.array([1.0, 2.0]))
    assert found.estimate == 4.5
    assert found.low <= found.estimate <= found.high


def test_the_interval_covers_the_true_shift_as_often_as_it_says() -> None:
    rng = default_rng(3)
    hits = 0
    for _ in range(500):
        found = shift(rng.normal(1, 1, 20), rng.normal(0, 1, 20))
        hits += found.low <= 1 <= found.high
    assert 0.96 < hits / 500 < 1


def test_ties_within_a_version_narrow_the_interval() -> None:
    rng = default_rng(1)
    zeros = np.concatenate((np.zeros(40), rng.random(10)))
    low, high, estimate = shift(zeros, zeros[::-1].copy())
    assert (low, high, estimate) == (0, 0, 0)


def test_a_shift_is_high_when_its_low_end_is_above_a_quarter_of_it() -> None:
    assert is_high(list(POINTS + 2), list(POINTS))
    weak = default_rng(2).normal(10, 1, 50) + 0.5
    found = shift(weak, POINTS)
    assert 0 < found.low < FRACTION * found.estimate
    assert not is_high(list(weak), list(POINTS))


def test_equal_points_pass_and_so_do_none() -> None:
    assert not is_high([1.0, 2.0], [1.0, 2.0])
    assert not is_high([], [1.0])


def test_better_is_not_high() -> None:
    assert not is_high(list(POINTS - 2), list(POINTS))


def test_a_point_of_three_requests_weighs_as_one_of_three_thousand() -> None:
    few, many = Kayenta(), Kayenta()
    few.look(by_hand([(0, 0), (2, 1)]))
    many.look(by_hand([(0, 0), (2000, 1000)]))
    assert few.metrics["error ratio"].canary == many.metrics["error ratio"].canary
    assert few.metrics["error ratio"].canary == pytest.approx([1 / 3])


def test_a_minute_without_requests_gives_no_point() -> None:
    kayenta = Kayenta()
    kayenta.look(by_hand([(5, 0), (5, 0)]))
    assert kayenta.metrics["latency p99"].canary == []
    assert kayenta.taken == 1


@pytest.mark.parametrize(("high", "score"), [([], 100), (["latency p99"], 50)])
def test_the_score_is_the_share_of_metrics_that_pass(high: list[str], score: float) -> None:
    assert Kayenta().score(high) == score


def _with_points(worse: float, *, taken: int) -> Kayenta:
    kayenta = Kayenta(taken=taken)
    for points in kayenta.metrics.values():
        points.canary, points.baseline = list(POINTS + worse), list(POINTS[::-1])
    return kayenta


def test_it_judges_when_an_interval_is_over_and_promotes_only_after_the_last_point() -> None:
    lane = by_hand([])
    assert _with_points(5, taken=7).look(lane) == lane.now + 60
    assert _with_points(5, taken=9).look(lane) == End(Ended.ROLLED_BACK, "error ratio High, latency p99 High")
    assert _with_points(0, taken=9).look(lane) == lane.now + 60
    assert _with_points(0, taken=49).look(lane) == End(Ended.PROMOTED)
