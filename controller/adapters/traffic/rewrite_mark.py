"""The note on an InferenceModelRewrite that says which of a model's adapters is the canary. Pure.

A target has no room for a mark, and one of weight 0 is not allowed. So an annotation, written and removed in
the same patch as the targets, tells a canary that has everything from one that was promoted, and who stable
is while it has no target: without a record, a rollback finds it there.

**Invariant**: it says who is who, and never what the weights are.
"""

import json
from dataclasses import dataclass

from controller.adapters.kube.fencing import path_of
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, text

_PREFIX = "canary.serinus.dev/"
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Mark:
    """Names of adapters; ``stable`` is empty in a first deployment."""

    canary: str
    stable: str = ""


def mark_of(rewrite: Obj, model: str) -> Mark | None:
    """Who is the canary of a model of a policy; None where nobody says so, or not as we would."""
    written = text(mapping(mapping(rewrite.get("metadata")).get("annotations")).get(_PREFIX + model))
    if not written or len(written) > _LONGEST:
        return None
    try:
        found = mapping(json.loads(written))
    except (ValueError, RecursionError):
        return None
    canary = text(found.get("canary"))
    return Mark(canary, text(found.get("stable"))) if canary else None


def marking(rewrite: Obj, model: str, mark: Mark | None) -> list[Obj]:
    """The operations that leave this mark, or none for None; empty if it is so already."""
    annotations = mapping(rewrite.get("metadata")).get("annotations")
    name = _PREFIX + model
    if mark is None:
        return [{"op": "remove", "path": path_of(name)}] if name in mapping(annotations) else []
    if mark_of(rewrite, model) == mark:
        return []
    parts = {"canary": mark.canary, **({"stable": mark.stable} if mark.stable else {})}
    value = json.dumps(parts, sort_keys=True)
    if annotations:
        return [{"op": "add", "path": path_of(name), "value": value}]
    return [{"op": "add", "path": "/metadata/annotations", "value": {name: value}}]
