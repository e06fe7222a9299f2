"""The policies that ship as examples are valid, and editors agree."""

import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from controller.adapters import registry
from controller.domain.policy import Policy
from controller.policy.catalogue import Catalogue
from controller.policy.document import parse_document
from controller.policy.explain import json_schema
from controller.policy.faults import PolicyFault
from controller.policy.golden import GoldenFile
from controller.policy.golden_file import parse_golden
from controller.policy.loader import POLICY_LIMITS, load_policy
from controller.policy.source import decode
from controller.policy.tree import Document, plain
from tests.deploy.shell_blocks import script
from tests.deploy.terminal import Terminal

FOLDER = Path(__file__).parents[3] / "policies"
POLICIES = sorted(FOLDER.glob("*.yaml"))
GOLDEN = sorted((FOLDER / "golden").iterdir())


@pytest.fixture
def catalogue() -> Catalogue:
    return registry.catalogue()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_an_example_policy_is_valid_and_named_after_its_model(path: Path, catalogue: Catalogue) -> None:
    policy = load_policy(path, catalogue)
    assert isinstance(policy, Policy), [str(fault) for fault in policy]
    assert policy.model == path.stem


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_an_example_policy_follows_the_json_schema_it_names(path: Path) -> None:
    raw = path.read_bytes()
    assert raw.startswith(b"# yaml-language-server: $schema=schema.json\n")
    source = decode(raw, path.name, POLICY_LIMITS.size_bytes)
    assert not isinstance(source, PolicyFault)
    document = parse_document(source, POLICY_LIMITS)
    assert isinstance(document, Document)
    Draft202012Validator(json_schema()).validate(plain(document.root))


def test_the_examples_for_language_models_are_found_good_by_the_command_of_the_page(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "policies")
    said = Terminal(tmp_path).run(script("docs/how-to/llm.md", "lint"))
    assert "every policy is valid" in said
    assert "checks.ttft_p95" in said


def test_the_example_for_an_adapter_is_found_good_by_the_command_of_its_page(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "policies")
    assert "every policy is valid" in Terminal(tmp_path).run(script("docs/how-to/lora.md", "lint"))


def test_every_golden_file_belongs_to_a_policy(catalogue: Catalogue) -> None:
    policies = [policy for path in POLICIES if isinstance(policy := load_policy(path, catalogue), Policy)]
    named = {policy.validation.golden for policy in policies if policy.validation}
    sampled = [check.sampling for policy in policies for check in policy.checks if check.sampling]
    named |= {sampling.golden for sampling in sampled if sampling.golden}
    assert named == {f"golden/{path.name}" for path in GOLDEN}
    assert len(policies) >= 7


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_an_example_golden_file_is_valid(path: Path) -> None:
    assert isinstance(parse_golden(path.read_bytes(), path.name, path.stem), GoldenFile)
