"""The resource definition: current, structural, bounded, and the same as what the parser takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.kube.crd import manifest, model_rollout_crd

FILE = Path(__file__).parents[3] / "deploy" / "kubernetes" / "crd" / "serinus.dev_modelrollouts.yaml"


def parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, value in schema.get("properties", {}).items():
        yield from parts(value, f"{path}.{name}")
    if "items" in schema:
        yield from parts(schema["items"], f"{path}[]")


def the_schema() -> dict[str, Any]:
    found: dict[str, Any] = model_rollout_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def ours() -> list[tuple[str, dict[str, Any]]]:
    """Every part of spec and status."""
    return [(path, part) for path, part in parts(the_schema()) if path.startswith((".spec", ".status"))]


def test_the_file_is_current() -> None:
    command = f"python -m controller.adapters.kube.crd > {FILE.relative_to(Path(__file__).parents[3])}"
    assert FILE.read_text(encoding="utf-8") == manifest(), f"run: {command}"


def test_it_can_be_generated_twice() -> None:
    assert model_rollout_crd() == model_rollout_crd()


@pytest.mark.parametrize(("path", "part"), ours(), ids=[path for path, _ in ours()])
def test_every_part_is_structural_and_bounded(path: str, part: dict[str, Any]) -> None:
    unwanted = {"$ref", "anyOf", "allOf", "oneOf", "additionalProperties", "default", "title"}
    # the names of a backend by its kind: alternatives that only narrow what stands beside them
    assert unwanted & set(part) == ({"anyOf"} if path == ".spec.backend" else set())
    match part["type"]:
        case "string":
            assert {"maxLength", "enum", "format"} & set(part), path
        case "array":
            assert "maxItems" in part, path
            assert "x-kubernetes-list-type" in part, path
        case "integer":
            assert "minimum" in part, path
            assert "maximum" in part, path
        case kind:
            assert kind in ("object", "number", "boolean"), path


@pytest.mark.parametrize("path", [path for path, _ in parts(the_schema()["properties"]["spec"], "spec")])
def test_every_field_that_people_write_says_what_it_is(path: str) -> None:
    part = dict(parts(the_schema()["properties"]["spec"], "spec"))[path]
    assert part.get("description") or path.endswith("[]"), path


def test_all_but_the_request_is_immutable() -> None:
    spec = the_schema()["properties"]["spec"]
    fixed = {
        rule["message"].partition(" ")[0]
        for rule in spec["x-kubernetes-validations"]
        if "oldSelf" in rule["rule"]
    }
    assert fixed == set(spec["properties"]) - {"request"}


def test_words_that_a_newer_daemon_may_write_are_no_enumerations() -> None:
    """The daemon may be newer than the definition, and must be able to record a rollback all the same."""
    status = dict(parts(the_schema()["properties"]["status"], "status"))
    closed = {path for path, part in status.items() if "enum" in part}
    assert closed == {"status.conditions[].status", "status.requests[].outcome"}
