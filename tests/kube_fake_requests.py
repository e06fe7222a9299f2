"""What a request to the Kubernetes API asks for, and how the answer shows an object."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from controller.adapters.kube import resources
from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.kube.transport import ApiRequest
from tests.kube_fake_objects import WITH_SCALE, WITHOUT_STATUS, Change, Key

_RESOURCES = {
    (found.group, found.version, found.plural): found
    for found in vars(resources).values()
    if isinstance(found, Resource)
}


@dataclass(frozen=True)
class Asked:
    """A request, understood."""

    resource: Resource
    namespace: str | None
    name: str
    subresource: str
    verb: str

    @property
    def key(self) -> Key:
        return (self.resource, self.namespace or "", self.name)


def discovered(request: ApiRequest) -> set[Resource] | None:
    """The kinds of the version of a group that the request asks about; None if it asks for objects."""
    parts = request.path.strip("/").split("/")
    if parts[0] != "apis" or len(parts) != 3:
        return None
    return {found for key, found in _RESOURCES.items() if key[:2] == (parts[1], parts[2])}


def understood(request: ApiRequest) -> Asked | None:
    parts = [unquote(part) for part in request.path.strip("/").split("/")]
    group, rest = ("", parts[1:]) if parts[0] == "api" else (parts[1], parts[2:])
    version, rest = rest[0], rest[1:]
    namespace = None
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource = _RESOURCES.get((group, version, rest[0]))
    name, subresource = [*rest[1:], "", ""][:2]
    if resource is None or (namespace is not None and not resource.namespaced):
        return None
    if resource.namespaced and namespace is None and (name or request.method == "POST"):
        return None
    served = {"": True, "status": resource not in WITHOUT_STATUS, "scale": resource in WITH_SCALE}
    if not served.get(subresource, False):
        return None
    reading = "get" if name else "watch" if "watch" in request.query else "list"
    verbs = {"GET": reading, "POST": "create", "PATCH": "patch", "DELETE": "delete"}
    return Asked(resource, namespace, name, subresource, verbs.get(request.method, request.method))


def seen(asked: Asked, obj: Obj) -> Obj:
    """The object as its subresource shows it."""
    if asked.subresource != "scale":
        return obj
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in kept if name in obj["metadata"]},
        "spec": {"replicas": obj["spec"].get("replicas", 1)},
        "status": {"replicas": obj.get("status", {}).get("replicas", 0)},
    }


def event_of(asked: Asked, change: Change) -> Obj | None:
    """The change as a watch sees it."""
    if change.resource != asked.resource:
        return None
    namespace = (change.new or change.old or {})["metadata"].get("namespace")
    if asked.namespace is not None and namespace != asked.namespace:
        return None
    if change.new is not None:
        return {"type": "ADDED" if change.old is None else "MODIFIED", "object": change.new}
    return {"type": "DELETED", "object": change.old}


def selector(text: str, fields: str = "") -> Callable[[Obj], bool]:
    """``a=b``, ``a!=b``, ``a in (b,c)``, ``a notin (b,c)``, ``a``, ``!a``, and several with commas.

    ``fields`` is empty or ``metadata.name=a``.
    """
    terms = [term.strip() for term in re.split(r",(?![^()]*\))", text) if term.strip()]
    name = fields.removeprefix("metadata.name=")
    return lambda obj: (
        name in {"", obj["metadata"]["name"]}
        and all(_holds(term, obj["metadata"].get("labels") or {}) for term in terms)
    )


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    if found := re.fullmatch(r"(\S+) (in|notin) \(([^)]*)\)", term):
        among = labels.get(found[1]) in {value.strip() for value in found[3].split(",")}
        return among is (found[2] == "in")
    if found := re.fullmatch(r"([^!=]+)(!=|==?)([^=]*)", term):
        return (labels.get(found[1]) == found[3]) is (found[2] != "!=")
    return (term.removeprefix("!") in labels) is not term.startswith("!")
