"""What is read of a cluster from outside: of namespaces that may be seen, the others are as if not there."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.library import ClusterLibrary, shown_on
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.rolloutstatus import Place, status_of
from controller.adapters.store.kubernetes_index import RolloutIndex, slim
from controller.control.board import Board
from controller.control.errors import InvalidRequest, NotFound
from controller.control.library import Readings
from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Reason
from controller.errors import StoreUnavailable
from tests.fakes import EPOCH, FakeClock, FakePolicies, a_policy
from tests.kube_fake import FakeApi
from tests.unit.control.stage import an_entry, ended, progressing


class World:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.index = RolloutIndex()
        self.board = Board()
        self.clock = FakeClock()
        self.listed = True
        self.policies = FakePolicies(a_policy(namespace="ml"))
        self.library = ClusterLibrary(
            self.index,
            self.api.client(),
            self.policies,
            self.clock,
            listed=lambda: self.listed,
            named=["ml", "empty"],
        )

    def put(self, namespace: str, rollout: Rollout | None, name: str = "fraud-v2", attempt: int = 1) -> Obj:
        """An object in the cluster and in the cache; with a record if there is a rollout."""
        metadata = {"name": name, "namespace": namespace}
        version = rollout.release.version if rollout else "v2"
        obj: Obj = {
            "metadata": {**metadata, "creationTimestamp": EPOCH.isoformat()},
            "spec": {"model": "fraud", "version": version},
        }
        if rollout is not None:
            policy = replace(rollout.policy, namespace=namespace)
            kept = replace(rollout, id=name if attempt == 1 else f"{name}.{attempt}", policy=policy, seq=1)
            entry = an_entry(kept, event="held", notable=True)
            obj["status"] = status_of(obj, kept, entry, Place(1, 1, attempt)).status
        self.api.put(MODEL_ROLLOUTS, obj)
        held = self.api.get(MODEL_ROLLOUTS, namespace, name)
        assert held is not None
        cached = slim({**held, "apiVersion": "serinus.dev/v1alpha1", "kind": "ModelRollout"})
        self.index.changed(None, cached)
        return cached

    def seen(self, *namespaces: str) -> Readings:
        return self.library.readings(namespaces)


@pytest.fixture
def world() -> World:
    return World()


async def test_namespaces_that_may_not_be_seen_are_as_if_they_were_not(world: World) -> None:
    world.put("ml", progressing())
    world.put("secret", progressing(), "hidden-v2")
    assert set(world.library.namespaces()) == {"ml", "secret", "empty"}
    seen = world.seen("ml")
    assert await seen.models() == [("fraud", "ml")]
    [status] = (await seen.get("fraud")).items
    assert (status.rollout, status.namespace) == ("fraud-v2", "ml")
    for ask in (seen.record, seen.get, seen.target):
        for name in ("hidden-v2", "secret/hidden-v2", "secret/fraud"):
            with pytest.raises(NotFound) as caught:
                await ask(name)
            with pytest.raises(NotFound) as other:
                await ask("nothing-v2")
            assert str(caught.value).replace(name, "X") == str(other.value).replace("nothing-v2", "X")


async def test_what_is_in_two_namespaces_has_to_be_said_and_only_those_seen_are_named(world: World) -> None:
    for namespace in ("a", "b", "secret"):
        world.put(namespace, progressing())
    with pytest.raises(InvalidRequest, match="in the namespaces a, b: name"):
        await world.seen("a", "b").record("fraud")
    assert (await world.seen("a").record("fraud")).status.namespace == "a"
    assert (await world.seen("a", "b").record("b/fraud-v2")).status.namespace == "b"


async def test_a_record_is_shown_with_its_reason_and_its_policy(world: World) -> None:
    world.put("ml", progressing())
    record = await world.seen("ml").record("fraud")
    assert (record.status.phase, record.why.rollout) == (Phase.PROGRESSING, "fraud-v2")
    assert record.policy is not None
    assert record.policy.namespace == "ml"
    assert record.release is not None, "the same document as the command line's"
    assert record.release.version == record.status.canary


async def test_what_no_daemon_took_up_yet_is_shown_as_waiting(world: World) -> None:
    world.put("ml", None)
    record = await world.seen("ml").record("fraud-v2")
    assert (record.status.phase, record.policy) == (Phase.PENDING, None)
    assert "take it up" in record.status.message
    assert (await world.seen("ml").entries("fraud-v2", 0, 10)).items == ()


@pytest.mark.parametrize("over", [False, True])
async def test_the_log_is_read_also_of_what_is_over(world: World, over: bool) -> None:
    rollout = ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED) if over else progressing()
    cached = world.put("ml", rollout)
    assert ("log" in cached["status"]) != over
    seen = world.seen("ml")
    assert [each.seq for each in (await seen.entries("fraud-v2", 0, 10)).items] == [1]
    assert (await seen.entries("ml/fraud-v2", 1, 10)).items == ()
    assert [each.seq for each in (await seen.history("fraud", 5, every=False)).items] == [1]
    assert len(world.api.requests) == (3 if over else 0)


async def test_a_target_is_the_very_attempt_that_was_named(world: World) -> None:
    later = replace(progressing(), created_at=EPOCH + timedelta(days=1))
    world.put("ml", later, attempt=2)
    seen = world.seen("ml")
    now, before = await seen.target("fraud-v2.2"), await seen.target("fraud-v2")
    assert (now.rollout, now.namespace, now.created_at) == ("fraud-v2.2", "ml", later.created_at)
    assert before.rollout == "fraud-v2", "a word to it may be a repeated one"
    with pytest.raises(NotFound):
        await seen.target("fraud")


async def test_before_everything_was_listed_nothing_is_said_to_be_missing(world: World) -> None:
    world.listed = False
    with pytest.raises(StoreUnavailable):
        world.seen("ml")


async def test_a_model_lists_its_rollouts_newest_first(world: World) -> None:
    world.put("ml", ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
    world.put("ml", None, "fraud-v3")
    found = (await world.seen("ml").rollouts("fraud", 10)).items
    assert [each.rollout for each in found] == ["fraud-v3", "fraud-v2"]


async def test_changes_are_shown_on_the_board_and_read_when_somebody_looks(world: World) -> None:
    changed: Any = shown_on(world.board)
    obj = world.put("ml", progressing())
    changed(None, obj)
    changed(obj, None)
    changed(None, world.put("ml", None, "other-v1"))
    changes = world.board.since(0)
    assert changes is not None
    gone, shown = changes
    assert (gone.rollout, gone.show) == ("fraud-v2", None)
    assert shown.show is not None
    assert shown.show(world.clock.now()).namespace == "ml"
