"""VirtualServices, AIGatewayRoutes and Knative Services for tests, and what runs them.

In each one the version v6 serves alone, beside something that is nobody's business.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.resources import HTTP_ROUTES, Obj, Resource
from controller.adapters.traffic.ai_gateway import AI_GATEWAY_ROUTE
from controller.adapters.traffic.knative import KNATIVE_SERVICE
from controller.adapters.traffic.virtual_service import VIRTUAL_SERVICE
from controller.adapters.traffic.weighted_routes import WeightedRoutes
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel

NAMESPACE = "ml"
Write = Callable[[Resource, Obj], None]
"""Puts an object, status and all."""


def destination(host: str, weight: int | None = None, subset: str = "", **more: Any) -> Obj:
    """Of a VirtualService."""
    target: Obj = {"host": host, "port": {"number": 8080}, **({"subset": subset} if subset else {})}
    return {"destination": target, **({} if weight is None else {"weight": weight}), **more}


def service_backend(name: str, weight: int | None = None, **more: Any) -> Obj:
    """A ref of an AIGatewayRoute."""
    return {"name": name, **({} if weight is None else {"weight": weight}), **more}


def revision(name: str, percent: int | None = None, **more: Any) -> Obj:
    """A target of a Knative Service."""
    return {"revisionName": name, **({} if percent is None else {"percent": percent}), **more}


def a_virtual_service(*destinations: Obj, namespace: str = NAMESPACE) -> Obj:
    """One whose second rule is the model's."""
    chat = {"name": "chat", "match": [{"uri": {"prefix": "/chat"}}], "route": [destination("chat")]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "fraud", "namespace": namespace, "generation": 1, "resourceVersion": "7"},
        "spec": {
            "hosts": ["models.example.com"],
            "gateways": ["models"],
            "http": [chat, {"name": "fraud", "timeout": "9s", "route": [*destinations]}],
        },
    }


def an_ai_gateway_route(*refs: Obj, namespace: str = NAMESPACE) -> Obj:
    """One whose second rule is the model's."""

    def match(model: str) -> Obj:
        return {"headers": [{"type": "Exact", "name": "x-ai-eg-model", "value": model}]}

    return {
        "apiVersion": "aigateway.envoyproxy.io/v1beta1",
        "kind": "AIGatewayRoute",
        "metadata": {
            "name": "fraud",
            "namespace": namespace,
            "generation": 1,
            "resourceVersion": "7",
            "uid": "uid-1",
        },
        "spec": {
            "parentRefs": [{"name": "aigw", "kind": "Gateway", "group": "gateway.networking.k8s.io"}],
            "rules": [
                {"matches": [match("chat")], "backendRefs": [service_backend("chat", 3)]},
                {"matches": [match("fraud")], "backendRefs": [*refs], "timeouts": {"request": "9s"}},
            ],
        },
    }


def a_knative_service(*targets: Obj, namespace: str = NAMESPACE) -> Obj:
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "fraud", "namespace": namespace, "generation": 1, "resourceVersion": "7"},
        "spec": {
            "template": {"spec": {"containers": [{"image": "registry.example/fraud:7"}]}},
            "traffic": [*targets],
        },
    }


def take(write: Write, route: Obj) -> None:
    """Nothing: Istio says nothing."""
    del write, route


def generate(write: Write, route: Obj) -> None:
    """What Envoy AI Gateway and Envoy Gateway make of a route: an HTTPRoute that is accepted."""
    metadata = route["metadata"]
    generation = metadata["generation"]
    rules = [
        {
            "backendRefs": [
                {
                    "group": "gateway.envoyproxy.io",
                    "kind": "Backend",
                    "name": ref["name"],
                    "weight": ref.get("weight", 1),
                }
                for ref in rule["backendRefs"]
            ]
        }
        for rule in route["spec"]["rules"]
    ]
    owner = {
        "apiVersion": route["apiVersion"],
        "kind": "AIGatewayRoute",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    status = condition("Accepted", generation), condition("ResolvedRefs", generation)
    parent = {"parentRef": {"name": "aigw"}, "controllerName": "example.com/g", "conditions": [*status]}
    write(
        HTTP_ROUTES,
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "generation": generation,
                "ownerReferences": [owner],
                "annotations": {"gateway.envoyproxy.io/ai-gateway-generated": "true"},
            },
            "spec": {
                "parentRefs": [{"name": "aigw"}],
                "rules": [*rules, {"name": "route-not-found"}],
            },
            "status": {"parents": [parent]},
        },
    )
    accepted = condition("Accepted", 0, said="AI Gateway Route reconciled successfully")
    del accepted["observedGeneration"]
    write(AI_GATEWAY_ROUTE.resource, {**route, "status": {"conditions": [accepted]}})


def give(write: Write, route: Obj) -> None:
    """What Knative says when the traffic is as asked for."""
    generation = route["metadata"]["generation"]
    ready = {**condition("RoutesReady", generation), "severity": "Error"}
    del ready["observedGeneration"]
    traffic = [{"latestRevision": False, **each} for each in route["spec"]["traffic"]]
    status = {"observedGeneration": generation, "conditions": [ready], "traffic": traffic}
    write(KNATIVE_SERVICE.resource, {**route, "status": status})


def condition(kind: str, generation: int, status: str = "True", said: str = "") -> Obj:
    return {
        "type": kind,
        "status": status,
        "reason": kind,
        "message": said,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": generation,
    }


@dataclass(frozen=True)
class Kind:
    """One kind of route: an object in which v6 serves, its list of backends, and who runs it."""

    name: str
    dialect: WeightedRoutes
    route: Obj
    stable: Backend
    canary: Backend
    entry: Callable[[str, int], Obj]
    """An entry of one of the two backends as somebody else would write it."""
    run: Callable[[Write, Obj], None]
    whole: int = 100
    """The weight of v6 while it is alone."""
    sums_to: int = 1000

    def routed(self, namespace: str = NAMESPACE, **changes: Any) -> RoutedModel:
        known: dict[str, Any] = {
            "model": "fraud",
            "route": RouteRef(self.name, "fraud"),
            "namespace": namespace,
            "stable": Release("v6", backend=self.stable),
            "canary": Release("v7", backend=self.canary),
            "weight_sum": self.whole,
            "steps_permille": (10, 50, 250),
        }
        return RoutedModel(**(known | changes))

    def object_in(self, namespace: str) -> Obj:
        """The route as somebody would create it there."""
        route: Obj = json.loads(json.dumps(self.route).replace(f".{NAMESPACE}.", f".{namespace}."))
        route["metadata"] = {"name": route["metadata"]["name"], "namespace": namespace}
        return route

    def refs(self, route: Obj) -> list[Obj]:
        """The list in which the model's backends are, for changing."""
        spec = route["spec"]
        layout = self.dialect.layout
        refs: list[Obj] = (spec[layout.rules][1] if layout.rules else spec)[layout.refs]
        return refs

    def version_of(self, ref: Obj) -> str | None:
        target = self.dialect.layout.target(ref, NAMESPACE)
        named = {(each.name, each.subset): version for each, version in self.versions}
        return named.get((target.name, target.subset))

    @property
    def versions(self) -> tuple[tuple[Backend, str], ...]:
        return (self.stable, "v6"), (self.canary, "v7")


SERVICE = BackendKind.SERVICE
VIRTUAL_SERVICES = Kind(
    "virtualService",
    VIRTUAL_SERVICE,
    a_virtual_service(destination("fraud-v6", 100), destination("audit", 0)),
    Backend(SERVICE, "fraud-v6", 8080),
    Backend(SERVICE, "fraud-v7", 8080),
    destination,
    take,
)
SUBSETS = Kind(
    "virtualService",
    VIRTUAL_SERVICE,
    a_virtual_service(destination("fraud.ml.svc.cluster.local", subset="v6", weight=100)),
    Backend(SERVICE, "fraud", 8080, "v6"),
    Backend(SERVICE, "fraud", 8080, "v7"),
    lambda subset, weight: destination("fraud", weight, subset),
    take,
)
AI_GATEWAY_ROUTES = Kind(
    "aiGatewayRoute",
    AI_GATEWAY_ROUTE,
    an_ai_gateway_route(service_backend("fraud-v6", 1, modelNameOverride="v6"), service_backend("audit", 0)),
    Backend(BackendKind.AI_SERVICE_BACKEND, "fraud-v6"),
    Backend(BackendKind.AI_SERVICE_BACKEND, "fraud-v7"),
    service_backend,
    generate,
    whole=1,
)
KNATIVE_SERVICES = Kind(
    "knativeService",
    KNATIVE_SERVICE,
    a_knative_service(
        revision("fraud-00006", 100, tag="current"), {"latestRevision": True, "percent": 0, "tag": "next"}
    ),
    Backend(BackendKind.REVISION, "fraud-00006"),
    Backend(BackendKind.REVISION, "fraud-00007"),
    revision,
    give,
    sums_to=100,
)
