"""Fields explain themselves."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from controller.policy.check_sections import ErrorsCheck, LatencyCheck, QueryCheck
from controller.policy.explain import explain, json_schema
from controller.policy.fields import Section
from controller.policy.route_sections import ObjectRoute, PathRoute
from controller.policy.schema import PolicySection
from controller.policy.steps import AutoSteps, StepSection
from controller.policy.structure import keys, section_at

POLICIES = Path(__file__).parents[3] / "policies"
PLACES: list[tuple[str, type[Section]]] = [
    ("", PolicySection),
    ("route.envoy.", PathRoute),
    ("route.httpRoute.", ObjectRoute),
    ("route.grpcRoute.", ObjectRoute),
    ("checks.errors.", ErrorsCheck),
    ("checks.latency_p99.9.", LatencyCheck),
    ("checks.depth.", QueryCheck),
    ("steps.", StepSection),
    ("steps.", AutoSteps),
    *[
        (f"{name}.", section)
        for name in ("validation", "warm_up", "no_data", "workload")
        if (section := section_at(PolicySection, [name]))
    ],
]
FIELDS = [(prefix + name, section, name) for prefix, section in PLACES for name in keys(section)]


@pytest.mark.parametrize(("path", "section", "name"), FIELDS, ids=[field[0] for field in FIELDS])
def test_every_field_is_explained_with_type_default_and_example(
    path: str, section: type[Section], name: str
) -> None:
    text = explain(path)
    info = keys(section)[name]
    assert text.startswith(path + "\n")
    assert info.description is not None
    assert info.description in text
    assert "Type: " in text
    assert "Required." in text or "Default: " in text or "Optional." in text
    assert f"Example: {name}: " in text


def test_without_a_field_all_of_them_are_listed() -> None:
    assert all(f"\n  {name} " in explain(None) for name in keys(PolicySection))


def test_an_index_is_allowed_as_lint_writes_it() -> None:
    assert explain("steps[2].min_requests") == explain("steps.min_requests")


def test_both_forms_of_steps_are_explained() -> None:
    text = explain("steps")
    assert "Type: a list, or auto. Required." in text
    assert "  Example: steps: auto\n" in text
    assert "\n  min_requests " in text
    assert "\n  max_weight " in text


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("budget", "20 bad requests"),
        ("confidence", "99%"),
        ("promote_if_not_worse_than", "1.5x"),
        ("steps.max_weight", "50%"),
    ],
)
def test_what_only_the_sequential_judge_knows_has_its_default_as_a_file_would_say_it(
    path: str, default: str
) -> None:
    assert f"Default: {default}.\n" in explain(path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("stepz", "did you mean steps?"),
        ("steps.min_request", "did you mean steps.min_requests?"),
        ("steps.for.more", "did you mean"),
        ("steps.max_wieght", "did you mean steps.max_weight?"),
        ("zzz", "known here: after, approval, audience, bake"),
        ("route.zzz", "did you mean route?"),
        ("route.httpRoute.stabel", "did you mean route.httpRoute.stable?"),
    ],
)
def test_an_unknown_field_is_answered_with_a_suggestion(path: str, words: str) -> None:
    with pytest.raises(LookupError, match=f"there is no field {path}") as refused:
        explain(path)
    assert words in str(refused.value)


def test_the_published_schema_is_current() -> None:
    published = (POLICIES / "schema.json").read_text()
    assert published == json.dumps(json_schema(), indent=2) + "\n", "write it again: serinus schema"


def test_the_schema_is_json_schema_with_a_name() -> None:
    Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$id"] == "urn:serinus:schema:policy"
    assert json_schema()["title"]
