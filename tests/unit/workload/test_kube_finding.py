"""A version's backend by its labels, and what makes its pods."""

from typing import Any

from controller.adapters.kube.resources import DEPLOYMENTS, LEADER_WORKER_SETS
from controller.adapters.workload.kube_finding import find_backend
from controller.adapters.workload.kube_labels import (
    covers,
    model_of,
    pods_of,
    requirements,
    selects,
    service_of,
    version_of,
)
from controller.adapters.workload.kube_problem import Problem, quoted
from controller.adapters.workload.kube_scalable import Scalable, behind
from controller.domain.release import Backend, BackendKind
from controller.domain.vocabulary import Reason
from tests.kube_workloads import deployment, endpoint_slice, service

LABELS = {"serinus.dev/model": "fraud", "serinus.dev/version": "v7"}
SERVICE = BackendKind.SERVICE


def pool(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"selector": {"matchLabels": {"app": "x"}}}}


def test_the_labelled_service_is_found_with_its_only_port() -> None:
    services = [service("other"), service("fraud-v7", labels=LABELS)]
    assert find_backend(services, [], "fraud", "v7") == Backend(SERVICE, "fraud-v7", 8080)


def test_of_several_ports_none_is_guessed() -> None:
    found = service("fraud-v7", labels=LABELS)
    found["spec"]["ports"].append({"name": "metrics", "port": 9090})
    assert find_backend([found], [], "fraud", "v7") == Backend(SERVICE, "fraud-v7", None)


def test_a_labelled_pool_is_found() -> None:
    expected = Backend(BackendKind.INFERENCE_POOL, "chat-v7")
    assert find_backend([], [pool("chat-v7", LABELS)], "fraud", "v7") == expected


def test_nothing_with_the_labels_is_said_with_what_to_do() -> None:
    found = find_backend([service("fraud-v7")], [], "fraud", "v7")
    assert found == Problem(
        Reason.BACKEND_NOT_FOUND,
        "no Service or InferencePool has the labels serinus.dev/model=fraud and serinus.dev/version=v7: "
        "set them, or name one in spec.backend.name",
    )


def test_several_with_the_labels_are_named() -> None:
    found = find_backend([service("b", labels=LABELS)], [pool("a", LABELS)], "fraud", "v7")
    assert isinstance(found, Problem)
    assert found.message.startswith("InferencePool a, Service b have the labels")
    many = find_backend([service(f"s{n}", labels=LABELS) for n in range(9)], [], "fraud", "v7")
    assert isinstance(many, Problem)
    assert "Service s4 and 4 more have" in many.message


def test_the_version_and_the_service_stand_in_labels() -> None:
    assert version_of(service(labels=LABELS)) == "v7"
    assert version_of(service()) is None
    assert model_of(service(labels=LABELS)) == ("fraud", "v7")
    assert model_of(service(labels={"serinus.dev/model": "fraud"})) is None
    assert service_of(endpoint_slice("fraud-v7", [])) == "fraud-v7"


def test_a_selector_matches_as_the_api_says() -> None:
    labels = {"app": "fraud", "tier": "ml"}

    def matches(key: str, operator: str, *values: str) -> bool:
        one = {"key": key, "operator": operator, "values": list(values)}
        return selects({"matchExpressions": [one]}, labels)

    assert matches("app", "In", "x", "fraud")
    assert not matches("app", "In", "x")
    assert not matches("gone", "In", "x")
    assert matches("gone", "NotIn", "x")
    assert not matches("app", "NotIn", "fraud")
    assert matches("app", "Exists")
    assert not matches("gone", "Exists")
    assert matches("gone", "DoesNotExist")
    assert not matches("app", "DoesNotExist")
    assert matches("app", "Unheard")
    assert selects({"matchLabels": {"app": "fraud"}}, labels)
    assert not selects({"matchLabels": {"app": "fraud", "tier": "web"}}, labels)


def test_an_empty_selector_selects_nothing_but_covers_everything() -> None:
    assert not selects({}, {"a": "b"})
    assert not selects(None, {"a": "b"})
    assert covers({}, {"a": "b"})
    assert not covers(None, {"a": "b"})
    assert requirements("nonsense") == ()
    assert pods_of({"spec": {"selector": {"app": "x"}}}) == pods_of(pool("a", {}))


def test_what_makes_the_pods_of_a_selector_is_found() -> None:
    workloads = [Scalable(DEPLOYMENTS, deployment(name)) for name in ("fraud-v7", "fraud-v6")]
    assert [str(each) for each in behind({"matchLabels": {"app": "fraud-v7"}}, workloads)] == [
        "Deployment fraud-v7"
    ]
    assert behind({"matchLabels": {}}, workloads) == []


def test_the_leaders_of_a_leader_worker_set_answer() -> None:
    groups = {
        "metadata": {"name": "llm"},
        "spec": {
            "leaderWorkerTemplate": {
                "leaderTemplate": {"metadata": {"labels": {"role": "leader"}}},
                "workerTemplate": {"metadata": {"labels": {"role": "worker"}}},
            }
        },
    }
    found = Scalable(LEADER_WORKER_SETS, groups)
    assert behind({"matchLabels": {"leaderworkerset.sigs.k8s.io/name": "llm", "role": "leader"}}, [found])
    assert not behind({"matchLabels": {"leaderworkerset.sigs.k8s.io/name": "llm", "role": "worker"}}, [found])
    assert found.replicas == 1
    assert found.selector == {"matchLabels": {"leaderworkerset.sigs.k8s.io/name": "llm"}}


def test_foreign_words_are_quoted_bounded_and_on_one_line() -> None:
    assert quoted("a\n\tb\x1b[31mc  d") == "a b [31mc d"
    assert len(quoted("x" * 10_000)) == 240
    assert quoted("x" * 10_000).endswith("…")
