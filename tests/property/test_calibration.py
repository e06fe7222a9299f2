"""Whatever the past looks like, what is read from it is finite, in range and the same in any order."""

import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.judge.calibration import PodHistory, PodMinute, calibrate, choose_latency_bounds
from controller.domain.judge.counts import Tally
from controller.domain.judge.dependence import (
    MOST_DESIGN_EFFECT,
    PodCount,
    design_effect,
    intraclass_correlation,
)
from controller.domain.policy import Check, CheckKind

ERRORS = Check("errors", CheckKind.RATIO)
LATENCY = Check("latency_p99", CheckKind.QUANTILE, quantile=0.99)
QUEUE = Check("queue", CheckKind.GAUGE)
COUNTS = st.integers(0, 10**9)
PODS = st.sampled_from(["a", "b", "c"])

pod_counts = st.builds(PodCount, st.integers(0, 5), st.integers(-1, 10**9), st.integers(-5, 10**9 + 5))


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    if draw(st.booleans()):
        requests = draw(COUNTS)
        return Tally(requests, draw(st.integers(0, requests)))
    bounds = tuple(sorted(draw(st.sets(st.sampled_from([0.01, 0.1, 0.5, 1.0, 5.0]), min_size=1))))
    buckets = tuple(draw(st.lists(COUNTS, min_size=len(bounds) + 1, max_size=len(bounds) + 1)))
    return Tally(sum(buckets), bounds=bounds, buckets=buckets)


pod_minutes = st.builds(
    PodMinute, st.sampled_from(["errors", "latency_p99", "gone"]), PODS, st.integers(0, 59), tallies()
)
spans = st.timedeltas(timedelta(0), timedelta(hours=1))


@given(st.lists(pod_counts, max_size=40))
def test_a_correlation_is_one(counts: list[PodCount]) -> None:
    assert 0 <= intraclass_correlation(counts) <= 1


@given(st.floats(), st.floats())
def test_a_design_effect_is_bounded(icc: float, requests: float) -> None:
    assert 1 <= design_effect(icc, requests) <= MOST_DESIGN_EFFECT


@given(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_design_effect_grows_with_the_cluster(icc: float, few: float, more: float) -> None:
    assert design_effect(icc, min(few, more)) <= design_effect(icc, max(few, more))


@given(st.lists(pod_minutes, max_size=40), spans, st.randoms())
def test_calibration_is_total_and_blind_to_order(
    minutes: list[PodMinute], span: timedelta, chance: random.Random
) -> None:
    checks = (ERRORS, LATENCY, QUEUE)
    found = calibrate(PodHistory(span, minutes), checks)
    assert [check.check for check in found.checks] == ["errors", "latency_p99"]
    assert 0 <= found.requests_per_second < float("inf")
    for check in found.checks:
        assert all(0 <= ratio <= 1 for ratio in check.bad_ratio)
        assert 0 <= check.icc <= 1
    latency = found.checks[1]
    assert len(latency.bounds_seconds) == len(latency.bad_ratio) <= 3
    shuffled = chance.sample(minutes, len(minutes))
    assert calibrate(PodHistory(span, shuffled), checks) == found


@given(st.lists(st.sampled_from([0.0, 0.003, 0.02, 0.4, 0.6, 0.97, 1.0]), max_size=8))
def test_bounds_are_distinct_ascending_and_telling_if_any_is(shares: list[float]) -> None:
    shares.sort(reverse=True)
    exceedances = [(0.1 * number, share) for number, share in enumerate(shares, start=1)]
    chosen = choose_latency_bounds(exceedances)
    assert bool(chosen) == bool(shares)
    assert list(chosen) == sorted(set(chosen))
    assert len(chosen) <= 3
    telling = {bound for bound, share in exceedances if 0 < share < 1}
    assert not telling or telling.issuperset(chosen)
