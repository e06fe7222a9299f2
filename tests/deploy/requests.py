"""RBAC's view of requests, both ways: the verb of a request, and a harmless request that needs a verb."""

import re
from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import Resource

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v[^/]+(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?"
)
_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
NOBODY = "no-such-object"


@dataclass(frozen=True, order=True, slots=True)
class Need:
    """One verb on one resource; ``resource`` has the subresource after a slash, as in a rule."""

    group: str
    resource: str
    verb: str


def needs(permission: Permission) -> list[Need]:
    """Each verb of a permission."""
    plural = permission.resource.plural
    resource = f"{plural}/{permission.subresource}" if permission.subresource else plural
    return [Need(permission.resource.group, resource, verb) for verb in sorted(permission.verbs)]


def need_of(method: str, path: str, query: str) -> Need | None:
    """What a request needs; None for one that is about no object (discovery, versions, health).

    **Source**: Kubernetes, "Authorization overview", request verb.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    plural, name = found["plural"], found["name"]
    if plural == "namespaces" and found["namespace"] is None and found["sub"]:  # pragma: no cover
        return None
    if method == "GET":
        verb = "watch" if re.search(r"(^|&)watch=(1|true)", query) else "get" if name else "list"
    else:
        verb = _VERBS[method] if name or method == "POST" else f"{_VERBS[method]}collection"
    return Need(found["group"] or "", f"{plural}/{found['sub']}" if found["sub"] else plural, verb)


def probe(
    resource: Resource, subresource: str, verb: str, namespace: str | None, name: str = NOBODY
) -> dict[str, Any]:
    """A request that needs this verb and changes nothing: of no object, or with a body that is refused."""
    one = resource.path(namespace, name, subresource or None)
    every = resource.path(namespace)
    # RBAC knows by such a selector which single object is meant
    selected = {} if name == NOBODY else {"fieldSelector": f"metadata.name={name}"}
    match verb:
        case "get":
            return {"method": "GET", "url": one}
        case "list":
            return {"method": "GET", "url": every, "params": {"limit": "1", **selected}}
        case "watch":
            watching = {"watch": "1", "resourceVersion": "none", **selected}
            return {"method": "GET", "url": every, "params": watching}
        case "create":
            target = one if subresource else every
            return {"method": "POST", "url": target, "json": {}}
        case "patch":
            headers = {"content-type": "application/json-patch+json"}
            return {"method": "PATCH", "url": one, "json": [], "headers": headers}
        case "delete":
            return {"method": "DELETE", "url": one}
    raise ValueError(verb)
