"""Copies on a real API server are taken away when a real Prometheus says that no request runs any more.

And when it says nothing, after the drain time. Nothing runs pods here: what they would show is our own page.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from controller.adapters.kube.aftercare import Aftercare
from controller.adapters.kube.client import connect
from controller.adapters.kube.identity import Key
from controller.adapters.kube.permissions import Feature, rules
from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.adapters.store import kubernetes as records
from controller.adapters.store.kubernetes import KubernetesStore, rollout_cache
from controller.adapters.store.kubernetes_index import RolloutIndex
from controller.adapters.workload import kubernetes as workloads
from controller.adapters.workload.kubernetes import KubernetesWorkload
from controller.adapters.workload.served_models import ServedModels
from controller.app.clock import SystemClock
from controller.domain.drain import Drain, Drained
from controller.domain.model import Entry, Rollout
from controller.domain.observation import InFlight
from controller.domain.policy import WorkloadRules
from controller.domain.vocabulary import Phase
from deploy.local.stack import Service, Stack, free_port, replace_json
from tests.contract.store_stages import Reign
from tests.kube_workloads import deployment, service
from tests.store_records import entry, rollout
from tests.unit.workload.cluster import EXISTING, STABLE

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

Obj = dict[str, Any]
FEATURES = frozenset(Feature) - {Feature.DISCOVERY, Feature.GRPC_ROUTES}
RBAC = "rbac.authorization.k8s.io"
LONG, SHORT = timedelta(minutes=10), timedelta(seconds=4)
PATIENCE_SECONDS = 40


@dataclass
class Engine:
    """What a copy shows of itself: so many requests run."""

    port: int = 0
    running: int = 0


@contextmanager
def engine() -> Iterator[Engine]:
    shown = Engine()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"vllm:num_requests_running {shown.running}\nvllm:num_requests_waiting 0\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    shown.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield shown
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Cluster:
    """A namespace with both versions' workloads, in which ``serinus-a`` has the rights that are declared."""

    def __init__(self, server: "ApiServer", namespace: str) -> None:
        self.server, self.namespace = server, namespace
        declared = (*records.PERMISSIONS, *workloads.PERMISSIONS)
        subject = {"kind": "User", "name": "serinus-a", "apiGroup": RBAC}
        for kind, where, wanted in (("Role", namespace, True), ("ClusterRole", None, False)):
            metadata = {"name": f"drain-{namespace}", **({"namespace": where} if where else {})}
            head = {"apiVersion": f"{RBAC}/v1", "metadata": metadata}
            made = rules(declared, FEATURES, namespaced=wanted)
            server.admin.create({**head, "kind": kind, "rules": made})
            role = {"apiGroup": RBAC, "kind": kind, "name": metadata["name"]}
            server.admin.create({**head, "kind": f"{kind}Binding", "roleRef": role, "subjects": [subject]})
        for name in ("fraud-v6", "fraud-v7"):
            self._put(deployment(name, replicas=2))
            self._put(service(name))
        metadata = {"name": "a", "namespace": namespace}
        spec = {"model": "fraud", "version": "v7"}
        server.admin.create(
            {"apiVersion": "serinus.dev/v1alpha1", "kind": "ModelRollout", "metadata": metadata, "spec": spec}
        )

    def _put(self, obj: Obj) -> None:
        metadata = {**obj["metadata"], "namespace": self.namespace}
        self.server.admin.apply({**obj, "metadata": metadata})

    @property
    def copies(self) -> int:
        found = self.server.admin.get("apps/v1", "Deployment", self.namespace, "fraud-v7")
        assert found is not None
        return int(found["spec"]["replicas"])


@dataclass
class Process:
    """What one daemon has in memory."""

    cluster: Cluster
    store: KubernetesStore
    index: RolloutIndex
    workload: KubernetesWorkload
    metrics: PrometheusSource
    drained: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.care = Aftercare(
            self.store,
            self.store,
            self.workload,
            self.metrics,
            dict,
            SystemClock(),
            drained=lambda _, entry: self.drained.append(entry.message),
        )

    async def roll_back(self, drain: timedelta) -> Rollout:
        """A record of a rollback that has ended just now."""
        while self.index.get(Key(self.cluster.namespace, "a")) is None:  # noqa: ASYNC110 - the watch tells
            await asyncio.sleep(0.02)
        now = SystemClock().now()
        begun = rollout("a", version="v7")
        rules_ = WorkloadRules(scale=True, drain=drain)
        policy = replace(begun.policy, namespace=self.cluster.namespace, workload=rules_)
        begun = replace(begun, policy=policy, release=EXISTING, stable=STABLE, supply_permille=50)
        read = await self.store.create(begun, entry(begun))
        ended = replace(begun, phase=Phase.ROLLED_BACK, updated_at=now, seq=2)
        return (await self.store.commit(read, ended, entry(ended))).rollout

    async def tend_until(self, holds: Callable[[], bool]) -> None:
        """Passes when they are due, until it holds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                wait = await self.care.tend("fraud")
                await asyncio.sleep(min(wait.total_seconds(), 1) if wait else 0.05)

    async def record(self) -> tuple[Drain, list[Entry]]:
        found = await self.store.named("a")
        assert found is not None
        assert found.drain is not None
        return found.drain, [each for each in await self.store.entries("a", 0, 99) if each.event == "drained"]


@asynccontextmanager
async def process(cluster: Cluster, metrics: PrometheusSource) -> AsyncIterator[Process]:
    reign, index = Reign(1), RolloutIndex()
    async with AsyncExitStack() as stack:
        connection = await connect(cluster.server.kubeconfig("serinus-a"))
        stack.push_async_callback(connection.close)
        client = connection.guarded(reign.check)
        cache = rollout_cache(client, [cluster.namespace], index.changed)
        following = asyncio.create_task(cache.run())
        stack.push_async_callback(asyncio.wait, [following])
        stack.callback(following.cancel)
        await asyncio.wait_for(cache.synced(), 30)
        workload = KubernetesWorkload(
            client,
            lambda *_: None,
            features=FEATURES,
            namespaces=frozenset({cluster.namespace}),
            models=ServedModels(),
        )
        store = KubernetesStore(client, cache, index, reign)
        yield Process(cluster, store, index, workload, metrics)


@dataclass
class World:
    cluster: Cluster
    engine: Engine
    prometheus: Service
    metrics: PrometheusSource

    async def until_scraped(self, running: int) -> None:
        """Until Prometheus has what the copy shows."""
        what = replace(rollout("a", version="v7"), release=EXISTING)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self._counted(what)).requests != running:  # noqa: ASYNC110 - scrapes come by time
                await asyncio.sleep(0.1)

    async def _counted(self, what: Rollout) -> InFlight:
        return await self.metrics.in_flight(what, EXISTING, timedelta(seconds=30))


@pytest.fixture
async def world(apiserver: "ApiServer", namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    cluster = Cluster(apiserver, namespace)
    with engine() as shown, Stack(tmp_path) as stack:
        labels = {"model": "fraud", "model_version": "v7"}
        replace_json(stack.engines_file, [{"targets": [f"127.0.0.1:{shown.port}"], "labels": labels}])
        prometheus = stack.prometheus(admin_port=free_port())
        metrics = PrometheusSource(f"http://127.0.0.1:{prometheus.port}", built_in_packs())
        try:
            yield World(cluster, shown, prometheus, metrics)
        finally:
            await metrics.close()


async def test_copies_stay_until_the_engine_s_own_gauge_reads_0(world: World) -> None:
    world.engine.running = 3
    await world.until_scraped(3)
    async with process(world.cluster, world.metrics) as daemon:
        ended = await daemon.roll_back(LONG)
        looks = 0
        while looks < 4:
            await daemon.care.tend("fraud")
            looks += 1
            await asyncio.sleep(1)
        assert (world.cluster.copies, daemon.drained) == (2, [])
        world.engine.running = 0
        await daemon.tend_until(lambda: world.cluster.copies == 0)
        drain, noted = await daemon.record()
        assert drain.outcome is Drained.EMPTY
        assert drain.message.startswith("drained v7: 0 running after ")
        assert "vllm:num_requests_running" in drain.message
        assert [each.message for each in noted] == [drain.message]
        found = await daemon.store.named("a")
        assert found == replace(ended, drain=drain, seq=3)


async def test_a_prometheus_that_is_down_holds_nothing_up_beyond_the_drain_time(world: World) -> None:
    world.engine.running = 3
    await world.until_scraped(3)
    world.prometheus.stop()
    async with process(world.cluster, world.metrics) as daemon:
        await daemon.roll_back(SHORT)
        await daemon.care.tend("fraud")
        assert world.cluster.copies == 2
        await daemon.tend_until(lambda: world.cluster.copies == 0)
        drain, _ = await daemon.record()
        assert drain.outcome is Drained.UNCOUNTED
        assert drain.waited >= SHORT


async def test_who_dies_between_the_record_and_the_copies_is_followed_by_somebody_who_does_not_wait(
    world: World,
) -> None:
    await world.until_scraped(0)
    async with process(world.cluster, world.metrics) as first:
        await first.roll_back(LONG)

        async def dies(*_: object, **__: object) -> bool:
            raise RuntimeError

        first.workload.retire = dies  # type: ignore[method-assign]
        with pytest.raises(RuntimeError):
            await first.tend_until(lambda: False)
        assert world.cluster.copies == 2
    world.engine.running = 9
    world.prometheus.stop()
    async with process(world.cluster, world.metrics) as second:
        await second.care.tend("fraud")
        assert world.cluster.copies == 0
        assert second.drained == []
        _, noted = await second.record()
        assert len(noted) == 1
