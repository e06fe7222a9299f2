"""Which change wakes which model, and which wakes nobody."""

from typing import Any

import pytest

from controller.adapters.kube.wakes import Wakes
from controller.domain.policy import RouteRef
from tests.fakes import a_policy

Obj = dict[str, Any]


class Stage:
    def __init__(self) -> None:
        self.woken: list[tuple[str, bool]] = []
        policy = a_policy(namespace="ml", route=RouteRef("httpRoute", "fraud-route"))
        self.wakes = Wakes(
            lambda model, urgent: self.woken.append((model, urgent)), lambda: {"fraud": policy}
        )

    def since(self) -> list[tuple[str, bool]]:
        woken, self.woken = self.woken, []
        return woken


def rollout(phase: str | None = None, generation: int = 1, request: str | None = None, **more: object) -> Obj:
    spec: Obj = {"model": "fraud", "version": "v2", "backend": {"name": "fraud-v2"}}
    if request:
        spec["request"] = {"id": request}
    metadata = {"namespace": "ml", "name": "r", "uid": "u", "generation": generation, **more}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase} if phase else {}}


def a_slice(service: str) -> Obj:
    labels = {"kubernetes.io/service-name": service}
    return {"metadata": {"namespace": "ml", "name": f"{service}-x", "labels": labels}}


def test_a_new_rollout_and_one_that_is_gone_wake_their_model() -> None:
    stage = Stage()
    stage.wakes.rollout_changed(None, rollout())
    stage.wakes.rollout_changed(rollout(), None)
    assert [model for model, _ in stage.since()] == ["fraud", "fraud"]


def test_our_own_writing_wakes_nobody() -> None:
    stage = Stage()
    stage.wakes.rollout_changed(rollout("Pending"), rollout("Progressing"))
    assert stage.since() == []


@pytest.mark.parametrize(
    "after",
    [rollout(generation=2, request="12345678"), rollout(generation=2, deletionTimestamp="now")],
    ids=["a request", "a deletion"],
)
def test_a_persons_word_is_urgent(after: Obj) -> None:
    stage = Stage()
    stage.wakes.rollout_changed(rollout(), after)
    assert stage.since() == [("fraud", True)]


def test_a_route_wakes_the_models_whose_policies_name_it() -> None:
    stage = Stage()
    for name, namespace in (("fraud-route", "ml"), ("fraud-route", "other"), ("other", "ml")):
        stage.wakes.route_changed(None, {"metadata": {"name": name, "namespace": namespace}})
    assert stage.since() == [("fraud", False)]


def test_endpoints_wake_the_models_that_roll_out_to_them_and_only_while_they_do() -> None:
    stage = Stage()
    stage.wakes.rollout_changed(None, rollout("Preparing"))
    stage.since()
    stage.wakes.slice_changed(None, a_slice("fraud-v2"))
    stage.wakes.slice_changed(None, a_slice("fraud-v1"))
    assert stage.since() == [("fraud", False)]
    stage.wakes.rollout_changed(rollout("Preparing"), rollout("Succeeded"))
    stage.wakes.slice_changed(None, a_slice("fraud-v2"))
    assert stage.since() == []


def test_endpoints_of_a_workload_that_serinus_creates_are_known_before_it_is_there() -> None:
    stage = Stage()
    made = rollout("Preparing")
    made["spec"] = {"model": "fraud", "version": "v2", "image": "fraud:v2"}
    stage.wakes.rollout_changed(None, made)
    stage.since()
    stage.wakes.slice_changed(None, a_slice("fraud-v2"))
    assert stage.since() == [("fraud", False)]


def test_labels_wake_the_model_that_they_name_if_it_has_a_policy() -> None:
    stage = Stage()
    for model in ("fraud", "unknown"):
        service = {"metadata": {"name": "x", "labels": {"serinus.dev/model": model}}}
        stage.wakes.labelled_changed(None, service)
    stage.wakes.labelled_changed(None, {"metadata": {"name": "y"}})
    assert stage.since() == [("fraud", False)]
