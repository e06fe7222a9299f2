"""The addresses of the copies that can take requests: from EndpointSlices, or from the pods of a pool. Pure.

**Source**: discovery.k8s.io/v1 EndpointSlice. ``ready`` absent means ready. A Service with
``publishNotReadyAddresses`` has it true for every pod, so ``serving``, the pod's own readiness, counts too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.workload.kube_labels import labels_of, name_of, pods_of, selects
from controller.adapters.workload.kube_problem import Problem
from controller.domain.vocabulary import Reason

_FAMILIES: tuple[Literal["IPv4", "IPv6"], ...] = ("IPv4", "IPv6")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """``ready`` is ``host:port`` of each copy that can take requests, sorted; ``known`` counts all copies.

    ``asleep`` says that no copy runs, and that the first request would start one.
    """

    ready: tuple[str, ...] = ()
    known: int = 0
    asleep: bool = False


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service: its slices bear the same name."""

    number: int
    name: str


def service_port(service: Obj, wanted: int | None) -> ServicePort | Problem:
    """The port that the route sends requests to; without ``wanted`` the Service's only one."""
    ports = [
        ServicePort(number(each.get("port")), text(each.get("name")))
        for each in map(mapping, sequence(mapping(service.get("spec")).get("ports")))
    ]
    if wanted is None and len(ports) == 1:
        return ports[0]
    found = next((each for each in ports if each.number == wanted), None)
    if found is not None:
        return found
    named = [f"{each.number} ({each.name})" if each.name else str(each.number) for each in ports]
    has = ", ".join(named) or "none"
    asked = "no port is named" if wanted is None else f"it has no port {wanted}"
    message = f"Service {name_of(service)}: {asked}; it has {has}: set spec.backend.port"
    return Problem(Reason.BACKEND_NOT_FOUND, message)


def of_slices(slices: Iterable[Obj], service: Obj, port: ServicePort) -> Endpoints:
    """The endpoints of a Service on one port. A copy with addresses of both families counts once."""
    by_family: dict[str, dict[str, bool]] = {}
    for each in slices:
        seen = by_family.setdefault(text(each.get("addressType")), {})
        target = _target_port(each, port)
        if target is None:
            continue
        for endpoint in map(mapping, sequence(each.get("endpoints"))):
            address = text(next(iter(sequence(endpoint.get("addresses"))), None))
            if address:
                at = address_of(address, target)
                seen[at] = seen.get(at, False) or _can(mapping(endpoint.get("conditions")))
    preferred = [text(each) for each in sequence(mapping(service.get("spec")).get("ipFamilies"))]
    families = [by_family.get(each, {}) for each in (*preferred, *_FAMILIES)]
    found = next((each for each in families if each), {})
    return Endpoints(tuple(sorted(at for at, ready in found.items() if ready)), len(found))


def of_pods(pods: Iterable[Obj], pool: Obj) -> Endpoints:
    """The endpoints of an InferencePool: the pods that it selects, on the first of its ports."""
    ports = sequence(mapping(pool.get("spec")).get("targetPorts"))
    target = number(mapping(ports[0]).get("number")) if ports else 0
    selector = pods_of(pool)
    found = {}
    for pod in pods:
        address = text(mapping(pod.get("status")).get("podIP"))
        if target and address and selects(selector, labels_of(pod)):
            found[address_of(address, target)] = is_ready(pod)
    return Endpoints(tuple(sorted(at for at, ready in found.items() if ready)), len(found))


def is_ready(pod: Obj) -> bool:
    """Whether the pod says that it can take requests, and is not on its way out."""
    leaving = mapping(pod.get("metadata")).get("deletionTimestamp") is not None
    return not leaving and condition(pod, "Ready").get("status") == "True"


def condition(obj: Obj, kind: str) -> Obj:
    """One condition of an object's status; empty when it has none of that type."""
    found = map(mapping, sequence(mapping(obj.get("status")).get("conditions")))
    return next((each for each in found if each.get("type") == kind), {})


def _target_port(endpoint_slice: Obj, port: ServicePort) -> int | None:
    """The port of the pods; a slice that has a port without a number leaves it as the Service has it."""
    for each in map(mapping, sequence(endpoint_slice.get("ports"))):
        if text(each.get("name")) == port.name:
            return number(each.get("port")) or port.number
    return None


def _can(conditions: Obj) -> bool:
    return (
        conditions.get("ready") is not False
        and conditions.get("serving") is not False
        and conditions.get("terminating") is not True
    )


def address_of(address: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
