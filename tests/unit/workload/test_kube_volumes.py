"""Volumes that no second workload could mount."""

from typing import Any

import pytest

from controller.adapters.workload.kube_volumes import claims_of, unshared

Obj = dict[str, Any]


def template(*volumes: Obj) -> Obj:
    return {"spec": {"containers": [], "volumes": list(volumes)}}


def claim(*modes: str) -> Obj:
    return {"spec": {"accessModes": list(modes)}}


MODEL = {"name": "model", "persistentVolumeClaim": {"claimName": "weights"}}


@pytest.mark.parametrize("modes", [("ReadWriteOnce",), ("ReadWriteOncePod",)])
def test_a_claim_for_one_node_or_pod_is_named(modes: tuple[str, ...]) -> None:
    why = unshared(template(MODEL), {"weights": claim(*modes)})
    assert why == f"its volume claim weights is {modes[0]}: no second workload can mount it"


@pytest.mark.parametrize(
    "modes", [("ReadWriteMany",), ("ReadOnlyMany",), ("ReadWriteOnce", "ReadOnlyMany"), ()]
)
def test_a_claim_that_many_can_mount_is_fine(modes: tuple[str, ...]) -> None:
    assert unshared(template(MODEL), {"weights": claim(*modes)}) is None


def test_a_claim_that_does_not_exist_is_left_to_the_scheduler() -> None:
    assert unshared(template(MODEL), {}) is None


def test_a_disk_of_one_node_is_named_unless_it_is_read_only() -> None:
    disk = {"name": "weights", "gcePersistentDisk": {"pdName": "x"}}
    why = unshared(template(disk), {})
    assert why == "its volume weights (gcePersistentDisk) can be mounted on one node only"
    assert unshared(template({"name": "w", "gcePersistentDisk": {"readOnly": True}}), {}) is None


def test_claims_are_listed_once_and_other_volumes_need_none() -> None:
    volumes = [MODEL, MODEL, {"name": "tmp", "emptyDir": {}}, {"name": "e", "ephemeral": {}}]
    assert claims_of(template(*volumes)) == ("weights",)
    assert claims_of({}) == ()
    assert unshared({}, {}) is None
