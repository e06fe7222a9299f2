"""The sequential judge, through the interface that the rollout machine uses."""

import json
from dataclasses import replace
from math import exp

import pytest

from controller.domain.judge import JUDGES, judge_of
from controller.domain.judge.base import Assessment, CheckResult
from controller.domain.judge.calibration import CheckHistory
from controller.domain.judge.contest import _CAUTIOUS_CAP, ENOUGH_IN_FAVOUR, WORSE
from controller.domain.judge.counts import GaugeSample, Tally
from controller.domain.judge.evidence import Stakes
from controller.domain.judge.questions import Known, questions
from controller.domain.judge.report import HOLD_AT, SUSPECT_AT
from controller.domain.judge.sequential import _COLD_BLOCKS, _WARM_BLOCKS, SequentialJudge
from controller.domain.judge.weights import SUSPECT_PERMILLE, budget_of
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Check, CheckKind, JudgeRules
from controller.domain.vocabulary import Reason, Verdict
from tests.domain_scenes import a_policy
from tests.judge_scenes import BLOCK, ENOUGH, Trial, errors, judged, p99, past, strength, took

RATE = 100.0
BOTH = errors(max=0.01, worse_by_points=0.005)
BROKEN = (Tally(1000, 1000), Tally(9000))
GOOD = (Tally(700, 1), Tally(700, 1))
FAST, SLOW = took(900, 80, 19, 1, 0), took(0, 0, 0, 900, 100)


def whole(found: Assessment, *names: str) -> float:
    """The evidence of all checks together."""
    results = [result for result in found.checks if not names or result.name in names]
    return 1 + sum(result.strength.against - 1 for result in results if result.strength)


def test_it_goes_by_its_name() -> None:
    assert isinstance(judge_of(judged(errors(max=0.01))), SequentialJudge)
    assert JUDGES["sequential"](a_policy()).remembers


# rollback


def blocks_to_decide(stakes: Stakes, confidence: float, *shares: float) -> int:
    """Blocks in which every bet of these questions, and of no others, wins all that the cap lets it win."""
    reserve, bets, blocks = 1.0, 0.0, 0
    while 1 + sum(shares) * (reserve + bets - 1) < 1 / (1 - confidence):
        stake = (1 - stakes.reserve) if blocks == 0 else stakes.restart * reserve
        reserve, bets, blocks = reserve - stake, (bets + stake) * exp(stakes.cap), blocks + 1
    return blocks


def blocks_until_fail(trial: Trial, **counts: tuple[Tally, Tally]) -> int:
    for blocks in range(1, 100):
        if trial.show(**counts).verdict is Verdict.FAIL:
            return blocks
    raise AssertionError("it never failed")


@pytest.mark.parametrize("confidence", [0.95, 0.99, 0.999, 0.999999])
@pytest.mark.parametrize("pods", [1, 4])
def test_total_failure_takes_as_many_blocks_as_the_cap_demands(confidence: float, pods: int) -> None:
    rules, check = replace(JudgeRules(), confidence=confidence), errors(max=0.01, worse_by_points=0.005)
    asked = questions(check, rules, Known(RATE), checks=1, compare=True)
    stakes = Stakes(cap=_CAUTIOUS_CAP) if pods == 1 else Stakes()
    expected = blocks_to_decide(stakes, confidence, *(question.share for question in asked))
    trial = Trial(judged(check, judge_rules=rules), calibration=past(RATE, pods=pods))
    assert blocks_until_fail(trial, errors=BROKEN) == expected > 1


def test_total_failure_of_one_check_of_several_takes_little_longer() -> None:
    checks = [errors(max=0.01)] + [Check(f"c{n}", CheckKind.RATIO, max=0.01) for n in range(3)]
    shares = [q.share for q in questions(checks[0], JudgeRules(), Known(RATE), checks=4, compare=True)]
    expected = blocks_to_decide(Stakes(), JudgeRules().confidence, *shares)
    healthy = {f"c{n}": (Tally(1000), Tally(9000)) for n in range(3)}
    assert blocks_until_fail(Trial(judged(*checks)), errors=BROKEN, **healthy) in (expected, expected + 1)


def test_one_bad_scrape_alone_never_rolls_back() -> None:
    trial = Trial(judged(errors(max=0.01)))
    trial.show(20, errors=GOOD)
    assert trial.show(errors=BROKEN).verdict is not Verdict.FAIL
    assert trial.show(40, errors=GOOD).verdict is Verdict.PASS


def test_a_rollback_blames_the_check_and_the_stricter_of_its_limits() -> None:
    trial = Trial(judged(p99(max=0.5), BOTH))
    found = trial.show(5, errors=BROKEN, p99=(FAST, FAST))
    assert found.verdict is Verdict.FAIL
    assert found.blamed == found.checks[1]
    assert (found.checks[1].verdict, found.checks[1].reason) == (Verdict.FAIL, Reason.WORSE_THAN_STABLE)
    assert found.checks[0].verdict is not Verdict.FAIL
    assert strength(found.checks[1]).against >= ENOUGH


def test_weak_evidence_of_several_checks_adds_up() -> None:
    checks = [Check(f"c{n}", CheckKind.RATIO, max=0.02) for n in range(4)]
    trial = Trial(judged(*checks))
    for _ in range(200):
        bad = {check.name: (Tally(100, 3), Tally(900, 9)) for check in checks}
        if (found := trial.show(**bad)).verdict is Verdict.FAIL:
            break
    assert found.verdict is Verdict.FAIL
    assert all(result.strength.against < ENOUGH for result in found.checks if result.strength)
    assert whole(found) >= ENOUGH * (1 - 1e-9)
    assert found.blamed is not None


def test_slow_answers_roll_back_after_the_warm_up() -> None:
    trial = Trial(judged(p99(max=0.5, worse_by_ratio=0.2)))
    trial.show(_COLD_BLOCKS, p99=(SLOW, FAST))
    found = trial.assess()
    assert (found.verdict, found.checks[0].reason) != (Verdict.FAIL, Reason.WARMING_UP)
    assert strength(found).against == pytest.approx(1.0)
    found = trial.show(6, p99=(SLOW, FAST))
    assert (found.verdict, found.checks[0].reason) == (Verdict.FAIL, Reason.WORSE_THAN_STABLE)


def test_a_slow_start_is_forgiven() -> None:
    trial = Trial(judged(p99(max=0.5, worse_by_ratio=0.2)))
    warming = trial.show(_COLD_BLOCKS - 1, p99=(SLOW, FAST))
    assert (warming.verdict, warming.checks[0].reason) == (Verdict.UNKNOWN, Reason.WARMING_UP)
    found = trial.show(30, p99=(FAST, FAST))
    assert strength(found).against < HOLD_AT
    assert found.verdict is Verdict.PASS


def test_a_warm_up_waits_for_the_canarys_first_request() -> None:
    trial = Trial(judged(p99(max=0.5)))
    trial.show(5 * _COLD_BLOCKS, p99=(Tally(), FAST))
    assert trial.memory.checks["p99"].wait == _COLD_BLOCKS


def test_a_canary_that_was_warmed_up_is_timed_sooner() -> None:
    warm = Trial(judged(p99(max=0.5, worse_by_ratio=0.2), warm_up_requests=5))
    warm.show(_WARM_BLOCKS, p99=(SLOW, FAST))
    assert warm.memory.checks["p99"].wait == 0
    cold = Trial(judged(p99(max=0.5, worse_by_ratio=0.2)))
    for trial in (warm, cold):
        trial.show(2, p99=(SLOW, FAST))
    assert strength(warm.assess()).against > strength(cold.assess()).against == 1.0


def test_errors_are_never_forgiven_as_a_slow_start() -> None:
    trial = Trial(judged(errors(max=0.01)))
    assert strength(trial.show(errors=BROKEN)).against > HOLD_AT


def test_a_better_canary_is_never_rolled_back() -> None:
    trial = Trial(judged(errors(worse_by_ratio=0.0), p99(worse_by_ratio=0.0)))
    for _ in range(60):
        found = trial.show(errors=(Tally(500, 5), Tally(500, 25)), p99=(FAST, SLOW))
        assert found.verdict is not Verdict.FAIL
        assert whole(found) < HOLD_AT
    assert found.verdict is Verdict.PASS
    difference = strength(found).difference
    assert difference is not None
    assert difference[1] < 0


def test_an_outage_of_both_versions_is_not_the_canarys() -> None:
    """Six minutes of it; afterwards the canary is promoted all the same."""
    trial = Trial(judged(BOTH))
    trial.show(8, errors=(Tally(100, 0), Tally(900, 1)))
    for _ in range(24):
        found = trial.show(errors=(Tally(100, 30), Tally(900, 270)))
        assert found.verdict is not Verdict.FAIL
        assert whole(found) < HOLD_AT
    assert strength(found).skipped > 0
    assert trial.show(60, errors=GOOD).verdict is Verdict.PASS


def test_a_block_in_which_stable_itself_jumps_proves_nothing() -> None:
    """The two versions' counts may not cover quite the same seconds of an incident."""
    trial = Trial(judged(errors(worse_by_points=0.005)))
    trial.show(3, errors=GOOD)
    (before,) = trial.memory.checks["errors"].contests
    trial.show(errors=(Tally(700, 300), Tally(700, 100)))
    (jumped,) = trial.memory.checks["errors"].contests
    assert (jumped.against, jumped.favour, jumped.jumps) == (before.against, before.favour, 1)
    trial.show(errors=(Tally(700, 300), Tally(700, 100)))
    (steady,) = trial.memory.checks["errors"].contests
    assert steady.against.wealth > before.against.wealth
    assert steady.jumps == 1


def test_the_block_that_chooses_what_is_asked_proves_nothing_itself() -> None:
    trial = Trial(judged(p99(worse_by_ratio=0.2)), calibration=None)
    found = trial.show(2 * _COLD_BLOCKS, p99=(SLOW, Tally()))
    assert found.checks[0].strength is None
    assert strength(trial.show(p99=(SLOW, FAST))).against == 1.0
    assert strength(trial.show(p99=(SLOW, FAST))).against > HOLD_AT


# promotion


def test_only_at_the_last_step_must_a_canary_be_shown_to_be_as_good() -> None:
    trial = Trial(judged(errors(max=0.01)))
    trial.show(errors=(Tally(100, 0), Tally(900, 1)))
    last = trial.assess()
    assert (last.verdict, last.checks[0].reason) == (Verdict.UNKNOWN, Reason.NOT_YET_SHOWN)
    trial.terms = replace(trial.terms, final=False)
    assert trial.assess().verdict is Verdict.PASS


def test_a_good_canary_is_promoted_when_it_is_shown_to_be() -> None:
    trial = Trial(judged(errors(max=0.01)))
    for _ in range(100):
        found = trial.show(errors=GOOD)
        shown = strength(found)
        assert (found.verdict is Verdict.PASS) == (shown.favour >= ENOUGH_IN_FAVOUR)
        assert (shown.requests_needed == 0) == (found.verdict is Verdict.PASS)
        if found.verdict is Verdict.PASS:
            return
    raise AssertionError("it was never promoted")


def test_a_canary_that_is_slightly_worse_is_neither_promoted_nor_rolled_back() -> None:
    trial = Trial(judged(errors(worse_by_points=0.02)))
    found = trial.show(200, errors=(Tally(300, 6), Tally(300, 0)))
    assert found.verdict is Verdict.UNKNOWN
    assert strength(found).favour < ENOUGH_IN_FAVOUR


def test_every_check_must_be_shown_to_be_as_good() -> None:
    trial = Trial(judged(errors(max=0.01), p99(max=0.5)))
    found = trial.show(60, errors=GOOD, p99=(Tally(), FAST))
    assert found.checks[0].verdict is Verdict.PASS
    assert (found.checks[1].verdict, found.checks[1].reason) == (Verdict.UNKNOWN, Reason.TOO_FEW_REQUESTS)
    assert found.verdict is Verdict.UNKNOWN


def test_just_below_its_limit_the_comparison_with_stable_promotes() -> None:
    trial = Trial(judged(BOTH))
    assert trial.show(80, errors=(Tally(700, 6), Tally(700, 6))).verdict is Verdict.PASS


def test_many_good_hours_do_not_outvote_a_bad_minute() -> None:
    trial = Trial(judged(errors(max=0.5, worse_by_points=0.005)))
    assert trial.show(2000, errors=GOOD).verdict is Verdict.PASS
    assert trial.show(4, errors=(Tally(700, 20), Tally(700, 1))).verdict is not Verdict.PASS


def test_more_requests_are_said_to_be_needed_until_it_is_shown() -> None:
    trial = Trial(judged(BOTH))
    needed = [strength(trial.show(errors=(Tally(100, 0), Tally(100, 0)))).requests_needed for _ in range(5)]
    known = [count for count in needed if count is not None]
    assert known
    assert all(count > 0 for count in known)
    assert known[-1] < known[0]


# the weight


def test_evidence_first_holds_the_weight_and_then_lowers_it() -> None:
    trial = Trial(judged(errors(worse_by_points=0.0)), final=False)
    first = budget_of(judged(errors()), BLOCK.total_seconds()).first_permille
    seen = set()
    for _ in range(300):
        found = trial.show(errors=(Tally(100, 3), Tally(900, 9)))
        evidence, row = strength(found).against, found.checks[0]
        suspected = max(first(trial.memory.requests_per_second), SUSPECT_PERMILLE)
        if evidence < HOLD_AT:
            stage = "rises"
            assert (found.verdict, row.reason) == (Verdict.PASS, Reason.NOTHING_AGAINST)
        elif evidence < SUSPECT_AT:
            stage = "holds"
            assert (found.verdict, row.reason) == (Verdict.UNKNOWN, Reason.EVIDENCE_AGAINST)
            assert found.held is not Reason.EVIDENCE_AGAINST
        elif evidence < ENOUGH:
            stage = "suspects"
            assert (found.verdict, row.reason) == (Verdict.UNKNOWN, Reason.EVIDENCE_AGAINST)
            assert found.held is Reason.EVIDENCE_AGAINST
            assert found.ceiling_permille <= suspected
        else:
            stage = "rolls back"
            assert found.verdict is Verdict.FAIL
        seen.add(stage)
    assert seen == {"rises", "holds", "suspects", "rolls back"}


def test_the_ceiling_rises_with_good_requests_and_falls_with_bad_ones() -> None:
    trial = Trial(judged(errors(max=0.05)), final=False)
    unknown = trial.assess()
    good = [trial.show(errors=(Tally(n, 0), Tally(9000, 0))) for n in (15, 100, 1000)]
    ceilings = [found.ceiling_permille for found in good]
    assert ceilings == sorted(ceilings)
    assert good[0].held is Reason.BUDGET_SPENT
    bad = trial.show(errors=(Tally(1000, 400), Tally(9000, 0)))
    assert bad.ceiling_permille < ceilings[-1]
    assert (unknown.ceiling_permille, unknown.held) == (FULL_WEIGHT_PERMILLE, None)


def test_slow_answers_do_not_spend_the_budget() -> None:
    trial = Trial(judged(errors(max=0.05), p99(max=0.5)), final=False)
    fast = trial.show(8, errors=GOOD, p99=(FAST, FAST)).ceiling_permille
    assert trial.show(errors=GOOD, p99=(took(700, 80, 19, 1, 0), FAST)).ceiling_permille == fast


def test_evidence_goes_on_from_weight_to_weight() -> None:
    trial = Trial(judged(errors(max=0.01)))
    before = strength(trial.show(errors=BROKEN))
    trial.change_weight()
    assert strength(trial.assess()) == before
    assert trial.show(errors=BROKEN).verdict is Verdict.FAIL


# checks that decide nothing, and gauges


def test_a_check_that_only_reports_never_decides() -> None:
    trial = Trial(judged(errors(max=0.01, report_only=True), Check("other", CheckKind.RATIO, max=0.01)))
    found = trial.show(60, errors=BROKEN, other=(Tally(1000), Tally(9000)))
    assert (found.verdict, found.blamed) == (Verdict.PASS, None)
    assert found.held is not Reason.EVIDENCE_AGAINST
    assert strength(found).against >= ENOUGH
    assert found.checks[0].report_only


def test_where_all_checks_only_report_none_stands_in_the_way() -> None:
    trial = Trial(judged(errors(max=0.01, report_only=True)))
    assert trial.assess().verdict is Verdict.PASS
    assert trial.show(20, errors=BROKEN).verdict is Verdict.PASS


def test_a_gauge_keeps_the_threshold_rule() -> None:
    drift = Check("drift", CheckKind.GAUGE, max=0.3, failures=3)
    trial = Trial(judged(errors(max=0.01), drift))
    trial.show(40, errors=GOOD)

    def sensed(value: float) -> Assessment:
        return trial.read(gauges=(GaugeSample("drift", value, None),))

    assert sensed(0.2).verdict is Verdict.PASS
    found = [sensed(0.4) for _ in range(3)]
    assert [each.verdict for each in found] == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.FAIL]
    assert found[-1].blamed == found[-1].checks[1]
    assert (found[-1].checks[1].reason, found[-1].checks[1].failures) == (Reason.ABOVE_LIMIT, 3)


def test_a_gauges_row_of_failures_begins_anew_at_each_weight() -> None:
    drift = Check("drift", CheckKind.GAUGE, max=0.3, failures=2)
    trial = Trial(judged(drift))
    sample = GaugeSample("drift", 0.4, None)
    trial.read(gauges=(sample,))
    trial.change_weight()
    assert trial.read(gauges=(sample,)).verdict is not Verdict.FAIL
    assert trial.read(gauges=(sample,)).verdict is Verdict.FAIL


def test_a_policy_with_gauges_alone_is_judged_by_them() -> None:
    drift = Check("drift", CheckKind.GAUGE, max=0.3)
    trial = Trial(judged(drift))
    assert trial.assess().verdict is Verdict.UNKNOWN
    assert trial.read(gauges=(GaugeSample("drift", 0.2, None),)).verdict is Verdict.PASS


# a first deployment


def alone(check: Check, *tallies: Tally, times: int = 60) -> tuple[Verdict, CheckResult]:
    trial = Trial(judged(check), compare=False, calibration=None)
    for tally in tallies:
        found = trial.show(times, **{check.name: (tally, Tally())})
    return found.verdict, found.checks[0]


def test_a_first_deployment_is_judged_by_absolute_limits_only() -> None:
    verdict, row = alone(errors(max=0.01, worse_by_points=0.0), Tally(100, 0))
    assert (verdict, row.reason) == (Verdict.PASS, Reason.SHOWN_GOOD)
    verdict, row = alone(errors(max=0.01, worse_by_points=0.0), Tally(100, 5))
    assert (verdict, row.reason) == (Verdict.FAIL, Reason.ABOVE_LIMIT)
    assert row.strength is not None
    assert row.strength.difference is None


def test_a_comparison_without_stable_is_skipped_and_stops_nothing() -> None:
    verdict, row = alone(errors(worse_by_points=0.0), Tally(100, 100))
    assert (verdict, row.verdict, row.reason) == (Verdict.PASS, Verdict.SKIPPED, Reason.NO_STABLE_TRAFFIC)


def test_the_latency_of_a_first_deployment_has_its_limit_too() -> None:
    assert alone(p99(max=0.5), took(900, 100, 0, 0, 0))[0] is Verdict.PASS
    verdict, row = alone(p99(max=0.5), took(500, 300, 100, 100, 0))
    assert (verdict, row.reason) == (Verdict.FAIL, Reason.ABOVE_LIMIT)


# dependence


def test_requests_that_share_their_fate_say_less() -> None:
    def after(icc: float) -> tuple[float, float]:
        known = past(RATE, CheckHistory("errors", (0.01,), icc=icc))
        trial = Trial(judged(errors(worse_by_ratio=0.5)), calibration=known)
        for _ in range(12):
            found = trial.show(errors=(Tally(200, 5), Tally(800, 8)))
        return strength(found).against, strength(found).design_effect

    independent, clustered, more = (after(icc) for icc in (0.0, 0.01, 0.05))
    assert independent[1] == 1.0 < clustered[1] < more[1]
    assert independent[0] > clustered[0] > more[0]
    assert independent[0] > SUSPECT_AT


def test_a_past_without_requests_does_not_make_the_judge_blind() -> None:
    trial = Trial(judged(errors(max=0.01)), calibration=past(0.0, pods=0, minutes=0))
    assert blocks_until_fail(trial, errors=BROKEN) < 10


def test_clusters_slow_promotion_down_as_well() -> None:
    def favour(icc: float) -> float:
        known = past(RATE, CheckHistory("errors", (0.01,), icc=icc))
        trial = Trial(judged(errors(worse_by_ratio=0.5)), calibration=known)
        return strength(trial.show(6, errors=(Tally(200, 0), Tally(800, 8)))).favour

    assert 1 < favour(0.05) < favour(0.0)


# what it says of a check


def test_counts_and_values_are_those_of_all_blocks() -> None:
    trial = Trial(judged(errors(max=0.05, worse_by_points=0.005)))
    found = trial.show(3, errors=(Tally(100, 2), Tally(900, 9)))
    row = found.checks[0]
    assert (row.requests, row.stable_requests) == (300, 2700)
    assert (row.value, row.stable_value) == (6 / 300, 27 / 2700)
    assert row.limit == pytest.approx(0.015)
    difference = strength(row).difference
    assert difference is not None
    assert difference[0] <= 0.01 <= difference[1]


def test_before_any_block_nothing_is_known() -> None:
    found = Trial(judged(errors(max=0.01), p99(max=0.5))).assess()
    assert found.verdict is Verdict.UNKNOWN
    assert {row.reason for row in found.checks} == {Reason.TOO_FEW_REQUESTS}
    assert all(row.strength is None for row in found.checks)


def test_bets_are_on_distinct_effects_above_one() -> None:
    assert list(WORSE) == sorted(set(WORSE))
    assert WORSE[0] > 1


def test_a_state_of_another_form_begins_anew() -> None:
    trial = Trial(judged(errors(max=0.01)))
    trial.show(3, errors=BROKEN)
    old = json.loads(trial.state) | {"form": 0}
    trial.state = json.dumps(old)
    assert trial.assess().verdict is Verdict.UNKNOWN
    assert strength(trial.show(errors=BROKEN)).against < ENOUGH


def test_a_wild_stable_does_not_hide_a_canary_that_fails() -> None:
    """A small move of stable is significant with many requests, and still nothing beside a total failure."""
    trial = Trial(judged(errors(worse_by_points=0.005)))
    for number in range(6):
        bad = 100 + 100 * (number % 2)
        found = trial.show(errors=(Tally(100, 100), Tally(100_000, bad)))
    assert found.verdict is Verdict.FAIL
    assert strength(found).skipped == 0
