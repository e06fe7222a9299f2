"""The objects of a Kubernetes API server in memory, and what a write does to them.

As the real one: one counter of resourceVersions for all objects; a write without a difference makes no
version; ``generation`` rises when anything but metadata and status changes; the status is written by its
subresource only, and nothing else is; an object with finalizers is first marked, and gone when the last
finalizer is.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from controller.adapters.kube.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    LEADER_WORKER_SETS,
    LEASES,
    REPLICA_SETS,
    STATEFUL_SETS,
    Obj,
    Resource,
)

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
WITHOUT_STATUS = frozenset({ENDPOINT_SLICES, EVENTS, LEASES})
WITH_SCALE = frozenset({DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, LEADER_WORKER_SETS})
_SERVER_SET = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "namespace", "managedFields")

Key = tuple[Resource, str, str]
"""Resource, namespace (empty for none), name."""
Path = tuple[str, ...]


def copied(obj: Obj) -> Obj:
    """A copy that shares nothing, as one that came over the network: faster than a deep copy."""
    found: Obj = json.loads(json.dumps(obj))
    return found


class RefusedError(Exception):
    """The server says no: HTTP status, reason, message, and the causes of an invalid object."""

    def __init__(self, status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = causes


@dataclass(frozen=True)
class Change:
    """One write: the object before and after it; None for none."""

    version: int
    resource: Resource
    old: Obj | None
    new: Obj | None


@dataclass
class _Owner:
    """A writer's entry in managedFields."""

    paths: set[Path] = field(default_factory=set)
    time: str = ""


class Objects:
    """The store. ``validators`` say why an object of a resource is invalid, None if it is not."""

    def __init__(self) -> None:
        self.version = 100
        self.history: list[Change] = []
        self.validators: dict[Resource, Callable[[Obj], str | None]] = {}
        self._objects: dict[Key, Obj] = {}
        self._owners: dict[Key, dict[tuple[str, str], _Owner]] = {}

    def get(self, key: Key) -> Obj | None:
        found = self._objects.get(key)
        return copied(found) if found is not None else None

    def all(self, resource: Resource, namespace: str | None) -> Iterator[Obj]:
        """By namespace and name, as a list of the API is."""
        for (kind, space, _), found in sorted(self._objects.items(), key=lambda item: item[0][1:]):
            if kind == resource and namespace in (None, space):
                yield copied(found)

    def create(
        self, resource: Resource, namespace: str, body: Obj, manager: str, *, whole: bool = False
    ) -> Obj:
        """``whole`` takes a status and server-set metadata too, as no caller of the API could."""
        new = copied(body)
        metadata = new.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{self.version:05d}"
        key = (resource, namespace, _valid_name(resource, metadata))
        if key in self._objects:
            raise RefusedError(409, "AlreadyExists", f'{resource} "{key[2]}" already exists')
        if not whole:
            if resource not in WITHOUT_STATUS:
                new.pop("status", None)
            for name in _SERVER_SET:
                metadata.pop(name, None)
        new.setdefault("apiVersion", resource.api_version)
        new.setdefault("kind", resource.kind)
        if resource.namespaced:
            metadata["namespace"] = namespace
        metadata.setdefault("uid", f"uid-{self.version + 1}")
        metadata.setdefault("creationTimestamp", self._time())
        metadata.setdefault("generation", 1)
        return self._store(key, None, new, manager, "")

    def update(self, key: Key, body: Obj, manager: str, subresource: str = "") -> Obj:
        """Replace the object, or the part of it that is the subresource. Raises `RefusedError`."""
        old = self.get(key)
        if old is None:
            raise RefusedError(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        new = _merged(key[0], old, copied(body), subresource)
        metadata = new["metadata"]
        if metadata.get("resourceVersion") != old["metadata"]["resourceVersion"]:
            raise RefusedError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been modified',
            )
        if metadata.get("name") != key[2]:
            raise RefusedError(422, "Invalid", f'{key[0].kind} "{key[2]}" is invalid', ("metadata.name",))
        for name in _SERVER_SET:
            if name in old["metadata"]:
                metadata[name] = old["metadata"][name]
            else:
                metadata.pop(name, None)
        if new == old:
            return old
        if _spec(new) != _spec(old):
            metadata["generation"] = old["metadata"]["generation"] + 1
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            return self._remove(key, old)
        return self._store(key, old, new, manager, subresource)

    def rewrite(self, key: Key) -> Obj:
        """A new version of the same, as when the encryption of the storage changes."""
        return self._store(key, self.get(key), copied(self._objects[key]), "", "")

    def delete(self, key: Key) -> Obj:
        """Remove the object, or mark it while it has finalizers."""
        old = self.get(key)
        if old is None:
            raise RefusedError(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        if not old["metadata"].get("finalizers"):
            return self._remove(key, old)
        if old["metadata"].get("deletionTimestamp"):
            return old
        new = copied(old)
        new["metadata"].update(deletionTimestamp=self._time(), deletionGracePeriodSeconds=0)
        new["metadata"]["generation"] += 1
        return self._store(key, old, new, "", "")

    def _store(self, key: Key, old: Obj | None, new: Obj, manager: str, subresource: str) -> Obj:
        check = self.validators.get(key[0])
        problem = check(new) if check else None
        if problem:
            raise RefusedError(422, "Invalid", f'{key[0].kind} "{key[2]}" is invalid: {problem}', (problem,))
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        if manager:
            new["metadata"]["managedFields"] = self._owned(key, old, new, manager, subresource)
        self._objects[key] = new
        self.history.append(Change(self.version, key[0], old, copied(new)))
        return copied(new)

    def _remove(self, key: Key, old: Obj) -> Obj:
        self.version += 1
        del self._objects[key]
        self._owners.pop(key, None)
        last = copied(old)
        last["metadata"]["resourceVersion"] = str(self.version)
        self.history.append(Change(self.version, key[0], last, None))
        return last

    def _time(self) -> str:
        """One second per version, so that times tell the order of writes."""
        return f"{BEGINNING + timedelta(seconds=self.version - 100):%Y-%m-%dT%H:%M:%SZ}"

    def _owned(self, key: Key, old: Obj | None, new: Obj, manager: str, subresource: str) -> list[Obj]:
        """``managedFields``: who changes a field owns it. Lists count as one field."""
        owners = self._owners.setdefault(key, {})
        before, after = _leaves(old or {}), _leaves(new)
        changed = {path for path in before | after if before.get(path) != after.get(path)}
        for owner in owners.values():
            owner.paths -= changed
        mine = owners.setdefault((manager, subresource), _Owner())
        mine.paths |= changed & after.keys()
        mine.time = self._time()
        return [
            {
                "manager": name,
                "operation": "Update",
                "apiVersion": new["apiVersion"],
                "time": owner.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": _nested(owner.paths),
                **({"subresource": part} if part else {}),
            }
            for (name, part), owner in owners.items()
            if owner.paths
        ]


def _valid_name(resource: Resource, metadata: Obj) -> str:
    name = metadata.get("name")
    if not isinstance(name, str) or not name or name != name.lower():
        raise RefusedError(
            422, "Invalid", f'{resource.kind} "{name}" is invalid: metadata.name', ("metadata.name",)
        )
    return name


def _merged(resource: Resource, old: Obj, new: Obj, subresource: str) -> Obj:
    """What of the new object counts when it is written to the subresource."""
    match subresource:
        case "status":
            version = new.get("metadata", {}).get("resourceVersion")
            kept = {**copied(old), "status": new.get("status")}
            if kept["status"] is None:
                del kept["status"]
            kept["metadata"]["resourceVersion"] = version
            return kept
        case "scale":
            kept = copied(old)
            kept["spec"]["replicas"] = new["spec"].get("replicas", 0)
            kept["metadata"]["resourceVersion"] = new["metadata"].get("resourceVersion")
            return kept
    if resource not in WITHOUT_STATUS:
        new.pop("status", None)
        if "status" in old:
            new["status"] = copied(old["status"])
    return new


def _spec(obj: Obj) -> Obj:
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")}


def _leaves(obj: Obj) -> "dict[Path, object]":
    found: dict[Path, object] = {}
    todo: list[tuple[Path, object]] = [
        ((name,), value) for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")
    ]
    metadata = obj.get("metadata", {})
    todo += [
        (("metadata", name), metadata[name])
        for name in ("annotations", "labels", "finalizers")
        if name in metadata
    ]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict) and value:
            todo += [((*path, name), inner) for name, inner in value.items()]
        else:
            found[path] = value
    return found


def _nested(paths: set[Path]) -> Obj:
    fields: Obj = {}
    for path in sorted(paths):
        at = fields
        for name in path:
            at = at.setdefault(f"f:{name}", {})
    return fields
