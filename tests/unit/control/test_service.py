"""The use cases: who may begin what, what a person's word leads to, and what a broken store cannot stop."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.control.errors import InvalidRequest, NotFound, Refused, Unavailable
from controller.domain.model import CommandKind, Entry, Rollout, Route
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason
from controller.errors import Conflict, PolicyError, StoreUnavailable
from controller.ports import Stored
from tests.fakes import FakeStore, a_policy, a_release, a_rollout
from tests.unit.control.stage import ACTOR, Stage, ended, progressing

ENDPOINTS = ("10.0.0.7:8080",)


async def deploy(stage: Stage, version: str = "v2", request_id: str = "request-1") -> str:
    outcome = await stage.service.deploy("fraud", version, ENDPOINTS, actor=ACTOR, request_id=request_id)
    assert outcome.rollout is not None
    return outcome.rollout


async def say(
    stage: Stage, kind: CommandKind, target: str = "fraud", request_id: str = "request-1"
) -> tuple[str | None, str]:
    outcome = await stage.service.command(target, kind, actor=ACTOR, request_id=request_id)
    return outcome.rollout, outcome.message


class ContestedStore(FakeStore):
    """Somebody else writes first, a number of times."""

    def __init__(self, conflicts: int) -> None:
        super().__init__()
        self.conflicts = conflicts

    async def commit(self, read: Stored, rollout: Rollout, entry: Entry) -> Stored:
        if self.conflicts:
            self.conflicts -= 1
            other = replace(read.rollout, seq=read.rollout.seq + 1)
            self.records[rollout.id] = Stored(other, int(read.version) + 1)
            self.log[rollout.id].append(replace(self.log[rollout.id][-1], seq=other.seq))
        return await super().commit(read, rollout, entry)

    async def create(self, rollout: Rollout, entry: Entry) -> Stored:
        if self.conflicts:
            self.conflicts -= 1
            raise Conflict("the id was taken a moment ago")
        return await super().create(rollout, entry)


class InterleavedStore(FakeStore):
    """Lets others go on between any two of its steps, as a store on a disk does."""

    async def request(self, request_id: str) -> tuple[str, Entry] | None:
        await asyncio.sleep(0)
        return await super().request(request_id)

    async def open_rollouts(self, model: str) -> Sequence[Stored]:
        found = await super().open_rollouts(model)
        await asyncio.sleep(0)
        return found

    async def rollouts(self, model: str | None, limit: int) -> Sequence[Rollout]:
        found = await super().rollouts(model, limit)
        await asyncio.sleep(0)
        return found

    async def create(self, rollout: Rollout, entry: Entry) -> Stored:
        await asyncio.sleep(0)
        return await super().create(rollout, entry)


class HangingStore(FakeStore):
    """Accepts a commit and never says what came of it."""

    async def commit(self, read: Stored, rollout: Rollout, entry: Entry) -> Stored:
        await asyncio.Event().wait()
        return await super().commit(read, rollout, entry)


class TestDeploy:
    async def test_a_deployment_is_recorded_with_its_actor_and_wakes_the_model(self) -> None:
        stage = Stage()
        outcome = await stage.service.deploy("fraud", "v2", ENDPOINTS, actor=ACTOR, request_id="request-1")
        rollout = stage.rollout("fraud-1")
        assert (outcome.rollout, outcome.phase, outcome.recorded) == ("fraud-1", Phase.PENDING, True)
        assert (rollout.release.version, rollout.release.endpoints) == ("v2", ENDPOINTS)
        assert rollout.created_by == ACTOR
        assert stage.store.log["fraud-1"][0].actor == ACTOR
        assert stage.wakes == [("fraud", True)]
        assert stage.recorded == [("fraud-1", "created")]

    async def test_a_repeated_request_is_answered_as_the_first_and_begins_nothing(self) -> None:
        stage = Stage()
        first, again = await deploy(stage), await deploy(stage)
        assert first == again == "fraud-1"
        assert list(stage.store.records) == ["fraud-1"]
        assert len(stage.wakes) == 1

    async def test_a_request_repeated_after_a_restart_is_answered_as_the_first(self) -> None:
        before = Stage()
        first = await deploy(before)
        after = Stage(before.store)
        assert await deploy(after) == first
        assert list(after.store.records) == ["fraud-1"]

    async def test_the_same_request_sent_twice_at_once_begins_one_rollout(self) -> None:
        stage = Stage()
        assert set(await asyncio.gather(deploy(stage), deploy(stage))) == {"fraud-1"}
        assert list(stage.store.records) == ["fraud-1"]

    async def test_numbers_follow_the_newest_rollout_even_when_older_ones_were_pruned(self) -> None:
        stage = Stage()
        stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED, number=41))
        assert await deploy(stage, "v3") == "fraud-42"

    async def test_an_id_that_is_taken_at_the_last_moment_is_tried_again(self) -> None:
        stage = Stage(ContestedStore(conflicts=4))
        assert await deploy(stage) == "fraud-1"

    async def test_it_gives_up_after_five_conflicts(self) -> None:
        stage = Stage(ContestedStore(conflicts=5))
        with pytest.raises(Refused, match="try again"):
            await deploy(stage)

    async def test_a_model_without_a_policy_is_refused(self) -> None:
        stage = Stage()
        with pytest.raises(Refused, match="no policy file is for the model chat") as refusal:
            await stage.service.deploy("chat", "v2", ENDPOINTS, actor=ACTOR, request_id="request-1")
        assert refusal.value.hint
        assert not stage.store.records

    async def test_the_fault_of_a_policy_file_is_named_where_no_policy_is_in_force(self) -> None:
        stage = Stage()
        stage.policies.faults["policies/chat.yaml"] = [
            PolicyError("policies/chat.yaml", 3, 5, "steps: missing"),
            PolicyError("policies/chat.yaml", 4, 5, "checks: missing"),
        ]
        with pytest.raises(Refused, match=r"chat.yaml:3:5: steps: missing \(and 1 more\)") as refusal:
            await stage.service.deploy("chat", "v2", ENDPOINTS, actor=ACTOR, request_id="request-1")
        assert refusal.value.hint == "serinus lint policies/chat.yaml"

    async def test_the_version_that_serves_already_is_refused(self) -> None:
        stage = Stage()
        stage.begin(ended(Phase.SUCCEEDED, Reason.PROMOTED, "v2"))
        with pytest.raises(Refused, match="v2 already serves everyone"):
            await deploy(stage, "v2")

    async def test_a_version_that_any_open_rollout_holds_is_refused(self) -> None:
        stage = Stage()
        stage.begin(replace(progressing("v2", 1), phase=Phase.ROLLING_BACK))
        stage.begin(a_rollout(version="v3", number=2))
        with pytest.raises(Refused, match="v2 is being rolled out already by fraud-1"):
            await deploy(stage, "v2")

    async def test_a_version_that_is_no_name_is_invalid(self) -> None:
        with pytest.raises(InvalidRequest, match="version"):
            await deploy(Stage(), "../v2")

    async def test_a_store_that_cannot_be_written_is_an_error(self) -> None:
        stage = Stage()
        stage.store.broken = True
        with pytest.raises(StoreUnavailable):
            await deploy(stage)
        assert not stage.wakes


class TestCommands:
    @pytest.mark.parametrize(
        ("kind", "phase"),
        [
            (CommandKind.PAUSE, Phase.PAUSED),
            (CommandKind.ABORT, Phase.ROLLING_BACK),
            (CommandKind.PROMOTE, Phase.PROMOTING),
        ],
    )
    async def test_a_word_is_committed_logged_and_wakes_the_model_urgently(
        self, kind: CommandKind, phase: Phase
    ) -> None:
        stage = Stage()
        stage.begin(progressing())
        assert (await say(stage, kind))[0] == "fraud-1"
        entry = stage.store.log["fraud-1"][-1]
        assert stage.rollout("fraud-1").phase is phase
        assert entry.actor == ACTOR
        assert entry.command is not None
        assert entry.command.request_id == "request-1"
        assert stage.wakes == [("fraud", True)]
        assert stage.recorded == [("fraud-1", entry.event)]

    async def test_the_service_leaves_the_gateway_to_the_reconciler(self) -> None:
        stage = Stage()
        stage.begin(progressing())
        await say(stage, CommandKind.ABORT)
        assert stage.router.written == []

    async def test_a_repeated_word_is_answered_as_the_first_and_changes_nothing(self) -> None:
        stage = Stage()
        stage.begin(progressing())
        first = await say(stage, CommandKind.PAUSE)
        await say(stage, CommandKind.RESUME, request_id="request-2")
        assert await say(stage, CommandKind.PAUSE) == first
        assert stage.rollout("fraud-1").phase is Phase.PROGRESSING

    async def test_a_word_that_loses_the_race_is_decided_anew(self) -> None:
        stage = Stage(ContestedStore(conflicts=4))
        stage.begin(progressing())
        await say(stage, CommandKind.PAUSE)
        assert stage.rollout("fraud-1").phase is Phase.PAUSED
        assert [entry.seq for entry in stage.store.log["fraud-1"]] == [1, 2, 3, 4, 5, 6]

    async def test_a_word_that_always_loses_the_race_is_refused_after_five_attempts(self) -> None:
        stage = Stage(ContestedStore(conflicts=5))
        stage.begin(progressing())
        with pytest.raises(Refused, match="say it again"):
            await say(stage, CommandKind.PAUSE)

    async def test_a_word_never_slips_to_a_rollout_that_began_meanwhile(self) -> None:
        class Overtaken(FakeStore):
            async def commit(self, read: Stored, rollout: Rollout, entry: Entry) -> Stored:
                over = replace(read.rollout, phase=Phase.SUCCEEDED)
                self.records["fraud-1"] = Stored(over, int(read.version) + 1)
                self.records["fraud-2"] = Stored(replace(progressing("v3", 2), seq=1), 1)
                self.log["fraud-2"] = [self.log["fraud-1"][0]]
                return await super().commit(read, rollout, entry)

        stage = Stage(Overtaken())
        stage.begin(progressing())
        with pytest.raises(Refused, match="fraud-1: fraud-1 is over"):
            await say(stage, CommandKind.PAUSE)
        assert stage.rollout("fraud-2").phase is Phase.PROGRESSING

    async def test_the_newest_open_rollout_is_meant_unless_one_is_named(self) -> None:
        stage = Stage()
        stage.begin(progressing("v2", 1))
        stage.begin(a_rollout(version="v3", number=2))
        assert (await say(stage, CommandKind.ABORT))[0] == "fraud-2"
        assert (await say(stage, CommandKind.PAUSE, "fraud-1", "request-2"))[0] == "fraud-1"

    async def test_what_cannot_be_obeyed_is_refused_with_the_command_to_type_next(self) -> None:
        stage = Stage()
        stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
        with pytest.raises(Refused, match="fraud-1 is over") as refusal:
            await say(stage, CommandKind.PAUSE)
        assert refusal.value.hint == "serinus retry fraud"

    @pytest.mark.parametrize("target", ["chat", "fraud-9", "fraud-x", "-1", ""])
    async def test_an_unknown_target_is_not_found(self, target: str) -> None:
        stage = Stage()
        stage.begin(progressing())
        with pytest.raises(NotFound, match="no model or rollout"):
            await say(stage, CommandKind.PAUSE, target)

    async def test_a_model_without_rollouts_is_told_how_to_deploy(self) -> None:
        with pytest.raises(NotFound, match="fraud has no rollout yet") as missing:
            await Stage().service.status("fraud")
        assert missing.value.hint.startswith("serinus deploy fraud ")


class TestFollow:
    async def test_a_word_to_a_rollout_is_for_no_other_even_of_the_models_own_name(self) -> None:
        stage = Stage()
        older = stage.begin(replace(a_rollout(), id="fraud"))
        newer = stage.begin(replace(a_rollout(version="v3"), id="fraud-v3"))
        outcome = await stage.service.follow(older, CommandKind.PAUSE, actor=ACTOR, request_id="r-1")
        assert outcome.rollout == "fraud"
        assert stage.rollout("fraud").phase is Phase.PAUSED
        assert stage.rollout(newer.id).phase is Phase.PENDING

    async def test_an_abort_that_cannot_be_written_reaches_the_gateway_all_the_same(self) -> None:
        stage = Stage()
        rollout = stage.begin(progressing())
        stage.store.broken = True
        outcome = await stage.service.follow(rollout, CommandKind.ABORT, actor=ACTOR, request_id="r-1")
        assert not outcome.recorded
        assert stage.router.latches == {"fraud": Reason.ABORTED_BY_PERSON}
        with pytest.raises(StoreUnavailable):
            await stage.service.follow(rollout, CommandKind.PAUSE, actor=ACTOR, request_id="r-2")

    async def test_a_word_to_a_rollout_that_ended_meanwhile_is_refused(self) -> None:
        stage = Stage()
        rollout = stage.begin(a_rollout())
        stage.move(rollout.id, phase=Phase.SUCCEEDED)
        with pytest.raises(Refused, match="is over"):
            await stage.service.follow(rollout, CommandKind.ABORT, actor=ACTOR, request_id="r-1")

    async def test_a_repeated_word_is_answered_as_the_first(self) -> None:
        stage = Stage()
        rollout = stage.begin(a_rollout())
        for _ in range(2):
            outcome = await stage.service.follow(rollout, CommandKind.PAUSE, actor=ACTOR, request_id="r-1")
            assert outcome.phase is Phase.PAUSED
        assert stage.rollout(rollout.id).seq == 2


class TestRetry:
    async def test_an_ended_rollout_begins_again_under_the_policy_of_today(self) -> None:
        stage = Stage()
        stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
        stage.policies.in_force["fraud"] = a_policy(digest="cd" * 32)
        assert (await say(stage, CommandKind.RETRY))[0] == "fraud-2"
        rollout = stage.rollout("fraud-2")
        assert (rollout.phase, rollout.retry_of) == (Phase.PENDING, "fraud-1")
        assert rollout.policy.digest == "cd" * 32
        assert stage.wakes == [("fraud", True)]

    async def test_a_repeated_retry_begins_one_rollout(self) -> None:
        stage = Stage()
        stage.begin(ended(Phase.ABORTED, Reason.ABORTED_BY_PERSON))
        first = await say(stage, CommandKind.RETRY)
        assert await say(stage, CommandKind.RETRY) == first
        assert list(stage.store.records) == ["fraud-1", "fraud-2"]

    @pytest.mark.parametrize("ahead", range(6))
    async def test_the_same_retry_sent_twice_at_once_begins_one_rollout(self, ahead: int) -> None:
        stage = Stage(InterleavedStore())
        stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))

        async def later() -> tuple[str | None, str]:
            for _ in range(ahead):
                await asyncio.sleep(0)
            return await say(stage, CommandKind.RETRY)

        first, second = await asyncio.gather(say(stage, CommandKind.RETRY), later())
        assert first == second
        assert list(stage.store.records) == ["fraud-1", "fraud-2"]

    async def test_a_halted_rollout_is_judged_anew_and_no_other_begins(self) -> None:
        stage = Stage()
        stable, canary = a_release("v1"), a_release("v2")
        split = Split(stable, canary, 1000)
        stage.begin(replace(progressing(), phase=Phase.HALTED, route=Route(split, split, in_force=True)))
        assert (await say(stage, CommandKind.RETRY))[0] == "fraud-1"
        assert stage.rollout("fraud-1").phase is Phase.PROMOTING

    async def test_what_still_runs_or_succeeded_is_not_retried(self) -> None:
        stage = Stage()
        stage.begin(progressing())
        with pytest.raises(Refused, match="still Progressing"):
            await say(stage, CommandKind.RETRY)
        stage = Stage()
        stage.begin(ended(Phase.SUCCEEDED, Reason.PROMOTED))
        with pytest.raises(Refused, match="serves everyone"):
            await say(stage, CommandKind.RETRY)

    async def test_a_retry_without_a_policy_is_refused(self) -> None:
        stage = Stage()
        stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
        stage.policies.in_force.clear()
        with pytest.raises(Refused, match="no policy file"):
            await say(stage, CommandKind.RETRY)


class TestEmergencyAbort:
    async def test_an_abort_that_cannot_be_written_goes_straight_to_the_gateway(self) -> None:
        stage = Stage()
        rollout = stage.begin(progressing())
        stage.router.splits["fraud"] = rollout.route.intended
        stage.store.broken = True
        stage.policies.in_force.clear()
        outcome = await stage.service.command("fraud", CommandKind.ABORT, actor=ACTOR, request_id="request-1")
        assert stage.router.splits["fraud"] == Split(stable=a_release("v1"))
        assert stage.router.latches == {"fraud": Reason.ABORTED_BY_PERSON}
        assert not outcome.recorded
        assert "the record follows when the store is back" in outcome.message
        assert outcome.rollout == "fraud-1"
        assert stage.wakes == [("fraud", True)]

    @pytest.mark.parametrize("target", ["fraud", "fraud-1"])
    async def test_a_store_that_cannot_even_be_read_does_not_stop_it(self, target: str) -> None:
        stage = Stage()
        stage.begin(progressing())
        stage.store.unreadable = True
        outcome = await stage.service.command(target, CommandKind.ABORT, actor=ACTOR, request_id="request-1")
        assert stage.router.latches == {"fraud": Reason.ABORTED_BY_PERSON}
        assert outcome.rollout is None

    async def test_a_store_that_never_answers_does_not_stop_it(self) -> None:
        stage = Stage(HangingStore(), patience=timedelta(milliseconds=1))
        stage.begin(progressing())
        await say(stage, CommandKind.ABORT)
        assert stage.router.latches == {"fraud": Reason.ABORTED_BY_PERSON}

    async def test_without_record_and_policy_nobody_knows_the_gateway(self) -> None:
        stage = Stage()
        stage.store.unreadable = True
        stage.policies.in_force.clear()
        with pytest.raises(Unavailable, match="no policy names fraud's gateway: the disk does not answer"):
            await say(stage, CommandKind.ABORT)

    async def test_a_gateway_of_an_unknown_kind_is_an_error(self) -> None:
        stage = Stage()
        stage.begin(replace(progressing(), policy=a_policy(route=replace(a_policy().route, kind="mesh"))))
        stage.store.broken = True
        with pytest.raises(Unavailable, match="no gateway is known"):
            await say(stage, CommandKind.ABORT)

    @pytest.mark.parametrize("kind", [CommandKind.PAUSE, CommandKind.PROMOTE])
    async def test_no_other_word_goes_past_the_store(self, kind: CommandKind) -> None:
        stage = Stage()
        stage.begin(progressing())
        stage.store.broken = True
        with pytest.raises(StoreUnavailable):
            await say(stage, kind)
        assert stage.router.latches == {}


class TestReading:
    async def test_get_lists_the_newest_of_each_model_and_what_is_still_open(self) -> None:
        stage = Stage()
        stage.begin(ended(Phase.SUCCEEDED, Reason.PROMOTED, "v2", 1))
        stage.begin(replace(progressing("v3", 2), phase=Phase.ROLLING_BACK))
        stage.begin(a_rollout(version="v4", number=3))
        stage.begin(replace(a_rollout(a_policy(model="chat")), phase=Phase.SUCCEEDED))
        assert await self.listed(stage, None) == ["chat-1", "fraud-3", "fraud-2"]
        assert await self.listed(stage, "fraud") == ["fraud-3", "fraud-2"]
        assert await self.listed(stage, "fraud-1") == ["fraud-1"]

    async def test_history_shows_what_was_of_consequence_in_order_across_rollouts(self) -> None:
        stage = Stage()
        stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED, "v2", 1))
        stage.begin(progressing("v3", 2))
        for number in range(1500):
            stage.move("fraud-2", notable=number % 700 == 0)
        notable = [("fraud-1", 1), ("fraud-2", 1), ("fraud-2", 2), ("fraud-2", 702), ("fraud-2", 1402)]
        assert await self.log(stage, "fraud", 50) == notable
        assert await self.log(stage, "fraud", 2) == notable[-2:]
        assert await self.log(stage, "fraud-2", 50) == notable[1:]

    async def test_history_of_everything_is_the_newest_entries(self) -> None:
        stage = Stage()
        stage.begin(progressing())
        for _ in range(10):
            stage.move("fraud-1", notable=False)
        assert await self.log(stage, "fraud", 3, every=True) == [("fraud-1", n) for n in (9, 10, 11)]

    async def test_entries_follow_a_number(self) -> None:
        stage = Stage()
        stage.begin(progressing())
        for _ in range(4):
            stage.move("fraud-1")
        found = await stage.service.entries("fraud-1", 2, 2)
        assert [entry.seq for entry in found.items] == [3, 4]
        with pytest.raises(NotFound):
            await stage.service.entries("fraud", 0, 2)

    @staticmethod
    async def listed(stage: Stage, target: str | None) -> Sequence[str]:
        return [status.rollout for status in (await stage.service.get(target)).items]

    @staticmethod
    async def log(stage: Stage, target: str, limit: int, *, every: bool = False) -> Sequence[tuple[str, int]]:
        found = await stage.service.history(target, limit, every=every)
        return [(entry.rollout, entry.seq) for entry in found.items]
