"""approve and deny on the command line, and what it shows of who approved."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.domain.approval import Asking, Goal
from controller.domain.policy import ApprovalRules, Milestone
from controller.domain.vocabulary import Phase, Reason
from tests.fakes import EPOCH
from tests.unit.cli.test_commands import Terminal
from tests.unit.cli.test_watching import Script, lines_of
from tests.unit.control.stage import Stage, asking, serving

ONE = ApprovalRules()
ASKED = Asking(Goal(Milestone.STEP, 1), EPOCH, 1)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    stage = Stage()
    with serving(stage, tmp_path / "s" / "serinus.sock") as path:
        yield Terminal(stage, path)


@pytest.mark.parametrize("target", ["fraud", "fraud-1"])
def test_a_yes_to_a_model_or_to_one_rollout(terminal: Terminal, target: str) -> None:
    terminal.stage.begin(asking(ONE))
    result = terminal.types("approve", target)
    assert result.exit_code == 0
    assert result.stdout.startswith("fraud-1: step 2 (25%) is approved by ")


def test_a_word_on_an_earlier_asking_exits_with_1(terminal: Terminal) -> None:
    terminal.stage.begin(replace(asking(ONE), asking=replace(ASKED, number=7)))
    for words in (["approve", "fraud"], ["deny", "fraud", "--reason", "late"]):
        result = terminal.types(*words, "--asking", "6")
        assert result.exit_code == 1
        assert "is not asked any more" in result.stderr
    assert terminal.types("approve", "fraud", "--asking", "7").exit_code == 0


def test_a_no_says_why(terminal: Terminal) -> None:
    terminal.stage.begin(asking(ONE))
    result = terminal.types("deny", "fraud", "--reason", "not before the audit", "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["message"].endswith(": not before the audit")
    assert terminal.stage.rollout("fraud-1").phase is Phase.ROLLING_BACK


@pytest.mark.parametrize("words", [[], ["--reason", "a\nb"], ["--reason", "x" * 501]])
def test_a_no_without_a_reason_on_one_line_is_invalid_use(terminal: Terminal, words: list[str]) -> None:
    terminal.stage.begin(asking(ONE))
    assert terminal.types("deny", "fraud", *words).exit_code == 2
    assert terminal.stage.rollout("fraud-1").phase is Phase.PROGRESSING


def test_a_word_that_nobody_asks_for_exits_with_1_and_says_so(terminal: Terminal) -> None:
    terminal.stage.begin(asking(ONE))
    terminal.stage.move("fraud-1", asking=None, reason=Reason.STEP_RUNNING)
    result = terminal.types("approve", "fraud")
    assert result.exit_code == 1
    assert "it does not ask for approval now" in result.stderr


def test_promote_says_what_to_do_instead(terminal: Terminal) -> None:
    terminal.stage.begin(asking(ONE))
    result = terminal.types("promote", "fraud")
    assert result.exit_code == 1
    assert "approve it instead" in result.stderr


def test_waiting_for_what_waits_for_approval_exits_with_5(terminal: Terminal) -> None:
    terminal.stage.begin(asking(ONE))
    result = terminal.types("status", "fraud", "--wait", "-o", "json")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["approval"]["missing"] == 1


def test_status_and_why_show_who_approved_and_what_is_missing(terminal: Terminal) -> None:
    terminal.stage.begin(asking(ApprovalRules(people=2), "bob"))
    for command in ("status", "why"):
        assert "approval  step 2 (25%): 1 of 2, by bob; 1 missing" in terminal.types(command, "fraud").stdout


def test_watching_shows_each_yes(tmp_path: Path) -> None:
    stage = Stage()
    stage.begin(asking(ApprovalRules(people=2)))

    def somebody_approves() -> None:
        stage.move("fraud-1", event="approval_given", message="waits for 1 more")

    def it_ends() -> None:
        stage.move("fraud-1", phase=Phase.ROLLED_BACK, reason=Reason.APPROVAL_DENIED, message="no")

    lines = lines_of(stage, tmp_path / "sock", Script(somebody_approves, it_ends))
    assert [line.split("  ", 1)[1] for line in lines] == [
        "fraud-1  Progressing  5%  WaitingForApproval: asks",
        "fraud-1  Progressing  5%  WaitingForApproval: waits for 1 more",
        "fraud-1  RolledBack  5%  ApprovalDenied: no",
    ]
