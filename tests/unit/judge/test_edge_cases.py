"""The edge cases of judge.md 4.3, by number: from samples or blocks to the judge, or to the weight."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.domain.flaws import with_warnings
from controller.domain.judge import judge_of
from controller.domain.judge.base import Assessment
from controller.domain.judge.blocks import Assembly, assemble
from controller.domain.judge.calibration import CheckHistory
from controller.domain.judge.contest import ENOUGH_IN_FAVOUR
from controller.domain.judge.counts import Block, Tally
from controller.domain.judge.questions import margin
from controller.domain.judge.report import HOLD_AT
from controller.domain.judge.series import Arm, Role, Series, Window
from controller.domain.machine import decide
from controller.domain.model import CommandKind, Rollout
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.policy import Check
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.domain_scenes import BAD, a_step, at, events, in_force, newest, oldest, once, reach, seconds, seen
from tests.domain_world import World
from tests.judge_scenes import BLOCK, ENOUGH, Trial, a_block, errors, judged, p99, past, strength, took

T = 1_750_000_005  # a multiple of the block's length
SECOND = timedelta(seconds=1)
ERRORS = errors(max=0.05, worse_by_points=0.005)
GOOD = (Tally(700, 1), Tally(700, 1))
BROKEN = (Tally(1000, 1000), Tally(9000))
SILENCE = NoReading(Reason.METRICS_UNAVAILABLE, "connection refused")
NO_BOUND_IN_COMMON = ((0.2, 0.4), (0.3, 0.6))


def moment(second: float) -> datetime:
    return datetime.fromtimestamp(T + second, UTC)


def counter(
    role: Role,
    value: Callable[[int], float],
    arm: Arm = Arm.CANARY,
    seen: Sequence[int] = range(-30, 121),
    le: float = math.inf,
) -> Series:
    name = f"{arm}-{role}"
    return Series(name, arm, role, [(T + second, value(second)) for second in seen], le)


def stable_traffic() -> list[Series]:
    good = counter(Role.GOOD, lambda s: 10_000 + 90 * s, Arm.STABLE)
    return [good, counter(Role.BAD, lambda s: 500 + (s + 30) // 15, Arm.STABLE)]


def assembled(*canary: Series, checks: Sequence[Check] = (ERRORS,), server: int = 120) -> Assembly:
    window = Window(moment(-30), moment(0), moment(server), BLOCK, SECOND)
    return assemble([*stable_traffic(), *canary], checks, window)


def verdict_on(blocks: Sequence[Block], *checks: Check) -> Assessment:
    return Trial(judged(*checks or (ERRORS,))).read(*blocks)


def a_world(**changes: object) -> World:
    """v2 has just got its first weight, and the sequential judge."""
    return at(Phase.PROGRESSING, judge="sequential", **changes)


def evidence_of(trial: Trial, check: str = "errors") -> list[float]:
    return [contest.against.wealth for contest in trial.memory.checks[check].contests]


# 1-4: samples


def test_edge_case_1_a_counter_reset_is_no_evidence_and_loses_nothing() -> None:
    steady = assembled(counter(Role.GOOD, lambda s: 1000 + 10 * s))
    reset = assembled(counter(Role.GOOD, lambda s: 1000 + 10 * s if s < 40 else 10 * (s - 40) + 10))
    assert reset.warnings == ("1 counter resets",)
    assert [flaw.line for flaw in with_warnings((), reset.warnings)] == ["counter resets: 1"]
    assert verdict_on(reset.blocks) == verdict_on(steady.blocks)


def test_edge_case_2_the_first_errors_of_a_newborn_series_are_evidence() -> None:
    """rate() loses the first increment of a series."""
    good = counter(Role.GOOD, lambda s: 1000 + 10 * s)
    born = counter(Role.BAD, lambda _: 60, seen=range(5, 121))
    clean, found = (verdict_on(assembled(*series).blocks[:1]) for series in ([good], [good, born]))
    assert found.checks[0].value == pytest.approx(60 / (150 + 60))
    assert strength(found).against > HOLD_AT > strength(clean).against


def test_edge_case_3_a_missing_scrape_delays_evidence_and_changes_none() -> None:
    whole = counter(Role.GOOD, lambda s: 1000 + 10 * s)
    gap = counter(Role.GOOD, lambda s: 1000 + 10 * s, seen=[s for s in range(-30, 121) if not 28 < s < 34])
    assert len(assembled(replace(whole, samples=whole.samples[:59]), server=34).blocks) == 1
    assert verdict_on(assembled(gap).blocks) == verdict_on(assembled(whole).blocks)


def test_edge_case_3_silence_is_no_evidence_and_raises_no_weight() -> None:
    world = a_world()
    before = in_force(world)
    world.metrics.silence = SILENCE
    silent = once(world, 30)
    assert silent.phase is Phase.PROGRESSING
    assert silent.weight_permille == before.weight_permille
    assert silent.evidence == before.evidence
    assert silent.reason is Reason.METRICS_UNAVAILABLE
    world.metrics.silence = None
    assert reach(world, Phase.SUCCEEDED).evidence.verdict is not Verdict.FAIL


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_edge_case_4_samples_that_are_no_counts_are_no_evidence(value: float) -> None:
    clean = assembled(counter(Role.GOOD, lambda s: 1000 + 10 * s))
    odd = assembled(counter(Role.GOOD, lambda s: value if s % 7 == 3 else 1000 + 10 * s))
    assert len(odd.warnings) == 1
    assert verdict_on(odd.blocks) == verdict_on(clean.blocks)


def test_edge_case_4_disordered_and_duplicate_samples_are_no_evidence() -> None:
    clean = counter(Role.GOOD, lambda s: 1000 + 10 * s)
    odd = replace(clean, samples=[*clean.samples[:60], clean.samples[58], *clean.samples[59:]])
    assert verdict_on(assembled(odd).blocks) == verdict_on(assembled(clean).blocks)


def test_edge_case_4_the_same_block_twice_counts_once() -> None:
    world = a_world()
    rollout = in_force(world)
    assert rollout.evidence.cursor is not None
    world.advance(20)
    reading = world.metrics.read(rollout, Measure(rollout.evidence.cursor), world.versions)
    assert isinstance(reading, Reading)
    assert reading.blocks
    first = decide(rollout, seen(world, route=world.gateway.observe(), reading=reading)).rollout
    assert first.evidence != rollout.evidence
    second = decide(first, seen(world, route=world.gateway.observe(), reading=reading)).rollout
    assert second.evidence == first.evidence


# 5-6: blocks


def test_edge_case_5_without_requests_of_the_canary_the_evidence_stands() -> None:
    trial = Trial(judged(ERRORS))
    trial.show(errors=BROKEN)
    before = evidence_of(trial), strength(trial.assess()).favour
    trial.show(50, errors=(Tally(), Tally(900, 400)))
    assert (evidence_of(trial), strength(trial.assess()).favour) == before


def test_edge_case_5_without_requests_of_stable_only_the_limit_is_judged() -> None:
    trial = Trial(judged(ERRORS))
    trial.show(errors=GOOD)
    relative, limit = evidence_of(trial)
    trial.show(2, errors=(Tally(500, 300), Tally()))
    assert evidence_of(trial)[0] == pytest.approx(relative)
    assert evidence_of(trial)[1] > 2 * limit
    assert trial.show(10, errors=(Tally(500, 300), Tally())).checks[0].reason is Reason.ABOVE_LIMIT


LONG = (1.0, 30.0, 60.0)
"""Bounds of a model whose answers take longer than a block."""


def test_edge_case_6_a_block_across_a_change_of_weight_counts_errors_but_not_long_answers() -> None:
    slow = Check("slow", p99().kind, max=60.0, worse_by_ratio=0.5, quantile=0.99)
    tally = Tally(100, 0, LONG, (60, 30, 9, 1))
    trial = Trial(judged(ERRORS, slow))
    trial.show(20, errors=GOOD, slow=(tally, tally))
    before = trial.memory
    trial.change_weight()
    trial.show(errors=GOOD, slow=(tally, tally))
    assert trial.memory.checks["errors"].contests != before.checks["errors"].contests
    assert trial.memory.checks["slow"].contests == before.checks["slow"].contests
    trial.show(8, errors=GOOD, slow=(tally, tally))
    assert trial.memory.checks["slow"].contests != before.checks["slow"].contests


# 7-8: histograms


def test_edge_case_7_an_answer_between_the_bounds_around_the_limit_is_neither_slow_nor_fast() -> None:
    trial = Trial(judged(p99(max=0.7)), compare=False)
    between, above = took(900, 50, 0, 50, 0), took(900, 50, 0, 0, 50)
    found = trial.show(40, p99=(between, Tally()))
    assert (found.verdict, found.checks[0].reason) == (Verdict.UNKNOWN, Reason.NOT_YET_SHOWN)
    assert trial.show(40, p99=(above, Tally())).verdict is Verdict.FAIL


def test_edge_case_7_a_limit_above_the_last_bound_never_passes() -> None:
    found = Trial(judged(p99(max=2.0, worse_by_ratio=0.2))).show(60, p99=(took(1000, 0, 0, 0, 0),) * 2)
    assert (found.verdict, found.checks[0].reason) == (Verdict.UNKNOWN, Reason.LIMIT_OUTSIDE_BUCKETS)


def test_edge_case_7_a_limit_above_the_last_bound_of_stables_past_gets_no_traffic() -> None:
    world = at(Phase.PREPARING, judge="sequential", checks=(p99(max=2.0, worse_by_ratio=0.2),))
    known = past(100.0, CheckHistory("p99", shares=((0.5, 0.1), (1.0, 0.01))))
    refused = decide(oldest(world), seen(world, calibration=known)).rollout
    assert (refused.phase, refused.reason) == (Phase.NOT_DEPLOYED, Reason.LIMIT_OUTSIDE_BUCKETS)


def test_edge_case_8_different_histograms_are_compared_at_their_common_bounds() -> None:
    slower = Tally(1000, 0, (0.1, 0.3, 0.5), (100, 100, 300, 500))
    faster = Tally(1000, 0, (0.1, 0.25, 0.5), (600, 250, 149, 1))
    trial = Trial(judged(p99(worse_by_ratio=0.2)))
    trial.show(6, p99=(slower, faster))
    known = trial.memory.checks["p99"].known
    assert known is not None
    assert [bound for bound, _ in known.shares] == [0.1, 0.5]
    assert trial.show(20, p99=(slower, faster)).verdict is Verdict.FAIL


def test_edge_case_8_without_a_common_bound_nothing_passes() -> None:
    mine, other = (Tally(1000, 0, bounds, (900, 90, 10)) for bounds in NO_BOUND_IN_COMMON)
    found = Trial(judged(p99(max=0.35, worse_by_ratio=0.2))).show(60, p99=(mine, other))
    assert (found.verdict, found.checks[0].reason) == (Verdict.UNKNOWN, Reason.LIMIT_OUTSIDE_BUCKETS)


# 9-12: what is compared with what


@pytest.mark.parametrize("known", [past(pods=1), past(minutes=29), None])
def test_edge_case_9_a_stable_of_which_little_is_known_makes_the_judge_cautious(known: object) -> None:
    sure, cautious = Trial(judged(ERRORS)), Trial(judged(ERRORS), calibration=known)
    found = sure.show(errors=BROKEN), cautious.show(errors=BROKEN)
    assert strength(found[0]).against > strength(found[1]).against > HOLD_AT
    assert strength(found[1]).design_effect == 1.0


def test_edge_case_9_without_stable_only_absolute_limits_are_judged() -> None:
    trial = Trial(judged(ERRORS), compare=False, calibration=None)
    worse_than_any_stable = (Tally(500, 10), Tally())
    assert trial.show(40, errors=worse_than_any_stable).verdict is Verdict.PASS
    assert trial.show(20, errors=(Tally(500, 100), Tally())).verdict is Verdict.FAIL


def test_edge_case_10_a_limit_that_stable_breaks_too_is_not_held_against_the_canary() -> None:
    trial = Trial(judged(ERRORS))
    trial.show(4, errors=GOOD)
    _, limit = evidence_of(trial)
    found = trial.show(24, errors=(Tally(100, 10), Tally(900, 90)))
    assert evidence_of(trial)[1] == limit
    assert found.verdict is not Verdict.FAIL
    trial.show(24, errors=(Tally(100, 10), Tally(900, 9)))
    assert evidence_of(trial)[1] > limit


def test_edge_case_10_while_both_versions_break_the_limit_nothing_is_promoted() -> None:
    trial = Trial(judged(errors(max=0.01, worse_by_points=0.005)))
    assert trial.show(20, errors=(Tally(500, 0), Tally(500, 0))).verdict is Verdict.PASS
    found = trial.show(4, errors=(Tally(500, 150), Tally(500, 150)))
    assert (found.verdict, found.checks[0].reason) == (Verdict.UNKNOWN, Reason.BOTH_ABOVE_LIMIT)


def test_edge_case_10_a_canary_that_mends_what_stable_breaks_is_shown_to_be_good() -> None:
    trial = Trial(judged(errors(max=0.01)))
    found = trial.show(20, errors=(Tally(500, 1), Tally(500, 450)))
    assert (found.verdict, found.checks[0].reason) == (Verdict.PASS, Reason.SHOWN_GOOD)
    broken = Trial(judged(errors(max=0.01)))
    assert broken.show(20, errors=(Tally(500, 50), Tally(500, 450))).verdict is not Verdict.PASS


def test_edge_case_10_after_five_minutes_people_are_told_that_it_is_an_incident() -> None:
    world = a_world(steps=(a_step(50, deadline=seconds(3600)), a_step(250)))
    in_force(world)
    for version in world.versions.values():
        version.bad["errors"] = BAD
    world.live(seconds=290)
    assert "incident_found" not in events(world)
    world.live(seconds=60)
    assert events(world)[-1] == "incident_found"
    assert (oldest(world).phase, oldest(world).weight_permille) == (Phase.PROGRESSING, 50)


def test_edge_case_11_no_errors_at_all_are_promoted_by_the_rule_of_three() -> None:
    trial, least = Trial(judged(ERRORS)), math.log(ENOUGH_IN_FAVOUR) / margin(100.0)
    for _ in range(100):
        found = trial.show(errors=(Tally(100), Tally(100)))
        if found.verdict is Verdict.PASS:
            break
    assert least < found.checks[0].requests < 4 * least
    assert 0.1 < strength(found).against < 1


def test_edge_case_12_a_better_canary_is_never_rolled_back_and_its_difference_is_negative() -> None:
    trial = Trial(judged(ERRORS))
    for _ in range(60):
        found = trial.show(errors=(Tally(500, 5), Tally(500, 20)))
        assert strength(found).against < HOLD_AT
    difference = strength(found).difference
    assert difference is not None
    assert difference[1] < 0
    assert found.verdict is Verdict.PASS


# 13-14: time


def test_edge_case_13_a_restart_and_what_was_missed_meanwhile_change_no_evidence() -> None:
    good = counter(Role.GOOD, lambda s: 1000 + 10 * s)
    blocks = assembled(good, counter(Role.BAD, lambda s: 100 + (s + 30) // 9)).blocks
    through = Trial(judged(ERRORS))
    for block in blocks:
        through.read(block)
    stopped = Trial(judged(ERRORS))
    stopped.read(*blocks[:2])
    anew = Trial(judged(ERRORS))
    anew.state = stopped.state
    assert anew.read(*blocks[2:]) == through.assess()
    assert anew.state == through.state


def test_edge_case_13_the_rollout_is_the_same_with_the_daemon_down_in_between() -> None:
    def ends(*, down: bool) -> Rollout:
        world = a_world(steps=(a_step(250, hold=seconds(300)),))
        in_force(world)
        world.versions["v2"].bad["errors"] = 0.003
        if down:
            world.restart()
            world.advance(60)
        else:
            world.live(seconds=60)
        world.live(seconds=20)
        return oldest(world)

    assert ends(down=True).evidence.checks == ends(down=False).evidence.checks


def test_edge_case_14_a_deadline_without_evidence_holds_and_tells_and_never_promotes() -> None:
    step = a_step(250, min_requests=0, deadline=seconds(120))
    world = at(Phase.PROGRESSING, judge="sequential", steps=(step,), deadline=seconds(600))
    world.rate = 1.0
    rollout = in_force(world)
    world.live(seconds=300)
    rollout = oldest(world)
    assert (rollout.phase, rollout.weight_permille) == (Phase.PROGRESSING, 250)
    assert Reason.TOO_LITTLE_EVIDENCE in rollout.told
    assert "step_deadline_exceeded" in events(world)
    assert rollout.evidence.checks[0].reason is Reason.NOT_YET_SHOWN
    assert strength(rollout.evidence.checks[0]).requests_needed
    paused = reach(world, Phase.PAUSED)
    assert paused.reason is Reason.ROLLOUT_DEADLINE_EXCEEDED
    assert paused.weight_permille == 250


# 15-18: requests and people


def test_edge_case_15_errors_that_come_in_clusters_are_one_witness() -> None:
    """Ten at once, now and then: as stable's own copies have them."""

    def most(icc: float) -> float:
        known = past(100.0, CheckHistory("errors", (0.01,), icc=icc))
        trial, evidence = Trial(judged(errors(worse_by_ratio=0.5)), calibration=known), []
        for number in range(24):
            bad = 10 if number % 6 in (4, 5) else 0
            found = trial.show(errors=(Tally(150, bad), Tally(1350, 14)))
            evidence.append(strength(found).against)
        return max(evidence)

    assert most(0.0) > HOLD_AT > most(9 / 599)


def test_edge_case_16_errors_that_come_before_slow_answers_are_not_overrated() -> None:
    """The canary has half of the requests; all that it answered so far are its few errors."""
    early = (Tally(4, 4), Tally(100, 0))
    naive, fair = Trial(judged(ERRORS)), Trial(judged(ERRORS), share=0.5)
    assert strength(naive.show(errors=early)).against > strength(fair.show(errors=early)).against
    assert fair.show(30, errors=early).verdict is Verdict.FAIL


def test_edge_case_17_evidence_outlives_a_pause() -> None:
    world = a_world(steps=(a_step(250, hold=seconds(3600)),))
    in_force(world)
    world.live(seconds=60)
    before = oldest(world).evidence
    world.say(CommandKind.PAUSE, oldest(world))
    world.say(CommandKind.RESUME, oldest(world))
    world.live(seconds=30)
    after = oldest(world).evidence
    assert oldest(world).phase is Phase.PROGRESSING
    assert after.checks[0].requests > before.checks[0].requests
    assert strength(after.checks[0]).favour > strength(before.checks[0]).favour


def test_edge_case_17_evidence_outlives_a_change_of_weight_and_ends_with_the_version() -> None:
    world = a_world(steps=(a_step(50), a_step(250, hold=seconds(3600))))
    in_force(world)
    second = reach(world, Phase.PROGRESSING, step=1)
    assert second.evidence.canary_requests == 0
    assert second.evidence.checks[0].requests > 0
    assert second.evidence.judge_state != judge_of(second.policy).begin()
    world.deploy("v3")
    rollout = reach_newest(world)
    assert rollout.release.version == "v3"
    assert rollout.evidence.judge_state == judge_of(rollout.policy).begin()


def reach_newest(world: World) -> Rollout:
    """Live until the newest rollout has its first weight."""
    for _ in range(100):
        once(world)
        if newest(world).phase is Phase.PROGRESSING:
            return newest(world)
    raise AssertionError("it never got any traffic")


def test_edge_case_18_what_was_gathered_is_bet_on_the_limits_when_stable_is_gone() -> None:
    trial = Trial(judged(errors(max=0.01, worse_by_points=0.0)))
    before = strength(trial.show(6, errors=(Tally(100, 1), Tally(900, 3)))).against
    trial.terms = replace(trial.terms, compare=False)
    trial.change_weight()
    after = strength(trial.read(replace(a_block(6, errors=(Tally(), Tally())), checks=()))).against
    assert after == pytest.approx(before)
    assert strength(trial.show(3, errors=(Tally(1000, 1000), Tally()))).against > ENOUGH


def test_edge_case_18_a_regression_after_the_promotion_is_judged_by_the_limit() -> None:
    world = at(Phase.BAKING, judge="sequential", bake=seconds(600))
    world.versions["v2"].bad["errors"] = BAD
    rollout = reach(world, Phase.ROLLED_BACK)
    assert rollout.cause is Reason.CHECK_FAILED
    assert rollout.evidence.checks[0].reason is Reason.ABOVE_LIMIT
    assert strength(rollout.evidence.checks[0]).against >= ENOUGH * (1 - 1e-9)
