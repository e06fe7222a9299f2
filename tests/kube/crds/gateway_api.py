"""HTTPRoute, GRPCRoute and Gateway of gateway.networking.k8s.io/v1, as far as we use them.

The contents of filters are kept whatever they are. That a Service needs a port is published as a CEL rule,
which the tests' server does not know: here it is a plain schema.

Source: the schema published with Gateway API 1.3 (standard channel).
"""

from typing import Any

from tests.kube.crds.schema import (
    ANYTHING,
    NAME,
    NAMESPACE,
    PORT,
    STRING,
    Schema,
    conditions,
    definition,
    integer,
    listing,
    record,
    text,
)

GROUP = "gateway.networking.k8s.io"
_PENDING = {
    "lastTransitionTime": "1970-01-01T00:00:00Z",
    "message": "Waiting for controller",
    "reason": "Pending",
    "status": "Unknown",
}
_PARENT_REF = record(
    {
        "group": text(GROUP, longest=253),
        "kind": text("Gateway", longest=63),
        "name": NAME,
        "namespace": NAMESPACE,
        "sectionName": NAME,
        "port": PORT,
    },
    "name",
)
_ROUTE_STATUS = record(
    {
        "parents": listing(
            record(
                {
                    "parentRef": _PARENT_REF,
                    "controllerName": {"type": "string", "minLength": 1, "maxLength": 253},
                    "conditions": {**conditions(), "minItems": 1},
                },
                "parentRef",
                "controllerName",
                "conditions",
            ),
            most=32,
        )
    },
    "parents",
)


def _filters(*kinds: str) -> Schema:
    """What Serinus writes is spelt out: what else stands in it is pruned, as servers do."""
    reference = record(
        {"group": text(), "kind": text(), "name": NAME, "namespace": NAMESPACE, "port": PORT}, "name"
    )
    fraction = record({"numerator": integer(least=0), "denominator": integer(100, least=1)}, "numerator")
    mirror = record(
        {"backendRef": reference, "percent": integer(most=100), "fraction": fraction}, "backendRef"
    )
    fields = {"type": text(one_of=kinds), "requestMirror": mirror}
    return listing({**ANYTHING, "properties": fields, "required": ["type"]}, most=16)


def _backend(filters: Schema) -> Schema:
    fields = {
        "group": text("", longest=253),
        "kind": text("Service", longest=63),
        "name": NAME,
        "namespace": NAMESPACE,
        "port": PORT,
        "weight": integer(1, most=1_000_000),
        "filters": filters,
    }
    no_service = [
        {"properties": {"group": {"minLength": 1}}},
        {"properties": {"kind": {"not": {"enum": ["Service"]}}}},
    ]
    return {**record(fields, "name"), "anyOf": [{"required": ["port"]}, *no_service]}


def _route(kind: str, filters: Schema, match: Schema, root: list[Any] | None) -> dict[str, Any]:
    rule = record(
        {
            "name": NAME,
            "matches": listing(match, most=64, default=root),
            "filters": filters,
            "backendRefs": listing(_backend(filters), most=16),
            "timeouts": record({"request": STRING, "backendRequest": STRING}),
            "retry": ANYTHING,
            "sessionPersistence": ANYTHING,
        }
    )
    spec = record(
        {
            "parentRefs": listing(_PARENT_REF, most=32),
            "hostnames": listing(NAME, most=16),
            "rules": listing(
                rule, least=1 if root else None, most=16, default=[{"matches": root}] if root else None
            ),
        }
    )
    return definition(GROUP, kind, spec, _ROUTE_STATUS)


def http_route() -> dict[str, Any]:
    """Without rules, everything below / matches."""
    root = {"type": "PathPrefix", "value": "/"}
    path = record(
        {
            "type": text("PathPrefix", one_of=("Exact", "PathPrefix", "RegularExpression")),
            "value": text("/", longest=1024),
        },
        default=root,
    )
    pair = _named_value()
    match = record({"path": path, "headers": pair, "queryParams": pair, "method": text()})
    filters = _filters(
        "RequestHeaderModifier",
        "ResponseHeaderModifier",
        "RequestMirror",
        "RequestRedirect",
        "URLRewrite",
        "ExtensionRef",
        "CORS",
    )
    return _route("HTTPRoute", filters, match, [{"path": root}])


def grpc_route() -> dict[str, Any]:
    """Without matches, every call matches."""
    method = record(
        {
            "type": text("Exact", one_of=("Exact", "RegularExpression")),
            "service": text(longest=1024),
            "method": text(longest=1024),
        }
    )
    match = record({"method": method, "headers": _named_value()})
    filters = _filters("RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef")
    return _route("GRPCRoute", filters, match, None)


def gateway() -> dict[str, Any]:
    """New ones wait for their controller."""
    listener = record(
        {
            "name": NAME,
            "hostname": NAME,
            "port": PORT,
            "protocol": text(longest=255),
            "tls": ANYTHING,
            "allowedRoutes": ANYTHING,
        },
        "name",
        "port",
        "protocol",
    )
    spec = record(
        {
            "gatewayClassName": NAME,
            "listeners": listing(listener, least=1, most=64, keys=("name",)),
            "addresses": listing(ANYTHING, most=16),
            "infrastructure": ANYTHING,
        },
        "gatewayClassName",
        "listeners",
    )
    pending = [{**_PENDING, "type": kind} for kind in ("Accepted", "Programmed")]
    status = record(
        {
            "addresses": listing(ANYTHING, most=16),
            "conditions": conditions(default=pending),
            "listeners": listing(ANYTHING, most=64),
        },
        default={"conditions": pending},
    )
    return definition(GROUP, "Gateway", spec, status, short=("gtw",))


def gateway_class() -> dict[str, Any]:
    """What a controller can do; of the cluster, not of a namespace."""
    spec = record({"controllerName": text(longest=253), "description": text()}, "controllerName")
    feature = record({"name": text(longest=128)}, "name")
    status = record(
        {"conditions": conditions(), "supportedFeatures": listing(feature, most=128, keys=("name",))}
    )
    found = definition(GROUP, "GatewayClass", spec, status, short=("gc",), plural="gatewayclasses")
    found["spec"]["scope"] = "Cluster"
    return found


def _named_value() -> Schema:
    fields = {
        "type": text("Exact", one_of=("Exact", "RegularExpression")),
        "name": text(longest=256),
        "value": text(longest=4096),
    }
    return listing(record(fields, "name", "value"), most=16, keys=("name",))
