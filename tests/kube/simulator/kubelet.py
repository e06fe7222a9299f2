"""The simulated scheduler and kubelet: pods get nodes, real servers at own addresses, and statuses."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.kube.simulator.api import PODS, Api, ApiError, Mirror
from tests.kube.simulator.engines import Engines
from tests.kube.simulator.images import Container, image
from tests.kube.simulator.pods import container_port, running, unschedulable, waiting
from tests.kube.simulator.scheduling import place

Obj = dict[str, Any]
log = logging.getLogger("simulated.kubelet")

_GRACE_SECONDS = 1.0
_NOT_FOUND = 404


@dataclass(slots=True)
class KubeletManners:
    """How long containers take to start; a test may change it at any time, through `Simulator.change`."""

    start_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Server:
    engine: str
    ip: str
    port: int


class Kubelet:
    """Brings each pod to where its spec leads. A pod that is gone is served for another second."""

    def __init__(
        self, api: Api, pods: Mirror, nodes: Mirror, engines: Engines, manners: KubeletManners
    ) -> None:
        self._api = api
        self._pods = pods
        self._nodes = nodes
        self._engines = engines
        self._manners = manners
        self._servers: dict[str, _Server] = {}
        self._since: dict[str, float] = {}
        self._opening: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, pod: Obj, wake: Callable[[], None]) -> float | None:
        """Bring one pod further; the seconds after which it must be looked at again.

        ``wake`` is called when its server answers, for which nobody waits here.
        """
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if node and all(each["metadata"]["name"] != node for each in self._nodes.all()):
            return None  # of a node that is not one of ours: nobody runs it, or the test does
        if not node and not await self._schedule(pod):
            return None
        left = self._since.setdefault(uid, time.monotonic()) + self._manners.start_seconds - time.monotonic()
        containers = [image(each["image"]) for each in pod["spec"]["containers"]]
        fine = all(each.container is Container.RUNS for each in containers)
        if left > 0 or not fine:
            await self._say(pod, waiting(pod, now(), starting=left > 0))
            return left if left > 0 else None
        if uid in self._servers:
            await self._say(pod, running(pod, self._servers[uid].ip, _started(pod) or now()))
            return None
        if uid not in self._opening:
            engine, port = containers[0].engine, container_port(pod)
            assert engine is not None
            assert port is not None, f"pod {pod['metadata']['name']} declares no containerPort"
            self._opening.add(uid)
            self._in_background(self._open(uid, engine, port, wake))
        return None

    def forget(self, present: set[str]) -> None:
        """End the servers of pods that are no longer there."""
        for uid in self._servers.keys() - present:
            self._in_background(self._close(self._servers.pop(uid)))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, uid: str, engine: str, port: int, wake: Callable[[], None]) -> None:
        try:
            self._servers[uid] = _Server(engine, await self._engines.open(engine, port), port)
        finally:
            self._opening.discard(uid)
        wake()

    async def _close(self, server: _Server) -> None:
        await asyncio.sleep(_GRACE_SECONDS)  # the gateway shall hear of it first
        await self._engines.close(server.engine, server.ip, server.port)

    async def _schedule(self, pod: Obj) -> bool:
        """Give the pod a node; False when there is none for it."""
        node, message = place(pod, self._nodes.all(), self._pods.all())
        if node is None:
            await self._say(pod, unschedulable(pod, message, now()))
            return False
        pod["spec"]["nodeName"] = node  # whoever is placed meanwhile shall see that the room is taken
        try:
            await self._api.bind(pod, node)
        except BaseException:
            del pod["spec"]["nodeName"]
            raise
        return True

    async def _say(self, pod: Obj, status: Obj) -> None:
        if _differs(pod.get("status", {}), status):
            try:
                self._pods.put(await self._api.merge(PODS, pod, {"status": status}, status=True))
            except ApiError as error:
                if error.status != _NOT_FOUND:
                    raise


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _started(pod: Obj) -> str | None:
    started: str | None = pod.get("status", {}).get("startTime")
    return started


def _differs(status: Obj, wanted: Obj) -> bool:
    """Whether the parts that tell something differ; times do not."""
    return any(_told(status.get(key)) != _told(value) for key, value in wanted.items())


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _told(inner)
            for key, inner in value.items()
            if not key.endswith(("Time", "At")) and inner not in (None, {}, "", 0, False)
        }
    return [_told(each) for each in value] if isinstance(value, list) else value
