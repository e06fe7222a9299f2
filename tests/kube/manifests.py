"""The objects that a platform team would have applied: workloads, services and routes of a served model."""

from collections.abc import Sequence
from typing import Any

Obj = dict[str, Any]

PORT = 8080
ENGINE_PATH = "/v2/models/tumor-classifier"
"""Where the engines of the demo's model answer; every model of the tests is a route to them."""


def deployment(
    namespace: str, model: str, version: str, image: str, copies: int = 1, **container: Any
) -> Obj:
    """``MODEL-VERSION``, labelled as Serinus finds it."""
    labels = {"app": f"{model}-{version}", "serinus.dev/model": model, "serinus.dev/version": version}
    server = {
        "name": "server",
        "image": image,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        **container,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{model}-{version}", "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": copies,
            "selector": {"matchLabels": {"app": f"{model}-{version}"}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [server]}},
        },
    }


def service(namespace: str, model: str, version: str) -> Obj:
    """``MODEL-VERSION``, for the pods of the deployment of that name."""
    name = f"{model}-{version}"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"serinus.dev/model": model, "serinus.dev/version": version},
        },
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def backend(name: str, weight: int | None = None, *, header: bool = True) -> Obj:
    """A backendRef. The header makes Envoy Gateway give each its own cluster, hence its own metrics."""
    ref: Obj = {"name": name, "port": PORT}
    if weight is not None:
        ref["weight"] = weight
    if header:
        change = {"set": [{"name": "x-model-backend", "value": name}]}
        ref["filters"] = [{"type": "RequestHeaderModifier", "requestHeaderModifier": change}]
    return ref


def route(namespace: str, model: str, backends: Sequence[Obj], **rule: Any) -> Obj:
    """A route by path prefix ``/v2/models/MODEL``, which the engines know by another name."""
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": ENGINE_PATH}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": model, "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "inference-gateway"}],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": f"/v2/models/{model}"}}],
                    "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
                    "backendRefs": list(backends),
                    **rule,
                }
            ],
        },
    }
