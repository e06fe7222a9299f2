"""A person's word: pause, resume, abort, promote, retry, and what is refused."""

from dataclasses import replace

import pytest

from controller.domain.commands import again, announce, obey, refuse_release
from controller.domain.model import CommandKind, Refusal, SetSplit
from controller.domain.observation import NoReading
from controller.domain.release import Split
from controller.domain.vocabulary import TERMINAL, Phase, Reason, Verdict
from tests.domain_facts import Committed
from tests.domain_outside import release
from tests.domain_scenes import (
    BAD,
    a_world,
    at,
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
BEFORE_TRAFFIC = (Phase.PENDING, Phase.PREPARING, Phase.VALIDATING)
WITH_TRAFFIC = (Phase.PROGRESSING, Phase.PROMOTING, Phase.BAKING)


def refused(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.message


def say(world: World, kind: CommandKind) -> None:
    followed(world.say(kind, oldest(world)))


def test_who_said_it_is_the_actor_of_the_entry() -> None:
    world = at(Phase.PROGRESSING)
    say(world, CommandKind.PAUSE)
    entry = entry_of(world, "rollout_paused").entry
    assert entry.actor == "ann"
    assert entry.command is not None
    assert entry.command.request_id == "request-1"
    assert entry.notable


def test_the_first_entry_names_who_deployed() -> None:
    world = a_world()
    entry = entry_of(world, "created").entry
    assert (entry.seq, entry.actor, entry.message) == (1, "ann", "v2 of fraud is to be rolled out")
    assert entry.assessment.verdict is Verdict.UNKNOWN
    assert announce(world.initial["fraud-1"]).wake_after is None


# pause and resume


@pytest.mark.parametrize("phase", [*BEFORE_TRAFFIC, *WITH_TRAFFIC])
def test_a_pause_holds_where_it_is_until_somebody_resumes(phase: Phase) -> None:
    world = at(phase)
    say(world, CommandKind.PAUSE)
    once(world, 100)
    assert (oldest(world).phase, oldest(world).resume_to) == (Phase.PAUSED, phase)
    say(world, CommandKind.RESUME)
    assert (oldest(world).phase, oldest(world).resume_to) == (phase, None)
    reach(world, Phase.SUCCEEDED)


def test_time_while_paused_counts_for_nothing() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    before = once(world, 2).clocks
    say(world, CommandKind.PAUSE)
    once(world, 100)
    after = oldest(world).clocks
    assert (after.at_weight, after.total, after.since_step) == (
        before.at_weight,
        before.total,
        before.since_step,
    )


def test_a_resume_grants_new_deadlines_but_no_time_at_the_weight() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    before = once(world, 3)
    say(world, CommandKind.PAUSE)
    say(world, CommandKind.RESUME)
    after = oldest(world).clocks
    assert (after.total, after.since_step) == (seconds(0), seconds(0))
    assert after.at_weight == before.clocks.at_weight > seconds(0)
    assert not after.observing


def test_a_resume_after_the_rollouts_deadline_goes_on_to_the_end() -> None:
    world = at(Phase.PROGRESSING, deadline=seconds(120))
    world.metrics.silence = NoReading(Reason.METRICS_PARTIAL, "half an answer")
    assert reach(world, Phase.PAUSED).reason is Reason.ROLLOUT_DEADLINE_EXCEEDED
    world.metrics.silence = None
    say(world, CommandKind.RESUME)
    reach(world, Phase.PROMOTING)


def test_a_resume_after_drift_consents_to_overwrite_it() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.edit(Split(V1, V2, 900))
    assert reach(world, Phase.FROZEN).reason is Reason.DRIFT_DETECTED
    once(world, 20)
    assert world.gateway.running == Split(V1, V2, 900)
    say(world, CommandKind.RESUME)
    once(world)
    assert world.gateway.running == Split(V1, V2, 50)
    reach(world, Phase.SUCCEEDED)


def test_a_resume_after_drift_consents_only_to_what_was_there_then() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.edit(Split(V1, V2, 900))
    reach(world, Phase.FROZEN)
    say(world, CommandKind.RESUME)
    world.edit(Split(V1, V2, 700))
    once(world)
    assert oldest(world).phase is Phase.FROZEN
    assert world.gateway.running == Split(V1, V2, 700)


def test_a_step_counts_anew_after_drift() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    assert once(world, 3).clocks.at_weight > seconds(0)
    world.edit(Split(V1, V2, 900))
    reach(world, Phase.FROZEN)
    say(world, CommandKind.RESUME)
    rollout = oldest(world)
    assert rollout.clocks.at_weight == seconds(0)
    assert (rollout.evidence.cursor, rollout.evidence.canary_requests) == (None, 0)


def test_a_paused_rollout_that_froze_goes_on_where_it_was_before_the_pause() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    say(world, CommandKind.PAUSE)
    world.edit(Split(V1, V2, 900))
    assert reach(world, Phase.FROZEN).resume_to is Phase.PROGRESSING
    say(world, CommandKind.RESUME)
    assert oldest(world).phase is Phase.PROGRESSING


def test_a_halted_rollout_that_froze_goes_back_to_halted_with_its_cause() -> None:
    world = at(Phase.BAKING)
    world.versions["v1"].ready = False
    world.versions["v2"].bad["errors"] = BAD
    checks = reach(world, Phase.HALTED).evidence.checks
    world.edit(Split(V1, V2, 900))
    reach(world, Phase.FROZEN)
    say(world, CommandKind.RESUME)
    rollout = oldest(world)
    assert (rollout.phase, rollout.cause) == (Phase.HALTED, Reason.CHECK_FAILED)
    assert rollout.evidence.checks == checks
    world.versions["v1"].ready = True
    reach(world, Phase.ROLLED_BACK)


# abort


@pytest.mark.parametrize("phase", [*BEFORE_TRAFFIC, *WITH_TRAFFIC])
@pytest.mark.parametrize("paused", [False, True])
def test_an_abort_ends_every_running_phase(phase: Phase, paused: bool) -> None:
    world = at(phase)
    if paused:
        say(world, CommandKind.PAUSE)
    say(world, CommandKind.ABORT)
    rollout = reach(world, Phase.ABORTED, passes=5)
    assert (rollout.reason, rollout.message) == (Reason.ABORTED_BY_PERSON, "aborted by ann")
    assert world.gateway.running == Split(V1)


def test_an_abort_before_any_traffic_writes_nothing() -> None:
    world = at(Phase.VALIDATING)
    assert followed(world.say(CommandKind.ABORT, oldest(world))).actions == ()


def test_an_abort_is_one_write() -> None:
    world = at(Phase.BAKING)
    decision = followed(world.say(CommandKind.ABORT, oldest(world)))
    assert decision.actions == (SetSplit(Split(V1), Split(V1, V2, 1000)),)


def test_an_abort_of_a_frozen_or_halted_rollout_needs_no_healthy_stable() -> None:
    for froze in (False, True):
        world = at(Phase.BAKING)
        world.versions["v1"].ready = False
        world.versions["v2"].bad["errors"] = BAD
        reach(world, Phase.HALTED)
        if froze:
            world.edit(Split(V1, V2, 900))
            reach(world, Phase.FROZEN)
        say(world, CommandKind.ABORT)
        reach(world, Phase.ABORTED)


def test_an_abort_while_rolling_back_is_heard_and_changes_nothing() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.versions["v2"].bad["errors"] = BAD
    before = reach(world, Phase.ROLLING_BACK)
    decision = followed(world.say(CommandKind.ABORT, before))
    assert (decision.rollout.ending, decision.actions) == (before.ending, ())
    assert decision.rollout.message.endswith("; aborted by ann")
    reach(world, Phase.ROLLED_BACK)


# promote


def test_a_promote_skips_the_steps_that_are_left() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    decision = followed(world.say(CommandKind.PROMOTE, oldest(world)))
    assert decision.rollout.phase is Phase.PROMOTING
    assert decision.actions == (SetSplit(Split(V1, V2, 1000), Split(V1, V2, 50)),)
    reach(world, Phase.SUCCEEDED)


def test_a_promote_while_baking_skips_the_rest_of_the_bake() -> None:
    world = at(Phase.BAKING)
    followed(world.say(CommandKind.PROMOTE, oldest(world)))
    assert reach(world, Phase.SUCCEEDED, passes=5).reason is Reason.PROMOTED


@pytest.mark.parametrize("phase", BEFORE_TRAFFIC)
def test_nothing_is_promoted_unseen(phase: Phase) -> None:
    world = at(phase)
    assert "nothing is promoted unseen" in refused(world.say(CommandKind.PROMOTE, oldest(world)))
    say(world, CommandKind.PAUSE)
    assert "nothing is promoted unseen" in refused(world.say(CommandKind.PROMOTE, oldest(world)))


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.BAKING])
def test_nothing_is_promoted_from_a_weight_that_is_not_in_force(phase: Phase) -> None:
    world = at(phase)
    unsure = oldest(world)
    unsure = replace(unsure, route=replace(unsure.route, in_force=False))
    assert "try again in a moment" in refused(obey(unsure, world.command(CommandKind.PROMOTE)))


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.FROZEN, Phase.HALTED, Phase.ROLLING_BACK])
def test_where_no_step_is_left_nothing_is_promoted(phase: Phase) -> None:
    world = at(Phase.BAKING)
    rollout = replace(oldest(world), phase=phase, resume_to=Phase.PROGRESSING)
    assert "no step left to skip" in refused(obey(rollout, world.command(CommandKind.PROMOTE)))


# retry


def test_a_retry_of_a_halted_rollout_judges_it_anew() -> None:
    world = at(Phase.BAKING)
    world.versions["v1"].ready = False
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.HALTED)
    world.versions["v2"].bad["errors"] = 0.0
    say(world, CommandKind.RETRY)
    rollout = oldest(world)
    assert (rollout.phase, rollout.cause) == (Phase.PROMOTING, None)
    assert rollout.evidence.verdict is Verdict.UNKNOWN
    reach(world, Phase.SUCCEEDED)


def test_a_retry_of_an_ended_rollout_is_a_new_one_under_the_policy_of_today() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.versions["v2"].bad["errors"] = BAD
    ended = reach(world, Phase.ROLLED_BACK)
    world.versions["v2"].bad["errors"] = 0.0
    world.policy = replace(world.policy, digest="another")
    anew = world.retry(ended)
    assert not isinstance(anew, Refusal)
    assert (anew.id, anew.retry_of, anew.policy.digest) == ("fraud-2", "fraud-1", "another")
    assert (anew.phase, anew.seq, anew.evidence.checks) == (Phase.PENDING, 1, ())
    once(world, 200)
    assert newest(world).phase is Phase.SUCCEEDED


def test_what_is_not_over_or_went_well_is_not_tried_again() -> None:
    world = at(Phase.PROGRESSING)
    command = world.command(CommandKind.RETRY)
    assert "abort it first" in refused(again(oldest(world), world.policy, "fraud-2", command))
    assert "retry is for a rollout that ended" in refused(world.say(CommandKind.RETRY, oldest(world)))
    done = reach(world, Phase.SUCCEEDED)
    assert "nothing to retry" in refused(again(done, world.policy, "fraud-2", command))


# what is refused


@pytest.mark.parametrize("kind", CommandKind)
@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_a_rollout_that_is_over_hears_nothing(kind: CommandKind, phase: Phase) -> None:
    world = a_world()
    over = replace(oldest(world), phase=phase)
    message = refused(obey(over, world.command(kind)))
    assert message.startswith(f"fraud-1 is over ({phase}): nothing to {kind}")
    assert message.endswith("retry starts it again") is (phase is not Phase.SUCCEEDED)


def test_a_pause_is_refused_where_it_means_nothing() -> None:
    world = at(Phase.PROGRESSING)
    say(world, CommandKind.PAUSE)
    assert refused(world.say(CommandKind.PAUSE, oldest(world))) == "it is paused already"
    frozen = replace(oldest(world), phase=Phase.FROZEN)
    assert "cannot be paused while Frozen" in refused(obey(frozen, world.command(CommandKind.PAUSE)))


def test_a_resume_is_refused_where_nothing_waits() -> None:
    world = at(Phase.PROGRESSING)
    message = refused(world.say(CommandKind.RESUME, oldest(world)))
    assert message == "it is Progressing, not paused or frozen: there is nothing to resume"


def test_a_rollout_is_not_told_to_deploy() -> None:
    world = a_world()
    assert "a rollout of its own" in refused(world.say(CommandKind.DEPLOY, oldest(world)))


def test_a_refused_word_leaves_no_trace() -> None:
    world = at(Phase.PROGRESSING)
    before = list(world.history)
    refused(world.say(CommandKind.RESUME, oldest(world)))
    assert world.history == before


def test_a_version_that_serves_or_is_being_rolled_out_is_not_deployed_again() -> None:
    world = at(Phase.PROGRESSING)
    assert "already serves everyone" in refused(refuse_release(V1, V1, None))
    assert "being rolled out already by fraud-1" in refused(refuse_release(V2, V1, oldest(world)))
    assert refuse_release(release("v3"), V1, oldest(world)) is None


def test_the_log_of_a_whole_life_has_no_gap() -> None:
    world = at(Phase.PROGRESSING)
    for kind in (CommandKind.PAUSE, CommandKind.RESUME):
        in_force(world)
        say(world, kind)
    reach(world, Phase.SUCCEEDED)
    numbers = [fact.entry.seq for fact in world.history if isinstance(fact, Committed)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert events(world).count("rollout_succeeded") == 1
