"""Routes for tests, as the API server holds them."""

from typing import Any

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_patch import route_patch
from controller.adapters.traffic.gateway_rule import Pair, find_pair
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from tests.json_patch import patched

NAMESPACE = "ml"
S = Release("v6", backend=Backend(BackendKind.SERVICE, "fraud-v6", 8080))
C = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v7", 8080))
POOL_S = Release("v6", backend=Backend(BackendKind.INFERENCE_POOL, "chat-v6"))
POOL_C = Release("v7", backend=Backend(BackendKind.INFERENCE_POOL, "chat-v7"))
MARK = {
    "type": "RequestHeaderModifier",
    "requestHeaderModifier": {"set": [{"name": "x-serinus-version", "value": "v7"}]},
}


def ref(name: str, weight: int | None = None, port: int | None = 8080, **more: Any) -> Obj:
    """A backendRef; without a weight, the API's default stands."""
    fields = {"name": name, "port": port, "weight": weight, **more}
    return {key: value for key, value in fields.items() if value is not None}


def pool(name: str, weight: int | None = None, port: int | None = None, **more: Any) -> Obj:
    return ref(name, weight, port, group="inference.networking.k8s.io", kind="InferencePool", **more)


def ours(name: str = "fraud-v7", weight: int = 0, **more: Any) -> Obj:
    """The canary's ref as Serinus adds it."""
    return ref(name, weight, **more, filters=[MARK])


def a_rule(*refs: Obj, name: str | None = None, **more: Any) -> Obj:
    named = {"name": name} if name else {}
    return {**named, **more, "backendRefs": list(refs)}


def a_route(*rules: Obj, name: str = "fraud", kind: str = "HTTPRoute") -> Obj:
    """A route that its one gateway accepted."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "generation": 3, "resourceVersion": "7"},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": list(rules)},
        "status": {"parents": [parent(condition("Accepted"), condition("ResolvedRefs"))]},
    }


def parent(*conditions: Obj, name: str = "gateway") -> Obj:
    return {"parentRef": {"name": name}, "controllerName": "example.com/gateway", "conditions": [*conditions]}


def condition(kind: str, status: str = "True", reason: str = "", generation: int = 3, said: str = "") -> Obj:
    return {
        "type": kind,
        "status": status,
        "reason": reason or kind,
        "message": said,
        "observedGeneration": generation,
    }


def routed(**changes: Any) -> RoutedModel:
    known: dict[str, Any] = {
        "model": "fraud",
        "route": RouteRef("httpRoute", "fraud"),
        "namespace": NAMESPACE,
        "stable": S,
        "canary": C,
        "weight_sum": 1,
        "steps_permille": (10, 50, 250),
    }
    return RoutedModel(**(known | changes))


def pair_of(route: Obj, model: RoutedModel) -> Pair:
    found = find_pair(route, model)
    assert isinstance(found, Pair), found
    return found


def given(route: Obj, model: RoutedModel, split: Split) -> Obj:
    """The route after the patch that makes it run the split."""
    after: Obj = patched(route, route_patch(route, pair_of(route, model), model, split))
    return after
