"""The CRD in the cluster against ours: older ones are found, what servers change is not held against them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from controller.adapters.kube.crd import model_rollout_crd
from controller.cli.doctor.findings import Finding, Outcome
from controller.cli.doctor.installed import definition


def found(change: Callable[[dict[str, Any]], object] = lambda _: None) -> Finding:
    crd = copy.deepcopy(model_rollout_crd())
    crd["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    change(crd)
    return definition(crd, model_rollout_crd())


def schema(crd: dict[str, Any]) -> dict[str, Any]:
    version: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return version


def test_ours_is_current() -> None:
    assert found().outcome is Outcome.OK


def test_none_is_not_installed() -> None:
    missing = definition(None, model_rollout_crd())
    assert missing.outcome is Outcome.FAILED
    assert "kubectl apply" in missing.fix


@pytest.mark.parametrize(
    "harmless",
    [
        lambda crd: schema(crd)["spec"].pop("x-kubernetes-validations"),
        lambda crd: schema(crd)["spec"]["properties"]["model"].pop("description"),
        lambda crd: schema(crd)["spec"]["properties"].update(more={"type": "string"}),
        lambda crd: crd["spec"].update(preserveUnknownFields=False, conversion={"strategy": "None"}),
        lambda crd: crd["spec"]["versions"].append({"name": "v2", "served": True}),
    ],
)
def test_what_servers_drop_and_newer_versions_add_is_fine(
    harmless: Callable[[dict[str, Any]], object],
) -> None:
    assert found(harmless).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("older", "said"),
    [
        (lambda crd: schema(crd)["spec"]["properties"].pop("overrides"), "spec.overrides"),
        (lambda crd: schema(crd)["status"]["properties"].pop("epoch"), "status.epoch"),
        (
            lambda crd: schema(crd)["spec"]["properties"]["version"].update(maxLength=5),
            "spec.version.maxLength",
        ),
        (lambda crd: schema(crd)["spec"].update(required=["model"]), "spec.required"),
        (lambda crd: crd["spec"]["versions"][0].update(served=False), "v1alpha1 is not served"),
        (lambda crd: crd["status"].update(conditions=[]), "does not serve it yet"),
    ],
)
def test_what_lacks_is_named(older: Callable[[dict[str, Any]], object], said: str) -> None:
    finding = found(older)
    assert finding.outcome is Outcome.FAILED
    assert said in finding.message
    assert finding.fix
