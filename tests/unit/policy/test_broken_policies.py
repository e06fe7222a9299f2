"""Broken policy files and, beside each, what people are told.

UPDATE_GOLDEN=1 writes the expected texts anew: read every one of them before it is committed.
"""

import os
import re
from pathlib import Path

import pytest

from controller.domain.capabilities import Capabilities
from controller.policy.catalogue import Catalogue, Measures
from controller.policy.loader import beside, parse_policy
from controller.policy.render import Format, render

FOLDER = Path(__file__).parents[2] / "golden" / "policies"
BROKEN = sorted(FOLDER.glob("*.yaml"))
PLACE = re.compile(r"[\w./-]+\.yaml:[1-9][0-9]*:[1-9][0-9]*: \S.*")


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(
        {
            **dict.fromkeys(("envoy", "httpRoute", "grpcRoute", "llmInferenceService"), Capabilities()),
            **dict.fromkeys(("knativeService", "inferenceService"), Capabilities(finest_permille=10)),
        },
        dict.fromkeys(("envoy", "envoy-gateway", "mlserver"), Measures(frozenset({"latency"}))),
        frozenset({"threshold", "sequential"}),
    )


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_policy_is_told_as_expected(path: Path, catalogue: Catalogue) -> None:
    faults = parse_policy(path.read_bytes(), path.name, catalogue, beside(FOLDER))
    assert isinstance(faults, tuple)
    text = render(faults, Format.TEXT) + "\n"
    expected = path.with_suffix(".expected")
    if os.environ.get("UPDATE_GOLDEN") == "1":
        expected.write_text(text)
    assert text == expected.read_text()
    assert PLACE.match(text)
    assert all(fault.suggestion for fault in faults)


def test_there_are_at_least_fifty_broken_policies_each_with_its_text() -> None:
    assert len(BROKEN) >= 50
    assert {path.stem for path in FOLDER.glob("*.expected")} == {path.stem for path in BROKEN}
