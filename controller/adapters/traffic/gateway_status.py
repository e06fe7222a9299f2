"""What a route's gateways, and the people and programs that write it, say about themselves. Pure.

**Source**: Gateway API v1, RouteParentStatus and its conditions; Kubernetes, ObjectMeta.managedFields (a list
that is replaced as a whole, as ``rules`` is, has one owner: who changed it last).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text

_LONGEST = 300
_PASSING = frozenset({"Pending", "BackendNotFound"})
"""Refusals that end by themselves: the controller has not looked yet, or does not know a new backend yet."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether every gateway took the route as it is now.

    ``refused`` is a refusal that will last; else one that did not take it yet may.
    """

    accepted: bool
    refused: bool = False
    message: str = ""


def acceptance(route: Obj) -> Verdict:
    """What the gateways say about the present generation of the route."""
    generation = number(mapping(route.get("metadata")).get("generation"))
    parents = [mapping(parent) for parent in sequence(mapping(route.get("status")).get("parents"))]
    if not parents:
        return Verdict(accepted=False, message="no gateway has taken the route yet")
    found = [_of_parent(parent, generation) for parent in parents]
    refusals = [verdict for verdict in found if verdict.refused]
    waiting = [verdict for verdict in found if not verdict.accepted]
    return next(iter((*refusals, *waiting)), Verdict(accepted=True))


def _of_parent(parent: Obj, generation: int) -> Verdict:
    conditions = {
        text(found.get("type")): found for found in map(mapping, sequence(parent.get("conditions")))
    }
    gateway = text(mapping(parent.get("parentRef")).get("name")) or "a gateway"
    for kind, good in (("Accepted", "True"), ("ResolvedRefs", "True"), ("PartiallyInvalid", "False")):
        condition = conditions.get(kind, {})
        if kind == "PartiallyInvalid" and not condition:
            continue
        if number(condition.get("observedGeneration")) < generation:
            if kind == "PartiallyInvalid":  # it may be left from an earlier generation, and is then withdrawn
                continue
            return Verdict(accepted=False, message=f"{gateway} has not looked at the route as it is now")
        if condition.get("status") != good:
            return _refusal(gateway, kind, condition)
    return Verdict(accepted=True)


def _refusal(gateway: str, kind: str, condition: Obj) -> Verdict:
    reason = text(condition.get("reason"))
    lasting = condition.get("status") != "Unknown" and reason not in _PASSING
    said = (
        f"{gateway} says {kind}={text(condition.get('status'))}, {reason}: {text(condition.get('message'))}"
    )
    return Verdict(accepted=False, refused=lasting, message=bounded(said))


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote the rules of a route: a field manager, and when (as the server writes instants)."""

    manager: str
    at: str

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.manager} wrote last, {self.at}" if self.at else f"{self.manager} wrote last"


def foreign_writer(route: Obj, ours: str, field: str = "rules") -> Writer | None:
    """The last one who wrote the ``field`` of the spec with the weights, other than the manager ``ours``."""
    found = [writer for writer in writers(route, field) if writer.manager != ours]
    return max(found, key=lambda writer: writer.at, default=None)


def writers(route: Obj, field: str) -> Iterator[Writer]:
    """Those whose fields cover the ``field`` of the spec, wholly or in part."""
    for entry in map(mapping, sequence(mapping(route.get("metadata")).get("managedFields"))):
        fields = mapping(entry.get("fieldsV1"))
        spec = fields.get("f:spec")
        whole = isinstance(spec, dict) and not [key for key in spec if key != "."]
        if whole or f"f:{field}" in mapping(spec):
            manager = bounded(text(entry.get("manager"))) or "an unknown manager"
            yield Writer(manager, bounded(text(entry.get("time"))))


def gateways_of(route: Obj) -> tuple[str, ...]:
    """The Gateways that the route belongs to, as ``namespace/name``, sorted.

    **Source**: gateway.networking.k8s.io/v1 ParentReference: of kind Gateway and in the route's namespace
    unless it says otherwise.
    """
    home = text(mapping(route.get("metadata")).get("namespace"))
    parents = map(mapping, sequence(mapping(route.get("spec")).get("parentRefs")))
    found = {
        f"{text(parent.get('namespace')) or home}/{text(parent.get('name'))}"
        for parent in parents
        if parent.get("kind", "Gateway") == "Gateway"
    }
    return tuple(sorted(found))


def bounded(said: str) -> str:
    """One printable line: gateways quote what people wrote."""
    line = " ".join("".join(c if c.isprintable() else " " for c in said[: 2 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
