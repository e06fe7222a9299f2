"""Manifests of other tools and, beside each, what people get on both streams.

UPDATE_GOLDEN=1 writes the expected texts anew: read every one of them before it is committed.
"""

import os
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.adapters.registry import catalogue
from controller.cli.main import app
from controller.domain.policy import Policy
from controller.policy.loader import load_policy

FOLDER = Path(__file__).parents[2] / "golden" / "convert"
SOURCES = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".policy.yaml"))
OPTIONS = "# convert: "
SECRET = "hunter2"


def options(path: Path) -> list[str]:
    """What the first line of a manifest says after its name."""
    first = path.read_text().splitlines()[0]
    return shlex.split(first.removeprefix(OPTIONS)) if first.startswith(OPTIONS) else []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_manifest_becomes_the_policy_beside_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    result = CliRunner().invoke(app, ["convert", path.name, *options(path)], prog_name="serinus")
    policy, notes = path.with_suffix(".policy.yaml"), path.with_suffix(".notes")
    told = f"{result.stderr}exit code: {result.exit_code}\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        notes.write_text(told)
        policy.unlink(missing_ok=True)
        if result.stdout:
            policy.write_text(result.stdout)
    assert told == notes.read_text()
    assert result.stdout == (policy.read_text() if policy.exists() else "")
    assert policy.exists() == (result.exit_code == 0)
    assert SECRET not in result.output


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.policy.yaml")), ids=lambda path: path.stem)
def test_every_policy_is_one_that_the_loader_takes(path: Path) -> None:
    assert isinstance(load_policy(path, catalogue()), Policy)
    lines = path.read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=schema.json"
    assert all(len(line) <= 120 for line in lines if "{" not in line)


def test_there_are_enough_shapes_of_each_kind_and_nothing_is_left_over() -> None:
    names = {path.name.partition(".")[0] for path in FOLDER.iterdir()}
    assert names == {path.stem for path in SOURCES}
    for kind in ("canary", "rollout", "hostile"):
        assert sum(name.startswith(kind) for name in names) >= 8
