"""Finds the endpoints of a backend in a cluster, or says what is wrong with it."""

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import DESTINATION_RULES, ENDPOINT_SLICES, SERVICES, Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.workload.kube_endpoints import (
    Endpoints,
    of_pods,
    of_slices,
    service_port,
)
from controller.adapters.workload.kube_labels import pods_of
from controller.adapters.workload.kube_problem import Problem
from controller.adapters.workload.kube_revisions import of_revision
from controller.adapters.workload.kube_view import ClusterView
from controller.domain.release import Backend, BackendKind
from controller.domain.vocabulary import Reason

_FEATURES = {
    BackendKind.INFERENCE_POOL: Feature.INFERENCE_POOLS,
    BackendKind.AI_SERVICE_BACKEND: Feature.AI_GATEWAY,
    BackendKind.REVISION: Feature.KNATIVE,
}


async def look(view: ClusterView, namespace: str, backend: Backend) -> Endpoints | Problem:
    """The backend's endpoints now; a problem when it does not exist, or has not the port, or no picker."""
    needed = Feature.ISTIO if backend.subset else _FEATURES.get(backend.kind, Feature.CORE)
    if needed not in view.features:
        return _needs(needed, backend)
    if backend.kind is BackendKind.INFERENCE_POOL:
        pool = await find_pool(view, namespace, backend)
        return pool if isinstance(pool, Problem) else of_pods(await view.pods(namespace, pods_of(pool)), pool)
    obj = await view.backend(namespace, backend)
    if obj is None:
        return _missing(backend, namespace)
    match backend.kind:
        case BackendKind.REVISION:
            return of_revision(obj, await view.all(ENDPOINT_SLICES, namespace))
        case BackendKind.AI_SERVICE_BACKEND:
            return await _of_ai_backend(view, namespace, backend)
    seen = await _of_service(view, namespace, obj, backend.port)
    return await _of_subset(view, namespace, backend, seen) if backend.subset else seen


async def find_pool(view: ClusterView, namespace: str, backend: Backend) -> Obj | Problem:
    """The InferencePool, where somebody picks among its pods."""
    if Feature.INFERENCE_POOLS not in view.features:
        return _needs(Feature.INFERENCE_POOLS, backend)
    pool = await view.backend(namespace, backend)
    if pool is None:
        return _missing(backend, namespace)
    return await _picker_problem(view, namespace, pool) or pool


def _needs(feature: Feature, backend: Backend) -> Problem:
    message = f"{backend}: add {feature} to SERINUS_KUBERNETES__FEATURES"
    return Problem(Reason.BACKEND_NOT_FOUND, message, hopeless=True)


def _missing(backend: Backend, namespace: str) -> Problem:
    message = f"{backend.kind} {backend.name} does not exist in {namespace}: create it, or correct its name"
    return Problem(Reason.BACKEND_NOT_FOUND, message)


async def _of_service(
    view: ClusterView, namespace: str, service: Obj, wanted: int | None
) -> Endpoints | Problem:
    port = service_port(service, wanted)
    if isinstance(port, Problem):
        return port
    return of_slices(await view.slices(namespace, text(service["metadata"].get("name"))), service, port)


async def _of_subset(
    view: ClusterView, namespace: str, backend: Backend, seen: Endpoints | Problem
) -> Endpoints | Problem:
    """Those of a Service's endpoints whose pods are of the subset."""
    if isinstance(seen, Problem):
        return seen
    selector = await view.selector(namespace, backend)
    if selector is None:
        rule, subset = DESTINATION_RULES.kind, f"the subset {backend.subset} of {backend.name}"
        message = f"no {rule} of {namespace} defines {subset}: create it, or correct its name"
        return Problem(Reason.BACKEND_NOT_FOUND, message)
    pods = await view.pods(namespace, selector)
    addresses = {text(mapping(pod.get("status")).get("podIP")) for pod in pods}
    ready = tuple(at for at in seen.ready if at.rpartition(":")[0].strip("[]") in addresses)
    return Endpoints(ready, len(pods))


async def _of_ai_backend(view: ClusterView, namespace: str, backend: Backend) -> Endpoints | Problem:
    """The endpoints of the Service behind it; of a server elsewhere its address, which nobody checks."""
    found = await view.behind_ai_backend(namespace, backend)
    if isinstance(found, Backend):
        return await look(view, namespace, found)
    if found is None or not found.ready:
        message = f"{backend} leads nowhere: its backendRef must be a Service, or a Backend with endpoints"
        return Problem(Reason.BACKEND_NOT_FOUND, message)
    return found


async def _picker_problem(view: ClusterView, namespace: str, pool: Obj) -> Problem | None:
    """A pool whose endpoint picker is down answers with errors only, unless it is told to fail open.

    **Source**: inference.networking.k8s.io/v1 InferencePool, ``endpointPickerRef``.
    """
    picker = mapping(mapping(pool.get("spec")).get("endpointPickerRef"))
    name = text(picker.get("name"))
    if not name or picker.get("failureMode") == "FailOpen" or picker.get("kind", "Service") != "Service":
        return None
    service = await view.get(SERVICES, namespace, name)
    wanted = mapping(picker.get("port")).get("number")
    seen = None if service is None else await _of_service(view, namespace, service, wanted)
    if isinstance(seen, Endpoints) and seen.ready:
        return None
    return Problem(None, f"the endpoint picker {name} of {text(pool['metadata'].get('name'))} is not ready")
