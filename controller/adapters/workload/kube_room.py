"""How much room the cluster's nodes have, read when a pod finds none and then remembered for a while."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import structlog

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import NODES, PODS, Obj
from controller.adapters.kube.untrusted import mapping, sequence
from controller.adapters.workload.kube_capacity import Amounts, shortage, taken
from controller.adapters.workload.kube_problem import Problem
from controller.errors import TargetError, TransientError

log = structlog.get_logger(__name__)

_ALL_PODS = replace(PODS, namespaced=False)
"""Pods of every namespace: what runs elsewhere takes room too. Needs a ClusterRole, as nodes do."""
PERMISSIONS = (
    Permission(NODES, frozenset({"list"}), Feature.CAPACITY),
    Permission(_ALL_PODS, frozenset({"list"}), Feature.CAPACITY),
)

_KEPT_FOR = timedelta(seconds=60)


class Room:
    """The nodes and what their pods take, at most a minute old."""

    def __init__(self, client: KubeClient, seconds: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._seconds = seconds
        self._known: tuple[list[Obj], dict[str, Amounts]] | None = None
        self._until = 0.0
        self._reading = asyncio.Lock()

    async def shortage(self, pod: Obj) -> Problem | None:
        """What keeps the pod from every node; None when that cannot be told, or it seems to fit."""
        try:
            nodes, used = await self._read()
        except (TransientError, TargetError) as error:
            log.warning("capacity_unknown", error=str(error))
            return None
        return shortage(pod, nodes, used)

    async def _read(self) -> tuple[list[Obj], dict[str, Amounts]]:
        async with self._reading:  # one reader for all rollouts that wait for a node
            if self._known is None or self._seconds() >= self._until:
                nodes, _ = await self._client.list(NODES, keep=_kept_node)
                pods, _ = await self._client.list(_ALL_PODS, keep=_kept_pod)
                self._known = nodes, taken(pods)
                self._until = self._seconds() + _KEPT_FOR.total_seconds()
            return self._known


def _kept_node(node: Obj) -> Obj:
    """Without the images that a node has, most of its size."""
    status = {key: value for key, value in mapping(node.get("status")).items() if key != "images"}
    return {"metadata": node.get("metadata"), "spec": node.get("spec"), "status": status}


def _kept_pod(pod: Obj) -> Obj:
    """What takes room, of a page at a time: all pods of a large cluster are too much to hold."""
    spec = mapping(pod.get("spec"))
    kept: Obj = {key: spec[key] for key in ("nodeName", "resources", "overhead") if key in spec}
    for listed in ("containers", "initContainers"):
        kept[listed] = [
            {key: container[key] for key in ("resources", "restartPolicy") if key in container}
            for container in map(mapping, sequence(spec.get(listed)))
        ]
    return {"spec": kept, "status": {"phase": mapping(pod.get("status")).get("phase")}}
