"""Labels and what selects by them: the arithmetic that decides which pods a selector reaches. Pure.

**Source**: Kubernetes documentation, "Labels and Selectors"; meta/v1 LabelSelector.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text

MODEL = "serinus.dev/model"
VERSION = "serinus.dev/version"
CREATED = "serinus.dev/created"
ROLLOUT = "serinus.dev/rollout"
OURS = frozenset({MODEL, VERSION, CREATED, ROLLOUT})

COPIES = "serinus.dev/copies"
"""Annotation of a created Deployment: stable's copies when it was cloned, the measure of what is enough."""
ASKED = "serinus.dev/asked"
"""Annotation of a created Deployment: a digest of the image and the overrides that were asked for."""
LEAST = "serinus.dev/min-replicas"
"""Annotation of an autoscaler: the least copies it had before a rollout, to go back to."""

SERVICE_OF_SLICE = "kubernetes.io/service-name"
"""The label by which an EndpointSlice names its Service."""

_VERSIONS = ("version", "app.kubernetes.io/version", "service.istio.io/canonical-revision")
"""Labels by which people and a mesh's metrics tell versions apart: a copy must say its own."""

LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition of a selector; an ``operator`` that is not known is held to be met."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def met_by(self, labels: Obj) -> bool:
        """Whether the labels fulfil it."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case _:
                return True


def name_of(obj: Obj) -> str:
    """The object's name; empty when it has none."""
    return text(mapping(obj.get("metadata")).get("name"))


def labels_of(obj: Obj) -> dict[str, str]:
    """The labels of an object, or of a pod template."""
    return _texts(mapping(obj.get("metadata")).get("labels"))


def annotations_of(obj: Obj) -> dict[str, str]:
    """The annotations of an object, or of a pod template."""
    return _texts(mapping(obj.get("metadata")).get("annotations"))


def model_of(obj: Obj) -> tuple[str, str] | None:
    """The model and the version that an object is labelled with; None without both."""
    labels = labels_of(obj)
    model, version = labels.get(MODEL), labels.get(VERSION)
    return (model, version) if model and version else None


def versioned(labels: dict[str, str], version: str) -> dict[str, str]:
    """The labels, where they name a version, with this one."""
    return {key: version if key in _VERSIONS else value for key, value in labels.items()}


def version_of(obj: Obj) -> str | None:
    """The version that a Service, a pool or a workload is labelled with."""
    return labels_of(obj).get(VERSION) or None


def service_of(endpoint_slice: Obj) -> str | None:
    """The Service whose endpoints a slice holds."""
    return labels_of(endpoint_slice).get(SERVICE_OF_SLICE) or None


def requirements(selector: object) -> tuple[Requirement, ...]:
    """The conditions of a LabelSelector, all of which must hold; ``matchLabels`` come first, by key."""
    known = mapping(selector)
    equalities = _texts(known.get("matchLabels"))
    return (
        *(Requirement(key, "In", (equalities[key],)) for key in sorted(equalities)),
        *(
            Requirement(
                text(each.get("key")),
                text(each.get("operator")),
                tuple(value for value in sequence(each.get("values")) if isinstance(value, str)),
            )
            for each in map(mapping, sequence(known.get("matchExpressions")))
        ),
    )


def selects(selector: object, labels: Obj) -> bool:
    """Whether a LabelSelector matches the labels. An absent or empty one matches nothing here.

    For a budget an empty selector means every pod: `covers` is for those.
    """
    return selection(selector)(labels)


def selection(selector: object) -> Callable[[Obj], bool]:
    """`selects` for one selector and the labels of many objects: it is read once."""
    conditions = requirements(selector)
    equal = [each for each in conditions if each.operator == "In" and len(each.values) == 1]
    wanted = {each.key: each.values[0] for each in equal}
    if len(wanted) == len(conditions):  # the usual case, and much faster
        return lambda labels: bool(wanted) and wanted.items() <= labels.items()
    return lambda labels: all(each.met_by(labels) for each in conditions)


def covers(selector: object, labels: Obj) -> bool:
    """As `selects`, but an empty selector matches everything, as that of a PodDisruptionBudget does."""
    return isinstance(selector, dict) and all(each.met_by(labels) for each in requirements(selector))


def pods_of(backend: Obj) -> Obj:
    """The pods that a Service or an InferencePool sends requests to, as a LabelSelector.

    A Service's selector is a bare mapping, a pool's has ``matchLabels`` only.
    """
    selector = mapping(mapping(backend.get("spec")).get("selector"))
    if isinstance(selector.get("matchLabels"), dict):
        return {"matchLabels": _texts(selector["matchLabels"])}
    return {"matchLabels": _texts(selector)}


def _texts(value: object) -> dict[str, str]:
    return {key: each for key, each in mapping(value).items() if isinstance(each, str)}
