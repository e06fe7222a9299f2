"""The pods of an InferencePool, each by its name, and which pool a rewrite is for. Pure.

**Source**: inference.networking.k8s.io/v1 InferencePool: each of up to eight target ports of a pod is an
endpoint of its own, which has its own engine.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.workload.kube_endpoints import address_of, is_ready
from controller.adapters.workload.kube_labels import labels_of, name_of, pods_of, selects


@dataclass(frozen=True, slots=True)
class Engine:
    """One port of one pod: ``host:port``, and the name that people know it by."""

    name: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class PoolPods:
    """The engines of the pods that can take requests, by name; ``known`` counts all pods, ``ready`` those."""

    engines: tuple[Engine, ...] = ()
    ready: int = 0
    known: int = 0


def pool_ref(rewrite: Obj) -> tuple[str, str]:
    """The group and the name of the pool that an InferenceModelRewrite is for; empty where it says none."""
    ref = mapping(mapping(rewrite.get("spec")).get("poolRef"))
    return text(ref.get("group")), text(ref.get("name"))


def pool_pods(pods: Iterable[Obj], pool: Obj) -> PoolPods:
    """The pods that a pool selects, and their engines."""
    ports = [
        port
        for each in sequence(mapping(pool.get("spec")).get("targetPorts"))
        if (port := number(mapping(each).get("number")))
    ]
    selector = pods_of(pool)
    selected = [pod for pod in pods if selects(selector, labels_of(pod))]
    ready = sorted((pod for pod in selected if is_ready(pod) and _address(pod)), key=name_of)
    several = len(ports) > 1
    engines = [
        Engine(f"{name_of(pod)}:{port}" if several else name_of(pod), address_of(_address(pod), port))
        for pod in ready
        for port in ports
    ]
    return PoolPods(tuple(engines), len(ready), len(selected))


def _address(pod: Obj) -> str:
    return text(mapping(pod.get("status")).get("podIP"))
