"""Pausing everything, at the command line of one machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.domain.fleet.facts import Hold
from controller.domain.vocabulary import Reason
from tests.unit.cli.test_commands import Terminal
from tests.unit.control.stage import Stage, progressing, serving


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    stage = Stage()
    with serving(stage, tmp_path / "s" / "serinus.sock") as path:
        yield Terminal(stage, path)


def test_everything_is_paused_with_a_reason_and_goes_on(terminal: Terminal) -> None:
    paused = terminal.types("pause", "--all", "--reason", "an incident")
    assert paused.exit_code == 0
    assert paused.stdout.startswith("everything is paused by ")
    assert paused.stdout.rstrip().endswith(": an incident")
    assert "checks and rollbacks go on; end it with: serinus resume --all" in paused.stderr
    resumed = terminal.types("resume", "--all")
    assert resumed.exit_code == 0
    assert "lets everything go on" in resumed.stdout
    assert len(terminal.stage.pauses) == 2


def test_scripts_get_who_and_when_and_why(terminal: Terminal) -> None:
    found = json.loads(terminal.types("pause", "--all", "--reason", "x", "-o", "json").stdout)
    assert found["apiVersion"] == "serinus.dev/v1alpha1"
    assert found["paused"]["note"] == "x"
    assert json.loads(terminal.types("resume", "--all", "-o", "json").stdout)["paused"] is None


@pytest.mark.parametrize(
    "words", [["pause"], ["resume"], ["pause", "fraud", "--all"], ["resume", "a", "--all"]]
)
def test_one_model_or_all_must_be_named(terminal: Terminal, words: list[str]) -> None:
    result = terminal.types(*words)
    assert result.exit_code == 2
    assert "give a MODEL, or --all for every model" in result.stderr


def test_a_reason_for_one_model_stands_in_its_log(terminal: Terminal) -> None:
    terminal.stage.begin(progressing())
    assert terminal.types("pause", "fraud", "--reason", "lunch").exit_code == 0
    [entry] = terminal.stage.store.log["fraud-1"][1:]
    assert entry.command is not None
    assert entry.command.note == "lunch"


def test_nobody_promotes_past_a_freeze(terminal: Terminal) -> None:
    terminal.stage.begin(progressing())
    hold = Hold(Reason.RELEASE_FREEZE, "release freeze night until Wed 2026-12-02 06:00 UTC")
    terminal.stage.fleet.says_closed(hold)
    result = terminal.types("promote", "fraud")
    assert result.exit_code == 1
    assert "release freeze night until Wed 2026-12-02 06:00 UTC: nothing steps up until then" in result.stderr
