"""What the exposure budget does to the weights of a rollout: begin, hold, lower."""

from dataclasses import replace

import pytest

from controller.domain.judge.weights import SUSPECT_PERMILLE, budget_of
from controller.domain.machine import decide
from controller.domain.observation import Readiness
from controller.domain.policy import Step
from controller.domain.table import Trigger
from controller.domain.vocabulary import Phase, Reason
from tests.domain_facts import Committed, Written
from tests.domain_scenes import a_step, at, events, in_force, oldest, reach, seen
from tests.domain_world import World
from tests.judge_scenes import BLOCK, errors, past

CHECKS = (errors(max=0.05, worse_by_points=0.005),)
LADDER = (10, 14, 20, 28, 40, 55, 77, 108, 151, 211, 295, 413, 500)

READY = Readiness(ready=True)


def steps(*weights: int) -> tuple[Step, ...]:
    return tuple(a_step(weight, hold=BLOCK, min_requests=0) for weight in weights)


def climbing(**changes: object) -> World:
    """100 requests a second; v2 has its first weight."""
    usual: dict[str, object] = {"steps": steps(*LADDER), "auto_steps": True, "checks": CHECKS}
    world = at(Phase.PROGRESSING, judge="sequential", interval=BLOCK, **(usual | changes))
    world.rate = 100.0
    return world


def commits(world: World, event: str) -> list[Committed]:
    return [fact for fact in world.history if isinstance(fact, Committed) and fact.entry.event == event]


@pytest.mark.parametrize("rate", [0.5, 10, 100, 10_000])
def test_a_ladder_begins_as_high_as_stables_usual_traffic_allows(rate: float) -> None:
    world = at(Phase.VALIDATING, judge="sequential", steps=steps(*LADDER), auto_steps=True)
    rollout = replace(oldest(world), calibration=past(rate))
    allowed = budget_of(rollout.policy, 0).first_permille(rate)
    begun = decide(rollout, seen(world, canary=READY)).rollout
    assert begun.phase is Phase.PROGRESSING
    assert begun.weight_permille == max(weight for weight in LADDER if weight <= allowed)


def test_a_ladder_begins_at_its_first_weight_where_nothing_is_known_of_stable() -> None:
    assert oldest(climbing()).weight_permille == LADDER[0]


def test_a_stable_that_has_just_been_promoted_does_not_say_what_is_usual() -> None:
    world = at(Phase.VALIDATING, judge="sequential", steps=steps(*LADDER), auto_steps=True)
    weights = [
        decide(
            replace(oldest(world), calibration=past(0.5, minutes=minutes)), seen(world, canary=READY)
        ).rollout
        for minutes in (4, 5)
    ]
    assert weights[0].weight_permille == LADDER[0] < weights[1].weight_permille


def test_steps_that_a_policy_lists_begin_with_the_first() -> None:
    world = at(Phase.VALIDATING, judge="sequential", steps=steps(50, 250))
    rollout = replace(oldest(world), calibration=past(0.5))
    assert decide(rollout, seen(world, canary=READY)).rollout.weight_permille == 50


@pytest.mark.parametrize("auto", [True, False])
def test_no_weight_is_given_beyond_what_the_budget_allows(auto: bool) -> None:
    world = climbing(auto_steps=auto)
    reach(world, Phase.SUCCEEDED)
    risen = commits(world, Trigger.STEP)
    assert len(risen) == len(LADDER) - 1
    assert all(fact.rollout.weight_permille <= fact.rollout.evidence.ceiling_permille for fact in risen)


def test_the_weight_waits_for_the_budget_and_says_so() -> None:
    world = climbing(steps=steps(10, 500), auto_steps=False)
    in_force(world)
    world.live(seconds=60)
    rollout = oldest(world)
    assert (rollout.weight_permille, rollout.reason) == (10, Reason.BUDGET_SPENT)
    assert rollout.message.startswith("stays at 1%: more than ")
    assert "20 bad requests" in rollout.message


def test_suspicion_lowers_the_weight_to_a_step_that_the_policy_has() -> None:
    world = climbing(steps=steps(10, 50, 250, 500), auto_steps=False)
    reach(world, Phase.PROGRESSING, step=2)
    world.versions["v2"].bad["errors"] = 0.02
    reach(world, Phase.ROLLED_BACK)
    (lowered,) = commits(world, Trigger.EASE)
    assert lowered.rollout.weight_permille == 50 <= SUSPECT_PERMILLE
    assert lowered.rollout.reason is Reason.EVIDENCE_AGAINST
    assert lowered.rollout.message.startswith("lowered to 5%: ")
    written = [fact.after.weight_permille for fact in world.history if isinstance(fact, Written)]
    assert written == [10, 50, 250, 50, 0]


def test_bad_requests_beyond_the_budget_lower_the_weight_before_they_decide() -> None:
    world = climbing()
    reach(world, Phase.PROGRESSING, step=6)
    world.versions["v2"].bad["errors"] = 1.0
    reach(world, Phase.ROLLED_BACK)
    happened = events(world)
    assert happened.index(Trigger.EASE) < happened.index(Trigger.FAIL)


def test_evidence_that_was_gathered_high_goes_on_lower_down() -> None:
    world = climbing(steps=steps(50, 250), auto_steps=False)
    reach(world, Phase.PROGRESSING, step=1)
    world.versions["v2"].bad["errors"] = 0.02
    for _ in range(100):
        world.live(seconds=5)
        if commits(world, Trigger.EASE):
            break
    lowered = commits(world, Trigger.EASE)[0].rollout
    assert lowered.evidence.checks[0].requests > 0
    world.live(seconds=300)
    assert oldest(world).phase is Phase.ROLLED_BACK
    assert oldest(world).evidence.checks[0].requests > lowered.evidence.checks[0].requests


def test_a_weight_that_was_lowered_may_rise_again() -> None:
    world = climbing()
    reach(world, Phase.PROGRESSING, step=8)
    world.versions["v2"].bad["errors"] = 0.04
    for _ in range(100):
        world.live(seconds=5)
        if commits(world, Trigger.EASE):
            break
    world.versions["v2"].bad["errors"] = 0.0
    world.live(seconds=3600)
    assert oldest(world).phase is Phase.SUCCEEDED
