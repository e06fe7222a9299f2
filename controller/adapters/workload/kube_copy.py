"""The workload of a new version, made from that of the stable one with another image. Pure.

**Invariant**: nothing that reaches stable's pods reaches the copy's, and the copy's own selector reaches only
its own; the copy bears no mark by which anybody else would track, prune or publish it, and no owner; whatever
the release does not change is as in the original.
"""

import hashlib
import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from controller.adapters.kube.resources import DEPLOYMENTS, Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.workload.kube_cleaning import bare, inside, object_labels, own
from controller.adapters.workload.kube_isolation import Reach, isolated, retargeted
from controller.adapters.workload.kube_labels import (
    ASKED,
    COPIES,
    CREATED,
    LABEL_VALUE,
    LEAST,
    MODEL,
    ROLLOUT,
    VERSION,
    annotations_of,
    covers,
    labels_of,
    name_of,
    selects,
    versioned,
)
from controller.domain.release import Image
from controller.errors import TargetError


@dataclass(frozen=True, slots=True)
class Original:
    """What a copy is made from, and what may not reach its pods.

    ``copies`` is the number of stable's copies; ``reaches`` are the selectors of stable's Deployment and of
    every Service and pool of the namespace but the copy's own.
    """

    deployment: Obj
    service: Obj
    autoscaler: Obj | None
    budget: Obj | None
    reaches: Sequence[Reach]
    copies: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """The copy: its name, whose it is, what it runs and in how many copies, at least 1."""

    name: str
    model: str
    version: str
    rollout: str
    image: Image
    replicas: int

    @property
    def marks(self) -> dict[str, str]:
        """The labels of everything that is created."""
        return {**self.identity, CREATED: "true"}

    @property
    def identity(self) -> dict[str, str]:
        """The labels by which the copy's pods are selected: no other pods have all three."""
        return {MODEL: self.model, VERSION: self.version, ROLLOUT: self.rollout}


def copy_of(original: Original, wanted: Wanted) -> list[Obj]:
    """The objects to create, in the order to create them; the Deployment last, so that it stands for all.

    Raises `TargetError` with the reason why the workload cannot be cloned.
    """
    for key, value in wanted.marks.items():
        if not value or not LABEL_VALUE.fullmatch(value):
            raise TargetError(f"{value!r} cannot be the label {key}: use letters, digits, dots, _ and -")
    deployment = _deployment(original, wanted)
    labels = labels_of(deployment["spec"]["template"])
    budget = original.budget
    if budget is not None and covers(mapping(budget.get("spec")).get("selector"), labels):
        budget = None  # it protects the copy already, and a pod with two budgets cannot be evicted at all
    return [
        _service(original.service, wanted),
        *([] if budget is None else [_budget(budget, wanted)]),
        *([] if original.autoscaler is None else [_autoscaler(original, original.autoscaler, wanted)]),
        deployment,
    ]


def asked(image: Image) -> str:
    """A digest of what a release asks for: equal for equal images and overrides.

    The object itself would not do: admission checks of the cluster may rewrite its image.
    """
    written = json.dumps([image.image, image.args, image.env, image.container])
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def _deployment(original: Original, wanted: Wanted) -> Obj:
    template = mapping(mapping(original.deployment.get("spec")).get("template"))
    before = labels_of(template)
    if selects({"matchLabels": wanted.identity}, before):
        raise TargetError(f"the stable Deployment {name_of(original.deployment)} was created by this rollout")
    after = isolated(own(before), wanted.marks, original.reaches, wanted.name)
    copy = _renamed(original.deployment, wanted)
    copy["metadata"].setdefault("annotations", {}).update(
        {COPIES: str(original.copies), ASKED: asked(wanted.image)}
    )
    spec = copy["spec"]
    spec.pop("paused", None)  # a paused Deployment makes no pods
    spec["replicas"] = wanted.replicas
    spec["selector"] = {"matchLabels": wanted.identity}
    spec["template"] = {**spec["template"], "metadata": _template_metadata(template, after)}
    pod_spec = retargeted(mapping(spec["template"].get("spec")), before, after)
    spec["template"]["spec"] = {**pod_spec, "containers": _containers(pod_spec, wanted.image)}
    return copy


def _template_metadata(template: Obj, labels: dict[str, str]) -> Obj:
    kept = {
        key: deepcopy(value)
        for key, value in mapping(template.get("metadata")).items()
        if key not in ("labels", "annotations", "creationTimestamp")
    }
    annotations = own(annotations_of(template))
    return {**kept, "labels": labels, **({"annotations": annotations} if annotations else {})}


def _containers(pod_spec: Obj, image: Image) -> list[Obj]:
    containers = [mapping(each) for each in sequence(pod_spec.get("containers"))]
    names = [text(each.get("name")) for each in containers]
    if image.container is not None and image.container not in names:
        raise TargetError(
            f"stable's pods have no container {image.container}, but {', '.join(names)}: "
            "set spec.overrides.container"
        )
    at = 0 if image.container is None else names.index(image.container)
    changed = {**containers[at], "image": image.image}
    if image.args is not None:
        changed["args"] = list(image.args)
    if image.env:
        changed["env"] = _environment(sequence(changed.get("env")), dict(image.env))
    return [*containers[:at], changed, *containers[at + 1 :]]


def _environment(present: list[Obj], added: dict[str, str]) -> list[Obj]:
    """In the old order, for a variable may refer to those before it; new ones at the end."""
    kept = [_variable(each["name"], added) if each["name"] in added else each for each in present]
    names = {each["name"] for each in present}
    return [*kept, *(_variable(name, added) for name in added if name not in names)]


def _variable(name: str, values: dict[str, str]) -> Obj:
    return {"name": name, "value": values[name]}


def _service(original: Obj, wanted: Wanted) -> Obj:
    copy = _renamed(original, wanted)
    copy["spec"] = {**inside(copy["spec"]), "selector": wanted.identity}
    return copy


def _budget(original: Obj, wanted: Wanted) -> Obj:
    copy = _renamed(original, wanted)
    copy["spec"]["selector"] = {"matchLabels": wanted.identity}
    return copy


def _autoscaler(original: Original, autoscaler: Obj, wanted: Wanted) -> Obj:
    owners = sequence(mapping(autoscaler.get("metadata")).get("ownerReferences"))
    if owners:
        owner = f"{text(mapping(owners[0]).get('kind'))} {text(mapping(owners[0]).get('name'))}"
        raise TargetError(
            f"{owner} scales the stable Deployment {name_of(original.deployment)}, and would not scale a "
            "copy: deploy the workload yourself and name it in spec.backend"
        )
    copy = _renamed(autoscaler, wanted)
    spec = copy["spec"]
    least = annotations_of(autoscaler).get(LEAST) or str(number(spec.get("minReplicas", 1)))
    copy["metadata"].setdefault("annotations", {})[LEAST] = least
    spec["scaleTargetRef"] = {
        "apiVersion": DEPLOYMENTS.api_version,
        "kind": DEPLOYMENTS.kind,
        "name": wanted.name,
    }
    spec["minReplicas"] = wanted.replicas
    spec["maxReplicas"] = max(number(spec.get("maxReplicas")), wanted.replicas)
    for metric in map(mapping, sequence(spec.get("metrics"))):
        described = mapping(mapping(metric.get("object")).get("describedObject"))
        if (described.get("kind"), described.get("name")) == ("Service", name_of(original.service)):
            described["name"] = wanted.name
    return copy


def _renamed(original: Obj, wanted: Wanted) -> Obj:
    copy = bare(original, wanted.name)
    copy["metadata"]["labels"] = {**versioned(object_labels(original), wanted.version), **wanted.marks}
    return copy
