"""Room on nodes: amounts, what a pod takes, and what it lacks."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.workload.kube_capacity import requests, shortage, taken
from controller.adapters.workload.kube_problem import Problem
from controller.adapters.workload.kube_quantity import quantity, shown
from controller.domain.vocabulary import Reason
from tests.kube_workloads import node, pod

Obj = dict[str, Any]

GPU = "nvidia.com/gpu"


def container(**amounts: str) -> Obj:
    return {"resources": {"requests": {key.replace("gpu", GPU): value for key, value in amounts.items()}}}


def asking(name: str = "new", where: str | None = None, phase: str = "Pending", **amounts: str) -> Obj:
    found = pod(name, status={"phase": phase})
    found["spec"]["containers"] = [container(**amounts)]
    if where is not None:
        found["spec"]["nodeName"] = where
    return found


def lack(waiting: Obj, nodes: list[Obj], *others: Obj) -> str | None:
    problem = shortage(waiting, nodes, taken(others))
    return None if problem is None else problem.message


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2", 2),
        (2, 2),
        ("500m", Decimal("0.5")),
        ("1.5Gi", 1.5 * 2**30),
        ("1k", 1000),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1e-1", Decimal("0.1")),
        ("100u", Decimal("0.0001")),
        (".5", Decimal("0.5")),
        ("5.", 5),
    ],
)
def test_amounts_are_read_as_the_api_writes_them(text: object, amount: Any) -> None:
    assert quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "two", "1GiB", "1 Gi", None, True, [], "1e999", "Ki", "9" * 70])
def test_what_is_no_amount_is_none(text: object) -> None:
    assert quantity(text) is None


@given(st.text(max_size=20))
def test_no_text_breaks_the_reading_of_amounts(text: str) -> None:
    quantity(text)


@pytest.mark.parametrize(
    ("resource", "text", "words"),
    [
        ("cpu", "500m", "500m"),
        ("cpu", "4", "4"),
        ("memory", "1536Mi", "1.5Gi"),
        ("memory", "300Mi", "300Mi"),
        (GPU, "2", "2"),
    ],
)
def test_amounts_are_shown_as_people_write_them(resource: str, text: str, words: str) -> None:
    amount = quantity(text)
    assert amount is not None
    assert shown(resource, amount) == words


def test_a_pod_takes_all_containers_or_the_largest_init_container() -> None:
    spec: Obj = {
        "containers": [container(cpu="1", gpu="1"), container(cpu="500m")],
        "initContainers": [container(cpu="3"), container(memory="1Gi")],
        "overhead": {"cpu": "250m"},
    }
    assert requests(spec) == {"cpu": Decimal("3.25"), GPU: 1, "memory": 2**30}


def test_sidecars_count_from_their_start_on() -> None:
    sidecar = {**container(cpu="1"), "restartPolicy": "Always"}
    spec: Obj = {"containers": [container(cpu="2")], "initContainers": [sidecar, container(cpu="3")]}
    assert requests(spec)["cpu"] == 4
    later: Obj = {"containers": [container(cpu="2")], "initContainers": [container(cpu="3"), sidecar]}
    assert requests(later)["cpu"] == 3
    two: Obj = {"containers": [container(cpu="2")], "initContainers": [sidecar, sidecar]}
    assert requests(two)["cpu"] == 4


def test_amounts_for_the_whole_pod_replace_the_sum() -> None:
    spec: Obj = {"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "3"}}}
    assert requests(spec)["cpu"] == 3


def test_a_missing_gpu_is_said_in_numbers() -> None:
    nodes = [node("a", cpu="64", gpu="2"), node("b", cpu="64")]
    busy = asking("old", "a", "Running", gpu="2")
    problem = shortage(asking(gpu="2", cpu="1"), nodes, taken([busy]))
    assert problem == Problem(Reason.INSUFFICIENT_CAPACITY, f"needs 2 {GPU}, 0 free")


def test_a_pod_needs_its_amount_on_one_node() -> None:
    nodes = [node("a", gpu="1"), node("b", gpu="1")]
    assert lack(asking(gpu="2"), nodes) == f"needs 2 {GPU}, 1 free on the best node"
    assert lack(asking(gpu="1"), nodes) is None


def test_each_short_resource_is_named_with_its_best_node() -> None:
    nodes = [node("a", cpu="4", memory="8Gi")]
    busy = asking("old", "a", "Running", cpu="3500m")
    assert lack(asking(cpu="1", memory="16Gi"), nodes, busy) == (
        "needs 1 cpu, 500m free; needs 16Gi memory, 8Gi free"
    )


def test_amounts_that_no_node_has_at_once_are_named_together() -> None:
    nodes = [node("a", cpu="8", gpu="0"), node("b", cpu="1", gpu="1")]
    assert lack(asking(cpu="4", gpu="1"), nodes) == f"no node has 4 cpu and 1 {GPU} free at once"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_are_over_take_nothing(phase: str) -> None:
    assert lack(asking(gpu="1"), [node("a", gpu="1")], asking("old", "a", phase, gpu="1")) is None


def test_more_taken_than_there_is_is_nothing_free() -> None:
    busy = asking("old", "a", "Running", gpu="3")
    assert lack(asking(gpu="1"), [node("a", gpu="1")], busy) == f"needs 1 {GPU}, 0 free"


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
NO_NODE = "no ready node has the labels that it selects and only taints that it tolerates"


@pytest.mark.parametrize(
    ("tolerations", "admitted"),
    [
        ([], False),
        ([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}], True),
        ([{"key": "gpu", "operator": "Equal", "value": "no"}], False),
        ([{"key": "gpu", "operator": "Exists"}], True),
        ([{"operator": "Exists"}], True),
        ([{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}], False),
        ([{"key": "other", "operator": "Exists"}], False),
    ],
)
def test_taints_keep_away_what_does_not_tolerate_them(tolerations: list[Obj], admitted: bool) -> None:
    waiting = asking(cpu="1")
    waiting["spec"]["tolerations"] = tolerations
    assert (lack(waiting, [node("a", taints=[TAINT], cpu="4")]) is None) is admitted


def test_a_taint_that_only_discourages_keeps_nothing_away() -> None:
    taint = {**TAINT, "effect": "PreferNoSchedule"}
    assert lack(asking(cpu="1"), [node("a", taints=[taint], cpu="4")]) is None


def test_only_selected_nodes_count() -> None:
    waiting = asking(gpu="1")
    waiting["spec"]["nodeSelector"] = {"zone": "a"}
    nodes = [node("b", gpu="8", labels={"zone": "b"})]
    assert shortage(waiting, nodes, {}) == Problem(Reason.UNSCHEDULABLE, NO_NODE)
    assert lack(waiting, [*nodes, node("a", labels={"zone": "a"}, gpu="1")]) is None


def test_only_nodes_of_the_required_affinity_count() -> None:
    waiting = asking(cpu="1")
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    waiting["spec"]["affinity"] = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
        }
    }
    assert lack(waiting, [node("b", labels={"zone": "b"}, cpu="4")]) == NO_NODE
    assert lack(waiting, [node("a", labels={"zone": "a"}, cpu="4")]) is None


def test_cordoned_and_broken_nodes_do_not_count() -> None:
    cordoned, broken = node("a", gpu="1"), node("b", gpu="1")
    cordoned["spec"]["unschedulable"] = True
    broken["status"]["conditions"][0]["status"] = "Unknown"
    assert lack(asking(gpu="1"), [cordoned, broken]) == NO_NODE
