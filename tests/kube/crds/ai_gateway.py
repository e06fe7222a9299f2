"""AIGatewayRoute and AIServiceBackend of aigateway.envoyproxy.io/v1beta1, and Envoy Gateway's Backend.

The published CEL rules are left out: one InferencePool and nothing beside it in a rule, group and kind only
together.

Source: the API types published with Envoy AI Gateway 1.0, and Envoy Gateway 1.6.
"""

from typing import Any

from tests.kube.crds.schema import (
    ANYTHING,
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

GROUP = "aigateway.envoyproxy.io"
_STATUS = record({"conditions": conditions()})


def ai_gateway_route() -> dict[str, Any]:
    """Rules with AIServiceBackends."""
    header = record({"name": NAME, "value": text(longest=4096)}, "name", "value")
    mutation = record(
        {
            "set": listing(header, most=16, keys=("name",)),
            "remove": listing(STRING, most=16),
        }
    )
    ref = record(
        {
            "name": {"type": "string", "minLength": 1},
            "namespace": NAMESPACE,
            "group": text(longest=253),
            "kind": text(longest=63),
            "modelNameOverride": STRING,
            "headerMutation": mutation,
            "bodyMutation": ANYTHING,
            "weight": integer(1),
            "priority": integer(0),
        },
        "name",
    )
    matched = record({"type": text("Exact"), "name": NAME, "value": STRING}, "name", "value")
    rule = record(
        {
            "name": NAME,
            "backendRefs": listing(ref, most=128),
            "matches": listing(record({"headers": listing(matched, most=16, keys=("name",))}), most=128),
            "timeouts": ANYTHING,
            "modelsOwnedBy": text("Envoy AI Gateway"),
        }
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
    spec = record(
        {
            "parentRefs": listing(parent, most=16),
            "hostnames": listing(NAME, most=16),
            "rules": listing(rule, most=15),
            "llmRequestCosts": listing(ANYTHING, most=36),
        },
        "rules",
    )
    return definition(GROUP, "AIGatewayRoute", spec, _STATUS, version="v1beta1", also=("v1alpha1",))


def ai_service_backend() -> dict[str, Any]:
    """A server of models."""
    ref = record(
        {"group": STRING, "kind": STRING, "name": NAME, "namespace": NAMESPACE, "port": PORT}, "name"
    )
    spec = record({"schema": ANYTHING, "backendRef": ref}, "backendRef")
    return definition(GROUP, "AIServiceBackend", spec, _STATUS, version="v1beta1", also=("v1alpha1",))


def envoy_backend() -> dict[str, Any]:
    """Addresses."""
    place = record({"hostname": STRING, "address": STRING, "port": PORT}, "port")
    spec = record({"endpoints": listing(record({"fqdn": place, "ip": place}), most=64)})
    return definition("gateway.envoyproxy.io", "Backend", spec, _STATUS, version="v1alpha1")
