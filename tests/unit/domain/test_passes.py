"""What a pass looks at, when the next one is due, and when nothing is written."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.domain.machine import decide, wake_after
from controller.domain.model import CommandKind, SetSplit
from controller.domain.observation import Measure, Observation, Plan, Tick
from controller.domain.planning import plan
from controller.domain.policy import Validation
from controller.domain.release import Split
from controller.domain.rules import PHASE_RULES
from controller.domain.vocabulary import TERMINAL, Phase, Reason
from tests.domain_outside import release
from tests.domain_scenes import (
    BAD,
    a_world,
    at,
    entry_of,
    followed,
    in_force,
    oldest,
    once,
    reach,
    seconds,
)

V1, V2 = release("v1"), release("v2")


def test_a_pass_looks_only_at_what_can_decide_it() -> None:
    warm = {"warm_up_requests": 5, "validation": Validation("golden.yaml", seconds(30))}
    assert plan(oldest(a_world())) == Plan(survey=True, fleet=True)
    rollout = oldest(at(Phase.PREPARING))
    first = rollout.policy.steps[0].weight_permille
    preparing = Plan(survey=True, supply_permille=first, canary=True)
    assert plan(rollout) == preparing
    assert plan(oldest(at(Phase.PREPARING, **warm))) == replace(preparing, warm_up=True)
    assert plan(oldest(at(Phase.VALIDATING, **warm))) == Plan(canary=True, validate=True, fleet=True)
    progressing = Plan(supply_permille=first, route=True, canary=True, measure=Measure(None), fleet=True)
    assert plan(oldest(at(Phase.PROGRESSING))) == progressing
    assert plan(oldest(at(Phase.SUCCEEDED))) == Plan()


def test_once_the_weight_is_in_force_a_pass_asks_for_what_came_since() -> None:
    rollout = in_force(at(Phase.PROGRESSING))
    assert plan(rollout).measure == Measure(rollout.evidence.cursor)


def test_while_the_canary_serves_everyone_the_old_stable_is_watched() -> None:
    assert plan(oldest(at(Phase.BAKING))).stable
    assert not plan(oldest(at(Phase.BAKING, None))).stable


@pytest.mark.parametrize("phase", [Phase.FROZEN, Phase.ROLLING_BACK])
def test_a_rollback_needs_neither_metrics_nor_readiness(phase: Phase) -> None:
    assert plan(replace(oldest(at(Phase.BAKING)), phase=phase)) == Plan(route=True)


def test_a_pause_before_any_traffic_looks_at_nothing_and_one_with_traffic_at_everything() -> None:
    for phase, wanted in ((Phase.PREPARING, Plan()), (Phase.PROGRESSING, None)):
        world = at(phase)
        before = plan(in_force(world)) if wanted is None else wanted
        paused = followed(world.say(CommandKind.PAUSE, oldest(world))).rollout
        assert plan(paused) == replace(before, supply_permille=None, fleet=False)


def test_a_pass_that_moved_or_wrote_is_followed_at_once() -> None:
    rollout = oldest(at(Phase.PROGRESSING))
    assert wake_after(rollout, (), moved=True) == seconds(0)
    assert wake_after(rollout, (SetSplit(Split(V1), Split(V1)),), moved=False) == seconds(0)


def test_what_only_an_event_can_change_is_not_looked_at() -> None:
    rollout = oldest(a_world())
    for phase in (Phase.PENDING, Phase.FROZEN, *TERMINAL):
        assert wake_after(replace(rollout, phase=phase), (), moved=False) is None


def test_a_step_is_looked_at_each_interval_and_the_gateway_each_second() -> None:
    world = at(Phase.PROGRESSING, interval=seconds(15))
    rollout = oldest(world)
    assert wake_after(rollout, (), moved=False) == seconds(1)
    assert wake_after(in_force(world), (), moved=False) == seconds(15)
    for phase in (Phase.ROLLING_BACK, Phase.PROMOTING, Phase.VALIDATING):
        assert wake_after(replace(rollout, phase=phase), (), moved=False) == seconds(1)
    assert wake_after(replace(rollout, phase=Phase.PREPARING), (), moved=False) == seconds(5)


def test_an_interval_below_a_second_rules_every_wait() -> None:
    rollout = oldest(at(Phase.PROGRESSING, interval=seconds(0.5)))
    for phase in (Phase.PREPARING, Phase.PROGRESSING, Phase.ROLLING_BACK):
        assert wake_after(replace(rollout, phase=phase), (), moved=False) == seconds(0.5)


def test_every_phase_that_is_not_over_has_rules() -> None:
    assert set(PHASE_RULES) == set(Phase) - TERMINAL


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING, Phase.BAKING])
def test_the_same_pass_twice_in_an_instant_writes_nothing_new(phase: Phase) -> None:
    world = at(phase)
    if phase is Phase.PENDING:
        world.deploy("v3")
    world.versions["v2"].ready = phase is not Phase.PREPARING
    world.run()
    world.run()
    before = list(world.records.values())
    world.run()
    if oldest(world).phase is phase:
        assert list(world.records.values()) == before


@pytest.mark.parametrize("phase", [Phase.FROZEN, Phase.HALTED])
def test_what_waits_for_a_person_writes_nothing_and_a_restart_neither(phase: Phase) -> None:
    world = at(Phase.BAKING)
    if phase is Phase.HALTED:
        world.versions["v1"].ready = False
        world.versions["v2"].bad["errors"] = BAD
    else:
        world.edit(Split(V1, V2, 333))
    reach(world, phase)
    world.run()
    before = oldest(world)
    for _ in range(5):
        world.advance(30)
        world.restart()
        world.run()
    assert oldest(world) is before


def test_the_bake_ends_in_two_acts_the_gateway_first_and_then_the_record() -> None:
    world = at(Phase.BAKING)
    reach(world, Phase.SUCCEEDED)
    settled, ended = entry_of(world, "bake_finished"), entry_of(world, "rollout_succeeded")
    assert settled.rollout.phase is Phase.BAKING
    assert not settled.entry.notable
    assert ended.running == Split(V2)
    assert world.serving == V2


def test_the_bake_lasts_its_time_and_checks_go_on_against_limits_alone() -> None:
    world = at(Phase.BAKING)
    began = world.seconds
    rollout = reach(world, Phase.SUCCEEDED)
    assert 60 <= world.seconds - began <= 75
    assert rollout.evidence.checks[0].stable_requests == 0
    assert rollout.evidence.checks[0].reason is Reason.WITHIN_LIMIT


def test_a_bad_bake_goes_back_to_the_old_stable_in_one_write() -> None:
    world = at(Phase.BAKING)
    once(world, 4)
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.ROLLED_BACK)
    assert world.gateway.running == Split(V1)
    assert entry_of(world, "rollback_started").rollout.reason is Reason.CHECK_FAILED


def test_a_promotion_that_the_gateway_never_takes_waits_and_says_so() -> None:
    world = at(Phase.PROMOTING)
    world.gateway.accepts = False
    world.gateway.running = Split(V1, V2, 250)
    rollout = once(world, 3)
    assert (rollout.phase, rollout.reason) == (Phase.PROMOTING, Reason.WAITING_FOR_GATEWAY)
    assert rollout.message == "waits until the gateway serves it to all"


def test_an_entry_rests_on_the_evidence_at_the_weight_that_it_found() -> None:
    world = at(Phase.PROGRESSING)
    reach(world, Phase.PROGRESSING, step=1)
    entry = entry_of(world, "step_advanced").entry
    assert entry.assessment.checks[0].requests > 0
    assert (entry.step, entry.weight_permille) == (1, 250)


@pytest.mark.parametrize(
    ("phase", "measures"), [(Phase.PREPARING, False), (Phase.PROGRESSING, True), (Phase.BAKING, True)]
)
def test_a_decision_says_whether_the_next_pass_measures(phase: Phase, measures: bool) -> None:
    rollout = oldest(at(phase))
    found = decide(rollout, Observation(at=datetime(2026, 1, 1, tzinfo=UTC), tick=Tick("p", 0)))
    assert found.rollout.phase is phase
    assert found.measures is measures
