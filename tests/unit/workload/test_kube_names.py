"""Names of created workloads: valid, for ever the same, and of one version only."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from controller.adapters.workload.kube_names import copy_name

MODELS = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", fullmatch=True)


def test_a_plain_name_stays_as_people_would_write_it() -> None:
    assert copy_name("fraud-detector", "v7") == "fraud-detector-v7"


@pytest.mark.parametrize(
    ("model", "version", "begins"),
    [
        ("fraud", "1.2.0", "fraud-1-2-0-"),
        ("fraud", "V7", "fraud-v7-"),
        ("fraud", "v7-rc1", "fraud-v7-rc1-"),
        ("7b", "v1", "m-7b-v1-"),
        ("a" * 63, "v1", "a" * 52 + "-"),
    ],
)
def test_anything_else_is_made_valid_and_kept_apart_by_a_hash(model: str, version: str, begins: str) -> None:
    assert re.fullmatch(re.escape(begins) + "[0-9a-f]{10}", copy_name(model, version))


def test_two_ways_to_the_same_words_are_two_names() -> None:
    assert copy_name("fraud", "detector-v7") != copy_name("fraud-detector", "v7")


@given(MODELS, VERSIONS, MODELS, VERSIONS)
def test_names_are_valid_and_differ(model: str, version: str, model2: str, version2: str) -> None:
    name = copy_name(model, version)
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assume((model, version) != (model2, version2))
    assert name != copy_name(model2, version2)


@given(st.text(), st.text())
def test_even_of_nonsense_a_valid_name_is_made(model: str, version: str) -> None:
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", copy_name(model, version))
