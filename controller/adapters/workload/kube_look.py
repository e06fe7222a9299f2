"""Finds the endpoints of a backend in a cluster, or says what is wrong with it."""

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import SERVICES, Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.workload.kube_endpoints import (
    Endpoints,
    of_pods,
    of_slices,
    service_port,
)
from controller.adapters.workload.kube_labels import pods_of
from controller.adapters.workload.kube_problem import Problem
from controller.adapters.workload.kube_view import ClusterView
from controller.domain.release import Backend, BackendKind
from controller.domain.vocabulary import Reason


async def look(view: ClusterView, namespace: str, backend: Backend) -> Endpoints | Problem:
    """The backend's endpoints now; a problem when it does not exist, or has not the port, or no picker."""
    pool = backend.kind is BackendKind.INFERENCE_POOL
    if pool and Feature.INFERENCE_POOLS not in view.features:
        message = f"InferencePool {backend.name}: add inferencePools to SERINUS_KUBERNETES__FEATURES"
        return Problem(Reason.BACKEND_NOT_FOUND, message, hopeless=True)
    obj = await view.backend(namespace, backend)
    if obj is None:
        message = (
            f"{backend.kind} {backend.name} does not exist in {namespace}: create it, or correct its name"
        )
        return Problem(Reason.BACKEND_NOT_FOUND, message)
    if not pool:
        return await _of_service(view, namespace, obj, backend.port)
    without = await _picker_problem(view, namespace, obj)
    return without or of_pods(await view.pods(namespace, pods_of(obj)), obj)


async def _of_service(
    view: ClusterView, namespace: str, service: Obj, wanted: int | None
) -> Endpoints | Problem:
    port = service_port(service, wanted)
    if isinstance(port, Problem):
        return port
    return of_slices(await view.slices(namespace, text(service["metadata"].get("name"))), service, port)


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
