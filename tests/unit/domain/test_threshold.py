"""The threshold judge, as a specification by example."""

import json

import pytest

from controller.domain.judge import judge_of
from controller.domain.judge.base import Assessment, CheckResult, Terms
from controller.domain.judge.counts import Block, CheckCounts, GaugeSample, Tally
from controller.domain.judge.threshold import ThresholdJudge
from controller.domain.policy import Check, CheckKind
from controller.domain.vocabulary import Reason, Verdict
from tests.domain_outside import EPOCH
from tests.domain_scenes import a_policy, seconds

BOUNDS = (0.1, 0.5, 1.0)
STABLE = Tally(9000)
COMPARE = Terms(min_requests=100, compare=True)
ALONE = Terms(min_requests=100, compare=False)


def ratio(**limits: object) -> Check:
    return Check("errors", CheckKind.RATIO, **limits)  # type: ignore[arg-type]


def p99(**limits: object) -> Check:
    return Check("p99", CheckKind.QUANTILE, quantile=0.99, **limits)  # type: ignore[arg-type]


def gauge(**limits: object) -> Check:
    return Check("drift", CheckKind.GAUGE, **limits)  # type: ignore[arg-type]


def bad(requests: int, bad: int) -> Tally:
    return Tally(requests, bad)


def took(*buckets: int) -> Tally:
    return Tally(sum(buckets), 0, BOUNDS, buckets)


def block(number: int, check: str, canary: Tally, stable: Tally) -> Block:
    start = EPOCH + seconds(5 * number)
    return Block(
        start, start + seconds(5), canary.requests, stable.requests, (CheckCounts(check, canary, stable),)
    )


def assessed(check: Check, *counts: tuple[Tally, Tally], terms: Terms = COMPARE) -> Assessment:
    judge = ThresholdJudge([check])
    blocks = [block(number, check.name, canary, stable) for number, (canary, stable) in enumerate(counts)]
    return judge.assess(judge.fold(judge.begin(), blocks, [], terms), terms)


def result(
    check: Check,
    canary: Tally,
    stable: Tally = STABLE,
    terms: Terms = COMPARE,
) -> CheckResult:
    return assessed(check, (canary, stable), terms=terms).checks[0]


def sensed(
    check: Check, canary: float | None, stable: float | None = None, terms: Terms = COMPARE
) -> CheckResult:
    judge = ThresholdJudge([check])
    state = judge.fold(judge.begin(), [], [GaugeSample(check.name, canary, stable)], terms)
    return judge.assess(state, terms).checks[0]


def test_the_threshold_judge_goes_by_its_name() -> None:
    assert isinstance(judge_of(a_policy(judge="threshold")), ThresholdJudge)


# the four verdicts


@pytest.mark.parametrize(
    ("canary", "verdict", "reason"),
    [
        (bad(100, 1), Verdict.PASS, Reason.WITHIN_LIMIT),
        (bad(100, 2), Verdict.FAIL, Reason.ABOVE_LIMIT),
        (bad(99, 0), Verdict.UNKNOWN, Reason.TOO_FEW_REQUESTS),
        (bad(0, 0), Verdict.UNKNOWN, Reason.TOO_FEW_REQUESTS),
        (bad(1_000_000, 10_000), Verdict.PASS, Reason.WITHIN_LIMIT),
        (bad(1_000_000, 10_001), Verdict.FAIL, Reason.ABOVE_LIMIT),
    ],
)
def test_a_share_of_bad_requests_against_its_limit(canary: Tally, verdict: Verdict, reason: Reason) -> None:
    found = result(ratio(max=0.01), canary)
    assert (found.verdict, found.reason, found.limit) == (verdict, reason, 0.01)


def test_a_fail_before_the_requests_are_complete_only_where_nothing_can_mend_it() -> None:
    assert result(ratio(max=0.05), bad(10, 5)).verdict is Verdict.UNKNOWN
    assert result(ratio(max=0.05), bad(10, 6)).verdict is Verdict.FAIL


def test_a_check_without_a_stable_to_compare_with_is_skipped_and_stops_nothing() -> None:
    assessment = assessed(ratio(worse_by_points=0.005), (bad(1000, 900), Tally()), terms=ALONE)
    assert assessment.checks[0].verdict is Verdict.SKIPPED
    assert assessment.verdict is Verdict.PASS


def test_an_absolute_limit_is_not_skipped_without_stable() -> None:
    check = ratio(max=0.01, worse_by_points=0.0)
    assert result(check, bad(1000, 9), Tally(), ALONE).verdict is Verdict.PASS
    assert result(check, bad(1000, 11), Tally(), ALONE).verdict is Verdict.FAIL


def test_stable_without_enough_requests_leaves_the_comparison_open() -> None:
    found = result(ratio(max=0.5, worse_by_points=0.005), bad(1000, 0), bad(99, 0))
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.NO_STABLE_TRAFFIC)


def test_a_step_that_asks_for_no_requests_still_needs_one() -> None:
    terms = Terms(min_requests=0, compare=True)
    assert result(ratio(max=0.01), bad(0, 0), terms=terms).verdict is Verdict.UNKNOWN
    assert result(ratio(max=0.01), bad(1, 0), terms=terms).verdict is Verdict.PASS


# against stable


@pytest.mark.parametrize(("count", "verdict"), [(15, Verdict.PASS), (16, Verdict.FAIL)])
def test_worse_by_points_is_added_to_stables_share(count: int, verdict: Verdict) -> None:
    found = result(ratio(worse_by_points=0.005), bad(1000, count), bad(10_000, 100))
    assert found.verdict is verdict
    assert found.limit == pytest.approx(0.015)
    assert found.stable_value == pytest.approx(0.01)


@pytest.mark.parametrize(("count", "verdict"), [(12, Verdict.PASS), (13, Verdict.FAIL)])
def test_worse_by_ratio_is_a_part_of_stables_share(count: int, verdict: Verdict) -> None:
    found = result(ratio(worse_by_ratio=0.2), bad(1000, count), bad(10_000, 100))
    assert found.verdict is verdict
    assert found.verdict is Verdict.PASS or found.reason is Reason.WORSE_THAN_STABLE


def test_a_stable_without_any_bad_request_allows_no_ratio_more() -> None:
    assert result(ratio(worse_by_ratio=0.2), bad(1000, 1), bad(10_000, 0)).verdict is Verdict.FAIL


def test_the_stricter_of_two_limits_decides() -> None:
    check = ratio(max=0.01, worse_by_points=0.005)
    strict = result(check, bad(1000, 8), bad(10_000, 0))
    assert (strict.reason, strict.limit) == (Reason.WORSE_THAN_STABLE, 0.005)
    absolute = result(check, bad(1000, 11), bad(10_000, 100))
    assert (absolute.reason, absolute.limit) == (Reason.ABOVE_LIMIT, 0.01)


# quantiles


@pytest.mark.parametrize(
    ("canary", "verdict"),
    [
        (took(990, 0, 10, 0), Verdict.PASS),
        (took(989, 0, 11, 0), Verdict.FAIL),
        (took(990, 0, 0, 10), Verdict.PASS),
        (took(989, 0, 0, 11), Verdict.FAIL),
    ],
)
def test_a_quantile_limit_on_a_bound_counts_exactly(canary: Tally, verdict: Verdict) -> None:
    """p99 <= 500 ms is: at most 1 % of the requests took longer."""
    assert result(p99(max=0.5), canary).verdict is verdict


def test_a_quantile_limit_between_two_bounds_is_taken_in_proportion() -> None:
    assert result(p99(max=0.3), took(980, 20, 0, 0)).verdict is Verdict.PASS
    assert result(p99(max=0.3), took(979, 21, 0, 0)).verdict is Verdict.FAIL


def test_a_quantile_limit_above_the_last_bound_is_never_judged() -> None:
    found = result(p99(max=5.0), took(1000, 0, 0, 0))
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.LIMIT_OUTSIDE_BUCKETS)
    assert result(p99(max=1.0), took(1000, 0, 0, 0)).verdict is Verdict.PASS


def test_a_quantile_fails_early_where_nothing_can_mend_it() -> None:
    assert result(p99(max=0.5), took(0, 0, 1, 0)).verdict is Verdict.UNKNOWN
    assert result(p99(max=0.5), took(0, 0, 2, 0)).verdict is Verdict.FAIL


def test_a_quantile_against_stables() -> None:
    check = p99(worse_by_ratio=0.2)
    stable = took(0, 10_000, 0, 0)
    assert result(check, took(0, 1000, 0, 0), stable).verdict is Verdict.PASS
    slow = result(check, took(0, 0, 1000, 0), stable)
    assert (slow.verdict, slow.reason) == (Verdict.FAIL, Reason.WORSE_THAN_STABLE)


# gauges


def test_a_gauge_is_judged_as_it_is_now() -> None:
    assert sensed(gauge(max=0.3), 0.3).verdict is Verdict.PASS
    assert sensed(gauge(max=0.3), 0.31).verdict is Verdict.FAIL


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_a_gauge_that_is_no_number_says_nothing(value: float | None) -> None:
    found = sensed(gauge(max=0.3), value)
    assert (found.verdict, found.reason, found.value) == (Verdict.UNKNOWN, Reason.NO_VALUE, None)


def test_a_gauge_against_stables_allows_more_of_a_negative_number_too() -> None:
    check = gauge(worse_by_ratio=0.5)
    assert sensed(check, -5.0, -10.0).verdict is Verdict.PASS
    assert sensed(check, -4.9, -10.0).verdict is Verdict.FAIL
    assert sensed(check, 1.0, None).reason is Reason.NO_STABLE_TRAFFIC


# budgets


def test_a_check_fails_the_rollout_when_it_failed_often_enough_in_a_row() -> None:
    check = ratio(max=0.01, failures=3)
    rows = [(bad(200, 100), Tally(9000))] * 3
    assert [assessed(check, *rows[:n]).verdict for n in (1, 2, 3)] == [
        Verdict.UNKNOWN,
        Verdict.UNKNOWN,
        Verdict.FAIL,
    ]
    assert assessed(check, *rows[:2]).blamed is None
    assert assessed(check, *rows).blamed == assessed(check, *rows).checks[0]


def test_a_measurement_that_passes_begins_the_row_anew() -> None:
    check = ratio(max=0.01, failures=2)
    mended = assessed(
        check, (bad(200, 3), Tally(9000)), (bad(9000, 0), Tally(9000)), (bad(200, 95), Tally(9000))
    )
    assert mended.checks[0].failures == 1
    assert mended.verdict is Verdict.UNKNOWN


def test_a_measurement_without_an_answer_neither_counts_nor_interrupts_the_row() -> None:
    check = gauge(max=0.3, failures=2)
    judge = ThresholdJudge([check])
    state = judge.begin()
    for value in (0.9, None, 0.9):
        state = judge.fold(state, [], [GaugeSample("drift", value, None)], COMPARE)
    assert judge.assess(state, COMPARE).verdict is Verdict.FAIL


def test_a_critical_check_fails_the_rollout_the_first_time() -> None:
    assert (
        assessed(ratio(max=0.01, failures=9, critical=True), (bad(100, 50), Tally(9000))).verdict
        is Verdict.FAIL
    )


def test_a_check_that_only_reports_is_measured_and_decides_nothing() -> None:
    assessment = assessed(ratio(max=0.01, failures=1, report_only=True), (bad(100, 50), Tally(9000)))
    assert assessment.verdict is Verdict.PASS
    assert (assessment.checks[0].verdict, assessment.checks[0].failures) == (Verdict.FAIL, 1)
    assert assessment.blamed is None


def test_every_check_that_counts_must_pass() -> None:
    checks = [ratio(max=0.01), p99(max=0.5)]
    judge = ThresholdJudge(checks)
    counts = (
        CheckCounts("errors", bad(1000, 0), Tally(9000)),
        CheckCounts("p99", took(50, 0, 0, 0), took(90, 0, 0, 0)),
    )
    state = judge.fold(judge.begin(), [Block(EPOCH, EPOCH + seconds(5), 1000, 9000, counts)], [], COMPARE)
    assert [r.verdict for r in judge.assess(state, COMPARE).checks] == [Verdict.PASS, Verdict.UNKNOWN]
    assert judge.assess(state, COMPARE).verdict is Verdict.UNKNOWN


# its memory


def test_nothing_is_known_in_the_beginning_and_at_each_new_weight() -> None:
    judge = ThresholdJudge([ratio(max=0.01, critical=True)])
    state = judge.fold(judge.begin(), [block(0, "errors", bad(100, 50), Tally(9000))], [], COMPARE)
    assert judge.at_new_weight(state) == judge.begin() != state
    assert judge.assess(judge.begin(), COMPARE).verdict is Verdict.UNKNOWN


def test_its_memory_is_json() -> None:
    judge = ThresholdJudge([ratio(max=0.01), p99(max=0.5), gauge(max=1.0)])
    state = judge.fold(judge.begin(), [block(0, "p99", took(1, 2, 3, 4), took(5, 6, 7, 8))], [], COMPARE)
    assert json.dumps(json.loads(state), separators=(",", ":")) == state


def test_counts_of_a_check_that_the_policy_does_not_have_are_left_out() -> None:
    judge = ThresholdJudge([ratio(max=0.01)])
    state = judge.fold(
        judge.begin(), [block(0, "other", bad(100, 100), Tally())], [GaugeSample("odd", 1.0, 1.0)], COMPARE
    )
    assert state == judge.begin()


def test_a_histogram_whose_bounds_changed_starts_anew() -> None:
    old, new = took(900, 0, 0, 0), Tally(10, 0, (0.2, 0.4), (1, 2, 7))
    assert old.plus(new) == new
    assert old.plus(Tally()) == old == Tally().plus(old)
    assert old.plus(old) == took(1800, 0, 0, 0)


# quantiles of a tally


def test_a_quantile_lies_in_its_bucket_in_proportion() -> None:
    tally = took(50, 30, 20, 0)
    assert tally.quantile(0.25) == pytest.approx(0.05)
    assert tally.quantile(0.5) == pytest.approx(0.1)
    assert tally.quantile(0.8) == pytest.approx(0.5)
    assert tally.quantile(0.9) == pytest.approx(0.75)


def test_a_quantile_above_the_last_bound_is_at_least_that_bound() -> None:
    assert took(0, 0, 0, 10).quantile(0.5) == 1.0
    assert took(0, 0, 0, 0).quantile(0.5) is None


def test_how_many_took_longer() -> None:
    tally = took(50, 30, 20, 4)
    assert [tally.above(bound) for bound in (0.0, 0.1, 0.5, 1.0)] == [104, 54, 24, 4]
    assert tally.above(0.3) == pytest.approx(24 + 15)
    assert tally.measures(1.0)
    assert not tally.measures(1.01)
