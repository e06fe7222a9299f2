"""Whether one more copy fits on a node now, and what it lacks: "needs 2 nvidia.com/gpu, 0 free". Pure.

An estimate for people, not a scheduler: it knows requests, taints, node selectors and required node affinity,
and nothing of (anti-)affinity between pods, volumes, preemption or nodes that an autoscaler may add. Where it
finds room it says nothing, and the scheduler's own words count.

**Source**: Kubernetes documentation, "Resource Management for Pods and Containers", "Sidecar Containers"
(effective requests), "Taints and Tolerations", "Assigning Pods to Nodes".
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.workload.kube_endpoints import condition
from controller.adapters.workload.kube_labels import Requirement, labels_of, name_of
from controller.adapters.workload.kube_problem import Problem
from controller.adapters.workload.kube_quantity import quantity, shown
from controller.domain.vocabulary import Reason

Amounts = dict[str, Decimal]

_KEEPS_AWAY = ("NoSchedule", "NoExecute")
_OVER = ("Succeeded", "Failed")


def shortage(pod: Obj, nodes: Iterable[Obj], used: Mapping[str, Amounts]) -> Problem | None:
    """What keeps the pod from every node; None when it seems to fit on one. ``used`` is from `taken`."""
    spec = mapping(pod.get("spec"))
    open_to_it = [each for each in nodes if _usable(each) and _admits(each, spec)]
    if not open_to_it:
        message = "no ready node has the labels that it selects and only taints that it tolerates"
        return Problem(Reason.UNSCHEDULABLE, message)
    needed = requests(spec)
    room = [_free(each, used.get(name_of(each), {})) for each in open_to_it]
    if any(all(free.get(each, Decimal(0)) >= amount for each, amount in needed.items()) for free in room):
        return None
    most = {each: max(max(free.get(each, Decimal(0)), Decimal(0)) for free in room) for each in needed}
    short = [each for each in sorted(needed) if needed[each] > most[each]]
    if not short:
        together = " and ".join(f"{shown(each, needed[each])} {each}" for each in sorted(needed))
        return Problem(Reason.INSUFFICIENT_CAPACITY, f"no node has {together} free at once")
    lacks = "; ".join(_lack(each, needed[each], most[each], len(room)) for each in short)
    return Problem(Reason.INSUFFICIENT_CAPACITY, lacks)


def taken(pods: Iterable[Obj]) -> dict[str, Amounts]:
    """What the pods of a cluster take, by node."""
    used: dict[str, Amounts] = {}
    for pod in pods:
        spec = mapping(pod.get("spec"))
        node = text(spec.get("nodeName"))
        if node and mapping(pod.get("status")).get("phase") not in _OVER:
            used[node] = _sum((used.get(node, {}), requests(spec)))
    return used


def requests(pod_spec: Obj) -> Amounts:
    """What a pod takes of a node: all its containers, or its largest init container if that is more."""
    running = _sum(_requests(each) for each in _listed(pod_spec, "containers"))
    starting: Amounts = {}
    sidecars: Amounts = {}
    for each in _listed(pod_spec, "initContainers"):
        if each.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, _requests(each)))
            starting = _max(starting, sidecars)
        else:
            starting = _max(starting, _sum((sidecars, _requests(each))))
    whole = _max(_sum((running, sidecars)), starting)
    whole |= _amounts(mapping(mapping(pod_spec.get("resources")).get("requests")))
    whole = _sum((whole, _amounts(mapping(pod_spec.get("overhead")))))
    return {each: amount for each, amount in whole.items() if amount > 0}


def _lack(resource: str, needed: Decimal, most: Decimal, nodes: int) -> str:
    where = "" if nodes == 1 or most == 0 else " on the best node"
    return f"needs {shown(resource, needed)} {resource}, {shown(resource, most)} free{where}"


def _free(node: Obj, used: Amounts) -> Amounts:
    allocatable = _amounts(mapping(mapping(node.get("status")).get("allocatable")))
    return {each: amount - used.get(each, Decimal(0)) for each, amount in allocatable.items()}


def _usable(node: Obj) -> bool:
    cordoned = mapping(node.get("spec")).get("unschedulable") is True
    return not cordoned and condition(node, "Ready").get("status") == "True"


def _admits(node: Obj, pod_spec: Obj) -> bool:
    labels = labels_of(node)
    wanted = mapping(pod_spec.get("nodeSelector"))
    taints = _listed(mapping(node.get("spec")), "taints")
    tolerations = _listed(pod_spec, "tolerations")
    return (
        all(labels.get(key) == value for key, value in wanted.items())
        and _near(labels, pod_spec)
        and all(
            any(_tolerates(each, taint) for each in tolerations)
            for taint in taints
            if taint.get("effect") in _KEEPS_AWAY
        )
    )


def _near(labels: Obj, pod_spec: Obj) -> bool:
    """Whether the labels are as the required node affinity asks: any of its terms, with all conditions."""
    affinity = mapping(mapping(pod_spec.get("affinity")).get("nodeAffinity"))
    required = mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    terms = [_listed(each, "matchExpressions") for each in _listed(required, "nodeSelectorTerms")]
    return not terms or any(all(_asked(each).met_by(labels) for each in term) for term in terms)


def _asked(expression: Obj) -> Requirement:
    """Comparisons of numbers (Gt, Lt) are held to be met."""
    values = tuple(text(each) for each in sequence(expression.get("values")))
    return Requirement(text(expression.get("key")), text(expression.get("operator")), values)


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    effect, key = text(toleration.get("effect")), text(toleration.get("key"))
    if effect and effect != taint.get("effect"):
        return False
    if toleration.get("operator") == "Exists":
        return not key or key == taint.get("key")
    return key == taint.get("key") and text(toleration.get("value")) == text(taint.get("value"))


def _requests(container: Obj) -> Amounts:
    return _amounts(mapping(mapping(container.get("resources")).get("requests")))


def _amounts(quantities: Obj) -> Amounts:
    read = {each: quantity(value) for each, value in quantities.items()}
    return {each: amount for each, amount in read.items() if amount is not None}


def _listed(obj: Obj, key: str) -> list[Obj]:
    return [mapping(each) for each in sequence(obj.get(key))]


def _sum(parts: Iterable[Amounts]) -> Amounts:
    whole: Amounts = {}
    for part in parts:
        for each, amount in part.items():
            whole[each] = whole.get(each, Decimal(0)) + amount
    return whole


def _max(one: Amounts, other: Amounts) -> Amounts:
    return {each: max(one.get(each, Decimal(0)), other.get(each, Decimal(0))) for each in {**one, **other}}
