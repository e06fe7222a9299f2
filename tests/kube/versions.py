"""What the 1.20 server of the tests calls otherwise than a server of today: pure functions on JSON objects.

Three groups have the version that the controller speaks only as a beta; the objects are the same but for
the zone of an endpoint. And the server, as it is built here, takes an empty string in a custom resource for
null: the shim gives it CRDs with nullable strings, and shows them without.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_OLD = {"discovery.k8s.io/v1": "v1beta1", "policy/v1": "v1beta1", "autoscaling/v2": "v2beta2"}
_GROUPS = {name.partition("/")[0]: (name.partition("/")[2], old) for name, old in _OLD.items()}
_VERSIONED = re.compile(r"^/apis/([^/?]+)/([^/?]+)(?=[/?]|$)")
_DISCOVERY = re.compile(r"^/apis(/[^/?]+)?/?(\?|$)")
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ZONE = "topology.kubernetes.io/zone"

Change = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Translation:
    """For one request: the server's path, and what changes the bodies, in place."""

    target: str
    to_server: Change
    to_client: Change

    def request_body(self, body: bytes) -> bytes:
        """The body for the server. One that is not JSON (an apply in YAML) only gets its apiVersion."""
        return _changed(body, self.to_server) if body else body

    def answer_body(self, body: bytes) -> bytes:
        """The body, or the line of a watch, for the client."""
        return _changed(body, self.to_client) if body.strip() else body


def translate(target: str) -> Translation | None:
    """How to ask the server for a path with its query; None: as it is."""
    if found := _VERSIONED.match(target):
        group, version = found.groups()
        old = _OLD.get(f"{group}/{version}")
        if old is not None:
            return _between(f"{group}/{version}", f"{group}/{old}", target[found.end() :])
    if target.startswith(_DEFINITIONS):
        return Translation(target, _adapt_definition, _hide_adaptation)
    if _DISCOVERY.match(target):
        return Translation(target, lambda body: None, _show_today)
    return None


def _between(new: str, old: str, rest: str) -> Translation:
    def to_server(body: Any) -> None:
        _rename(body, new, old)
        for part in _parts(body):
            _endpoints(part, _to_topology)

    def to_client(body: Any) -> None:
        _rename(body, old, new)
        for part in (body, *_listed(body), body.get("object") or {}):
            _endpoints(part, _from_topology)

    return Translation(f"/apis/{old}{rest}", to_server, to_client)


def _changed(body: bytes, change: Change) -> bytes:
    try:
        parsed = json.loads(body)
    except ValueError:
        return body
    change(parsed)
    return json.dumps(parsed, separators=(",", ":")).encode()


def _rename(value: Any, one: str, other: str) -> None:
    """Every apiVersion and groupVersion, the managed fields' too, and the tests of a JSON Patch."""
    if isinstance(value, list):
        for item in value:
            _rename(item, one, other)
    elif isinstance(value, dict):
        for key, item in value.items():
            if item == one and (key in ("apiVersion", "groupVersion") or value.get("path") == "/apiVersion"):
                value[key] = other
            else:
                _rename(item, one, other)


def _parts(body: Any) -> list[Any]:
    """The objects in a request: itself, or what a JSON Patch puts in place of its endpoints."""
    if isinstance(body, list):
        return [
            {"endpoints": operation.get("value")}
            for operation in body
            if operation.get("path") == "/endpoints"
        ]
    return [body]


def _listed(body: dict[str, Any]) -> list[Any]:
    items = body.get("items")
    return items if isinstance(items, list) else []


def _endpoints(part: Any, change: Callable[[dict[str, Any]], None]) -> None:
    found = part.get("endpoints") if isinstance(part, dict) else None
    for endpoint in found if isinstance(found, list) else ():
        change(endpoint)


def _to_topology(endpoint: dict[str, Any]) -> None:
    topology = dict(endpoint.pop("deprecatedTopology", None) or {})
    if zone := endpoint.pop("zone", None):
        topology[_ZONE] = zone
    if topology:
        endpoint["topology"] = topology


def _from_topology(endpoint: dict[str, Any]) -> None:
    topology = dict(endpoint.pop("topology", None) or {})
    if zone := topology.pop(_ZONE, None):
        endpoint["zone"] = zone
    if topology:
        endpoint["deprecatedTopology"] = topology


def _show_today(body: Any) -> None:
    """Discovery: the group has the version of today instead of the beta, and prefers it."""
    for group in body.get("groups", [body]) if isinstance(body, dict) else ():
        name = group.get("name")
        if name not in _GROUPS:
            continue
        new, old = _GROUPS[name]
        for version in group.get("versions", ()):
            _rename(version, f"{name}/{old}", f"{name}/{new}")
            version["version"] = version["groupVersion"].partition("/")[2]
        group["preferredVersion"] = {"groupVersion": f"{name}/{new}", "version": new}


def _adapt_definition(value: Any) -> None:
    """Allow empty strings; leave out CEL rules, which an apply of the old server refuses."""
    for schema in _schemas(value):
        schema.pop("x-kubernetes-validations", None)
        keys = schema.get("x-kubernetes-list-map-keys", ())
        for name, field in schema.get("items", {}).get("properties", {}).items():
            if name in keys:
                field["nullable"] = False
    for schema in _schemas(value):
        if schema.get("type") == "string" and "enum" not in schema and not schema.get("minLength"):
            schema.setdefault("nullable", True)


def _hide_adaptation(value: Any) -> None:
    for schema in _schemas(value):
        if schema.get("type") == "string":
            schema.pop("nullable", None)


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema of a CRD, from the outermost ones inwards."""
    if isinstance(value, list):
        for item in value:
            yield from _schemas(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "openAPIV3Schema":
                yield from _below(item)
            else:
                yield from _schemas(item)


def _below(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, list):
        for item in schema:
            yield from _below(item)
    elif isinstance(schema, dict):
        yield schema
        for key, item in schema.items():
            if key == "properties":
                yield from _below(list(item.values()))
            elif key not in ("default", "enum", "example"):
                yield from _below(item)
