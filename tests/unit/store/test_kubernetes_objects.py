"""The answers to people that are no rollout's record: marks, refusals, releases of the finalizer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.fencing import EPOCH_ANNOTATION, path_of
from controller.adapters.kube.identity import Key
from controller.adapters.kube.modelrollout import FINALIZER, RequestSpec
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.succession import Estate
from controller.adapters.store.kubernetes_objects import RolloutObjects
from controller.adapters.store.kubernetes_outbox import KubernetesOutbox
from controller.domain.model import Rollout
from controller.domain.sharding import Shard
from controller.domain.vocabulary import Phase, Reason
from controller.errors import Conflict, InvariantError, StoreUnavailable
from controller.ports import Stored
from tests.contract.store_stages import ClusterStage
from tests.fakes import FakeClock
from tests.store_records import entry, rollout

ASKED = RequestSpec(id="request-1", action="promote", by="ann")


class Desk(ClusterStage):
    def __init__(self) -> None:
        super().__init__()
        self.objects = RolloutObjects(self.store, self.index, FakeClock())

    async def begin(self, record: Rollout) -> Stored:
        await self.place(record)
        return await self.store.create(record, entry(record))

    async def end(self, read: Stored) -> Stored:
        over = replace(read.rollout, phase=Phase.ABORTED, seq=2)
        return await self.store.commit(read, over, entry(over))

    def cached(self, name: str = "a") -> Obj:
        held = self.index.get(Key("ml", name))
        assert held is not None
        return held.obj

    def stored(self, name: str = "a") -> Obj:
        found = self.api.get(MODEL_ROLLOUTS, "ml", name)
        assert found is not None
        return found

    def ask(self, request: Any, name: str = "a") -> None:
        self.caches[0].put(
            self.api.modify(MODEL_ROLLOUTS, "ml", name, lambda obj: obj["spec"].update(request=request))
        )

    def delete(self, name: str = "a") -> None:
        self.api.delete(MODEL_ROLLOUTS, "ml", name)
        self.caches[0].put(self.stored(name))

    async def mark(self, message: str, obj: Obj | None = None) -> None:
        await self.objects.mark(
            obj or self.cached(),
            phase=Phase.PENDING,
            reason=Reason.CREATED,
            message=message,
            policy_valid=False,
        )


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    opened = Desk()
    yield opened
    await opened.close()


class TestShards:
    async def test_a_leader_takes_over_and_tells_of_its_own_models_only(self, desk: Desk) -> None:
        shards = (Shard(1, 2), Shard(2, 2))
        models = {shard: next(name for n in range(99) if shard.owns(name := f"m{n}")) for shard in shards}
        for model in models.values():
            record = rollout(model, model)
            told = replace(record, policy=replace(record.policy, notify=("team",)))
            await desk.place(told)
            await desk.store.create(told, replace(entry(told), notable=True))
        everything = RolloutObjects(desk.store, desk.index, FakeClock()).estates()
        for shard, model in models.items():
            own = RolloutObjects(desk.store, desk.index, FakeClock(), shard)
            assert own.estates() == [Estate(MODEL_ROLLOUTS, "ml", model)]
            outbox = KubernetesOutbox(desk.store.writer, desk.index, shard)
            assert await outbox.destinations() == ["team"]
            assert [each.rollout.model for each in await outbox.postings("team", 9)] == [model]
        assert len(everything) == 2


class TestLists:
    async def test_what_is_not_accepted_comes_oldest_first(self, desk: Desk) -> None:
        for name in ("z", "a", "m"):
            desk.put(name)
        desk.put("other", model="churn")
        await desk.begin(rollout("m"))
        assert [obj["metadata"]["name"] for obj in desk.objects.unaccepted("fraud")] == ["z", "a"]

    async def test_what_is_marked_is_still_not_accepted(self, desk: Desk) -> None:
        desk.put("a")
        await desk.mark("waits for its policy")
        assert desk.objects.unaccepted("fraud") == [desk.cached()]

    async def test_what_is_being_deleted_is_not_to_be_accepted(self, desk: Desk) -> None:
        desk.put("a")
        desk.api.modify(MODEL_ROLLOUTS, "ml", "a", lambda obj: obj["metadata"].update(finalizers=["x/y"]))
        desk.delete()
        assert desk.objects.unaccepted("fraud") == []
        assert desk.objects.deleting("fraud") == []

    async def test_what_asks_is_listed_until_it_is_answered(self, desk: Desk) -> None:
        read = await desk.begin(rollout("a"))
        desk.put("b")
        assert desk.objects.asking("fraud") == []
        desk.ask({"id": "request-1", "action": "promote"})
        desk.ask({"id": "request-2", "action": "abort"}, "b")
        assert desk.objects.asking("fraud") == [
            (desk.cached("a"), read.rollout),
            (desk.cached("b"), None),
        ]
        await desk.objects.refuse(desk.cached(), ASKED, "it is not validated yet")
        assert [obj["metadata"]["name"] for obj, _ in desk.objects.asking("fraud")] == ["b"]

    async def test_what_is_being_deleted_waits_for_us(self, desk: Desk) -> None:
        read = await desk.begin(rollout("a"))
        assert desk.objects.deleting("fraud") == []
        desk.delete()
        assert desk.objects.deleting("fraud") == [(desk.cached(), read.rollout)]

    async def test_a_new_leader_takes_over_what_is_open(self, desk: Desk) -> None:
        await desk.begin(rollout("a"))
        await desk.end(await desk.begin(rollout("b")))
        desk.put("c")
        assert {estate.name for estate in desk.objects.estates()} == {"a", "c"}
        desk.ask({"id": "request-1", "action": "retry"}, "b")
        assert Estate(MODEL_ROLLOUTS, "ml", "b") in desk.objects.estates()

    async def test_an_unreadable_record_is_taken_over_too_and_its_requests_wait(self, desk: Desk) -> None:
        await desk.begin(rollout("a"))
        desk.ask({"id": "request-1", "action": "promote"})
        torn = desk.api.modify(MODEL_ROLLOUTS, "ml", "a", lambda obj: obj["status"].update(record="{"))
        desk.caches[0].put(torn)
        assert len(desk.objects.estates()) == 1
        with pytest.raises(StoreUnavailable):
            desk.objects.asking("fraud")


class TestMark:
    async def test_it_says_why_in_our_epoch(self, desk: Desk) -> None:
        desk.put("a")
        await desk.mark("waits for its policy")
        obj = desk.stored()
        assert obj["metadata"]["annotations"] == {"serinus.dev/epoch": "7"}
        assert "finalizers" not in obj["metadata"]
        assert obj["status"]["message"] == "waits for its policy"
        assert desk.cached()["status"] == obj["status"]

    async def test_what_is_said_already_is_not_written_again(self, desk: Desk) -> None:
        desk.put("a")
        await desk.mark("waits")
        written = len(desk.api.writes)
        desk.reign.epoch = 8
        await desk.mark("waits")
        assert len(desk.api.writes) == written
        await desk.mark("waits for another reason")
        assert desk.stored()["status"]["epoch"] == 8

    async def test_a_rollout_is_not_marked(self, desk: Desk) -> None:
        await desk.begin(rollout("a"))
        with pytest.raises(InvariantError):
            await desk.mark("x")

    async def test_what_changed_meanwhile_is_a_conflict_and_then_known(self, desk: Desk) -> None:
        desk.put("a")
        old = desk.cached()
        desk.api.modify(MODEL_ROLLOUTS, "ml", "a", lambda obj: obj["spec"].update(version="v3"))
        with pytest.raises(Conflict):
            await desk.mark("waits", old)
        assert desk.cached()["spec"]["version"] == "v3"

    async def test_a_marked_release_can_begin_later(self, desk: Desk) -> None:
        desk.put("a")
        await desk.mark("waits")
        record = rollout("a")
        await desk.objects.adopt(desk.cached(), record, entry(record))
        assert await desk.store.named("a") == record
        assert desk.objects.unaccepted("fraud") == []


class TestRefuse:
    async def test_the_rollout_is_as_before_and_the_answer_stands_beside(self, desk: Desk) -> None:
        read = await desk.begin(rollout("a"))
        desk.ask({"id": "request-1", "action": "promote"})
        before = desk.stored()["status"]
        await desk.objects.refuse(desk.cached(), ASKED, "it is not validated yet")
        after = desk.stored()["status"]
        assert {**after, "requests": [], "conditions": [], "observedGeneration": 0} == {
            **before,
            "requests": [],
            "conditions": [],
            "observedGeneration": 0,
        }
        assert [(each["id"], each["outcome"]) for each in after["requests"]] == [("request-1", "Refused")]
        (again,) = await desk.store.open_rollouts("fraud")
        assert again.rollout == read.rollout

    async def test_an_answered_one_is_not_answered_again(self, desk: Desk) -> None:
        await desk.begin(rollout("a"))
        await desk.objects.refuse(desk.cached(), ASKED, "no")
        written = len(desk.api.writes)
        await desk.objects.refuse(desk.cached(), ASKED, "no")
        assert len(desk.api.writes) == written

    async def test_the_log_of_what_is_over_survives_a_refusal(self, desk: Desk) -> None:
        await desk.end(await desk.begin(rollout("a")))
        log = desk.stored()["status"]["log"]
        await desk.objects.refuse(desk.cached(), ASKED, "it is over")
        assert desk.stored()["status"]["log"] == log
        assert desk.stored()["status"]["requests"][0]["message"] == "it is over"

    async def test_what_has_no_rollout_is_answered_too(self, desk: Desk) -> None:
        desk.put("a")
        await desk.objects.refuse(desk.cached(), ASKED, "it has not begun yet")
        assert desk.objects.unaccepted("fraud") == [desk.cached()]
        assert desk.stored()["status"]["requests"][0]["by"] == "ann"

    async def test_a_refused_request_led_to_nothing(self, desk: Desk) -> None:
        await desk.begin(rollout("a"))
        await desk.objects.refuse(desk.cached(), ASKED, "no")
        assert await desk.store.request("request-1") is None


class TestObserve:
    @staticmethod
    def seen(desk: Desk) -> set[int]:
        """The generations that the status, and each condition, say they are about."""
        status = desk.stored()["status"]
        return {
            status["observedGeneration"],
            *(each["observedGeneration"] for each in status["conditions"]),
        }

    async def test_a_change_without_a_word_is_seen_once(self, desk: Desk) -> None:
        read = await desk.end(await desk.begin(rollout("a")))
        desk.ask({"id": "request-1", "action": "promote"})
        await desk.objects.refuse(desk.cached(), ASKED, "it is over")
        desk.ask(None)
        assert self.seen(desk) == {2}
        log = desk.stored()["status"]["log"]
        await desk.objects.observe("fraud")
        assert self.seen(desk) == {3}
        assert desk.stored()["status"]["log"] == log
        assert await desk.store.named("a") == read.rollout
        written = len(desk.api.writes)
        await desk.objects.observe("fraud")
        assert len(desk.api.writes) == written

    async def test_a_word_that_waits_is_not_yet_seen(self, desk: Desk) -> None:
        await desk.begin(rollout("a"))
        desk.ask({"id": "request-1", "action": "promote"})
        await desk.objects.observe("fraud")
        assert self.seen(desk) == {1}

    async def test_there_is_nothing_to_say_of_what_nobody_looked_at(self, desk: Desk) -> None:
        desk.put("a")
        desk.ask(None)
        await desk.objects.observe("fraud")
        assert "status" not in desk.stored()


class TestRelease:
    async def test_the_object_goes_with_our_finalizer(self, desk: Desk) -> None:
        await desk.end(await desk.begin(rollout("a")))
        desk.delete()
        await desk.objects.release_finalizer(desk.cached())
        assert desk.api.get(MODEL_ROLLOUTS, "ml", "a") is None
        assert desk.index.get(Key("ml", "a")) is None

    async def test_the_finalizers_of_others_stay(self, desk: Desk) -> None:
        await desk.end(await desk.begin(rollout("a")))
        finalizers = ["x/y", FINALIZER]
        desk.api.modify(MODEL_ROLLOUTS, "ml", "a", lambda obj: obj["metadata"].update(finalizers=finalizers))
        desk.delete()
        await desk.objects.release_finalizer(desk.cached())
        assert desk.stored()["metadata"]["finalizers"] == ["x/y"]
        assert desk.objects.deleting("fraud") == []

    async def test_what_is_gone_already_is_a_conflict_and_then_absent(self, desk: Desk) -> None:
        await desk.end(await desk.begin(rollout("a")))
        desk.delete()
        old = desk.cached()
        desk.api.modify(MODEL_ROLLOUTS, "ml", "a", lambda obj: obj["metadata"].update(finalizers=[]))
        with pytest.raises(Conflict):
            await desk.objects.release_finalizer(old)
        assert desk.index.get(Key("ml", "a")) is None


class TestFences:
    async def test_the_finalizer_of_a_marked_object_is_added_in_our_epoch_only(self, desk: Desk) -> None:
        desk.put("a")
        await desk.mark("waits for a policy")  # the object bears our epoch from here on
        before = len(desk.api.writes)
        await desk.store.create(rollout("a"), entry(rollout("a")))
        claim = desk.api.writes[before].body
        assert isinstance(claim, list)
        tested = [each["path"] for each in claim if each["op"] == "test"]
        assert tested == ["/metadata/resourceVersion", path_of(EPOCH_ANNOTATION)]
