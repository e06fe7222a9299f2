"""LLMInferenceServices of one routing group: what their weights mean, read from the members alone. Pure.

Weights are proportional, and each member bears its own. While a canary has requests, stable weighs `FULL`,
so that every step is one write to the canary: its weight is FULL · p / (1 - p). Stable is written before the
first step, when it is alone anyway, and at the promotion.

    stable any, canary 0                   Split(S)
    stable FULL, canary the weight of p    Split(S, C, p)
    stable 0, canary any, marked           Split(S, C, 1000)
    stable 0, canary any                   Split(C)             promoted
    no stable, canary any, marked          Split(None, C, 1000) a first deployment

**Source**: serving.kserve.io/v1alpha2 of KServe 0.20, router_group.go: a member without a weight has 0; one
that is stopped is on no route; GroupDegraded says that members differ in the model's name or its adapters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.traffic.kserve_split import Held
from controller.adapters.workload.kube_endpoints import condition
from controller.adapters.workload.kube_labels import annotations_of
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split

MARK = "serinus.dev/canary"
"""Annotation of a member that Serinus gave requests, until it is stable."""
STOP = "serving.kserve.io/stop"
WEIGHT = "/spec/router/route/weight"
_FULL = 10_000
_LARGEST = 1_000_000
"""Of a backendRef, which is where KServe writes the weights. **Source**: Gateway API v1."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A member as another member's status has it."""

    name: str
    weight: int
    stopped: bool


class Member:
    """An LLMInferenceService as it was read."""

    def __init__(self, obj: Obj) -> None:
        self.obj = obj
        self.route = mapping(mapping(mapping(obj.get("spec")).get("router")).get("route"))

    @property
    def name(self) -> str:
        """Its own."""
        return text(mapping(self.obj.get("metadata")).get("name"))

    @property
    def group(self) -> str:
        """The group that it belongs to; empty for none."""
        return text(self.route.get("group"))

    @property
    def weight(self) -> int | None:
        """Its weight; None where it is no weight."""
        value = self.route.get("weight", 0)
        return value if type(value) is int and 0 <= value <= _LARGEST else None

    @property
    def stopped(self) -> bool:
        """Whether somebody had KServe stop it."""
        return annotations_of(self.obj).get(STOP) == "true"

    @property
    def marked(self) -> bool:
        """Whether it is a canary of ours."""
        return MARK in annotations_of(self.obj)

    @property
    def listed(self) -> dict[str, Listed]:
        """The members of its group as KServe found them, itself among them, by name."""
        router = mapping(mapping(self.obj.get("status")).get("router"))
        members = map(mapping, sequence(mapping(router.get("group")).get("members")))
        found = (
            Listed(text(each.get("name")), _int(each.get("weight")), each.get("stopped") is True)
            for each in members
        )
        return {each.name: each for each in found}

    def condition(self, kind: str) -> tuple[str, str]:
        """The status of a condition, empty where there is none, and what it says."""
        found = condition(self.obj, kind)
        said = " ".join(filter(None, (text(found.get("reason")), text(found.get("message")))))
        return text(found.get("status")), said[:300]


def member_of(release: Release | None) -> str:
    """The name of the LLMInferenceService that a release is; empty where it is none."""
    backend = release.backend if release is not None else None
    return backend.name if backend and backend.kind is BackendKind.LLM_INFERENCE_SERVICE else ""


def as_release(name: str, known: Sequence[Release], version: str) -> Release:
    """The release of a member, as it is known, else called by its label or its name."""
    found = (release for release in known if member_of(release) == name)
    backend = Backend(BackendKind.LLM_INFERENCE_SERVICE, name)
    return next(found, Release(version or name, backend=backend))


def full(steps_permille: Sequence[int]) -> int:
    """What stable weighs while a canary has requests: as much as lets the largest step have a weight."""
    largest = max((step for step in steps_permille if step < FULL_WEIGHT_PERMILLE), default=0)
    return min(_FULL, _LARGEST * (FULL_WEIGHT_PERMILLE - largest) // largest) if largest else _FULL


def weight_for(permille: int, whole: int) -> int:
    """The canary's weight beside stable's, to the nearest; at least 1."""
    rest = FULL_WEIGHT_PERMILLE - permille
    return min(_LARGEST, max(1, (2 * whole * permille + rest) // (2 * rest)))


def held(stable: Member | None, canary: Member | None, routed: RoutedModel) -> Held:
    """The split that the two members ask for together."""
    whole = full(routed.steps_permille)
    left, right = (stable.weight if stable else 0), (canary.weight if canary else 0)
    if left is None or right is None:
        return Held(_near(1, routed), strange=True)
    if not right:
        if routed.stable is None:
            return Held(Split())
        return Held(Split(stable=routed.stable), strange=not left)
    if not left:
        if canary is None or not canary.marked:
            return Held(Split(stable=routed.canary))
        return Held(Split(routed.stable, routed.canary, FULL_WEIGHT_PERMILLE))
    asked = (step for step in routed.steps_permille if left == whole and weight_for(step, whole) == right)
    weight = next(asked, None)
    if weight is None:
        return Held(_near(FULL_WEIGHT_PERMILLE * right // (left + right), routed))
    return Held(Split(routed.stable, routed.canary, weight))


def _near(permille: int, routed: RoutedModel) -> Split:
    """The nearest split that no rollout asks for."""
    free = [each for each in range(1, FULL_WEIGHT_PERMILLE) if each not in routed.steps_permille]
    weight = min(free, key=lambda each: abs(each - permille))
    return Split(routed.stable, routed.canary, weight)


def _int(value: object) -> int:
    return value if type(value) is int else -1
