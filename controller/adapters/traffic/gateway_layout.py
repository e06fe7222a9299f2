"""The layout of HTTPRoute and GRPCRoute: backendRefs in rules. Pure.

**Source**: Gateway API v1, BackendObjectReference and BackendRef (defaults: the core group, kind Service, the
route's own namespace, weight 1); InferencePool of inference.networking.k8s.io/v1, which has no port.
"""

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import text
from controller.adapters.traffic.gateway_marker import is_marked, marked, unmarked
from controller.adapters.traffic.layout import Layout, Target, Wanted
from controller.domain.release import BackendKind
from controller.errors import TargetError

GROUPS = {
    BackendKind.SERVICE: "",
    BackendKind.INFERENCE_POOL: "inference.networking.k8s.io",
    BackendKind.AI_SERVICE_BACKEND: "aigateway.envoyproxy.io",
    BackendKind.REVISION: "serving.knative.dev",
}
"""The API group of each kind of object that can be a version."""


def _target(body: Obj, home: str) -> Target:
    port = body.get("port")
    return Target(
        group=text(body.get("group")),
        kind=text(body.get("kind")) or BackendKind.SERVICE,
        namespace=text(body.get("namespace")) or home,
        name=text(body.get("name")),
        port=port if type(port) is int else None,
    )


def _entry(wanted: Wanted) -> Obj:
    """Like the other version's, filters included."""
    body, backend = unmarked(wanted.like), wanted.backend
    group, service = GROUPS[backend.kind], backend.kind is BackendKind.SERVICE
    if service and wanted.port is None:
        raise TargetError(f"the port of the Service {backend.name} is not known: say it in the backend")
    ref = {**body, "name": backend.name}
    if (text(ref.get("group")), text(ref.get("kind")) or BackendKind.SERVICE) != (group, backend.kind):
        ref |= {"group": group, "kind": str(backend.kind)}
    if service:
        return {**ref, "port": wanted.port}
    ref.pop("port", None)
    return ref


def _of(kind: str) -> Layout:
    return Layout(
        kind=kind,
        rules="rules",
        refs="backendRefs",
        backends=frozenset({BackendKind.SERVICE, BackendKind.INFERENCE_POOL}),
        target=_target,
        entry=_entry,
        is_marked=is_marked,
        marked=marked,
        unmarked=unmarked,
        audience=True,
        mirrors=True,
        needs_port=True,
    )


HTTP_ROUTE_LAYOUT, GRPC_ROUTE_LAYOUT = _of("HTTPRoute"), _of("GRPCRoute")
