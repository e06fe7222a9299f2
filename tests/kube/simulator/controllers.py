"""The simulated controllers of Deployments, StatefulSets and EndpointSlices, and the garbage collector."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.kube.simulator.api import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    SLICES,
    STATEFUL_SETS,
    Api,
    ApiError,
    Kind,
    Mirror,
)
from tests.kube.simulator.kubelet import Kubelet, now
from tests.kube.simulator.pods import is_ready
from tests.kube.simulator.slices import endpoint_slice
from tests.kube.simulator.workloads import (
    deployment_status,
    new_pod,
    owner_uid,
    replica_set,
    replicas,
    stateful_set_status,
)

Obj = dict[str, Any]
log = logging.getLogger("simulated.controllers")

_GATHER_SECONDS = 0.02
_CONFLICT, _NOT_FOUND = 409, 404
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Mirrors:
    """What the controllers watch."""

    deployments: Mirror
    stateful_sets: Mirror
    replica_sets: Mirror
    pods: Mirror
    services: Mirror
    nodes: Mirror


class Controllers:
    """Level-triggered: each pass makes pods, slices and statuses what the workloads ask for."""

    def __init__(self, api: Api, mirrors: Mirrors, kubelet: Kubelet) -> None:
        self._api = api
        self._mirrors = mirrors
        self._kubelet = kubelet
        self._slices: dict[tuple[str, str], str] = {}
        self._names = 0
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Follow the workloads for ever."""
        while True:
            await self.wake.wait()
            await asyncio.sleep(_GATHER_SECONDS)  # changes come in swarms
            self.wake.clear()
            try:
                await self._pass()
            except* (ApiError, httpx2.HTTPError, TimeoutError) as group:
                for error in group.exceptions:
                    log.warning("the controllers' pass failed: %s", error)
                self._again(0.1)

    def _again(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.wake.set)

    async def _pass(self) -> None:
        async with asyncio.TaskGroup() as group:
            for deployment in self._mirrors.deployments.all():
                group.create_task(self._bounded(self._deployment, deployment))
            for workload in self._mirrors.stateful_sets.all():
                group.create_task(self._bounded(self._stateful_set, workload))
        await self._collect()
        pods = self._mirrors.pods.all()
        async with asyncio.TaskGroup() as group:
            for pod in pods:
                group.create_task(self._bounded(self._pod, pod))
        self._kubelet.forget({pod["metadata"]["uid"] for pod in pods})
        async with asyncio.TaskGroup() as group:
            for service in self._mirrors.services.all():
                group.create_task(self._bounded(self._service, service))

    async def _bounded(self, work: Callable[[Obj], Awaitable[None]], obj: Obj) -> None:
        async with self._slots:
            await work(obj)

    async def _pod(self, pod: Obj) -> None:
        again = await self._kubelet.serve(pod, self.wake.set)
        if again is not None:
            self._again(again)

    async def _deployment(self, deployment: Obj) -> None:
        wanted_set = replica_set(deployment)
        name = wanted_set["metadata"]["name"]
        current = self._mirrors.replica_sets.get(deployment["metadata"]["namespace"], name)
        if current is None:
            current = await self._api.create(REPLICA_SETS, wanted_set)
            self._mirrors.replica_sets.put(current)
        sets = self._owned(self._mirrors.replica_sets, deployment)
        mine = self._owned(self._mirrors.pods, current)
        await self._scale(current, current["spec"]["template"], mine, replicas(deployment))
        old = [pod for each in sets if each is not current for pod in self._owned(self._mirrors.pods, each)]
        mine = self._owned(self._mirrors.pods, current)
        if old and sum(map(is_ready, mine)) >= replicas(deployment):
            await self._delete(PODS, self._mirrors.pods, old)
        await self._report(DEPLOYMENTS, deployment, deployment_status(deployment, mine + old, now()))

    async def _stateful_set(self, workload: Obj) -> None:
        pods = self._owned(self._mirrors.pods, workload)
        await self._scale(workload, workload["spec"]["template"], pods, replicas(workload), ordinals=True)
        pods = self._owned(self._mirrors.pods, workload)
        await self._report(STATEFUL_SETS, workload, stateful_set_status(workload, pods))

    async def _scale(
        self, owner: Obj, template: Obj, pods: list[Obj], wanted: int, *, ordinals: bool = False
    ) -> None:
        for index in range(len(pods), wanted):
            self._names += 1
            suffix = str(index) if ordinals else f"{self._names:05x}"
            pod = new_pod(owner, template, f"{owner['metadata']['name']}-{suffix}", None)
            self._mirrors.pods.put(await self._api.create(PODS, pod))
        # the ones that serve nobody go first
        surplus = sorted(pods, key=is_ready)[: max(0, len(pods) - wanted)]
        await self._delete(PODS, self._mirrors.pods, surplus)

    async def _report(self, kind: Kind, workload: Obj, status: Obj) -> None:
        old = workload.get("status", {})
        if any(old.get(key) != value for key, value in status.items()):
            try:
                await self._api.merge(kind, workload, {"status": status}, status=True)
            except ApiError as error:
                if error.status != _NOT_FOUND:
                    raise

    async def _service(self, service: Obj) -> None:
        namespace = service["metadata"]["namespace"]
        pods = [pod for pod in self._mirrors.pods.all() if pod["metadata"]["namespace"] == namespace]
        wanted = endpoint_slice(service, pods)
        text = json.dumps(wanted, sort_keys=True)
        if wanted is None or self._slices.get(_name(service)) == text:
            return
        try:
            await self._api.create(SLICES, wanted)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            await self._api.merge(SLICES, wanted, {key: wanted[key] for key in ("ports", "endpoints")})
        self._slices[_name(service)] = text

    async def _collect(self) -> None:
        """What has lost its owner goes, as the garbage collector does it."""
        owners = {
            each["metadata"]["uid"]
            for mirror in (self._mirrors.deployments, self._mirrors.stateful_sets)
            for each in mirror.all()
        }
        sets = self._mirrors.replica_sets
        orphans = [each for each in sets.all() if owner_uid(each) and owner_uid(each) not in owners]
        await self._delete(REPLICA_SETS, sets, orphans)
        owners |= {each["metadata"]["uid"] for each in sets.all()}
        pods = self._mirrors.pods
        orphans = [each for each in pods.all() if owner_uid(each) and owner_uid(each) not in owners]
        await self._delete(PODS, pods, orphans)
        services = {_name(each) for each in self._mirrors.services.all()}
        for gone in self._slices.keys() - services:
            await self._api.delete(SLICES, json.loads(self._slices.pop(gone)))

    async def _delete(self, kind: Kind, mirror: Mirror, objects: Sequence[Obj]) -> None:
        for each in objects:
            await self._api.delete(kind, each)
            mirror.drop(each)

    def _owned(self, mirror: Mirror, owner: Obj) -> list[Obj]:
        return [each for each in mirror.all() if owner_uid(each) == owner["metadata"]["uid"]]


def _name(obj: Obj) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
