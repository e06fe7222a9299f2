"""The cluster's store on a real API server, with the rights that it declares and no others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from controller.adapters.kube.client import KubeClient, connect
from controller.adapters.kube.identity import Key
from controller.adapters.kube.mirror import Mirror
from controller.adapters.kube.modelrollout import FINALIZER, RequestSpec
from controller.adapters.kube.permissions import rules
from controller.adapters.store.kubernetes import PERMISSIONS, KubernetesStore, rollout_cache
from controller.adapters.store.kubernetes_index import RolloutIndex
from controller.adapters.store.kubernetes_objects import RolloutObjects
from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Reason
from controller.errors import Conflict, StoreUnavailable
from controller.ports import Stored
from tests.contract.store_stages import Reign
from tests.fakes import FakeClock
from tests.store_records import entry, rollout

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

API = "serinus.dev/v1alpha1"
KIND = "ModelRollout"


@dataclass
class Daemon:
    """One process: its store, its caches, its reign."""

    store: KubernetesStore
    objects: RolloutObjects
    index: RolloutIndex
    cache: Mirror
    reign: Reign
    client: KubeClient


class Cluster:
    def __init__(self, server: "ApiServer", namespace: str) -> None:
        self.server, self.namespace = server, namespace

    def allow(self, identity: str) -> None:
        """The Role that the store's declarations make."""
        group = "rbac.authorization.k8s.io"
        metadata = {"name": f"{identity}-records", "namespace": self.namespace}
        role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata}
        self.server.admin.create({**role, "rules": rules(PERMISSIONS, [])})
        subject = {"kind": "User", "name": identity, "apiGroup": group}
        reference = {"kind": "Role", "name": metadata["name"], "apiGroup": group}
        binding = {"kind": "RoleBinding", "subjects": [subject], "roleRef": reference}
        self.server.admin.create({**role, **binding})

    @asynccontextmanager
    async def daemon(self, identity: str = "serinus-a", epoch: int = 1) -> AsyncIterator[Daemon]:
        reign, index = Reign(epoch), RolloutIndex()
        connection = await connect(self.server.kubeconfig(identity))
        client = connection.guarded(reign.check)
        cache = rollout_cache(client, [self.namespace], index.changed)
        following = asyncio.create_task(cache.run())
        try:
            async with asyncio.timeout(30):
                await cache.synced()
            store = KubernetesStore(client, cache, index, reign)
            yield Daemon(store, RolloutObjects(store, index, FakeClock()), index, cache, reign, client)
        finally:
            following.cancel()
            await asyncio.wait({following})
            await connection.close()

    def record(self, name: str = "a", version: str = "v2") -> Rollout:
        made = rollout(name, version=version)
        return replace(made, policy=replace(made.policy, namespace=self.namespace))

    def apply(self, name: str = "a", **spec: Any) -> None:
        metadata = {"name": name, "namespace": self.namespace}
        spec = {"model": "fraud", "version": "v2", **spec}
        self.server.admin.create({"apiVersion": API, "kind": KIND, "metadata": metadata, "spec": spec})

    def get(self, name: str = "a") -> dict[str, Any] | None:
        return self.server.admin.get(API, KIND, self.namespace, name)

    def say(self, request: dict[str, str], name: str = "a") -> None:
        self.server.admin.patch(API, KIND, self.namespace, name, {"spec": {"request": request}})


async def until(look: Any, what: str, within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not look():  # noqa: ASYNC110 - a real server tells when it tells
            await asyncio.sleep(0.02)
    assert look(), what


def has_record(daemon: Daemon, cluster: Cluster) -> bool:
    held = daemon.index.get(Key(cluster.namespace, "a"))
    return held is not None and held.has_record


async def begin(daemon: Daemon, cluster: Cluster, name: str = "a") -> Stored:
    await until(lambda: daemon.index.get(Key(cluster.namespace, name)), "the watch told")
    record = cluster.record(name)
    return await daemon.store.create(record, entry(record))


async def go_on(daemon: Daemon, read: Stored, phase: Phase = Phase.PROGRESSING) -> Stored:
    following = replace(read.rollout, phase=phase, seq=read.rollout.seq + 1)
    return await daemon.store.commit(read, following, entry(following))


@pytest.fixture
def cluster(apiserver: "ApiServer", namespace: str) -> Cluster:
    made = Cluster(apiserver, namespace)
    for identity in ("serinus-a", "serinus-b"):
        made.allow(identity)
    return made


async def test_a_rollout_from_its_object_to_its_end(cluster: Cluster) -> None:
    async with cluster.daemon() as daemon:
        cluster.apply()
        read = await begin(daemon, cluster)
        for phase in (Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED, Phase.SUCCEEDED):
            read = await go_on(daemon, read, phase)
        assert await daemon.store.open_rollouts("fraud") == []
        serving = await daemon.store.serving("fraud")
        assert serving is not None
        assert serving.version == "v2"
        assert [line.seq for line in await daemon.store.entries("a", 0, 9)] == [1, 2, 3, 4, 5]
        found = cluster.get()
        assert found is not None
        assert found["metadata"]["finalizers"] == [FINALIZER]
        assert (found["status"]["phase"], found["status"]["epoch"]) == ("Succeeded", 1)
        assert found["metadata"]["generation"] == 1


async def test_a_restart_goes_on_where_the_last_process_was(cluster: Cluster) -> None:
    cluster.apply()
    async with cluster.daemon() as daemon:
        committed = await go_on(daemon, await begin(daemon, cluster))
    async with cluster.daemon("serinus-b", epoch=2) as daemon:
        assert await daemon.store.open_rollouts("fraud") == [committed]
        assert (await go_on(daemon, committed)).rollout.seq == 3


async def test_a_persons_word_in_between_is_a_conflict_and_not_lost(cluster: Cluster) -> None:
    cluster.apply()
    async with cluster.daemon() as daemon:
        read = await begin(daemon, cluster)
        cluster.say({"id": "request-1", "action": "abort", "by": "ann"})
        with pytest.raises(Conflict):
            await go_on(daemon, read)
        (again,) = await daemon.store.open_rollouts("fraud")
        assert again.rollout == read.rollout
        ((obj, asked),) = daemon.objects.asking("fraud")
        assert asked == read.rollout
        await daemon.objects.refuse(obj, RequestSpec(id="request-1", action="abort", by="ann"), "not now")
        assert daemon.objects.asking("fraud") == []
        found = cluster.get()
        assert found is not None
        assert found["status"]["requests"][0]["outcome"] == "Refused"
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2


async def test_an_old_leader_that_wakes_writes_nothing(cluster: Cluster) -> None:
    cluster.apply()
    async with cluster.daemon() as old, cluster.daemon("serinus-b", epoch=2) as new:
        read = await begin(old, cluster)
        await until(lambda: has_record(new, cluster), "the new one knows it")
        (theirs,) = await new.store.open_rollouts("fraud")
        await go_on(new, theirs, Phase.PAUSED)
        before = cluster.get()
        for stored in (read, theirs):
            with pytest.raises(Conflict):
                await go_on(old, stored)
        (seen,) = await old.store.open_rollouts("fraud")
        assert seen.rollout.phase is Phase.PAUSED
        with pytest.raises(Conflict, match="epoch 2"):
            await go_on(old, seen)
        assert cluster.get() == before


async def test_a_deleted_object_waits_until_it_is_released(cluster: Cluster) -> None:
    cluster.apply()
    async with cluster.daemon() as daemon:
        read = await begin(daemon, cluster)
        cluster.server.admin.delete(API, KIND, cluster.namespace, "a")
        await until(lambda: daemon.objects.deleting("fraud"), "the watch told")
        assert daemon.objects.deleting("fraud")[0][1] == read.rollout
        (read,) = await daemon.store.open_rollouts("fraud")  # the deletion is a new version
        await go_on(daemon, read, Phase.ABORTED)
        ((obj, _),) = daemon.objects.deleting("fraud")
        await daemon.objects.release_finalizer(obj)
        assert cluster.get() is None
        assert daemon.index.get(Key(cluster.namespace, "a")) is None


async def test_a_release_that_cannot_begin_is_marked_once(cluster: Cluster) -> None:
    cluster.apply()
    async with cluster.daemon() as daemon:
        await until(lambda: daemon.objects.unaccepted("fraud"), "the watch told")

        async def mark() -> None:
            (obj,) = daemon.objects.unaccepted("fraud")
            await daemon.objects.mark(
                obj, phase=Phase.PENDING, reason=Reason.CREATED, message="waits", policy_valid=False
            )

        await mark()
        first = cluster.get()
        await mark()
        assert cluster.get() == first
        read = await begin(daemon, cluster)
        assert await daemon.store.open_rollouts("fraud") == [read]


async def test_a_retry_is_the_next_attempt(cluster: Cluster) -> None:
    cluster.apply()
    async with cluster.daemon() as daemon:
        await go_on(daemon, await begin(daemon, cluster), Phase.ROLLED_BACK)
        again = cluster.record("a.2")
        read = await daemon.store.create(again, entry(again))
        assert await daemon.store.open_rollouts("fraud") == [read]
        found = cluster.get()
        assert found is not None
        assert (found["status"]["attempt"], found["status"]["ordinal"]) == (2, 2)


async def test_an_outage_is_an_error_and_then_over(cluster: Cluster) -> None:
    cluster.apply()
    async with cluster.daemon() as daemon:
        read = await begin(daemon, cluster)
        cluster.server.stop()
        try:
            with pytest.raises(StoreUnavailable):
                await go_on(daemon, read)
            assert await daemon.store.open_rollouts("fraud") == [read]
        finally:
            await asyncio.to_thread(cluster.server.start)
        async with asyncio.timeout(60):
            while True:
                try:
                    (read,) = await daemon.store.open_rollouts("fraud")
                    committed = await go_on(daemon, read)
                except StoreUnavailable:  # RBAC is slow to come back
                    await asyncio.sleep(0.1)
                else:
                    break
        assert await daemon.store.open_rollouts("fraud") == [committed]
        cluster.apply("b")
        await until(lambda: daemon.index.get(Key(cluster.namespace, "b")), "the watch is back", within=60)
        assert daemon.cache.age < timedelta(seconds=60)


async def test_a_right_that_is_missing_is_named(cluster: Cluster) -> None:
    cluster.apply()
    async with cluster.daemon() as daemon:
        read = await begin(daemon, cluster)
        role = {"rules": [rule for rule in rules(PERMISSIONS, []) if "patch" not in rule["verbs"]]}
        cluster.server.admin.patch(
            "rbac.authorization.k8s.io/v1", "Role", cluster.namespace, "serinus-a-records", role
        )

        async def refused() -> str:
            try:
                await go_on(daemon, read)
            except StoreUnavailable as error:
                return str(error)
            except Conflict:
                return ""
            return ""

        async with asyncio.timeout(10):
            while "modelrollouts/status" not in (said := await refused()):
                (read,) = await daemon.store.open_rollouts("fraud")
                await asyncio.sleep(0.05)
        assert "patch" in said
