"""What the simulated controllers, scheduler and kubelet say of workloads."""

from typing import Any

import pytest

from tests.kube.manifests import deployment, service
from tests.kube.simulator.pods import is_ready, running, unschedulable, waiting
from tests.kube.simulator.scheduling import place
from tests.kube.simulator.slices import endpoint_slice
from tests.kube.simulator.workloads import deployment_status, new_pod, replica_set

Obj = dict[str, Any]
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def stored(obj: Obj) -> Obj:
    obj["metadata"] |= {"uid": f"uid-of-{obj['metadata']['name']}", "generation": 3}
    return obj


def pod(image: str = "models/tumor:v1", name: str = "m-v1-1", **container: Any) -> Obj:
    owner = stored(deployment("ns", "m", "v1", image, **container))
    sets = stored({"apiVersion": "apps/v1", "kind": "ReplicaSet", **replica_set(owner)})
    return stored(new_pod(sets, sets["spec"]["template"], name, None))


def node(name: str, **room: str) -> Obj:
    return {"metadata": {"name": name}, "status": {"allocatable": {"pods": "10", **room}}}


def gpus(count: int) -> Obj:
    return {"resources": {"limits": {"nvidia.com/gpu": str(count)}}}


def state(status: Obj) -> str:
    reason: str = status["containerStatuses"][0]["state"]["waiting"]["reason"]
    return reason


@pytest.mark.parametrize(
    ("image", "reason", "phase"),
    [("models/none:v9", "ImagePullBackOff", "Pending"), ("r.example/crash:1", "CrashLoopBackOff", "Running")],
)
def test_containers_that_cannot_run_say_why(image: str, reason: str, phase: str) -> None:
    one = pod(image)
    status = waiting(one, NOW, starting=False)
    assert (state(status), status["phase"]) == (reason, phase)
    assert not is_ready({**one, "status": status})
    assert state(waiting(one, NOW, starting=True)) == "ContainerCreating"


def test_conditions_keep_the_time_of_their_last_change() -> None:
    one = pod()
    one["status"] = running(one, "127.9.0.1", NOW)
    assert is_ready(one)
    assert running(one, "127.9.0.1", LATER)["conditions"] == one["status"]["conditions"]
    fallen = unschedulable(one, "0/1 nodes are available", LATER)["conditions"]
    assert [each["lastTransitionTime"] for each in fallen] == [LATER]


def test_a_pod_goes_where_there_is_room_and_else_is_told_what_lacks() -> None:
    nodes = [node("n1", **{"nvidia.com/gpu": "1"}), node("n2", **{"nvidia.com/gpu": "2"})]
    assert place(pod(**gpus(2)), nodes, []) == ("n2", "")
    taken = pod(**gpus(2))
    taken["spec"]["nodeName"] = "n2"
    assert place(pod(**gpus(2)), nodes, [taken]) == (
        None,
        "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
    )
    assert place(pod(), nodes, [taken]) == ("n1", "")


def test_a_deployment_is_available_when_every_copy_is_ready() -> None:
    owner = stored(deployment("ns", "m", "v1", "models/tumor:v1", copies=2))
    copies = [pod(name=f"m-v1-{index}") for index in (1, 2)]
    copies[0]["status"] = running(copies[0], "127.9.0.1", NOW)
    half = deployment_status(owner, copies, NOW)
    assert (half["replicas"], half["readyReplicas"], half["unavailableReplicas"]) == (2, 1, 1)
    assert half["observedGeneration"] == 3
    assert half["conditions"][0]["status"] == "False"
    copies[1]["status"] = running(copies[1], "127.9.0.2", NOW)
    assert deployment_status(owner, copies, NOW)["conditions"][0]["status"] == "True"


def test_a_slice_lists_the_pods_that_the_service_selects_ready_or_not() -> None:
    here, starting, other = pod(name="a"), pod(name="b"), pod(name="c")
    here["status"] = running(here, "127.9.0.1", NOW)
    starting["status"] = {**waiting(starting, NOW, starting=True), "podIP": "127.9.0.2"}
    other["metadata"]["labels"] = {"app": "other"}
    other["status"] = running(other, "127.9.0.3", NOW)
    made = endpoint_slice(
        stored({"apiVersion": "v1", "kind": "Service", **service("ns", "m", "v1")}), [here, starting, other]
    )
    assert made is not None
    assert made["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    found = [(each["addresses"], each["conditions"]["ready"]) for each in made["endpoints"]]
    assert found == [(["127.9.0.1"], True), (["127.9.0.2"], False)]
