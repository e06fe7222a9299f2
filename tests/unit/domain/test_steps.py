"""Progressing: what a step asks for, and that it counts anew at each weight."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.machine import decide
from controller.domain.model import Rollout
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.policy import Check, CheckKind, Fallback, NoData
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.domain_facts import Committed
from tests.domain_scenes import (
    a_step,
    a_world,
    at,
    entry_of,
    events,
    in_force,
    oldest,
    once,
    reach,
    seconds,
    seen,
)
from tests.domain_world import World

SILENCE = NoReading(Reason.METRICS_STALE, "the newest sample is 90 s old")


def step_of(world: World, step: int) -> list[Rollout]:
    records = [fact.rollout for fact in world.history if isinstance(fact, Committed)]
    return [r for r in records if r.step == step and r.phase is Phase.PROGRESSING]


def test_a_good_version_goes_up_step_by_step_and_is_promoted() -> None:
    world = at(Phase.SUCCEEDED)
    assert events(world) == [
        "created",
        "rollout_started",
        "canary_ready",
        "canary_validated",
        "step_advanced",
        "promotion_started",
        "bake_started",
        "bake_finished",
        "rollout_succeeded",
    ]


def test_a_step_lasts_its_time_at_the_weight() -> None:
    world = at(Phase.PROGRESSING)
    began = world.seconds
    reach(world, Phase.PROGRESSING, step=1)
    assert seconds(30) <= seconds(world.seconds - began) <= seconds(45)
    assert step_of(world, 0)[-1].clocks.at_weight >= seconds(25)


def test_a_step_waits_for_its_requests_however_long_that_takes() -> None:
    world = at(Phase.PROGRESSING, steps=(a_step(50, min_requests=2000), a_step(250)))
    rollout = reach(world, Phase.PROGRESSING, step=1)
    last = step_of(world, 0)[-1]
    assert rollout.evidence.canary_requests == 0
    assert entry_of(world, "step_advanced").entry.assessment.checks[0].requests >= 2000
    assert last.reason is Reason.WAITING_FOR_REQUESTS
    assert "of 2,000 requests at 5%" in last.message


def test_clock_counts_and_failures_begin_anew_at_each_weight() -> None:
    rollout = reach(at(Phase.PROGRESSING), Phase.PROGRESSING, step=1)
    assert rollout.clocks.at_weight == rollout.clocks.since_step == seconds(0)
    assert (rollout.evidence.canary_requests, rollout.evidence.stable_requests) == (0, 0)
    assert (rollout.evidence.cursor, rollout.evidence.checks) == (None, ())
    assert rollout.evidence.verdict is Verdict.UNKNOWN
    assert rollout.told == ()


def test_nothing_counts_until_the_gateway_runs_the_weight() -> None:
    world = a_world()
    reach(world, Phase.VALIDATING)
    world.gateway.accepts = False
    once(world, 20)
    rollout = oldest(world)
    assert (rollout.phase, rollout.reason) == (Phase.PROGRESSING, Reason.WAITING_FOR_GATEWAY)
    assert rollout.evidence.cursor is None
    assert rollout.clocks.at_weight == seconds(0)
    assert rollout.clocks.since_step > seconds(0)


def test_nothing_counts_until_the_first_request_of_the_canary() -> None:
    world = at(Phase.PROGRESSING)
    world.rate = 0
    rollout = once(world, 20)
    assert rollout.reason is Reason.WAITING_FOR_FIRST_REQUEST
    assert rollout.clocks.at_weight == seconds(0)


def test_counts_from_before_the_weight_was_in_force_are_left_out() -> None:
    world = at(Phase.PROGRESSING)
    rollout = once(world)
    start = rollout.evidence.cursor
    assert start is not None
    counts = (CheckCounts("errors", Tally(100, 0), Tally(1900, 0)),)
    before, straddling, after = (
        Block(begins, begins + seconds(5), 100, 1900, counts)
        for begins in (start - seconds(5), start + seconds(2), start + seconds(7))
    )
    first = Reading(start + seconds(7), (before, straddling))
    waiting = decide(rollout, seen(world, route=world.gateway.observe(), reading=first)).rollout
    assert (waiting.evidence.canary_requests, waiting.evidence.cursor) == (0, start)
    answer = Reading(start + seconds(12), (before, straddling, after))
    folded = decide(rollout, seen(world, route=world.gateway.observe(), reading=answer)).rollout
    assert folded.evidence.canary_requests == folded.evidence.checks[0].requests == 100
    assert folded.evidence.cursor == after.end


def test_a_restart_adds_no_time() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    before = once(world, 3).clocks
    world.restart()
    world.advance(20)
    after = once(world).clocks
    assert (after.at_weight, after.total) == (before.at_weight, before.total)
    assert once(world, 2).clocks.at_weight > before.at_weight


@pytest.mark.parametrize("by", [timedelta(days=1), timedelta(hours=-1)])
def test_a_jump_of_the_wall_clock_changes_nothing(by: timedelta) -> None:
    ends = []
    for jump in (timedelta(0), by):
        world = at(Phase.PROGRESSING)
        in_force(world)
        world.wall_offset = jump
        reach(world, Phase.SUCCEEDED)
        ends.append((world.seconds, events(world)))
    assert ends[0] == ends[1]


def test_a_jump_of_the_metric_sources_clock_loses_time_and_starts_from_its_new_now() -> None:
    world = at(Phase.PROGRESSING)
    before = in_force(world)
    world.metrics.step_clock(timedelta(minutes=-30))
    rollout = once(world)
    assert (rollout.evidence.cursor, rollout.reason) == (None, Reason.CLOCK_STEPPED)
    assert rollout.evidence.canary_requests == before.evidence.canary_requests
    now = world.metrics.now()
    assert once(world).evidence.cursor == now
    reach(world, Phase.SUCCEEDED)


def test_time_without_an_answer_of_the_metric_source_is_no_time_at_the_weight() -> None:
    world = at(Phase.PROGRESSING)
    before = in_force(world)
    world.metrics.silence = SILENCE
    rollout = once(world, 10)
    assert rollout.clocks.at_weight == before.clocks.at_weight
    assert (rollout.reason, rollout.weight_permille) == (Reason.METRICS_STALE, 50)
    assert rollout.message == "the weight holds: the newest sample is 90 s old"


def test_silence_is_told_once_and_then_rolled_back() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    began, world.metrics.silence = world.seconds - 5, SILENCE  # it last answered one interval ago
    reach(world, Phase.PROGRESSING)
    while "metrics_unavailable" not in events(world):
        once(world)
    told = entry_of(world, "metrics_unavailable")
    assert 300 <= told.at - began <= 310
    assert told.entry.notable
    rollout = reach(world, Phase.ROLLED_BACK)
    assert 900 <= world.seconds - began <= 915
    assert rollout.reason is Reason.METRICS_UNAVAILABLE
    assert rollout.message == "no trustworthy metrics for 15m: the newest sample is 90 s old"
    assert events(world).count("metrics_unavailable") == 1


def test_silence_holds_where_the_policy_says_so() -> None:
    world = at(Phase.PROGRESSING, no_data=NoData(action=Fallback.HOLD))
    in_force(world)
    world.metrics.silence = SILENCE
    world.live(seconds=2 * 3600)
    assert (oldest(world).phase, oldest(world).weight_permille) == (Phase.PROGRESSING, 50)
    world.metrics.silence = None
    reach(world, Phase.SUCCEEDED)


def test_one_answer_begins_the_silence_anew() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.metrics.silence = SILENCE
    assert once(world, 5).clocks.unmeasured > seconds(0)
    world.metrics.silence = None
    assert once(world).clocks.unmeasured == seconds(0)


def test_too_little_evidence_at_the_steps_deadline_is_told_once_and_held() -> None:
    world = at(Phase.PROGRESSING)
    world.rate = 0.1
    world.live(seconds=3600)
    assert events(world).count("step_deadline_exceeded") == 1
    told = entry_of(world, "step_deadline_exceeded").entry
    assert (told.reason, told.notable) == (Reason.TOO_LITTLE_EVIDENCE, True)
    assert told.message.startswith("no verdict within the step's 10m: ")
    assert (oldest(world).phase, oldest(world).weight_permille) == (Phase.PROGRESSING, 50)


def test_too_little_evidence_rolls_back_where_the_policy_says_so() -> None:
    world = at(Phase.PROGRESSING, on_deadline=Fallback.ROLLBACK)
    world.rate = 0.1
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.STEP_DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("on_deadline", "phase"), [(Fallback.HOLD, Phase.PAUSED), (Fallback.ROLLBACK, Phase.ROLLED_BACK)]
)
def test_a_rollout_that_takes_too_long_ends_as_the_policy_says(on_deadline: Fallback, phase: Phase) -> None:
    world = at(Phase.PROGRESSING, on_deadline=on_deadline, deadline=seconds(300))
    world.rate = 0.1
    rollout = reach(world, phase)
    assert rollout.reason is Reason.ROLLOUT_DEADLINE_EXCEEDED
    assert rollout.message == "not finished within 5m"


def test_a_failing_check_holds_the_weight_until_its_budget_is_used() -> None:
    world = at(Phase.PROGRESSING)
    world.versions["v2"].bad["errors"] = 0.3
    while oldest(world).reason is not Reason.CHECKS_FAILING:
        once(world)
    assert oldest(world).message.endswith("(1 of 3 in a row)")
    rollout = reach(world, Phase.ROLLED_BACK)
    assert rollout.reason is Reason.CHECK_FAILED
    assert rollout.message.startswith("errors 30% is above its limit 1% over ")


def test_a_critical_check_has_no_second_chance() -> None:
    critical = Check("errors", CheckKind.RATIO, max=0.01, critical=True)
    world = at(Phase.PROGRESSING, checks=(critical,))
    in_force(world)
    world.versions["v2"].bad["errors"] = 0.9
    reach(world, Phase.ROLLED_BACK)
    assert entry_of(world, "rollback_started").entry.assessment.checks[0].failures == 1


def test_a_check_that_only_reports_stops_nothing() -> None:
    reporting = Check("errors", CheckKind.RATIO, max=0.01, report_only=True)
    world = a_world(checks=(reporting,))
    world.versions["v2"].bad["errors"] = 0.9
    reach(world, Phase.SUCCEEDED)
    assert entry_of(world, "promotion_started").entry.assessment.checks[0].verdict is Verdict.FAIL


def test_a_check_without_an_answer_holds_and_says_which() -> None:
    late = Check("p99", CheckKind.QUANTILE, max=90.0, quantile=0.99)
    world = a_world(checks=(late,))
    reach(world, Phase.PROGRESSING)
    world.live(seconds=300)
    rollout = oldest(world)
    assert (rollout.reason, rollout.weight_permille) == (Reason.WAITING_FOR_CHECKS, 50)
    assert "lies above the histogram's last bucket" in rollout.message


def test_a_rise_needs_counts_of_its_own_pass() -> None:
    """An answer with nothing new in it confirms nothing."""
    world = at(Phase.PROGRESSING)
    in_force(world)
    rollout = once(world, 3)
    ripe = replace(rollout, clocks=replace(rollout.clocks, at_weight=seconds(40)))
    assert ripe.evidence.verdict is Verdict.PASS
    route = world.gateway.observe()
    answer = world.metrics.read(ripe, Measure(ripe.evidence.cursor), world.versions)
    assert isinstance(answer, Reading)
    nothing_new = replace(answer, blocks=())
    assert decide(ripe, seen(world, route=route, reading=nothing_new)).rollout.step == 0
    assert decide(ripe, seen(world, route=route, reading=answer)).rollout.step == 1
