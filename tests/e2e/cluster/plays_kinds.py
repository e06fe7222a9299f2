"""Plays of the kinds of route that the simulated gateway knows nothing of. Whoever runs them is the test.

Each ends as soon as the route is split, for then every right to its kind was needed.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from controller.adapters.kube.resources import Resource
from controller.domain.release import BackendKind
from tests.e2e.cluster.plays_gateway import POOLS
from tests.e2e.cluster.policies import ONE_STEP
from tests.e2e.cluster.stage import ClusterStage
from tests.kube.manifests import PORT, backend, deployment, route, service
from tests.kube.rewrite_groups import FORMER, NEWER
from tests.kube_workloads import pod, ready
from tests.model_rewrites import rewrite, rule, target
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


def subsets(stage: ClusterStage, model: str) -> None:
    """A VirtualService gives half of the requests to a subset, which a DestinationRule defines."""
    shared = service(stage.namespace, model, "v1")
    shared["metadata"] = {"name": model, "namespace": stage.namespace}
    shared["spec"]["selector"] = {"serinus.dev/model": model}
    stage.apply(shared)
    for version in ("v1", "v2"):
        stage.apply(deployment(stage.namespace, model, version, IMAGE))
    found = [{"name": version, "labels": {"serinus.dev/version": version}} for version in ("v1", "v2")]
    _create(stage, ISTIO, "DestinationRule", model, {"host": model, "subsets": found})
    spec = {"hosts": ["models.example.com"], "http": [{"route": [destination(model, 100, "v1")]}]}
    _create(stage, ISTIO, "VirtualService", model, spec)
    stage.policy(model, ONE_STEP, route={"virtualService": model})
    to = {"kind": BackendKind.SERVICE, "name": model, "subset": "v2"}
    name = stage.release(model, "v2", backend=to)
    _until_split(stage, name, ISTIO, "VirtualService", lambda spec: spec["http"][0]["route"])


def ai_backends(stage: ClusterStage, model: str) -> None:
    """An AIGatewayRoute, whose HTTPRoute the simulated gateway runs; one backend leads on to its Service."""
    for version in ("v1", "v2"):
        stage.serve(model, version, IMAGE)
        stage.until_ready(f"{model}-{version}")
    host = f"{model}-v2.{stage.namespace}.svc.cluster.local"
    ends = [{"fqdn": {"hostname": host, "port": PORT}}]
    _create(stage, ENVOY_GATEWAY, "Backend", f"{model}-v2", {"endpoints": ends})
    refs = (
        {"name": f"{model}-v1", "port": PORT},
        {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": f"{model}-v2"},
    )
    for ref in refs:
        spec = {"schema": {"name": "OpenAI"}, "backendRef": ref}
        _create(stage, AI_GATEWAY, "AIServiceBackend", ref["name"], spec)
    spec = {
        "parentRefs": [{"name": "inference-gateway"}],
        "rules": [{"backendRefs": [service_backend(f"{model}-v1", 1)]}],
    }
    made = _create(stage, AI_GATEWAY, "AIGatewayRoute", model, spec)
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
    _until_split(stage, name, AI_GATEWAY, "AIGatewayRoute", lambda spec: spec["rules"][0]["backendRefs"])


def revisions(stage: ClusterStage, model: str) -> None:
    """A Knative Service gives half to another of its revisions, of which copies are awake."""
    first, second = f"{model}-00001", f"{model}-00002"
    for number, name in enumerate((first, second), 1):
        _create(stage, KNATIVE, "Revision", name, {}, {"serinus.dev/version": f"v{number}"})
        awake = {"conditions": [{"type": "Ready", "status": "True"}]}
        stage.server.admin.patch(KNATIVE, "Revision", stage.namespace, name, {"status": awake}, "status")
        stage.apply(_private_slice(stage.namespace, name, f"127.0.0.{number}"))
    made = _create(stage, KNATIVE, "Service", model, a_knative_service(revision(first, 100))["spec"])
    give(partial(_tell, stage), made)
    stage.policy(model, ONE_STEP, route={"knativeService": model})
    to = {"kind": BackendKind.REVISION, "name": second}
    name = stage.release(model, "v2", backend=to)
    _until_split(stage, name, KNATIVE, "Service", lambda spec: spec["traffic"])


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


def adapters(stage: ClusterStage, model: str) -> None:
    """A LoRA adapter of a pool whose only pod has it loaded, by a rewrite of the newer group."""
    _adapters(stage, model, NEWER)


def adapters_formerly(stage: ClusterStage, model: str) -> None:
    """The same by a rewrite of the former group, while the server knows no other."""
    _adapters(stage, model, FORMER)


def _adapters(stage: ClusterStage, model: str, api_version: str) -> None:
    stable, canary = f"{model}-v1", f"{model}-v2"
    with _engine(stable, canary) as port:
        runs = pod(model, {"app": model}, nodeName="nowhere")
        runs["metadata"]["namespace"] = stage.namespace
        stage.server.admin.create(runs)
        change = {"status": ready("127.0.0.1")}
        stage.server.admin.patch("v1", "Pod", stage.namespace, model, change, "status")
        served = {"selector": {"matchLabels": {"app": model}}, "targetPorts": [{"number": port}]}
        _create(stage, f"{POOLS}/v1", "InferencePool", model, served)
        written = rewrite(rule(target(stable), models=(model,)), pool=model)
        _create(stage, api_version, "InferenceModelRewrite", model, written["spec"])
        stage.policy(model, ONE_STEP, route={"inferenceModelRewrite": model}, metrics="epp-lora")
        to = {"kind": BackendKind.LORA_ADAPTER, "name": canary}
        name = stage.release(model, "v2", backend=to)
        kind = "InferenceModelRewrite"
        _until_split(stage, name, api_version, kind, lambda spec: spec["rules"][0]["targets"])


@contextmanager
def _engine(*models: str) -> Iterator[int]:
    """An engine that lists these models; its port."""
    body = json.dumps({"data": [{"id": each} for each in models]}).encode()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _create(
    stage: ClusterStage, api_version: str, kind: str, name: str, spec: Obj, labels: Obj | None = None
) -> Obj:
    metadata = {"name": name, "namespace": stage.namespace, "labels": labels or {}}
    return stage.server.admin.create(
        {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
    )


def _until_split(
    stage: ClusterStage, name: str, api_version: str, kind: str, refs: Callable[[Obj], list[Obj]]
) -> None:
    """Until two versions are on the route of the rollout's model."""

    def split(status: Obj) -> bool:
        del status
        model = stage.rollout(name)["spec"]["model"]
        return len(refs(stage.get(api_version, kind, model)["spec"])) == 2

    stage.until(name, split, f"two versions on its {kind}")
