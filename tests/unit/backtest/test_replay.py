"""Rollouts over made-up traffic, decided by the real machine."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from controller.domain.backtest.past import Past, Usual, usual_of
from controller.domain.backtest.regressions import Regression
from controller.domain.backtest.replay import End, replay, replayable
from controller.domain.backtest.summary import LEARNING, beginnings, replays, shortest_rollout, summary
from controller.domain.policy import ApprovalRules, Check, CheckKind, Fallback, Milestone, NoData
from controller.domain.vocabulary import Reason
from tests.unit.backtest.traffic import ERRORS, HOUR, INTERVAL, LATENCY, QUEUE, SECOND, T, past, policy

WORSE = Regression("errors=+10pp", frozenset({"errors"}), points=0.1)
SLOWER = Regression("latency=x4", frozenset({"latency_p99"}), factor=4.0)
JUDGES = ["threshold", "sequential"]


@pytest.mark.parametrize("judge", JUDGES)
def test_a_version_as_good_as_stable_is_promoted(judge: str) -> None:
    rules, traffic = policy(judge=judge), past()
    outcomes = list(replays(rules, traffic, beginnings(rules, traffic, 10), 1))
    assert {outcome.end for outcome in outcomes} == {End.PROMOTED}
    least = sum((step.hold for step in rules.steps), timedelta(0))
    assert all(outcome.took >= least for outcome in outcomes)
    assert all(outcome.canary_requests > 0 for outcome in outcomes)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("regression", [WORSE, SLOWER], ids=lambda each: each.name)
def test_a_worse_version_is_rolled_back(judge: str, regression: Regression) -> None:
    rules, traffic = policy(judge=judge), past()
    outcomes = list(replays(rules, traffic, beginnings(rules, traffic, 10), 1, regression))
    assert {(outcome.end, outcome.reason) for outcome in outcomes} == {(End.ROLLED_BACK, Reason.CHECK_FAILED)}
    assert all(0 < outcome.bad_requests <= outcome.canary_requests for outcome in outcomes)
    assert max(outcome.took for outcome in outcomes) < timedelta(minutes=6)


def test_the_canary_gets_the_share_that_the_machine_chose() -> None:
    rules, traffic = policy(), past()
    (outcome,) = replays(rules, traffic, [T + HOUR], 1)
    per_second = traffic.requests / (6 * HOUR).total_seconds()
    assert outcome.canary_requests > 0.05 * per_second * 60
    assert outcome.canary_requests < 0.5 * per_second * outcome.took.total_seconds()


def test_the_same_seed_gives_the_same_and_another_seed_another() -> None:
    rules, traffic = policy(), past()
    starts = beginnings(rules, traffic, 5)
    one, again, other = (list(replays(rules, traffic, starts, seed, WORSE)) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_a_gauge_is_left_out_since_the_past_does_not_tell_it() -> None:
    rules = policy(ERRORS, QUEUE)
    assert replayable(rules).checks == (ERRORS,)
    (outcome,) = replays(rules, past(), [T + HOUR], 1)
    assert outcome.end is End.PROMOTED


def test_a_backtest_takes_every_approval_as_given() -> None:
    plain = policy(ERRORS)
    steps = tuple(replace(step, approval=True) for step in plain.steps)
    rules = replace(
        plain, steps=steps, approval=ApprovalRules((Milestone.START, Milestone.PROMOTION), people=2)
    )
    assert replayable(rules) == replayable(plain)
    (outcome,) = replays(rules, past(), [T + HOUR], 1)
    assert outcome.end is End.PROMOTED


def test_a_rollout_that_the_past_is_too_short_for_is_undecided() -> None:
    traffic = past(hours=1.02)
    (outcome,) = replays(policy(), traffic, [T + HOUR], 1)
    assert outcome.end is End.UNDECIDED


def test_without_requests_nothing_is_decided() -> None:
    (outcome,) = replays(policy(), past(per_block=0), [T + HOUR], 1)
    assert (outcome.end, outcome.canary_requests) == (End.UNDECIDED, 0)


def test_a_silence_of_the_past_is_one_of_the_metric_source() -> None:
    rules = replace(policy(), no_data=NoData(60 * SECOND, 180 * SECOND, Fallback.ROLLBACK))
    whole = past()
    kept = [each for each in whole.blocks if not T + HOUR + 60 * SECOND < each.end < T + 2 * HOUR]
    (outcome,) = replays(rules, replace(whole, blocks=kept), [T + HOUR], 1)
    assert (outcome.end, outcome.reason) == (End.ROLLED_BACK, Reason.METRICS_UNAVAILABLE)


def test_no_past_at_all() -> None:
    usual = {check.name: Usual() for check in policy().checks}
    outcome = replay(policy(), Past("v1", INTERVAL, ()), T, Random(1), usual)
    assert (outcome.end, outcome.took) == (End.UNDECIDED, timedelta(0))


def dependent(traffic: Past, icc: float, pods: int) -> Past:
    """The same past, of which it is known that errors come in clusters."""
    known = []
    for each in traffic.known:
        checks = tuple(replace(check, icc=icc) for check in each.calibration.checks)
        known.append(replace(each, calibration=replace(each.calibration, pods=pods, checks=checks)))
    return replace(traffic, known=known)


class TestClusters:
    def test_their_size_is_what_the_correlation_says(self) -> None:
        # 200 requests a second on 4 copies: 3,000 in each copy's minute
        together = dependent(past(), 0.003, 4).together_at(T + 2 * HOUR)
        assert together == {"errors": 10, "latency_p99": 10}

    def test_there_are_none_where_nothing_is_known(self) -> None:
        assert past().together_at(T + 2 * HOUR) == {}
        assert dependent(past(), 0.003, 0).together_at(T + 2 * HOUR) == {}
        assert Past("v1", INTERVAL, ()).together_at(T) == {}

    def test_they_make_fixed_limits_roll_back_good_versions(self) -> None:
        rules, traffic = policy(ERRORS), past(bad_ratio=0.01)
        starts = beginnings(rules, traffic, 40)

        def rolled_back(traffic: Past) -> int:
            return sum(outcome.end is End.ROLLED_BACK for outcome in replays(rules, traffic, starts, 1))

        assert rolled_back(traffic) <= 1
        assert rolled_back(dependent(traffic, 0.01, 4)) > 5


class TestBeginnings:
    def test_they_leave_time_to_learn_and_to_finish(self) -> None:
        rules, traffic = policy(), past()
        starts = beginnings(rules, traffic, 20)
        assert len(set(starts)) == 20
        assert starts[0] == T + LEARNING
        assert starts[-1] + shortest_rollout(rules) <= T + 6 * HOUR

    def test_one(self) -> None:
        assert beginnings(policy(), past(), 1) == (T + LEARNING,)

    @pytest.mark.parametrize("hours", [0, 0.5, 1.05])
    def test_none_where_the_past_is_too_short(self, hours: float) -> None:
        assert beginnings(policy(), past(hours), 20) == ()


class TestUsual:
    def test_the_share_of_bad_requests(self) -> None:
        assert usual_of(past(bad_ratio=0.05), ERRORS).bad_ratio == pytest.approx(0.05, rel=0.05)

    def test_slow_is_what_the_limit_calls_slow(self) -> None:
        assert usual_of(past(), LATENCY) == Usual(slow_seconds=0.5)

    def test_without_a_limit_slow_is_what_stable_s_quantile_and_the_policy_allow(self) -> None:
        relative = Check("latency_p99", CheckKind.QUANTILE, quantile=0.95, worse_by_ratio=0.2)
        slow = usual_of(past(), relative).slow_seconds
        assert slow == pytest.approx(0.25 * 1.2, rel=0.05)

    def test_nothing_is_known_without_requests(self) -> None:
        assert usual_of(past(per_block=0), ERRORS) == Usual()
        assert usual_of(Past("v1", INTERVAL, ()), LATENCY) == Usual()


class TestSummary:
    def test_counts_and_middles(self) -> None:
        rules, traffic = policy(), past()
        outcomes = list(replays(rules, traffic, beginnings(rules, traffic, 9), 1, WORSE))
        found = summary(WORSE, outcomes)
        assert (found.regression, found.runs) == ("errors=+10pp", 9)
        assert found.reasons == {Reason.CHECK_FAILED: 9}
        assert found.seconds_to_promote is None
        assert found.seconds_to_detect is not None
        times = sorted(outcome.took.total_seconds() for outcome in outcomes)
        assert (found.seconds_to_detect.median, found.seconds_to_detect.p95) == (times[4], times[8])

    def test_no_rollback_in_a_hundred_is_not_none_ever(self) -> None:
        outcomes = list(replays(policy(), past(), [T + HOUR] * 4, 1)) * 25
        low, high = summary(None, outcomes).share(End.ROLLED_BACK)
        assert low == 0
        assert high == pytest.approx(0.037, abs=0.001)

    def test_of_nothing(self) -> None:
        found = summary(None, [])
        assert (found.runs, found.seconds_to_promote) == (0, None)
        assert found.share(End.PROMOTED) == (0.0, 1.0)
