"""What the cluster's store does to objects, and what the API server can do to it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.errors import Deposed
from controller.adapters.kube.identity import Key
from controller.adapters.kube.modelrollout import FINALIZER
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.adapters.store.kubernetes_index import RolloutIndex
from controller.control.service import ControlService
from controller.domain.model import CommandKind, Rollout
from controller.domain.vocabulary import Phase
from controller.errors import Conflict, InvariantError, StoreUnavailable, TransientError
from controller.ports import Stored
from tests.contract.store_stages import ClusterStage, Reign
from tests.fakes import FakeClock, FakeFleet, FakePolicies
from tests.kube_fake import Serve, failure
from tests.store_records import entry, rollout, word

EPOCH = "serinus.dev/epoch"


@pytest.fixture
async def stage() -> AsyncIterator[ClusterStage]:
    opened = ClusterStage()
    yield opened
    await opened.close()


async def begin(stage: ClusterStage, record: Rollout) -> Stored:
    await stage.place(record)
    return await stage.store.create(record, entry(record))


async def go_on(stage: ClusterStage, read: Stored, phase: Phase = Phase.PROGRESSING) -> Stored:
    following = replace(read.rollout, phase=phase, seq=read.rollout.seq + 1)
    return await stage.store.commit(read, following, entry(following))


def the_object(stage: ClusterStage, name: str = "a") -> Obj:
    found = stage.api.get(MODEL_ROLLOUTS, "ml", name)
    assert found is not None
    return found


def edited(stage: ClusterStage, change: Callable[[Obj], None], name: str = "a") -> None:
    """As somebody else; the news reach the store late."""
    stage.api.modify(MODEL_ROLLOUTS, "ml", name, change)


def told(stage: ClusterStage, name: str = "a") -> None:
    """The news of an object reach the store."""
    stage.caches[0].put(the_object(stage, name))


class TestCreate:
    async def test_the_object_is_claimed_before_it_is_written_to(self, stage: ClusterStage) -> None:
        await begin(stage, rollout("a"))
        claim, status = stage.api.writes
        assert (claim.path.rpartition("/")[2], status.path.rpartition("/")[2]) == ("a", "status")
        obj = the_object(stage)
        assert obj["metadata"]["annotations"] == {EPOCH: "7"}
        assert obj["metadata"]["finalizers"] == [FINALIZER]
        assert (obj["status"]["epoch"], obj["status"]["ordinal"], obj["status"]["attempt"]) == (7, 1, 1)

    async def test_what_others_put_there_stays(self, stage: ClusterStage) -> None:
        await stage.place(rollout("a"))
        edited(stage, lambda obj: obj["metadata"].update(annotations={"x": "y"}, finalizers=["foreign/one"]))
        told(stage)
        await begin(stage, rollout("a"))
        metadata = the_object(stage)["metadata"]
        assert metadata["annotations"] == {"x": "y", EPOCH: "7"}
        assert metadata["finalizers"] == ["foreign/one", FINALIZER]

    async def test_it_needs_the_object(self, stage: ClusterStage) -> None:
        with pytest.raises(Conflict, match="no ModelRollout ml/a"):
            await stage.store.create(rollout("a"), entry(rollout("a")))

    async def test_a_rollout_cannot_begin_in_another_object(self, stage: ClusterStage) -> None:
        await stage.place(rollout("a"))
        with pytest.raises(InvariantError, match="cannot begin in ModelRollout ml/a"):
            await stage.store.begin(the_object(stage), rollout("b"), entry(rollout("b")))

    async def test_what_is_being_deleted_begins_no_more(self, stage: ClusterStage) -> None:
        await stage.place(rollout("a"))
        edited(stage, lambda obj: obj["metadata"].update(finalizers=["foreign/one"]))
        stage.api.delete(MODEL_ROLLOUTS, "ml", "a")
        told(stage)
        with pytest.raises(Conflict, match="is being deleted"):
            await begin(stage, rollout("a"))


class TestAttempts:
    async def test_a_retry_is_the_next_attempt_in_the_same_object(self, stage: ClusterStage) -> None:
        ended = await go_on(stage, await begin(stage, rollout("a")), Phase.ROLLED_BACK)
        newer = await go_on(stage, await begin(stage, rollout("b", version="v3")), Phase.SUCCEEDED)
        again = replace(rollout("a.2"), retry_of="a")
        await begin(stage, again)
        assert [r.id for r in await stage.store.rollouts("fraud", 9)] == ["a.2", "b"]
        assert await stage.store.named("a.2") == again
        assert await stage.store.named("a") is None
        assert await stage.store.entries("a.2", 0, 9) == [entry(again)]
        assert the_object(stage)["status"]["attempt"] == 2
        assert [(name, line.seq) for name, line in stage.fallen] == [("a.2", 1), ("a.2", 2)]
        assert ended.rollout.phase.terminal
        assert await stage.store.serving("fraud") == newer.rollout.release

    async def test_the_last_to_be_accepted_is_the_last_to_succeed(self, stage: ClusterStage) -> None:
        await go_on(stage, await begin(stage, rollout("a")), Phase.ROLLED_BACK)
        await go_on(stage, await begin(stage, rollout("b", version="v3")), Phase.SUCCEEDED)
        await go_on(stage, await begin(stage, rollout("a.2")), Phase.SUCCEEDED)
        serving = await stage.store.serving("fraud")
        assert serving is not None
        assert serving.version == "v2"

    @pytest.mark.parametrize("name", ["a", "a.3"])
    async def test_an_attempt_follows_the_last(self, stage: ClusterStage, name: str) -> None:
        await go_on(stage, await begin(stage, rollout("a")), Phase.ROLLED_BACK)
        with pytest.raises(Conflict, match="exists already"):
            await begin(stage, rollout(name))

    async def test_an_attempt_waits_for_the_end_of_the_last(self, stage: ClusterStage) -> None:
        await begin(stage, rollout("a"))
        with pytest.raises(Conflict, match="exists already"):
            await begin(stage, rollout("a.2"))

    async def test_a_commit_to_an_earlier_attempt_is_a_conflict(self, stage: ClusterStage) -> None:
        ended = await go_on(stage, await begin(stage, rollout("a")), Phase.ROLLED_BACK)
        await begin(stage, rollout("a.2"))
        with pytest.raises(Conflict, match="no longer holds rollout a"):
            await go_on(stage, ended)


class TestCommit:
    async def test_it_is_one_write_that_tests_what_was_read(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        before = len(stage.api.writes)
        await go_on(stage, read)
        (write,) = stage.api.writes[before:]
        tests = [(op["path"], op["value"]) for op in write.body if op["op"] == "test"]
        assert tests == [
            ("/metadata/resourceVersion", read.version),
            ("/metadata/annotations/serinus.dev~1epoch", "7"),
        ]

    async def test_the_word_of_a_person_in_between_is_a_conflict_and_then_there(
        self, stage: ClusterStage
    ) -> None:
        read = await begin(stage, rollout("a"))
        request = {"id": "request-1", "action": "abort"}
        edited(stage, lambda obj: obj["spec"].update(request=request))
        with pytest.raises(Conflict):
            await go_on(stage, read)
        (again,) = await stage.store.open_rollouts("fraud")
        assert again.rollout == read.rollout
        assert again.version != read.version
        held = stage.index.get(Key("ml", "a"))
        assert held is not None
        assert held.obj["spec"]["request"] == request
        assert (await go_on(stage, again)).rollout.seq == 2

    async def test_what_is_only_stored_anew_is_a_conflict_once(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        stage.api.rewrite(MODEL_ROLLOUTS, "ml", "a")
        with pytest.raises(Conflict):
            await go_on(stage, read)
        (again,) = await stage.store.open_rollouts("fraud")
        assert (await go_on(stage, again)).rollout.seq == 2

    async def test_a_new_leader_stamps_its_epoch_first(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        stage.reign.epoch = 8
        await go_on(stage, read)
        assert the_object(stage)["metadata"]["annotations"][EPOCH] == "8"
        assert the_object(stage)["status"]["epoch"] == 8

    async def test_an_old_leader_writes_nothing(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        edited(stage, lambda obj: obj["metadata"]["annotations"].update({EPOCH: "8"}))
        told(stage)
        before = the_object(stage)
        (again,) = await stage.store.open_rollouts("fraud")
        for stored in (read, again):
            with pytest.raises(Conflict):
                await go_on(stage, stored)
        assert the_object(stage) == before

    async def test_a_leader_that_may_be_deposed_sends_nothing(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        sent = len(stage.api.requests)
        stage.reign.lost = Deposed("the lease could be over")
        with pytest.raises(Deposed):
            await go_on(stage, read)
        assert not [request for request in stage.api.requests[sent:] if request.method != "GET"]

    async def test_what_is_gone_is_a_conflict_and_then_absent(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        edited(stage, lambda obj: obj["metadata"].pop("finalizers"))
        stage.api.objects.delete((MODEL_ROLLOUTS, "ml", "a"))  # and the watch has not told yet
        with pytest.raises(Conflict):
            await go_on(stage, read)
        assert await stage.store.open_rollouts("fraud") == []
        assert await stage.store.named("a") is None


class TestFaults:
    async def test_an_answer_that_got_lost_is_looked_up(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))

        async def lost(request: ApiRequest, serve: Serve) -> ApiAnswer:
            serve(request)
            stage.api.fault = None
            raise TransientError("connection reset", timedelta(seconds=3))

        stage.api.fault = lost
        with pytest.raises(StoreUnavailable, match="connection reset") as fault:
            await go_on(stage, read)
        assert fault.value.retry_after == timedelta(seconds=3)
        (again,) = await stage.store.open_rollouts("fraud")
        assert again.rollout.seq == 2

    async def test_a_write_that_never_arrived_is_looked_up(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))

        async def dropped(request: ApiRequest, serve: Serve) -> ApiAnswer:
            stage.api.fault = None
            raise TransientError("connection refused")

        stage.api.fault = dropped
        with pytest.raises(StoreUnavailable):
            await go_on(stage, read)
        assert await stage.store.open_rollouts("fraud") == [read]

    async def test_while_nothing_answers_the_last_state_is_read(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))

        async def down(request: ApiRequest, serve: Serve) -> ApiAnswer:
            raise TransientError("connection refused")

        stage.api.fault = down
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="connection refused"):
                await go_on(stage, read)
            assert await stage.store.open_rollouts("fraud") == [read]
        stage.api.fault = None
        assert (await go_on(stage, read)).rollout.seq == 2

    async def test_a_lost_permission_names_the_rule(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        stage.api.denied.add(("patch", "modelrollouts/status"))
        with pytest.raises(StoreUnavailable, match="modelrollouts/status"):
            await go_on(stage, read)

    async def test_a_missing_definition_says_how_to_install_it(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        stage.api.unserved.add(MODEL_ROLLOUTS)
        with pytest.raises(StoreUnavailable, match="has no ModelRollouts; install it"):
            await go_on(stage, read)

    async def test_a_definition_that_refuses_the_record_says_so(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        stage.api.validators[MODEL_ROLLOUTS] = lambda obj: "status.mood: unknown"
        with pytest.raises(StoreUnavailable, match="refuses the record of ModelRollout ml/a"):
            await go_on(stage, read)
        assert await stage.store.open_rollouts("fraud") == [read]

    async def test_before_the_first_list_nothing_is_read(self) -> None:
        stage = ClusterStage()

        async def down(request: ApiRequest, serve: Serve) -> ApiAnswer:
            return failure(503, "ServiceUnavailable", "etcd is away")

        stage.api.fault = down
        stage.store._patience_seconds = 0.01
        with pytest.raises(StoreUnavailable, match="could not be listed yet"):
            await stage.store.open_rollouts("fraud")
        await stage.close()


class TestIsolation:
    @pytest.fixture
    async def torn(self, stage: ClusterStage) -> ClusterStage:
        await begin(stage, rollout("a"))
        await begin(stage, rollout("b", model="churn"))
        return stage

    async def test_a_torn_record_stops_its_own_model_only(self, torn: ClusterStage) -> None:
        edited(torn, lambda obj: obj["status"].update(record="{"))
        told(torn)
        with pytest.raises(StoreUnavailable, match="ml/a: A stored record cannot be read"):
            await torn.store.open_rollouts("fraud")
        assert [s.rollout.id for s in await torn.store.open_rollouts("churn")] == ["b"]
        assert [r.id for r in await torn.store.rollouts(None, 9)] == ["b"]

    async def test_one_that_was_over_long_ago_stops_nothing(self, torn: ClusterStage) -> None:
        edited(torn, lambda obj: obj["status"].update(record="{", phase="RolledBack"))
        told(torn)
        newer = await begin(torn, rollout("c", version="v3"))
        assert await torn.store.open_rollouts("fraud") == [newer]
        assert [r.id for r in await torn.store.rollouts("fraud", 9)] == ["c"]

    async def test_what_serves_is_not_guessed(self, torn: ClusterStage) -> None:
        edited(torn, lambda obj: obj["status"].update(record="{", phase="Succeeded"))
        told(torn)
        with pytest.raises(StoreUnavailable):
            await torn.store.serving("fraud")

    async def test_a_phase_that_somebody_else_wrote_hides_no_rollout(self, torn: ClusterStage) -> None:
        edited(torn, lambda obj: obj["status"].update(phase="Succeeded"))
        told(torn)
        (read,) = await torn.store.open_rollouts("fraud")
        assert read.rollout.id == "a"
        assert await torn.store.serving("fraud") is None
        assert (await go_on(torn, read)).rollout.seq == 2

    async def test_a_spec_that_was_changed_moves_no_rollout_to_another_model(
        self, torn: ClusterStage
    ) -> None:
        edited(torn, lambda obj: obj["spec"].update(model="churn"))
        told(torn)
        assert [s.rollout.id for s in await torn.store.open_rollouts("fraud")] == ["a"]
        assert [s.rollout.id for s in await torn.store.open_rollouts("churn")] == ["b"]

    async def test_one_name_in_two_namespaces_is_two_rollouts(self, stage: ClusterStage) -> None:
        first = rollout("a")
        second = rollout("a", model="churn")
        second = replace(second, policy=replace(second.policy, namespace="shop"))
        await begin(stage, first)
        await begin(stage, second)
        assert [s.rollout for s in await stage.store.open_rollouts("fraud")] == [first]
        assert [s.rollout for s in await stage.store.open_rollouts("churn")] == [second]


class TestIndex:
    async def test_a_pass_reads_the_records_of_its_own_model_only(self, stage: ClusterStage) -> None:
        for number in range(20):
            await begin(stage, rollout(f"r-{number}", model=f"m-{number}"))
        fresh = RolloutIndex()
        other = stage.open(fresh)
        assert len(await other.open_rollouts("m-3")) == 1
        read = [model for model in fresh.models() if fresh.of(model)[0]._outcome is not None]
        assert read == ["m-3"]

    async def test_a_record_is_decoded_once_per_version(self, stage: ClusterStage) -> None:
        await begin(stage, rollout("a"))
        (one,) = await stage.store.open_rollouts("fraud")
        (two,) = await stage.store.open_rollouts("fraud")
        assert one.rollout is two.rollout

    async def test_nothing_stays_of_what_is_gone(self, stage: ClusterStage) -> None:
        await stage.place(rollout("a"))
        held = stage.index.get(Key("ml", "a"))
        assert held is not None
        stage.index.changed(held.obj, None)
        assert stage.index.models() == []
        assert stage.index.named("a") == []
        assert not stage.index._by_name
        stage.index.changed(held.obj, None)

    async def test_the_cache_holds_no_log_of_what_is_over_and_people_read_it_all_the_same(
        self, stage: ClusterStage
    ) -> None:
        await go_on(stage, await begin(stage, rollout("a")), Phase.ABORTED)
        held = stage.index.get(Key("ml", "a"))
        assert held is not None
        assert "log" not in held.obj["status"]
        assert "log" in the_object(stage)["status"]
        assert [line.seq for line in await stage.store.entries("a", 0, 9)] == [1, 2]


class TestRequests:
    async def test_one_id_in_two_objects_is_two_requests(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        await begin(stage, rollout("b", model="churn"))
        paused = replace(read.rollout, phase=Phase.PAUSED, seq=2)
        line = entry(paused, word("ml/a/request-1"))
        await stage.store.commit(read, paused, line)
        assert the_object(stage)["status"]["requests"][0]["id"] == "request-1"
        assert (await stage.store.request("ml/a/request-1") or ("",))[0] == "a"
        assert await stage.store.request("ml/b/request-1") is None
        assert (await stage.store.request("request-1") or ("",))[0] == "a"

    async def test_one_that_fell_out_of_the_log_is_remembered(self, stage: ClusterStage) -> None:
        read = await begin(stage, rollout("a"))
        aborted = replace(read.rollout, phase=Phase.ABORTED, seq=2)
        await stage.store.commit(read, aborted, entry(aborted, word("request-1")))
        found = await stage.store.request("request-1")
        assert found is not None
        assert (found[0], found[1].message, found[1].phase) == ("a", "5 % to v2", Phase.ABORTED)


async def test_what_falls_out_of_a_log_is_told(stage: ClusterStage) -> None:
    read = await begin(stage, rollout("a"))
    for _ in range(102):
        read = await go_on(stage, read)
    assert [line.seq for _, line in stage.fallen] == [1, 2, 3]
    kept: list[Any] = the_object(stage)["status"]["log"]
    assert [line["seq"] for line in kept] == list(range(4, 104))


async def test_two_leaders_at_once_write_one_after_the_other(stage: ClusterStage) -> None:
    """The old one was frozen after its lease check: whatever it read, it writes nothing any more."""
    read = await begin(stage, rollout("a"))
    new = stage.open(RolloutIndex(), Reign(8))
    (theirs,) = await new.open_rollouts("fraud")
    following = replace(theirs.rollout, phase=Phase.PAUSED, seq=2)
    await new.commit(theirs, following, entry(following))
    before = the_object(stage)
    with pytest.raises(Conflict):
        await go_on(stage, read)
    (again,) = await stage.store.open_rollouts("fraud")
    assert again.rollout == following
    with pytest.raises(Conflict, match="epoch 8"):
        await go_on(stage, again)
    assert the_object(stage) == before


class TestPeople:
    """A person's word takes the same way here as on one machine (`ControlService`)."""

    @staticmethod
    def service(stage: ClusterStage) -> ControlService:
        return ControlService(
            store=stage.store,
            history=stage.store,
            policies=FakePolicies(*(rollout("a", model).policy for model in ("fraud", "churn"))),
            routers={},
            wake=lambda model, urgent: None,
            clock=FakeClock(),
            recorded=lambda record, line: None,
            fleet=FakeFleet(),
            next_id=stage.store.next_id,
        )

    async def test_a_retry_is_followed_in_its_object_once(self, stage: ClusterStage) -> None:
        ended = await go_on(stage, await begin(stage, rollout("a")), Phase.ROLLED_BACK)
        for _ in range(2):
            outcome = await self.service(stage).follow(
                ended.rollout, CommandKind.RETRY, actor="ann", request_id="ml/a/request-1"
            )
            assert outcome.rollout == "a.2"
        assert [s.rollout.retry_of for s in await stage.store.open_rollouts("fraud")] == ["a"]
        assert the_object(stage)["status"]["requests"][0]["outcome"] == "Followed"

    async def test_one_id_said_to_two_objects_is_followed_in_both(self, stage: ClusterStage) -> None:
        for name, model in (("a", "fraud"), ("b", "churn")):
            read = await begin(stage, rollout(name, model))
            await self.service(stage).follow(
                read.rollout, CommandKind.ABORT, actor="ann", request_id=f"ml/{name}/request-1"
            )
        assert await stage.store.open_rollouts("fraud") == await stage.store.open_rollouts("churn") == []

    async def test_an_object_may_be_called_like_one_of_another_namespace(self, stage: ClusterStage) -> None:
        theirs = rollout("a", "churn", "v9")
        theirs = replace(theirs, policy=replace(theirs.policy, namespace="a-shop"))
        await go_on(stage, await begin(stage, theirs), Phase.ROLLED_BACK)
        ours = await go_on(stage, await begin(stage, rollout("a")), Phase.ROLLED_BACK)
        await self.service(stage).follow(
            ours.rollout, CommandKind.RETRY, actor="ann", request_id="ml/a/request-1"
        )
        (again,) = await stage.store.open_rollouts("fraud")
        assert (again.rollout.id, again.rollout.release.version) == ("a.2", "v2")

    async def test_a_release_begins_with_an_object(self, stage: ClusterStage) -> None:
        with pytest.raises(InvariantError):
            stage.store.next_id("fraud", None, None)
