"""The newest known state of a collection of objects, put together from lists, events and our own writes.

**Invariant**: what is known of an object never goes back to an older version, in whatever order news come,
and a deleted object stays deleted until a newer one has its name. Each difference is reported once.

Versions are compared as numbers where both are decimal, which is how every API server writes them that we
know of; else what comes last counts as newer. **Source**: KEP-5504, Comparable Resource Version, which made
that a promise in Kubernetes 1.35.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj

Key = tuple[str, str]
"""Namespace, empty for none, and name."""

_MOST_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Change:
    """An object before and after; None where there is none. Never both None."""

    old: Obj | None
    new: Obj | None


class Cache:
    """The objects of one collection. Pure: knows no network and no clock.

    With ``every_version`` a newer version is a difference, though nothing else be: for who writes against
    the version that he was told of.
    """

    def __init__(self, *, every_version: bool = False) -> None:
        self._every_version = every_version
        self._objects: dict[Key, Obj] = {}
        self._deleted: dict[Key, str] = {}
        """The version at which an object was last known to be gone, since the last list."""
        self.listed = ""
        """The version of the last list."""

    def get(self, namespace: str, name: str) -> Obj | None:
        """The object, shared: not to be changed."""
        return self._objects.get((namespace, name))

    def all(self, namespace: str | None = None) -> list[Obj]:
        """The objects of a namespace, or all, in no order."""
        if namespace is None:
            return list(self._objects.values())
        return [obj for (home, _), obj in self._objects.items() if home == namespace]

    def offer(self, obj: Obj) -> list[Change]:
        """Take an object as it is, or was. **Shape**: two changes when it replaces one of another uid."""
        key = _key(obj)
        # Of an object that is unknown, the last list said that it is gone.
        if key not in self._objects and not _maybe_newer(_version(obj), self.listed):
            return []
        return self._take(key, obj, self._deleted.get(key, ""))

    def remove(self, obj: Obj) -> list[Change]:
        """Take the news of a deletion; the object's version is that of the deletion, or the last before."""
        key, version = _key(obj), _version(obj)
        known = self._objects.get(key)
        if known is not None and _surely_newer(_version(known), version):
            return []
        if not _surely_newer(self._deleted.get(key, ""), version):
            self._deleted[key] = version
        return [] if known is None else [Change(self._objects.pop(key), None)]

    def drop(self, namespace: str, name: str) -> list[Change]:
        """Forget an object that we deleted, until something newer is heard of it."""
        known = self._objects.get((namespace, name))
        return [] if known is None else self.remove(known)

    def replace(self, objects: Sequence[Obj], version: str) -> list[Change]:
        """Take a list: what it lacks is gone, unless we know something newer than the list."""
        self._deleted = {key: gone for key, gone in self._deleted.items() if _surely_newer(gone, version)}
        changes = []
        listed = {_key(obj): obj for obj in objects}
        for key, obj in listed.items():
            changes += self._take(key, obj, self._deleted.get(key, ""))
        for key, obj in list(self._objects.items()):
            if key not in listed and not _surely_newer(_version(obj), version):
                changes.append(Change(self._objects.pop(key), None))
        self.listed = version
        return changes

    def restart(self, objects: Sequence[Obj], version: str) -> list[Change]:
        """Take a list of a server that went back in time, as one does from a backup: only it counts."""
        before = self._objects
        self._objects, self._deleted, self.listed = {_key(obj): obj for obj in objects}, {}, version
        keys = [*before, *(key for key in self._objects if key not in before)]
        return [
            change for key in keys for change in self._difference(before.get(key), self._objects.get(key))
        ]

    def is_older(self, version: str) -> bool:
        """Whether a list of this version is older than the last list."""
        return _surely_newer(self.listed, version)

    def _take(self, key: Key, obj: Obj, gone: str) -> list[Change]:
        known = self._objects.get(key)
        seen = gone if known is None else _version(known)
        if not _maybe_newer(_version(obj), seen) or not _maybe_newer(_version(obj), gone):
            return []
        self._deleted.pop(key, None)
        self._objects[key] = obj
        return self._difference(known, obj)

    def _difference(self, old: Obj | None, new: Obj | None) -> list[Change]:
        if old is not None and new is not None:
            if old["metadata"].get("uid") != new["metadata"].get("uid"):
                return [Change(old, None), Change(None, new)]
            same_version = _version(old) == _version(new)
            if _content(old) == _content(new) and (same_version or not self._every_version):
                return []
        return [Change(old, new)]


def _content(obj: Obj) -> Obj:
    metadata = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
    return {**obj, "metadata": metadata}


def _key(obj: Obj) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _version(obj: Obj) -> str:
    version: str = obj["metadata"]["resourceVersion"]
    return version


def _surely_newer(version: str, than: str) -> bool:
    return _is_number(version) and _is_number(than) and int(version) > int(than)


def _maybe_newer(version: str, than: str) -> bool:
    if _is_number(version) and _is_number(than):
        return int(version) > int(than)
    return version != than


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal() and len(version) <= _MOST_DIGITS
