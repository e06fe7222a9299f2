"""A new labelled version is released by itself; an old one never."""

from typing import Any

import pytest

from controller.adapters.kube.discovery import appeared
from controller.domain.release import Backend, BackendKind, Release
from tests.fakes import a_policy

Obj = dict[str, Any]

SERVING = Release("v1", backend=Backend(BackendKind.SERVICE, "fraud-v1", 80))


def service(name: str, born: int, version: str | None = None, model: str = "fraud", **labels: str) -> Obj:
    marks = dict(labels)
    if version is not None:
        marks |= {"serinus.dev/model": model, "serinus.dev/version": version}
    metadata = {"name": name, "namespace": "default", "creationTimestamp": f"2026-01-01T00:00:{born:02}Z"}
    return {"kind": "Service", "metadata": {**metadata, "labels": marks}}


STABLE = service("fraud-v1", 10, "v1")


def found(*candidates: Obj, released: tuple[str, ...] = (), serving: Release | None = SERVING) -> str | None:
    obj = appeared(a_policy(), candidates, released, serving)
    return None if obj is None else obj["metadata"]["name"]


def test_a_newer_version_is_found() -> None:
    assert found(STABLE, service("fraud-v2", 20, "v2")) == "fraud-v2"


def test_of_several_the_newest() -> None:
    assert found(STABLE, service("a", 20, "v2"), service("b", 30, "v3"), service("c", 25, "v4")) == "b"


@pytest.mark.parametrize(
    "other",
    [
        service("fraud-v0", 5, "v0"),
        service("fraud-v2", 10, "v2"),
        service("fraud-v2", 20, None),
        service("fraud-v2", 20, "v2", model="other"),
        service("fraud-v2", 20, "v1"),
        service("fraud-v2", 20, "bad version!"),
        service("fraud-v2", 20, "v2", **{"serinus.dev/created": "true"}),
        {**service("fraud-v2", 20, "v2"), "kind": "Ingress"},
    ],
    ids=["older", "as old", "no labels", "of another model", "serving", "no name", "our own", "no backend"],
)
def test_what_is_not_a_new_version_is_left_alone(other: Obj) -> None:
    assert found(STABLE, other) is None


def test_a_version_is_released_once_however_it_ended() -> None:
    assert found(STABLE, service("fraud-v2", 20, "v2"), released=("v2",)) is None


def test_while_nobody_knows_what_serves_nothing_is_new() -> None:
    assert found(STABLE, service("fraud-v2", 20, "v2"), serving=None) is None
    assert found(service("fraud-v2", 20, "v2")) is None, "the serving backend itself is not there"
