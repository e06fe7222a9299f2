"""Problems of copies, in the vocabulary's words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.workload.kube_diagnosis import diagnose, unready_pods, waits_for_node
from controller.domain.vocabulary import Reason
from tests.kube_workloads import deployment, pod, ready, unscheduled, waiting

Obj = dict[str, Any]

V7 = deployment("fraud-v7")


def found(*pods: Obj, workload: Obj = V7) -> tuple[Reason | None, str, bool]:
    problem = diagnose(workload, pods)
    assert problem is not None
    return problem.reason, problem.message, problem.hopeless


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_pulled_is_named_with_the_registrys_word(reason: str) -> None:
    status = waiting(reason, "rpc error: manifest\n unknown")
    assert found(pod("a", status=status)) == (
        Reason.IMAGE_PULL_FAILED,
        "image registry/fraud:v7 cannot be pulled: rpc error: manifest unknown",
        False,
    )


def test_without_a_word_the_kubelets_reason_stands() -> None:
    assert found(pod("a", status=waiting("ImagePullBackOff")))[1].endswith(
        "cannot be pulled: ImagePullBackOff"
    )


def test_a_long_answer_of_a_registry_is_cut() -> None:
    message = found(pod("a", status=waiting("ErrImagePull", "x" * 100_000)))[1]
    assert len(message) < 400


def test_a_wrong_image_name_is_hopeless() -> None:
    status = waiting("InvalidImageName", "couldn't parse image reference")
    assert found(pod("a", status=status)) == (
        Reason.IMAGE_PULL_FAILED,
        "registry/fraud:v7 is not the name of an image: couldn't parse image reference",
        True,
    )


def terminated(code: int, reason: str) -> Obj:
    return {"lastState": {"terminated": {"exitCode": code, "reason": reason}}}


def test_a_crash_loop_is_named_with_exit_code_and_where_to_read() -> None:
    status = waiting("CrashLoopBackOff", "back-off 5m", restartCount=4, **terminated(1, "Error"))
    assert found(pod("fraud-v7-x", status=status)) == (
        Reason.CRASH_LOOPING,
        (
            "container server ended with exit code 1, 4 restarts; read: "
            "kubectl logs -n ml fraud-v7-x -c server --previous"
        ),
        False,
    )


def test_out_of_memory_is_named_with_the_limit() -> None:
    status = waiting("CrashLoopBackOff", restartCount=1, **terminated(137, "OOMKilled"))
    one = pod("a", status=status)
    one["spec"]["containers"][0]["resources"] = {"limits": {"memory": "16Gi"}}
    message = found(one)[1]
    assert message.startswith(
        "container server ended with exit code 137 (OOMKilled), 1 restart, its memory limit is 16Gi; read: "
    )


def test_repeated_restarts_are_a_crash_loop_too() -> None:
    state = {"running": {"startedAt": "x"}}
    status = {"containerStatuses": [{"name": "server", "ready": False, "state": state, "restartCount": 2}]}
    status["containerStatuses"][0] |= terminated(2, "Error")
    assert found(pod("a", status=status))[0] is Reason.CRASH_LOOPING
    status["containerStatuses"][0]["restartCount"] = 1
    assert found(pod("a", status=status))[0] is None


def test_an_init_container_is_called_so() -> None:
    status = {
        "initContainerStatuses": [
            {
                "name": "fetch",
                "ready": False,
                "restartCount": 3,
                "state": {"terminated": {"exitCode": 2, "reason": "Error"}},
            }
        ]
    }
    assert found(pod("a", status=status))[1].startswith("init container fetch ended with exit code 2")


def test_no_output_of_a_container_is_quoted() -> None:
    status = waiting("CrashLoopBackOff", restartCount=3, **terminated(1, "Error"))
    status["containerStatuses"][0]["lastState"]["terminated"]["message"] = "token-1234"
    assert "token-1234" not in found(pod("a", status=status))[1]


def test_too_few_resources_are_told_from_other_reasons_of_the_scheduler() -> None:
    short = "0/5 nodes are available: 5 Insufficient nvidia.com/gpu."
    assert found(pod("a", status=unscheduled(short))) == (
        Reason.INSUFFICIENT_CAPACITY,
        f"no node takes a: {short}",
        False,
    )
    tainted = "0/5 nodes are available: 5 node(s) had untolerated taint {gpu: yes}."
    assert found(pod("a", status=unscheduled(tainted)))[0] is Reason.UNSCHEDULABLE
    assert waits_for_node(pod("a", status=unscheduled(tainted)))


def refused(message: str, observed: int = 1) -> Obj:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    status = {"conditions": [failure], "observedGeneration": observed}
    return {**V7, "metadata": {**V7["metadata"], "generation": 1}, "status": status}


def test_pods_that_the_cluster_refuses_to_make() -> None:
    quota = 'pods "x" is forbidden: exceeded quota: gpus, requested: 2, used: 8, limited: 8'
    assert found(workload=refused(quota)) == (
        Reason.INSUFFICIENT_CAPACITY,
        f"the cluster makes no pods of fraud-v7: {quota}",
        False,
    )
    denied = 'admission webhook "policy" denied the request'
    assert found(workload=refused(denied))[0] is Reason.WORKLOAD_REFUSED


def test_a_status_of_an_older_spec_says_nothing() -> None:
    assert diagnose(refused("exceeded quota", observed=0), []) is None


def test_a_container_that_cannot_be_made_is_said() -> None:
    status = waiting("CreateContainerConfigError", 'secret "key" not found')
    assert found(pod("a", status=status)) == (
        None,
        'container server of a cannot start: secret "key" not found',
        False,
    )


def running(**more: Any) -> Obj:
    return {
        "phase": "Running",
        "containerStatuses": [{"name": "server", "ready": False, "state": {"running": {"x": 1}}, **more}],
    }


def test_a_failing_probe_is_said() -> None:
    assert found(pod("a", status=running(started=True)))[1] == (
        "container server of a runs, its readiness probe does not succeed yet"
    )
    starting = pod("a", status=running(started=False))
    starting["spec"]["containers"][0]["startupProbe"] = {}
    assert "its startup probe" in found(starting)[1]


def test_pods_that_need_only_time_have_no_problem() -> None:
    creating = waiting("ContainerCreating")
    assert diagnose(V7, [pod("a"), pod("b", status=creating), pod("c", status=ready())]) is None


def test_the_problem_that_waiting_mends_least_is_named() -> None:
    pods = [
        pod("a", status=unscheduled("x")),
        pod("b", status=running()),
        pod("c", status=waiting("CrashLoopBackOff", restartCount=3, **terminated(1, "Error"))),
    ]
    assert found(*pods)[0] is Reason.CRASH_LOOPING
    assert found(*pods, pod("d", status=waiting("ImagePullBackOff")))[0] is Reason.IMAGE_PULL_FAILED


def test_pods_that_leave_or_are_over_are_nobodys_problem() -> None:
    leaving = pod("a", status=waiting("ImagePullBackOff"))
    leaving["metadata"]["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    over = pod("b", status={**waiting("CrashLoopBackOff", restartCount=9), "phase": "Failed"})
    assert diagnose(V7, [leaving, over]) is None
    assert [each["metadata"]["name"] for each in unready_pods([pod("z"), leaving, pod("y"), over])] == [
        "y",
        "z",
    ]


KEYS = [
    "status",
    "conditions",
    "containerStatuses",
    "state",
    "waiting",
    "reason",
    "message",
    "metadata",
    "name",
    "type",
    "lastState",
    "terminated",
    "restartCount",
    "spec",
    "containers",
]
JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from(["CrashLoopBackOff", "ReplicaFailure", "True", "\x00"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.dictionaries(st.sampled_from(KEYS), JSON))
def test_no_status_however_odd_breaks_the_diagnosis(workload: Obj, one: Obj) -> None:
    problem = diagnose(workload, [one])
    assert problem is None or problem.message.isprintable()
