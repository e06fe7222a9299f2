"""Gives the pods of a copy labels by which nothing that reaches the stable version reaches them. Pure.

**Invariant**: no selector that was handed in matches the labels that come out. As few labels as possible are
changed, because monitoring and network policies select by them too. Where no change helps, the copy is
refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping
from controller.adapters.workload.kube_labels import (
    OURS,
    VERSION,
    Requirement,
    requirements,
    selects,
    versioned,
)
from controller.errors import TargetError

_NAMES = ("app.kubernetes.io/instance", "app.kubernetes.io/name", "app", "name")
_OPERATORS = ("In", "Exists", "NotIn", "DoesNotExist")

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reach:
    """A selector that must not match the copy's pods, and whose it is, such as ``Service fraud``."""

    owner: str
    selector: Obj


def isolated(labels: Labels, marks: Labels, reaches: Sequence[Reach], name: str) -> dict[str, str]:
    """The labels of the copy called ``name``, made from those of the stable version's pods.

    ``marks`` are Serinus' own and set in any case. Raises `TargetError` naming the selector that cannot be
    evaded.
    """
    out = {**versioned(dict(labels), marks[VERSION]), **marks}
    caught = _catching(reaches, out)
    while caught:
        ways = [_changed(out, key, value) for key, value in _ways_out(caught[0], name)]
        better = next((each for each in ways if len(_catching(reaches, each)) < len(caught)), None)
        if better is None:
            raise TargetError(
                f"{caught[0].owner} would select the pods of {name} before they are validated, whatever "
                "their labels: narrow its selector, or deploy the workload yourself and name its backend"
            )
        out = better
        caught = _catching(reaches, out)
    return out


def changes(before: Labels, after: Labels) -> dict[str, str | None]:
    """The labels of ``before`` that ``after`` has with another value, or not at all (None)."""
    return {key: after.get(key) for key, value in before.items() if after.get(key) != value}


def retargeted(pod_spec: Obj, before: Labels, after: Labels) -> Obj:
    """The pod spec with rules about the workload's own pods made to mean the copy's; nothing else changes.

    Spread and (anti-)affinity name pods by labels: with stable's labels the copy's pods would not spread.
    """
    changed = changes(before, after)

    def walk(value: object, key: str = "") -> object:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        if key == "labelSelector" and selects(value, dict(before)):
            return _followed(value, changed)
        return {name: walk(each, name) for name, each in value.items()}

    placed: Obj = {
        key: walk(pod_spec[key]) for key in ("affinity", "topologySpreadConstraints") if key in pod_spec
    }
    return {**pod_spec, **placed}


def _catching(reaches: Sequence[Reach], labels: dict[str, str]) -> list[Reach]:
    return [each for each in reaches if selects(each.selector, labels)]


def _ways_out(caught: Reach, name: str) -> Iterator[tuple[str, str | None]]:
    """Changes of one label that break the selector, the least surprising first."""
    open_to_change = [each for each in requirements(caught.selector) if each.key not in OURS]
    for each in sorted(open_to_change, key=_surprise):
        match each.operator:
            case "In":
                yield each.key, name
                yield each.key, None
            case "Exists":
                yield each.key, None
            case "NotIn":
                yield from ((each.key, value) for value in each.values)
            case "DoesNotExist":
                yield each.key, name


def _surprise(one: Requirement) -> tuple[int, int, str]:
    rank = _OPERATORS.index(one.operator) if one.operator in _OPERATORS else len(_OPERATORS)
    known = _NAMES.index(one.key) if one.key in _NAMES else len(_NAMES)
    return rank, known, one.key


def _changed(labels: dict[str, str], key: str, value: str | None) -> dict[str, str]:
    rest = {each: label for each, label in labels.items() if each != key}
    return rest if value is None else {**rest, key: value}


def _followed(selector: Obj, changed: Mapping[str, str | None]) -> Obj:
    """The selector with the changed labels; a condition on a label that was removed goes."""
    out = dict(selector)
    if isinstance(selector.get("matchLabels"), dict):
        out["matchLabels"] = {
            key: changed.get(key, value)
            for key, value in selector["matchLabels"].items()
            if changed.get(key, value) is not None
        }
    if isinstance(selector.get("matchExpressions"), list):
        out["matchExpressions"] = [
            _followed_condition(mapping(each), changed)
            for each in selector["matchExpressions"]
            if changed.get(mapping(each).get("key", ""), "") is not None
        ]
    return out


def _followed_condition(condition: Obj, changed: Mapping[str, str | None]) -> Obj:
    key = condition.get("key", "")
    if key not in changed or condition.get("operator") != "In":
        return condition
    return {**condition, "values": [changed[key]]}
