"""Waiting for people's approval: who is asked when, what they may answer, and what follows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.approval import Asking, Goal
from controller.domain.model import CommandKind, Refusal, Rollout
from controller.domain.observation import NoReading
from controller.domain.observing import with_split
from controller.domain.planning import plan
from controller.domain.policy import ApprovalRules, Fallback, Milestone, Validation
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason
from tests.domain_facts import Committed
from tests.domain_outside import release
from tests.domain_scenes import (
    BAD,
    a_step,
    a_world,
    entry_of,
    events,
    followed,
    in_force,
    newest,
    oldest,
    once,
    reach,
    seconds,
)
from tests.domain_world import World

V1, V2 = release("v1"), release("v2")
SECOND = (a_step(50), a_step(250, approval=True))
FIRST = (a_step(50, approval=True), a_step(250))
HOUR = seconds(3600)


def rules(*before: Milestone, **changes: object) -> ApprovalRules:
    return ApprovalRules(before, **changes)  # type: ignore[arg-type]


def asking(world: World, *, passes: int = 500) -> Asking:
    """Live until people are asked."""
    for _ in range(passes):
        found = oldest(world).asking
        if found is not None and oldest(world).reason is Reason.WAITING_FOR_APPROVAL:
            return found
        once(world)
    raise AssertionError(f"nobody is asked: {oldest(world).phase}, {oldest(world).message}")


def says(world: World, actor: str, kind: CommandKind = CommandKind.APPROVE, note: str = "") -> str:
    """What the record says after a person's word."""
    decision = followed(world.say(kind, newest(world), actor=actor, note=note))
    return decision.rollout.message


def refused(world: World, actor: str, kind: CommandKind = CommandKind.APPROVE) -> str:
    answer = world.say(kind, newest(world), actor=actor)
    assert isinstance(answer, Refusal), answer
    return answer.message


def asked_at_second_step(**changes: object) -> World:
    world = a_world(steps=SECOND, **changes)
    asking(world)
    return world


def test_a_word_on_an_earlier_asking_is_refused() -> None:
    """Who answers late must not answer what they never saw."""
    world = asked_at_second_step(approval=rules(Milestone.PROMOTION))
    first = asking(world).number
    says(world, "bob")
    assert asking(world).number > first
    for kind in (CommandKind.APPROVE, CommandKind.DENY):
        answer = world.say(kind, newest(world), actor="cy", asking=first)
        assert isinstance(answer, Refusal)
        assert answer.message.endswith("now it asks for the promotion: look at it first")
    answer = world.say(CommandKind.APPROVE, newest(world), actor="cy", asking=asking(world).number)
    assert followed(answer).rollout.asking is not None


# where people are asked


def test_a_step_waits_at_the_weight_before_it_until_somebody_approves() -> None:
    world = a_world(steps=SECOND)
    found = asking(world)
    assert (found.goal, found.people) == (Goal(Milestone.STEP, 1), 1)
    once(world, 200)
    assert (oldest(world).phase, oldest(world).weight_permille) == (Phase.PROGRESSING, 50)
    assert oldest(world).message == "step 2 (25%) waits for the approval of 1 person"
    assert says(world, "bob") == "step 2 (25%) is approved by bob"
    once(world, 2)
    assert (oldest(world).weight_permille, oldest(world).asking) == (250, None)
    reach(world, Phase.SUCCEEDED)


def test_people_are_asked_only_once_everything_else_is_met() -> None:
    world = a_world(steps=SECOND)
    in_force(world)
    assert once(world, 3).asking is None
    asking(world)
    assert oldest(world).clocks.at_weight >= seconds(30)
    assert oldest(world).evidence.canary_requests >= 100


def test_people_are_told_once_that_they_are_asked() -> None:
    world = asked_at_second_step()
    once(world, 50)
    assert events(world).count("approval_asked") == 1
    assert entry_of(world, "approval_asked").entry.notable


def test_nobody_is_asked_while_the_metric_source_is_silent() -> None:
    world = a_world(steps=SECOND)
    reach(world, Phase.PROGRESSING, step=0)
    in_force(world)
    while oldest(world).clocks.at_weight < seconds(25):
        once(world)
    world.metrics.silence = NoReading(Reason.METRICS_STALE, "old")
    assert once(world, 10).asking is None


def test_the_first_step_waits_without_any_traffic_and_is_validated_anew_after_the_word() -> None:
    world = a_world(steps=FIRST, validation=Validation("golden.yaml", seconds(60)))
    assert asking(world).goal == Goal(Milestone.STEP, 0)
    rollout = once(world, 50)
    assert (rollout.phase, rollout.weight_permille) == (Phase.VALIDATING, 0)
    assert not plan(rollout).validate
    says(world, "bob")
    assert plan(oldest(world)).validate
    world.versions["v2"].golden = False
    assert reach(world, Phase.NOT_DEPLOYED).reason is Reason.GOLDEN_REQUEST_FAILED


def test_a_canary_that_died_during_the_wait_gets_no_traffic() -> None:
    world = a_world(steps=FIRST, ready_deadline=seconds(60))
    asking(world)
    once(world, 50)
    world.versions["v2"].ready = False
    says(world, "bob")
    assert oldest(world).clocks.in_phase < seconds(5)
    assert once(world, 3).reason is Reason.WAITING_FOR_READY
    assert reach(world, Phase.NOT_DEPLOYED).reason is Reason.READY_DEADLINE_EXCEEDED
    assert world.gateway.running == Split(stable=V1)


def test_waiting_before_any_traffic_takes_nothing_of_the_rollouts_deadline() -> None:
    world = a_world(steps=FIRST, deadline=seconds(300))
    asking(world)
    once(world, 200)
    says(world, "bob")
    reach(world, Phase.SUCCEEDED)


def test_the_start_waits_before_anything_is_prepared() -> None:
    world = a_world(approval=rules(Milestone.START))
    assert asking(world).goal == Goal(Milestone.START)
    assert once(world, 20).phase is Phase.PENDING
    assert "rollout_started" not in events(world)
    assert says(world, "ann") == "the start is approved by ann"
    reach(world, Phase.SUCCEEDED)


def test_the_promotion_waits_at_the_last_step() -> None:
    world = a_world(approval=rules(Milestone.PROMOTION))
    assert asking(world).goal == Goal(Milestone.PROMOTION)
    assert once(world, 50).weight_permille == 250
    says(world, "bob")
    reach(world, Phase.SUCCEEDED)


@pytest.mark.parametrize("steps", [SECOND, (a_step(50), a_step(250))])
def test_a_first_version_serves_everyone_at_once_and_skips_no_approval(steps: tuple[object, ...]) -> None:
    world = a_world(None, steps=steps, approval=rules(*([] if steps is SECOND else [Milestone.PROMOTION])))
    assert asking(world).goal == Goal(Milestone.PROMOTION)
    assert once(world, 10).weight_permille == 0
    says(world, "bob")
    reach(world, Phase.SUCCEEDED)


def test_a_policy_without_approvals_asks_nobody() -> None:
    world = a_world()
    reach(world, Phase.SUCCEEDED)
    assert "approval_asked" not in events(world)


# who may answer


def test_two_people_are_two_different_ones() -> None:
    world = asked_at_second_step(approval=rules(people=2))
    assert says(world, "bob") == "step 2 (25%) waits for the approval of 1 more person; approved by bob"
    assert refused(world, "bob") == "bob has approved step 2 (25%) already; it needs 1 other person"
    assert once(world, 20).weight_permille == 50
    assert says(world, "cy") == "step 2 (25%) is approved by bob and cy"
    assert once(world, 2).weight_permille == 250


def test_who_deployed_is_none_of_two() -> None:
    world = asked_at_second_step(approval=rules(people=2))
    sentence = (
        "ann deployed v2, and its policy asks 2 other people: step 2 (25%) needs the approval of 2 others"
    )
    assert refused(world, "ann") == sentence
    says(world, "bob")
    assert "1 other person" in refused(world, "ann")


def test_who_deployed_may_be_the_only_one() -> None:
    world = asked_at_second_step()
    assert says(world, "ann") == "step 2 (25%) is approved by ann"


def test_approvals_of_one_step_are_not_those_of_the_next() -> None:
    world = asked_at_second_step(approval=rules(Milestone.PROMOTION, people=2))
    says(world, "bob")
    says(world, "cy")
    once(world, 2)
    assert asking(world).approvals == ()
    assert oldest(world).asking == replace(asking(world), goal=Goal(Milestone.PROMOTION))
    assert once(world, 20).weight_permille == 250
    says(world, "bob")
    says(world, "dan")
    reach(world, Phase.SUCCEEDED)


def test_an_approval_before_it_is_asked_for_is_refused() -> None:
    world = a_world(steps=SECOND)
    reach(world, Phase.PROGRESSING)
    expected = "it does not ask for approval now (Progressing); say it when it asks"
    assert refused(world, "bob") == expected
    assert refused(world, "bob", CommandKind.DENY) == expected


def test_an_approval_too_many_is_refused_and_one_that_nobody_asks_for() -> None:
    world = asked_at_second_step()
    says(world, "bob")
    assert refused(world, "cy") == "step 2 (25%) is approved already by bob"
    assert refused(a_world(), "bob") == "its policy asks for nobody's approval"


def test_who_answered_stands_in_the_log() -> None:
    world = asked_at_second_step()
    says(world, "bob")
    entry = entry_of(world, "approval_given").entry
    assert (entry.actor, entry.notable) == ("bob", True)
    assert entry.command is not None
    assert entry.command.kind is CommandKind.APPROVE
    assert oldest(world).asking is not None
    assert [each.request_id for each in asked(oldest(world)).approvals] == [entry.command.request_id]


def asked(rollout: Rollout) -> Asking:
    assert rollout.asking is not None
    return rollout.asking


# harm goes first


def test_a_bad_canary_is_rolled_back_while_it_waits() -> None:
    world = asked_at_second_step()
    world.versions["v2"].bad["errors"] = BAD
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.CHECK_FAILED
    assert oldest(world).asking is None


def test_a_canary_that_is_not_ready_is_rolled_back_while_it_waits() -> None:
    world = asked_at_second_step()
    world.versions["v2"].ready = False
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.CANARY_NOT_READY


def test_an_approval_does_not_replace_evidence() -> None:
    world = asked_at_second_step()
    world.versions["v2"].bad["errors"] = BAD
    once(world, 2)
    says(world, "bob")
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.CHECK_FAILED
    assert all(fact.rollout.weight_permille < 250 for fact in commits(world))


def commits(world: World) -> list[Committed]:
    return [fact for fact in world.history if isinstance(fact, Committed)]


def test_waiting_for_people_makes_no_step_late() -> None:
    world = asked_at_second_step()
    once(world, 400)
    assert "step_deadline_exceeded" not in events(world)
    world.metrics.silence = NoReading(Reason.METRICS_STALE, "old")
    once(world, 3)
    world.metrics.silence = None
    once(world, 5)
    assert oldest(world).clocks.since_step < seconds(200)


def test_the_rollouts_deadline_goes_on() -> None:
    world = asked_at_second_step(deadline=HOUR)
    assert reach(world, Phase.PAUSED, passes=2000).reason is Reason.ROLLOUT_DEADLINE_EXCEEDED
    followed(world.say(CommandKind.RESUME, oldest(world)))
    once(world)
    says(world, "bob")
    reach(world, Phase.SUCCEEDED)


def test_a_newer_release_supersedes_what_waits() -> None:
    world = asked_at_second_step()
    world.deploy("v3")
    reach(world, Phase.SUPERSEDED)
    assert oldest(world).asking is None


# no


@pytest.mark.parametrize("after_a_yes", [False, True])
def test_a_no_rolls_back(after_a_yes: bool) -> None:
    world = asked_at_second_step()
    if after_a_yes:
        says(world, "bob")
    assert says(world, "cy", CommandKind.DENY, "freeze") == "step 2 (25%) was denied by cy: freeze"
    rollout = reach(world, Phase.ROLLED_BACK)
    assert (rollout.reason, rollout.message) == (
        Reason.APPROVAL_DENIED,
        "step 2 (25%) was denied by cy: freeze",
    )
    assert world.gateway.running == Split(stable=V1)


@pytest.mark.parametrize("changes", [{"steps": FIRST}, {"approval": rules(Milestone.START)}])
@pytest.mark.parametrize("paused", [False, True])
def test_a_no_before_any_traffic_ends_in_not_deployed(changes: dict[str, object], paused: bool) -> None:
    world = a_world(**changes)
    asking(world)
    if paused:
        followed(world.say(CommandKind.PAUSE, oldest(world)))
    says(world, "bob", CommandKind.DENY)
    assert (oldest(world).phase, oldest(world).reason) == (Phase.NOT_DEPLOYED, Reason.APPROVAL_DENIED)


@pytest.mark.parametrize(
    "changes",
    [{"steps": SECOND}, {"steps": FIRST}, {"approval": rules(Milestone.START, on_deny=Fallback.HOLD)}],
)
def test_a_no_that_holds_pauses_and_a_resume_asks_anew(changes: dict[str, object]) -> None:
    world = a_world(**{"approval": rules(on_deny=Fallback.HOLD), **changes})
    asking(world)
    phase = oldest(world).phase
    says(world, "bob", CommandKind.DENY)
    assert once(world, 20).reason is Reason.APPROVAL_DENIED
    assert (oldest(world).phase, oldest(world).resume_to) == (Phase.PAUSED, phase)
    assert entry_of(world, "approval_denied").entry.notable
    followed(world.say(CommandKind.RESUME, oldest(world)))
    asking(world)
    assert events(world).count("approval_asked") == 2
    says(world, "bob")
    reach(world, Phase.SUCCEEDED)


# silence


@pytest.mark.parametrize("steps", [SECOND, FIRST])
def test_people_who_take_too_long_are_told_once_and_may_still_approve(steps: tuple[object, ...]) -> None:
    world = a_world(steps=steps, approval=rules(within=HOUR))
    weight = asking_weight(world)
    once(world, 1000)
    assert events(world).count("approval_overdue") == 1
    assert entry_of(world, "approval_overdue").entry.reason is Reason.APPROVAL_TIMED_OUT
    assert entry_of(world, "approval_overdue").at - entry_of(world, "approval_asked").at == pytest.approx(
        3600, abs=10
    )
    assert (oldest(world).weight_permille, oldest(world).reason) == (weight, Reason.WAITING_FOR_APPROVAL)
    says(world, "bob")
    reach(world, Phase.SUCCEEDED)


def asking_weight(world: World) -> int:
    asking(world)
    return oldest(world).weight_permille


@pytest.mark.parametrize(
    ("steps", "before", "end"),
    [
        (SECOND, (), Phase.ROLLED_BACK),
        (FIRST, (), Phase.NOT_DEPLOYED),
        ((a_step(50),), (Milestone.START,), Phase.NOT_DEPLOYED),
        ((a_step(50),), (Milestone.PROMOTION,), Phase.ROLLED_BACK),
    ],
)
def test_people_who_take_too_long_end_the_rollout_where_the_policy_says_so(
    steps: tuple[object, ...], before: tuple[Milestone, ...], end: Phase
) -> None:
    world = a_world(steps=steps, approval=rules(*before, people=2, within=HOUR, on_timeout=Fallback.ROLLBACK))
    asking(world)
    says(world, "bob")
    rollout = reach(world, end, passes=2000)
    assert rollout.reason is Reason.APPROVAL_TIMED_OUT
    assert rollout.message.startswith("not approved within 1h: ")
    assert world.gateway.running == Split(stable=V1)


def test_the_time_for_an_answer_is_watched_time_and_goes_on_after_a_restart() -> None:
    within = rules(Milestone.START, within=HOUR, on_timeout=Fallback.ROLLBACK)
    world = a_world(approval=within)
    asking(world)
    world.advance(90_000)
    world.wall_offset = timedelta(days=2)
    assert once(world, 5).phase is Phase.PENDING
    world.restart()
    once(world, 5)
    assert reach(world, Phase.NOT_DEPLOYED, passes=2000).reason is Reason.APPROVAL_TIMED_OUT


def test_a_pause_stops_the_time_and_a_resume_gives_it_anew() -> None:
    world = asked_at_second_step(approval=rules(within=HOUR, on_timeout=Fallback.ROLLBACK))
    once(world, 300)
    assert asked(oldest(world)).waited > seconds(1000)
    followed(world.say(CommandKind.PAUSE, oldest(world)))
    once(world, 2000)
    followed(world.say(CommandKind.RESUME, oldest(world)))
    assert asked(oldest(world)).waited == seconds(0)


@pytest.mark.parametrize("changes", [{"steps": FIRST}, {"approval": rules(Milestone.START)}])
def test_a_wait_before_any_traffic_without_a_time_writes_nothing(changes: dict[str, object]) -> None:
    world = a_world(**changes)
    asking(world)
    before = len(commits(world))
    once(world, 20)
    world.restart()
    once(world, 20)
    assert len(commits(world)) == before


# with the other words


def test_an_approval_while_paused_counts_and_nothing_moves_before_the_resume() -> None:
    world = asked_at_second_step()
    followed(world.say(CommandKind.PAUSE, oldest(world)))
    says(world, "bob")
    assert once(world, 20).phase is Phase.PAUSED
    assert oldest(world).reason is Reason.PAUSED_BY_PERSON
    followed(world.say(CommandKind.RESUME, oldest(world)))
    reach(world, Phase.SUCCEEDED)
    assert events(world).count("approval_asked") == 1


def test_a_no_while_paused_rolls_back() -> None:
    world = asked_at_second_step()
    followed(world.say(CommandKind.PAUSE, oldest(world)))
    says(world, "bob", CommandKind.DENY)
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.APPROVAL_DENIED


def test_a_no_while_paused_with_hold_stays_paused_and_says_so() -> None:
    world = asked_at_second_step(approval=rules(on_deny=Fallback.HOLD))
    followed(world.say(CommandKind.PAUSE, oldest(world)))
    says(world, "bob", CommandKind.DENY)
    assert (oldest(world).phase, oldest(world).reason) == (Phase.PAUSED, Reason.APPROVAL_DENIED)
    assert oldest(world).resume_to is Phase.PROGRESSING


def test_after_a_foreign_edit_people_are_asked_anew() -> None:
    world = asked_at_second_step(approval=rules(people=2))
    says(world, "bob")
    world.edit(Split(V1, V2, 900))
    reach(world, Phase.FROZEN)
    assert "decide about the route first" in refused(world, "cy")
    followed(world.say(CommandKind.RESUME, oldest(world)))
    assert asking(world).approvals == ()


def test_promote_does_not_take_the_place_of_an_approval() -> None:
    world = a_world(steps=SECOND, approval=rules(Milestone.PROMOTION))
    reach(world, Phase.PROGRESSING)
    in_force(world)
    sentence = (
        "its policy asks for approval of step 2 (25%), which promote does not skip: approve when it asks"
    )
    assert refused(world, "ann", CommandKind.PROMOTE) == sentence
    asking(world)
    assert refused(world, "ann", CommandKind.PROMOTE) == (
        "step 2 (25%) waits for the approval of 1 person, which promote does not replace: approve it instead"
    )
    says(world, "bob")
    assert refused(world, "ann", CommandKind.PROMOTE) == (
        "step 2 (25%) is approved and comes first; say promote after it"
    )
    once(world, 2)
    in_force(world)
    assert "approval of the promotion" in refused(world, "ann", CommandKind.PROMOTE)


def test_promote_follows_once_the_promotion_is_approved_or_nothing_is_skipped() -> None:
    world = a_world(approval=rules(Milestone.PROMOTION))
    asking(world)
    says(world, "bob")
    followed(world.say(CommandKind.PROMOTE, oldest(world)))
    assert oldest(world).phase is Phase.PROMOTING
    world = a_world(steps=FIRST)
    asking(world)
    says(world, "bob")
    reach(world, Phase.PROGRESSING)
    in_force(world)
    followed(world.say(CommandKind.PROMOTE, oldest(world)))


def test_abort_and_retry_keep_their_meaning() -> None:
    world = asked_at_second_step()
    followed(world.say(CommandKind.ABORT, oldest(world)))
    reach(world, Phase.ABORTED)
    retried = world.retry(oldest(world))
    assert isinstance(retried, Rollout)
    assert retried.asking is None


def test_what_was_approved_does_not_outlive_the_weight_that_it_was_asked_at() -> None:
    world = asked_at_second_step()
    says(world, "bob")
    assert asked(oldest(world)).granted
    assert with_split(oldest(world), Split(V1, V2, 10)).asking is None
