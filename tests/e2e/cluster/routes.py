"""What is a model's own on its route, and what is not."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from controller.domain.model import Rollout
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from tests.e2e.cluster.history import EPOCH

Obj = dict[str, Any]

FULL_SUM = 1000
"""What the weights of a pair add up to that is alone in its rule."""


@dataclass(slots=True)
class Ours:
    """What is a model's own on its route: backends by their names, in one rule."""

    names: list[str] = field(default_factory=list)
    rule: int = 0


def foreign_part(route: Obj, ours: Ours) -> Obj:
    """A route without our backends, the epoch, its status and what the server keeps of its own."""
    spec = deepcopy(route["spec"])
    rule = spec["rules"][ours.rule]
    rule["backendRefs"] = [ref for ref in rule.get("backendRefs", []) if ref["name"] not in ours.names]
    left = [each for each in rule.get("filters", []) if _mirrored(each) not in ours.names]
    rule.pop("filters", None)
    rule |= {"filters": left} if left else {}
    meta = route["metadata"]
    annotations = {key: text for key, text in meta.get("annotations", {}).items() if key != EPOCH}
    return {"spec": spec, "labels": meta.get("labels", {}), "annotations": annotations}


def copies_of(route: Obj, ours: Ours) -> int:
    """The thousandths of the requests that the rule copies to one of our backends."""
    filters = route["spec"]["rules"][ours.rule].get("filters", [])
    mirrors = [each["requestMirror"] for each in filters if _mirrored(each) in ours.names]
    return sum(_permille(each) for each in mirrors)


def _mirrored(each: Obj) -> str:
    found: str = each["requestMirror"]["backendRef"]["name"] if each["type"] == "RequestMirror" else ""
    return found


def _permille(mirror: Obj) -> int:
    fraction = mirror.get("fraction", {"numerator": mirror.get("percent", 100)})
    return int(FULL_WEIGHT_PERMILLE * fraction["numerator"] / fraction.get("denominator", 100))


def weights_of(route: Obj, ours: Ours) -> tuple[dict[str, int], dict[str, int]]:
    """Weights of our backends, and of the others of the same rule, by name."""
    weights = {
        ref["name"]: ref.get("weight", 1) for ref in route["spec"]["rules"][ours.rule].get("backendRefs", [])
    }
    mine = {name: weight for name, weight in weights.items() if name in ours.names}
    return mine, {name: weight for name, weight in weights.items() if name not in mine}


def share_of(rollout: Rollout, ours: Mapping[str, int]) -> int:
    """The thousandths of the pair that the rollout's version has."""
    backend = rollout.release.backend
    weight = ours.get(backend.name, 0) if backend else 0
    total = sum(ours.values())
    exact = weight * FULL_WEIGHT_PERMILLE / total if total else 0.0
    # beside other backends whole units are rounded down; the nearest step is meant
    steps = [0, *(step.weight_permille for step in rollout.policy.steps), FULL_WEIGHT_PERMILLE]
    nearest = min(steps, key=lambda step: abs(step - exact))
    return (
        nearest
        if abs(nearest - exact) <= max(FULL_WEIGHT_PERMILLE / total if total else 0, 1)
        else round(exact)
    )
