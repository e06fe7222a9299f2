"""What a cluster has besides its API server, on loopback and with real parts.

Kubelet and controllers start real model servers for the pods of Deployments and StatefulSets; a gateway
turns HTTPRoutes into the configuration of a real Envoy; a real Prometheus scrapes that. All of it runs in one
thread with an event loop of its own, and in processes that are ended by pid:

    with Simulator(folder, access, {"team-a"}) as cluster:
        stream = cluster.stream(["/v2/models/fraud"], rate=100)
"""

import asyncio
import contextlib
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from deploy.local.render import LOOPBACK
from deploy.local.serving import train
from deploy.local.stack import REPOSITORY, Service, Stack
from deploy.local.stream import Stream
from tests.kube.simulator.api import (
    DEPLOYMENTS,
    HTTP_ROUTES,
    INFERENCE_POOLS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    SLICES,
    STATEFUL_SETS,
    Access,
    Api,
    Kind,
    Mirror,
)
from tests.kube.simulator.backends import Backends
from tests.kube.simulator.controllers import Controllers, Mirrors
from tests.kube.simulator.engines import Engines
from tests.kube.simulator.gateway import Gateway, GatewayManners
from tests.kube.simulator.kubelet import Kubelet, KubeletManners

Obj = dict[str, Any]

MODELS = REPOSITORY / "deploy" / "local" / ".build" / "models"
NODE_LABEL = "simulated.example/cluster"
ALLOCATABLE: Mapping[str, str] = MappingProxyType(
    {"cpu": "64", "memory": "256Gi", "pods": "1000", "nvidia.com/gpu": "2"}
)
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_STREAM_SECONDS = 900


class Simulator:
    """``namespaces`` are those whose objects it acts on; ``nodes`` the room on each of its own nodes."""

    def __init__(
        self,
        folder: Path,
        access: Access,
        namespaces: Collection[str],
        nodes: Sequence[Mapping[str, str]] = (ALLOCATABLE,),
    ) -> None:
        self.stack = Stack(folder)
        self.gateway = GatewayManners()
        self.kubelet = KubeletManners()
        self.envoy: Service
        self.prometheus: Service
        self._access = access
        self._namespaces = frozenset(namespaces)
        self._nodes = nodes
        self._streams = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="simulated-cluster", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._main: asyncio.Task[None] | None = None
        self._wakes: list[asyncio.Event] = []

    def __enter__(self) -> Self:
        try:
            train.build(MODELS)
            self.envoy = self.stack.envoy()
            self.prometheus = self.stack.prometheus(self.envoy.metrics_port)
            self._thread.start()
            assert self._started.wait(_START_SECONDS), "the simulated cluster did not start"
            self.check()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.check()

    def stop(self) -> None:
        """End the thread and every process."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(lambda: self._main and self._main.cancel())
            self._thread.join(_STOP_SECONDS)
        self.stack.stop()

    def check(self) -> None:
        """Raise what the thread died of, if it did."""
        if self._failure is not None:
            raise self._failure

    # what tests do with it

    @property
    def prometheus_url(self) -> str:
        return f"http://{LOOPBACK}:{self.prometheus.port}"

    @property
    def gateway_url(self) -> str:
        return f"http://{LOOPBACK}:{self.envoy.port}"

    def change(self, manners: GatewayManners | KubeletManners, **fields: object) -> None:
        """Change how the gateway or the kubelet behaves from now on."""
        for name, value in fields.items():
            assert hasattr(manners, name), name
            setattr(manners, name, value)
        self._loop.call_soon_threadsafe(self._wake)

    def stream(self, paths: Sequence[str], rate: float) -> Stream:
        """Begin to send real rows to these paths, in random order; bounded in rate and time."""
        self._streams += 1
        urls = [f"{self.gateway_url}{path}" for path in paths]
        name = f"traffic-{self._streams}"
        return Stream(self.stack, urls, MODELS / "rows.json", rate=rate, seconds=_STREAM_SECONDS, name=name)

    # the thread

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._main = self._loop.create_task(self._run())
        try:
            self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - shown by check()
            self._failure = error
        finally:
            self._started.set()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _run(self) -> None:
        api, engines = Api(self._access), Engines(self.stack.folder)
        names = [f"simulated-{id(self):x}-{index}" for index, _ in enumerate(self._nodes)]
        try:
            nodes = [await self._node(api, name, room) for name, room in zip(names, self._nodes, strict=True)]
            await self._work(api, engines)
        finally:
            await engines.stop()
            for node in nodes:
                await api.delete(NODES, node)
            await api.close()

    async def _work(self, api: Api, engines: Engines) -> None:
        watched: list[Mirror] = []

        def mirror(kind: Kind) -> Mirror:
            watched.append(Mirror(api, kind, self._mine, self._wake))
            return watched[-1]

        pods, services = mirror(PODS), mirror(SERVICES)
        mirrors = Mirrors(
            mirror(DEPLOYMENTS), mirror(STATEFUL_SETS), mirror(REPLICA_SETS), pods, services, mirror(NODES)
        )
        backends = Backends(services, mirror(SLICES), mirror(INFERENCE_POOLS), pods)
        controllers = Controllers(api, mirrors, Kubelet(api, pods, mirrors.nodes, engines, self.kubelet))
        gateway = Gateway(
            api, mirror(HTTP_ROUTES), backends, self.stack.xds, self.envoy.metrics_port, self.gateway
        )

        async with contextlib.aclosing(gateway), asyncio.TaskGroup() as group:
            for each in watched:
                group.create_task(each.run())
            for each in watched:
                await each.synced.wait()
            self._wakes += [controllers.wake, gateway.wake]
            self._wake()
            group.create_task(controllers.run())
            group.create_task(gateway.run())
            self._started.set()

    def _wake(self) -> None:
        for each in self._wakes:
            each.set()

    def _mine(self, obj: Obj) -> bool:
        meta = obj["metadata"]
        return (
            meta.get("namespace") in self._namespaces or meta.get("labels", {}).get(NODE_LABEL) == self._mark
        )

    @property
    def _mark(self) -> str:
        return f"{id(self):x}"

    async def _node(self, api: Api, name: str, room: Mapping[str, str]) -> Obj:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is ready"}
        return await api.create(
            NODES,
            {
                "metadata": {
                    "name": name,
                    "labels": {NODE_LABEL: self._mark, "kubernetes.io/hostname": name},
                },
                "status": {"allocatable": dict(room), "capacity": dict(room), "conditions": [ready]},
            },
        )
