"""What is read from stable's past, case by case."""

import random
from datetime import timedelta

import pytest

from controller.domain.judge.calibration import (
    Calibration,
    CheckHistory,
    PodHistory,
    PodMinute,
    calibrate,
    choose_latency_bounds,
)
from controller.domain.judge.counts import Tally
from controller.domain.policy import Check, CheckKind

HOUR = timedelta(hours=1)
ERRORS = Check("errors", CheckKind.RATIO, max=0.01)
LATENCY = Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99)
QUEUE = Check("queue", CheckKind.GAUGE, max=10)
CHECKS = (ERRORS, LATENCY, QUEUE)


def minutes(pods: int, tally: Tally, check: str = "errors", count: int = 60) -> list[PodMinute]:
    return [PodMinute(check, f"pod-{pod}", minute, tally) for minute in range(count) for pod in range(pods)]


def test_an_empty_past_says_nothing() -> None:
    empty = calibrate(PodHistory(timedelta(0), ()), CHECKS)
    assert empty == Calibration(timedelta(0), 0, 0.0, (CheckHistory("errors"), CheckHistory("latency_p99")))


def test_rates_and_copies_are_those_of_stable() -> None:
    found = calibrate(PodHistory(HOUR, minutes(2, Tally(300, 3))), CHECKS)
    assert (found.span, found.pods, found.requests_per_second) == (HOUR, 2, 10.0)
    assert found.checks[0] == CheckHistory("errors", (0.01,))


def test_one_request_under_two_checks_is_one_request() -> None:
    histogram = Tally(300, bounds=(0.1, 0.5), buckets=(150, 120, 30))
    history = [*minutes(1, Tally(300, 3)), *minutes(1, histogram, "latency_p99")]
    assert calibrate(PodHistory(HOUR, history), CHECKS).requests_per_second == 5.0


def test_a_model_whose_checks_are_all_gauges_has_a_rate() -> None:
    assert calibrate(PodHistory(HOUR, (), requests=7200), (QUEUE,)).requests_per_second == 2.0


def test_a_copy_without_requests_is_none() -> None:
    assert calibrate(PodHistory(HOUR, minutes(3, Tally())), CHECKS).pods == 0


def test_exceedances_at_the_chosen_bounds() -> None:
    histogram = Tally(1000, bounds=(0.01, 0.1, 0.25, 0.5, 1.0, 10.0), buckets=(0, 450, 430, 105, 14, 1, 0))
    latency = calibrate(PodHistory(HOUR, minutes(1, histogram, "latency_p99")), CHECKS).checks[1]
    assert latency.bounds_seconds == (0.1, 0.25, 0.5)
    assert latency.bad_ratio == (0.55, 0.12, 0.015)
    assert [bound for bound, _ in latency.shares] == list(histogram.bounds)
    assert dict(latency.shares)[0.01] == 1.0
    assert dict(latency.shares)[1.0] == 0.001


def test_only_bounds_that_all_copies_have_are_compared() -> None:
    one = minutes(1, Tally(100, bounds=(0.1, 0.3), buckets=(50, 40, 10)), "latency_p99")
    other = PodMinute("latency_p99", "other", 0, Tally(100, bounds=(0.1, 0.4), buckets=(50, 40, 10)))
    latency = calibrate(PodHistory(HOUR, [*one, other]), CHECKS).checks[1]
    assert (latency.bounds_seconds, latency.bad_ratio) == ((0.1,), (0.5,))


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ([], ()),
        ([0.5, 0.1, 0.01], (1, 2, 3)),
        ([0.99, 0.2], (2,)),
        ([0.5, 0.1], (1, 2)),
        ([1.0, 0.3, 0.0], (2,)),
        ([1.0, 1.0, 0.0, 0.0], (3,)),
        ([0.0, 0.0], (1,)),
        ([1.0, 1.0], (2,)),
        ([0.97, 0.6, 0.45, 0.08, 0.012, 0.003], (3, 4, 5)),
    ],
)
def test_bounds_nearest_to_the_body_the_shoulder_and_the_tail(
    shares: list[float], chosen: tuple[float, ...]
) -> None:
    exceedances = [(float(number), share) for number, share in enumerate(shares, start=1)]
    assert choose_latency_bounds(exceedances) == chosen


def clustered(count: int, check: str = "errors") -> list[PodMinute]:
    """Bad requests in tens."""
    chance = random.Random(3)
    found = []
    for minute in range(count):
        for pod in range(4):
            bad = 10 * sum(chance.random() < 0.02 for _ in range(50))
            tally = Tally(500, bad)
            if check != "errors":
                tally = Tally(500, bounds=(0.1, 0.5), buckets=(250, 250 - bad, bad))
            found.append(PodMinute(check, f"pod-{pod}", minute, tally))
    return found


def test_clustered_errors_are_dependent() -> None:
    found = calibrate(PodHistory(HOUR, clustered(60)), CHECKS).checks[0]
    assert found.icc == pytest.approx(9 / 499, rel=0.3)


def test_the_largest_dependence_of_the_bounds_counts() -> None:
    found = calibrate(PodHistory(HOUR, clustered(60, "latency_p99")), CHECKS).checks[1]
    assert found.bounds_seconds == (0.1, 0.5)
    assert found.icc == pytest.approx(9 / 499, rel=0.3)


def test_half_an_hour_is_needed_to_see_dependence() -> None:
    short = PodHistory(timedelta(minutes=29), clustered(29))
    assert calibrate(short, CHECKS).checks[0].icc == 0
    assert calibrate(PodHistory(timedelta(minutes=30), clustered(30)), CHECKS).checks[0].icc > 0
