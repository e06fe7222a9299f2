"""What an AIServiceBackend of Envoy AI Gateway stands for: a Service of the cluster, or addresses. Pure.

**Source**: aigateway.envoyproxy.io/v1beta1 AIServiceBackend, ``spec.backendRef``; Backend of
gateway.envoyproxy.io/v1alpha1, ``spec.endpoints``: each an fqdn or an ip, with a port.
"""

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.workload.kube_endpoints import Endpoints
from controller.adapters.workload.kube_subsets import host_of
from controller.domain.release import Backend, BackendKind


def referenced(backend: Obj) -> Backend | str:
    """The Service that it names, or the name of the Envoy Gateway Backend; empty for anything else."""
    ref = mapping(mapping(backend.get("spec")).get("backendRef"))
    name, group, kind = text(ref.get("name")), text(ref.get("group")), text(ref.get("kind"))
    home = text(mapping(backend.get("metadata")).get("namespace"))
    if text(ref.get("namespace")) not in ("", home):
        return ""
    if (group, kind or BackendKind.SERVICE) == ("", BackendKind.SERVICE):
        return Backend(BackendKind.SERVICE, name, number(ref.get("port")) or None)
    return name if (group, kind) == ("gateway.envoyproxy.io", "Backend") else ""


def behind(backend: Obj, namespace: str) -> Backend | Endpoints:
    """What an Envoy Gateway Backend leads to: a Service of the namespace, or addresses that nobody checks."""
    found: list[tuple[str, int]] = []
    for each in map(mapping, sequence(mapping(backend.get("spec")).get("endpoints"))):
        place = mapping(each.get("fqdn")) or mapping(each.get("ip"))
        host, port = text(place.get("hostname")) or text(place.get("address")), number(place.get("port"))
        if host and port:
            found.append((host, port))
    if len(found) == 1:
        service = host_of(found[0][0], "")
        if service is not None and service[1] == namespace:
            return Backend(BackendKind.SERVICE, service[0], found[0][1])
    ready = tuple(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in found)
    return Endpoints(ready, len(ready))
