"""InferencePool of inference.networking.k8s.io/v1 and InferenceModelRewrite, as far as we use them.

Source: the API types published with the Gateway API Inference Extension 1.x; for InferenceModelRewrite, the
definitions published with it (inference.networking.x-k8s.io) and with llm-d-router 0.9 (llm-d.ai).
"""

from typing import Any

from tests.kube.crds.schema import (
    LABELS,
    NAME,
    NAMESPACE,
    PORT,
    STRING,
    conditions,
    definition,
    integer,
    listing,
    record,
    text,
)


def inference_pool() -> dict[str, Any]:
    """Pods by labels, and who picks among them."""
    port = record({"number": PORT}, "number")
    picker = record(
        {
            "group": text("", longest=253),
            "kind": text("Service", longest=63),
            "name": NAME,
            "port": port,
            "failureMode": text("FailClose", one_of=("FailOpen", "FailClose")),
        },
        "name",
    )
    spec = record(
        {
            "selector": record({"matchLabels": LABELS}, "matchLabels"),
            "targetPorts": listing(port, least=1, most=8),
            "appProtocol": text(one_of=("http", "kubernetes.io/h2c")),
            "endpointPickerRef": picker,
        },
        "selector",
        "targetPorts",
    )
    parent = record(
        {
            "group": text("gateway.networking.k8s.io", longest=253),
            "kind": text("Gateway", longest=63),
            "name": NAME,
            "namespace": NAMESPACE,
        },
        "name",
    )
    status = record(
        {"parents": listing(record({"parentRef": parent, "conditions": conditions()}, "parentRef"), most=32)}
    )
    return definition("inference.networking.k8s.io", "InferencePool", spec, status, short=("infpool",))


def model_rewrite(group: str = "llm-d.ai", pool_group: str = "llm-d.ai") -> dict[str, Any]:
    """Rules for names of models; new ones wait for a controller, which need not exist.

    ``pool_group`` is the group that a poolRef without one is of: in llm-d's definition, one without pools.
    """
    exact = record(
        {"type": text("Exact", one_of=("Exact",)), "value": {"type": "string", "minLength": 1}}, "value"
    )
    target = record({"modelRewrite": STRING, "weight": integer(least=1, most=1_000_000)}, "modelRewrite")
    rule = record(
        {
            "matches": {"type": "array", "items": record({"model": exact}, "model")},
            "targets": {"type": "array", "minItems": 1, "items": target},
        }
    )
    pool_ref = record(
        {
            "group": text(pool_group, longest=253),
            "kind": text("InferencePool", longest=63),
            "name": NAME,
        },
        "name",
    )
    spec = record({"poolRef": pool_ref, "rules": {"type": "array", "items": rule}}, "poolRef", "rules")
    pending = {
        "type": "Accepted",
        "status": "Unknown",
        "reason": "Pending",
        "message": "Waiting for controller",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    status = record({"conditions": conditions(default=[pending])})
    return definition(group, "InferenceModelRewrite", spec, status, version="v1alpha2")


def former_model_rewrite() -> dict[str, Any]:
    """The same kind as it was called before."""
    return model_rewrite("inference.networking.x-k8s.io", "inference.networking.k8s.io")
