"""InferencePool of inference.networking.k8s.io/v1, as far as we use it.

Source: the API types published with the Gateway API Inference Extension 1.x.
"""

from typing import Any

from tests.kube.crds.schema import (
    LABELS,
    NAME,
    NAMESPACE,
    PORT,
    conditions,
    definition,
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
