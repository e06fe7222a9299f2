"""Shadow steps: copies of requests before any user gets the canary."""

from dataclasses import replace

import pytest

from controller.domain.mirroring import refused_write, skips
from controller.domain.model import CommandKind, Rollout, Route
from controller.domain.policy import ApprovalRules, Check, CheckKind, Fallback, Step
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason
from tests.domain_facts import Committed, Crash, Written
from tests.domain_scenes import (
    BAD,
    a_step,
    a_world,
    entry_of,
    events,
    followed,
    in_force,
    oldest,
    once,
    reach,
    seconds,
)
from tests.domain_world import World

SHADOW = replace(a_step(0), mirror_permille=100)
STEPS = (SHADOW, a_step(50), a_step(250))
SLOW = Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99, failures=3)


def a_shadow(**changes: object) -> World:
    """v2 gets copies of a tenth of the requests."""
    world = a_world("v1", **{"steps": STEPS, **changes})
    reach(world, Phase.PROGRESSING)
    return world


def given(world: World) -> list[tuple[int, int]]:
    """What v2 was given, each as the weight and the share of copies, from change to change."""
    found: list[tuple[int, int]] = [(0, 0)]
    for fact in world.history:
        if isinstance(fact, Written):
            now = fact.after.weight_permille, fact.after.mirror_permille
            found += [now] if now != found[-1] else []
    return found


def test_copies_come_before_the_first_weight_and_end_with_it() -> None:
    world = a_world("v1", steps=STEPS)
    rollout = reach(world, Phase.SUCCEEDED)
    assert rollout.reason is Reason.PROMOTED
    assert given(world) == [(0, 0), (0, 100), (50, 0), (250, 0), (1000, 0), (0, 0)]
    assert rollout.route.intended == Split(stable=rollout.release)


def test_the_entry_says_what_is_copied_and_that_no_weight_is_given() -> None:
    entry = entry_of(a_shadow(), "canary_validated").entry
    assert (entry.weight_permille, entry.mirror_permille, entry.step) == (0, 100, 0)
    assert entry.message == "gives v2 copies of 10% of the requests; nobody sees its answers"


def test_the_step_s_clock_begins_with_the_first_copy_that_was_answered() -> None:
    world = a_shadow()
    world.rate = 0.0
    rollout = once(world, 20)
    assert (rollout.reason, rollout.clocks.at_weight) == (Reason.WAITING_FOR_FIRST_REQUEST, seconds(0))
    assert rollout.message == "waits for the canary's first request at shadow 10%"
    world.rate = 200.0
    assert once(world, 5).clocks.at_weight > seconds(0)


def test_a_slow_canary_is_found_and_no_user_ever_had_it() -> None:
    world = a_world("v1", steps=STEPS, checks=(SLOW,))
    world.versions["v2"].seconds["latency_p99"] = 2.0
    rollout = reach(world, Phase.NOT_DEPLOYED)
    assert rollout.reason is Reason.CHECK_FAILED
    assert "is above its limit 500ms over 300 requests" in rollout.message
    assert given(world) == [(0, 0), (0, 100), (0, 0)]
    assert world.gateway.running == Split(stable=rollout.stable)


def test_it_is_compared_with_stable_s_requests_of_the_same_seconds() -> None:
    check = Check("errors", CheckKind.RATIO, worse_by_points=0.005, failures=3)
    world = a_world("v1", steps=STEPS, checks=(check,))
    world.versions["v2"].bad["errors"] = 0.05
    rollout = reach(world, Phase.NOT_DEPLOYED)
    assert rollout.message.startswith("errors 5% is worse than stable's 0% allows (0.5%)")
    (result,) = rollout.evidence.checks
    assert result.stable_requests == 10 * result.requests


def test_what_fails_after_users_had_it_is_rolled_back_and_not_merely_not_deployed() -> None:
    world = a_world("v1", steps=STEPS)
    reach(world, Phase.PROGRESSING, step=1)
    world.versions["v2"].bad["errors"] = BAD
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.CHECK_FAILED


def test_a_canary_that_is_not_ready_gets_no_copies_any_more() -> None:
    world = a_shadow()
    in_force(world)
    world.versions["v2"].ready = False
    rollout = reach(world, Phase.NOT_DEPLOYED)
    assert rollout.reason is Reason.CANARY_NOT_READY
    assert not world.gateway.running.mirror_permille


def test_copies_that_come_too_often_contradict_what_was_asked() -> None:
    world = a_shadow()
    in_force(world)
    running = replace(world.gateway.declared, mirror_permille=600)
    world.gateway.accepts = False
    world.gateway.running = running
    for _ in range(60):
        world.gateway.accepts = False
        rollout = oldest(world)
        declared, world.gateway.running = world.gateway.declared, running
        world.metrics.flow(5.0, 200.0, running, world.versions)
        world.seconds += 5.0
        world.gateway.running, world.gateway.accepts = declared, True
        world.run()
        if rollout.phase is Phase.FROZEN:
            break
    assert rollout.reason is Reason.ROUTE_NOT_HONOURED
    assert rollout.message.endswith("which contradicts its shadow 10%")


@pytest.mark.parametrize("kind", [CommandKind.ABORT, CommandKind.PAUSE, CommandKind.PROMOTE])
def test_people_steer_it_as_at_a_weight(kind: CommandKind) -> None:
    world = a_shadow()
    in_force(world)
    followed(world.say(kind, oldest(world)))
    phases = {
        CommandKind.ABORT: Phase.ABORTED,
        CommandKind.PAUSE: Phase.PAUSED,
        CommandKind.PROMOTE: Phase.SUCCEEDED,
    }
    rollout = reach(world, phases[kind])
    copied = 100 if kind is CommandKind.PAUSE else 0
    assert world.gateway.running.mirror_permille == copied
    if kind is CommandKind.PAUSE:
        followed(world.say(CommandKind.RESUME, rollout))
        assert reach(world, Phase.PROGRESSING, step=1).weight_permille == 50


def test_an_edit_that_ends_the_copies_is_drift() -> None:
    world = a_shadow()
    rollout = in_force(world)
    world.edit(Split(stable=rollout.stable))
    rollout = reach(world, Phase.FROZEN)
    assert rollout.reason is Reason.DRIFT_DETECTED
    assert rollout.message == "the gateway gives the canary 0%, not the shadow 10% of this rollout"


def test_where_the_survey_says_that_nothing_can_be_copied_the_step_is_left_out_and_told() -> None:
    world = a_world("v1", steps=STEPS)
    world.unmirrored = "a route of this kind cannot copy requests"
    rollout = reach(world, Phase.SUCCEEDED)
    told = entry_of(world, "shadow_skipped").entry
    assert (told.notable, told.reason) == (True, Reason.SHADOW_SKIPPED)
    assert told.message == "shadow 10% is left out: a route of this kind cannot copy requests"
    assert given(world) == [(0, 0), (50, 0), (250, 0), (1000, 0), (0, 0)]
    assert rollout.route.unmirrored == "a route of this kind cannot copy requests"


def test_without_shadow_steps_nobody_is_told_that_nothing_can_be_copied() -> None:
    world = a_world()
    world.unmirrored = "a route of this kind cannot copy requests"
    rollout = reach(world, Phase.SUCCEEDED)
    assert "shadow_skipped" not in events(world)
    assert rollout.route.unmirrored == ""


def test_a_first_deployment_has_no_shadow() -> None:
    world = a_world(None, steps=STEPS)
    world.unmirrored = "a route of this kind cannot copy requests"
    reach(world, Phase.SUCCEEDED)
    assert "shadow_skipped" not in events(world)
    assert (0, 100) not in given(world)


@pytest.mark.parametrize("crash", [None, *Crash])
def test_a_gateway_that_refuses_the_copies_gets_none_at_once_and_the_next_step_follows(
    crash: Crash | None,
) -> None:
    world = a_world("v1", steps=STEPS)
    world.gateway.copies = False
    reach(world, Phase.PROGRESSING)
    world.run(crash)
    rollout = reach(world, Phase.SUCCEEDED)
    assert events(world).count("shadow_skipped") == 1
    assert given(world)[:4] == [(0, 0), (0, 100), (0, 0), (50, 0)]
    assert rollout.route.unmirrored == "the gateway knows no RequestMirror"


def test_a_gateway_that_copies_every_request_is_one_that_knows_no_shares() -> None:
    world = a_shadow()
    world.edit(replace(world.gateway.declared, mirror_permille=1000))
    reach(world, Phase.PROGRESSING, step=1)
    told = entry_of(world, "shadow_skipped").entry
    assert told.message == (
        "shadow 10% is left out: the gateway copies every request, not 10%: it knows no shares"
    )


def test_copies_of_every_request_are_what_they_are() -> None:
    world = a_world("v1", steps=(replace(SHADOW, mirror_permille=1000), a_step(50)))
    reach(world, Phase.SUCCEEDED)
    assert "shadow_skipped" not in events(world)


def test_a_paused_rollout_is_taken_from_a_gateway_that_refuses_its_copies() -> None:
    world = a_shadow()
    in_force(world)
    followed(world.say(CommandKind.PAUSE, oldest(world)))
    world.gateway.copies = False
    once(world, 3)
    rollout = oldest(world)
    assert (rollout.phase, rollout.reason) == (Phase.PAUSED, Reason.SHADOW_SKIPPED)
    assert world.gateway.declared == Split(stable=rollout.stable)
    followed(world.say(CommandKind.RESUME, rollout))
    assert reach(world, Phase.PROGRESSING, step=1).weight_permille == 50


def test_what_is_left_out_still_asks_those_who_would_have_been_asked() -> None:
    steps = (replace(SHADOW, approval=True), replace(SHADOW, mirror_permille=200, gate="desk"), a_step(50))
    world = a_world("v1", steps=steps, approval=ApprovalRules())
    world.unmirrored = "a route of this kind cannot copy requests"
    once(world, 20)
    asking = oldest(world).asking
    assert asking is not None
    assert (asking.missing, asking.shut, asking.goal.step) == (1, ("desk",), 2)


def test_while_the_shadow_is_left_out_an_abort_ends_it_through_the_gateway() -> None:
    world = a_world("v1", steps=(SHADOW, replace(a_step(50), approval=True)))
    world.gateway.copies = False
    reach(world, Phase.PROGRESSING)
    once(world, 10)
    rollout = oldest(world)
    assert (rollout.phase, skips(rollout)) == (Phase.PROGRESSING, True)
    assert rollout.reason is Reason.WAITING_FOR_APPROVAL
    followed(world.say(CommandKind.ABORT, rollout))
    assert reach(world, Phase.ABORTED).route.intended == Split(stable=rollout.stable)


def test_a_rollback_is_not_over_while_somebody_s_edit_copies_requests() -> None:
    world = a_shadow()
    in_force(world)
    world.gateway.rejects = True
    world.say(CommandKind.ABORT, oldest(world))
    once(world)
    world.gateway.edit(replace(world.gateway.declared, mirror_permille=300))
    for _ in range(5):
        once(world)
        assert oldest(world).phase is Phase.ROLLING_BACK
    world.gateway.rejects = False
    world.live(seconds=30)
    assert not world.open_rollouts()
    assert world.gateway.running == Split(stable=world.gateway.declared.stable)


def test_a_deadline_of_a_shadow_is_told_as_one_of_a_weight() -> None:
    world = a_shadow(on_deadline=Fallback.ROLLBACK)
    world.rate = 0.0
    rollout = reach(world, Phase.NOT_DEPLOYED)
    assert rollout.reason is Reason.STEP_DEADLINE_EXCEEDED


def test_the_judge_never_lowers_a_weight_to_a_shadow() -> None:
    world = a_world("v1", steps=STEPS, judge="sequential")
    reach(world, Phase.PROGRESSING, step=2)
    world.versions["v2"].bad["errors"] = 0.03
    reach(world, Phase.ROLLED_BACK, passes=3000)
    first = next(index for index, now in enumerate(given(world)) if now[0])
    assert all(not copied for _, copied in given(world)[first:])


def test_copies_of_the_canary_are_made_before_requests_are_copied() -> None:
    world = a_world("v1", steps=(replace(SHADOW, mirror_permille=300), a_step(50)))
    reach(world, Phase.PREPARING)
    assert oldest(world).supply_permille == 300


def test_a_refused_write_of_copies_says_so_and_any_other_is_a_refused_route() -> None:
    shadow = Route(Split(), Split(mirror_permille=100))
    assert refused_write(shadow, Reason.ROUTE_REJECTED, "no").unmirrored == "no"
    assert refused_write(shadow, Reason.PERMISSION_LOST, "no").problem is Reason.PERMISSION_LOST
    assert refused_write(Route(), Reason.ROUTE_REJECTED, "no").problem is Reason.ROUTE_REJECTED


def test_no_user_s_request_reaches_a_version_that_only_gets_copies() -> None:
    split = Split(oldest(a_shadow()).stable, oldest(a_shadow()).release, mirror_permille=100)
    assert split.weight_permille == 0
    assert split.canary_share == pytest.approx(0.1 / 1.1)


def all_rollouts(world: World) -> list[Rollout]:
    return [fact.rollout for fact in world.history if isinstance(fact, Committed)]


def test_the_record_never_has_a_weight_and_copies_at_once() -> None:
    world = a_world("v1", steps=STEPS)
    reach(world, Phase.SUCCEEDED)
    assert not any(r.weight_permille and r.mirror_permille for r in all_rollouts(world))
    assert isinstance(oldest(world).policy.steps[0], Step)
