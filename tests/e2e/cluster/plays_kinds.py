"""Plays about kinds of route that the simulated gateway does not know: whoever runs them, the test plays.

Each ends as soon as the route is split, for then every right to its kind was needed.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from controller.adapters.kube.resources import Resource
from controller.domain.release import BackendKind
from tests.e2e.cluster.policies import ONE_STEP
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually
from tests.kube.manifests import PORT, backend, deployment, route, service
from tests.weighted_routes import (
    a_knative_service,
    destination,
    give,
    revision,
    service_backend,
)

Obj = dict[str, Any]

IMAGE = "models/tumor:v1"
ISTIO, KNATIVE = "networking.istio.io/v1", "serving.knative.dev/v1"
AI_GATEWAY, ENVOY_GATEWAY = "aigateway.envoyproxy.io/v1beta1", "gateway.envoyproxy.io/v1alpha1"


def grpc(stage: ClusterStage, model: str) -> None:
    """A GRPCRoute is split like an HTTPRoute. The simulated gateway knows none: the test accepts it."""
    admin, kind = stage.server.admin, ("gateway.networking.k8s.io/v1", "GRPCRoute", stage.namespace, model)
    for version in ("v1", "v2"):
        stage.serve(model, version, IMAGE)
        stage.until_ready(f"{model}-{version}")
    written = route(stage.namespace, model, [])
    rule = {"backendRefs": [backend(f"{model}-v1", header=False)]}
    stage.apply({**written, "kind": "GRPCRoute", "spec": {**written["spec"], "rules": [rule]}})
    _accept(stage, kind)
    stage.policy(model, ONE_STEP, route={"grpcRoute": model})
    stage.release(model, "v2")

    def split() -> bool:
        _accept(stage, kind)
        found = admin.get(*kind)
        return found is not None and len(found["spec"]["rules"][0]["backendRefs"]) == 2

    eventually(split, f"the GRPCRoute {model} has two backends", 60)


def _accept(stage: ClusterStage, kind: tuple[str, str, str, str]) -> None:
    admin = stage.server.admin
    found = admin.get(*kind)
    assert found is not None
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {
            "type": each,
            "status": "True",
            "reason": each,
            "message": "",
            "lastTransitionTime": at,
            "observedGeneration": found["metadata"]["generation"],
        }
        for each in ("Accepted", "ResolvedRefs")
    ]
    parent = {
        "parentRef": {"name": "inference-gateway"},
        "controllerName": "example.com/gateway",
        "conditions": conditions,
    }
    admin.patch(*kind, {"status": {"parents": [parent]}}, "status")


def subsets(stage: ClusterStage, model: str) -> None:
    """A VirtualService gives half of the requests to a subset, which a DestinationRule defines."""
    shared = service(stage.namespace, model, "v1")
    shared["metadata"] = {"name": model, "namespace": stage.namespace}
    shared["spec"]["selector"] = {"serinus.dev/model": model}
    stage.apply(shared)
    for version in ("v1", "v2"):
        stage.apply(deployment(stage.namespace, model, version, IMAGE))
    found = [{"name": version, "labels": {"serinus.dev/version": version}} for version in ("v1", "v2")]
    create(stage, ISTIO, "DestinationRule", model, {"host": model, "subsets": found})
    spec = {"hosts": ["models.example.com"], "http": [{"route": [destination(model, 100, "v1")]}]}
    create(stage, ISTIO, "VirtualService", model, spec)
    stage.policy(model, ONE_STEP, route={"virtualService": model})
    to = {"kind": BackendKind.SERVICE, "name": model, "subset": "v2"}
    name = stage.release(model, "v2", backend=to)
    until_split(stage, name, ISTIO, "VirtualService", lambda spec: spec["http"][0]["route"])


def ai_backends(stage: ClusterStage, model: str) -> None:
    """An AIGatewayRoute, whose HTTPRoute the simulated gateway runs; one backend leads on to its Service."""
    for version in ("v1", "v2"):
        stage.serve(model, version, IMAGE)
        stage.until_ready(f"{model}-{version}")
    host = f"{model}-v2.{stage.namespace}.svc.cluster.local"
    ends = [{"fqdn": {"hostname": host, "port": PORT}}]
    create(stage, ENVOY_GATEWAY, "Backend", f"{model}-v2", {"endpoints": ends})
    refs: dict[str, Obj] = {
        f"{model}-v1": {"port": PORT},
        f"{model}-v2": {"group": "gateway.envoyproxy.io", "kind": "Backend"},
    }
    for each, ref in refs.items():
        leads = {"schema": {"name": "OpenAI"}, "backendRef": {**ref, "name": each}}
        create(stage, AI_GATEWAY, "AIServiceBackend", each, leads)
    rules = [{"backendRefs": [service_backend(f"{model}-v1", 1)]}]
    spec = {"parentRefs": [{"name": "inference-gateway"}], "rules": rules}
    made = create(stage, AI_GATEWAY, "AIGatewayRoute", model, spec)
    owner = {
        "apiVersion": AI_GATEWAY,
        "kind": "AIGatewayRoute",
        "name": model,
        "uid": made["metadata"]["uid"],
    }
    generated = route(stage.namespace, model, [backend(f"{model}-v1", 1)])
    generated["metadata"] |= {
        "ownerReferences": [{**owner, "controller": True}],
        "annotations": {"gateway.envoyproxy.io/ai-gateway-generated": "true"},
    }
    stage.server.admin.create(generated)
    stage.policy(model, ONE_STEP, route={"aiGatewayRoute": model})
    to = {"kind": BackendKind.AI_SERVICE_BACKEND, "name": f"{model}-v2"}
    name = stage.release(model, "v2", backend=to)
    until_split(stage, name, AI_GATEWAY, "AIGatewayRoute", lambda spec: spec["rules"][0]["backendRefs"])


def revisions(stage: ClusterStage, model: str) -> None:
    """A Knative Service gives half to another of its revisions, of which copies are awake."""
    first, second = f"{model}-00001", f"{model}-00002"
    for number, name in enumerate((first, second), 1):
        create(stage, KNATIVE, "Revision", name, {}, {"serinus.dev/version": f"v{number}"})
        awake = {"conditions": [{"type": "Ready", "status": "True"}]}
        stage.server.admin.patch(KNATIVE, "Revision", stage.namespace, name, {"status": awake}, "status")
        stage.apply(_private_slice(stage.namespace, name, f"127.0.0.{number}"))
    made = create(stage, KNATIVE, "Service", model, a_knative_service(revision(first, 100))["spec"])
    give(partial(_tell, stage), made)
    stage.policy(model, ONE_STEP, route={"knativeService": model})
    to = {"kind": BackendKind.REVISION, "name": second}
    name = stage.release(model, "v2", backend=to)
    until_split(stage, name, KNATIVE, "Service", lambda spec: spec["traffic"])


def _private_slice(namespace: str, name: str, address: str) -> Obj:
    """Where Knative's networking says that the revision's only copy is."""
    labels = {
        "serving.knative.dev/revision": name,
        "networking.internal.knative.dev/serviceType": "Private",
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-private", "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8012}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }


def _tell(stage: ClusterStage, resource: Resource, obj: Obj) -> None:
    """Write the status of an object that is there."""
    where = resource.api_version, resource.kind, stage.namespace, obj["metadata"]["name"]
    stage.server.admin.patch(*where, {"status": obj["status"]}, "status")


def create(
    stage: ClusterStage, api_version: str, kind: str, name: str, spec: Obj, labels: Obj | None = None
) -> Obj:
    """Create an object in the stage's namespace; the object as it is then."""
    metadata = {"name": name, "namespace": stage.namespace, "labels": labels or {}}
    return stage.server.admin.create(
        {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
    )


def until_split(
    stage: ClusterStage, name: str, api_version: str, kind: str, refs: Callable[[Obj], list[Obj]]
) -> None:
    """Until two versions are on the route of the rollout's model."""

    def split(status: Obj) -> bool:
        del status
        model = stage.rollout(name)["spec"]["model"]
        return len(refs(stage.get(api_version, kind, model)["spec"])) == 2

    stage.until(name, split, f"two versions on its {kind}")
