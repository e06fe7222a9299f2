"""What a cluster adds: a survey of the route, copies that are made, drift that is undone."""

from dataclasses import replace

import pytest

from controller.domain.commands import obey
from controller.domain.machine import decide
from controller.domain.model import Command, CommandKind, Decision, Rollout, SetSplit
from controller.domain.observation import Readiness, RouteSeen, Survey
from controller.domain.observing import with_split
from controller.domain.planning import plan
from controller.domain.policy import OnDrift
from controller.domain.release import Backend, BackendKind, Image, Release, Split
from controller.domain.vocabulary import Phase, Reason
from tests.domain_outside import release
from tests.domain_scenes import a_world, at, followed, in_force, newest, oldest, once, seconds, seen
from tests.domain_world import World

SERVICE = BackendKind.SERVICE
STABLE = Release("v1", backend=Backend(SERVICE, "fraud-v1", 8080))


def started(released: Release, survey: Survey) -> Rollout:
    world = a_world()
    return decide(replace(newest(world), release=released), seen(world, survey=survey)).rollout


def test_the_route_says_who_serves_and_lends_the_canary_its_port() -> None:
    rollout = started(
        Release("v2", backend=Backend(SERVICE, "fraud-v2")), Survey(serving=STABLE, weight_sum=7)
    )
    assert rollout.phase is Phase.PREPARING
    assert rollout.stable == STABLE
    assert rollout.release.backend == Backend(SERVICE, "fraud-v2", 8080)
    assert rollout.route.weight_sum == 7
    assert rollout.supply_permille == rollout.policy.steps[0].weight_permille


def test_the_sum_of_the_weights_is_remembered_through_every_change_of_the_split() -> None:
    rollout = started(Release("v2", backend=STABLE.backend), Survey(serving=None, weight_sum=7))
    for split in (Split(STABLE, rollout.release, 50), Split(STABLE)):
        rollout = with_split(rollout, split)
        assert rollout.route.weight_sum == 7


def test_a_port_of_its_own_is_kept_and_a_pool_gets_none() -> None:
    own = Backend(SERVICE, "fraud-v2", 9000)
    pool = Backend(BackendKind.INFERENCE_POOL, "fraud-v2")
    for backend in (own, pool):
        assert started(Release("v2", backend=backend), Survey(serving=STABLE)).release.backend == backend


def test_a_backend_that_serves_already_is_not_its_own_canary() -> None:
    rollout = started(Release("v2", backend=STABLE.backend), Survey(serving=STABLE))
    assert (rollout.phase, rollout.reason) == (Phase.NOT_DEPLOYED, Reason.ALREADY_SERVING)


def test_an_image_needs_a_stable_workload_to_clone() -> None:
    image = Release("v2", backend=Backend(SERVICE, "fraud-v2"), image=Image("fraud:v2"))
    world = World(a_world().policy, None, rate=1.0)
    world.deploy("v2")
    rollout = decide(replace(newest(world), release=image), seen(world, survey=Survey())).rollout
    assert (rollout.phase, rollout.reason) == (Phase.NOT_DEPLOYED, Reason.NOTHING_TO_CLONE)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PREPARING])
def test_a_hopeless_route_ends_it_before_any_traffic(phase: Phase) -> None:
    world = a_world() if phase is Phase.PENDING else at(phase)
    survey = Survey(problem=Reason.WEIGHT_SUM_TOO_SMALL, message="multiply by 10", hopeless=True)
    rollout = decide(oldest(world), seen(world, survey=survey, canary=Readiness(ready=True))).rollout
    assert (rollout.phase, rollout.reason) == (Phase.NOT_DEPLOYED, Reason.WEIGHT_SUM_TOO_SMALL)
    assert rollout.message == "multiply by 10"


def test_a_route_that_is_not_there_yet_is_looked_for_again() -> None:
    world = a_world()
    missing = Survey(problem=Reason.ROUTE_NOT_FOUND, message="no HTTPRoute fraud")
    decision = decide(oldest(world), seen(world, survey=missing))
    assert (decision.rollout.phase, decision.rollout.reason) == (Phase.PENDING, Reason.ROUTE_NOT_FOUND)
    assert decision.wake_after == world.policy.interval
    there = decide(decision.rollout, seen(world, survey=Survey(serving=STABLE)))
    assert there.rollout.phase is Phase.PREPARING


def test_a_ready_canary_without_a_route_waits_and_at_the_deadline_says_why() -> None:
    world = at(Phase.PREPARING)
    missing = Survey(problem=Reason.ROUTE_NOT_FOUND, message="no HTTPRoute fraud")
    waiting = decide(oldest(world), seen(world, survey=missing, canary=Readiness(ready=True))).rollout
    assert (waiting.phase, waiting.reason) == (Phase.PREPARING, Reason.ROUTE_NOT_FOUND)
    late = replace(waiting, clocks=replace(waiting.clocks, in_phase=world.policy.ready_deadline))
    ended = decide(late, seen(world, survey=missing, canary=Readiness(ready=True))).rollout
    assert (ended.phase, ended.reason) == (Phase.NOT_DEPLOYED, Reason.ROUTE_NOT_FOUND)


def test_a_named_problem_is_the_reason_when_the_ready_deadline_passes() -> None:
    world = at(Phase.PREPARING)
    pulling = Readiness(ready=False, message="fraud:v9 not found", problem=Reason.IMAGE_PULL_FAILED)
    waiting = decide(oldest(world), seen(world, canary=pulling)).rollout
    assert (waiting.phase, waiting.reason) == (Phase.PREPARING, Reason.IMAGE_PULL_FAILED)
    late = replace(waiting, clocks=replace(waiting.clocks, in_phase=world.policy.ready_deadline))
    ended = decide(late, seen(world, canary=pulling)).rollout
    assert (ended.phase, ended.reason) == (Phase.NOT_DEPLOYED, Reason.IMAGE_PULL_FAILED)
    assert "fraud:v9 not found" in ended.message


def test_a_workload_that_can_never_be_ends_it_at_once() -> None:
    world = at(Phase.PREPARING)
    refused = Readiness(ready=False, message="ReadWriteOnce", problem=Reason.WORKLOAD_REFUSED, hopeless=True)
    ended = decide(oldest(world), seen(world, canary=refused)).rollout
    assert (ended.phase, ended.reason) == (Phase.NOT_DEPLOYED, Reason.WORKLOAD_REFUSED)


def test_too_few_copies_for_the_first_step_are_not_ready() -> None:
    world = at(Phase.PREPARING)
    few = Readiness(ready=True, carries_permille=0)
    assert decide(oldest(world), seen(world, canary=few)).rollout.phase is Phase.PREPARING


def full_step() -> tuple[World, Rollout]:
    """A world whose canary has met everything at its first step but has not risen yet."""
    world = at(Phase.PROGRESSING)
    in_force(world)
    for _ in range(100):
        before = oldest(world)
        trial = once(world)
        if trial.step == 1:
            return world, before
    raise AssertionError("the step never ended")


def test_copies_come_before_the_weight_that_needs_them() -> None:
    world, before = full_step()
    risen = oldest(world)
    reading = world.metrics.read(before, plan(before).measure, world.versions)  # type: ignore[arg-type]
    route = RouteSeen(before.route.intended, accepted=True)

    def decided(rollout: Rollout, carries: int) -> Decision:
        canary = Readiness(ready=True, carries_permille=carries)
        return decide(rollout, seen(world, route=route, reading=reading, canary=canary))

    few = decided(before, 100)
    assert few.rollout.reason is Reason.WAITING_FOR_COPIES
    assert few.rollout.step == before.step
    assert few.actions == ()
    assert few.rollout.supply_permille == risen.policy.steps[1].weight_permille
    assert plan(few.rollout).supply_permille == 250
    assert few.wake_after == seconds(0), "the copies are made at once"
    assert decided(before, 250).rollout.step == 1


def scaled(world: World) -> Rollout:
    rollout = oldest(world)
    return replace(rollout, release=replace(rollout.release, image=Image("fraud:v2")))


def word(world: World, kind: CommandKind) -> Command:
    return Command(kind, "request-1", "ann", world.now())


def test_a_promotion_by_word_waits_for_copies_enough_for_everyone() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    asked = followed(obey(scaled(world), word(world, CommandKind.PROMOTE)))
    assert asked.actions == ()
    assert asked.rollout.supply_permille == 1000
    route = RouteSeen(asked.rollout.route.intended, accepted=True)
    few = decide(asked.rollout, seen(world, route=route, canary=Readiness(ready=True, carries_permille=500)))
    assert (few.rollout.phase, few.rollout.reason) == (Phase.PROGRESSING, Reason.WAITING_FOR_COPIES)
    enough = decide(few.rollout, seen(world, route=route, canary=Readiness(ready=True)))
    assert enough.rollout.phase is Phase.PROMOTING
    assert enough.actions[0].split.weight_permille == 1000


def test_a_paused_promotion_by_word_goes_on_first() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    paused = followed(obey(scaled(world), word(world, CommandKind.PAUSE))).rollout
    asked = followed(obey(paused, word(world, CommandKind.PROMOTE))).rollout
    assert (asked.phase, asked.promote_asked) == (Phase.PROGRESSING, True)


def test_an_abort_beats_a_promotion_that_waits() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    asked = followed(obey(scaled(world), word(world, CommandKind.PROMOTE))).rollout
    assert followed(obey(asked, word(world, CommandKind.ABORT))).rollout.phase is Phase.ROLLING_BACK


def drifted_world(weight: int) -> tuple[Rollout, RouteSeen, World]:
    world = at(Phase.PROGRESSING, on_drift=OnDrift.RESTORE)
    in_force(world)
    split = replace(oldest(world).route.intended, weight_permille=weight)
    return oldest(world), RouteSeen(split, accepted=True, message="kubectl-edit set 37 %"), world


@pytest.mark.parametrize("weight", [0, 370])
def test_a_policy_may_have_foreign_weights_undone(weight: int) -> None:
    rollout, found, world = drifted_world(weight)
    decision = decide(rollout, seen(world, route=found))
    assert decision.actions == (SetSplit(rollout.route.intended, expected=found.split),)
    assert decision.rollout.phase is Phase.PROGRESSING
    assert decision.rollout.evidence.canary_requests == 0, "counts under another weight say nothing"
    assert decision.rollout.clocks.at_weight == seconds(0)
    assert "kubectl-edit" in decision.rollout.message
    assert decision.entry is not None
    assert decision.entry.notable
    again = decide(decision.rollout, seen(world, route=found))
    assert again.actions == decision.actions
    assert again.entry is not None
    assert not again.entry.notable, "a fight is told once for each weight"


def test_a_lost_route_or_permission_freezes_whatever_the_policy_says_of_drift() -> None:
    for problem in (Reason.ROUTE_NOT_FOUND, Reason.PERMISSION_LOST):
        rollout, _, world = drifted_world(0)
        lost = RouteSeen(Split(), accepted=False, problem=problem, message="forbidden")
        frozen = decide(rollout, seen(world, route=lost)).rollout
        assert (frozen.phase, frozen.reason) == (Phase.FROZEN, problem)


def test_a_route_that_is_gone_gives_the_canary_nothing() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    aborted = followed(obey(oldest(world), word(world, CommandKind.ABORT))).rollout
    gone = RouteSeen(Split(), accepted=False, problem=Reason.ROUTE_NOT_FOUND)
    assert decide(aborted, seen(world, route=gone)).rollout.phase is Phase.ABORTED


def test_the_gateways_names_of_the_versions_are_remembered() -> None:
    world = at(Phase.PROGRESSING)
    named = (("v1", "rule/0/backend/0"), ("v2", "rule/0/backend/1"))
    rollout = oldest(world)
    found = RouteSeen(rollout.route.intended, accepted=True, series=named)
    after = decide(rollout, seen(world, route=found)).rollout
    assert after.route.series == named
    unnamed = replace(found, series=())
    assert decide(after, seen(world, route=unnamed)).rollout.route.series == named


def test_a_rollout_on_one_machine_is_not_scaled() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    promoted = followed(obey(oldest(world), word(world, CommandKind.PROMOTE))).rollout
    assert promoted.phase is Phase.PROMOTING
    assert oldest(world).release == release("v2")
