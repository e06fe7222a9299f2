"""`serinus get` for many models: filters, patterns, order, totals; and `get --watch`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Reason
from tests.unit.cli.test_commands import Terminal
from tests.unit.control.stage import Stage, ended, progressing, serving


def of_model(model: str, rollout: Rollout) -> Rollout:
    return replace(rollout, id=f"{model}-1", model=model, policy=replace(rollout.policy, model=model))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    stage = Stage()
    stage.begin(of_model("chat", ended(Phase.SUCCEEDED, Reason.PROMOTED)))
    stage.begin(of_model("fraud-eu", progressing()))
    stage.begin(of_model("fraud-us", replace(progressing(), phase=Phase.PAUSED)))
    stage.begin(of_model("rank", replace(progressing(), reason=Reason.WAITING_FOR_APPROVAL)))
    with serving(stage, tmp_path / "s" / "serinus.sock") as path:
        yield Terminal(stage, path)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), "chat-1 fraud-eu-1 fraud-us-1 rank-1"),
        (("--phase", "Paused"), "fraud-us-1"),
        (("--phase", "paused", "--phase", "SUCCEEDED"), "chat-1 fraud-us-1"),
        (("--needs-person",), "fraud-us-1 rank-1"),
        (("--needs-person", "--phase", "Progressing"), "rank-1"),
        (("fraud-*",), "fraud-eu-1 fraud-us-1"),
        (("fraud-[e]*",), "fraud-eu-1"),
        (("fraud-eu",), "fraud-eu-1"),
        (("--sort-by", "weight"), "fraud-eu-1 fraud-us-1 rank-1 chat-1"),
        (("--sort-by", "phase"), "fraud-eu-1 rank-1 fraud-us-1 chat-1"),
        (("--sort-by", "next"), "fraud-eu-1 chat-1 fraud-us-1 rank-1"),
    ],
    ids=" ".join,
)
def test_what_is_listed_and_in_which_order(terminal: Terminal, words: tuple[str, ...], names: str) -> None:
    result = terminal.types("get", *words, "-o", "name")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.split() == names.split()


def test_nothing_that_fits_is_no_error_and_is_said_with_how_many_there_are(terminal: Terminal) -> None:
    result = terminal.types("get", "--phase", "Frozen", "-o", "json")
    assert result.exit_code == 0
    assert result.stderr == "no rollout fits, of 4 rollouts: 2 need a person, 1 moving, 1 at rest\n"


@pytest.mark.parametrize("words", [("--phase", "Sleeping"), ("--sort-by", "luck"), ("-w", "-o", "yaml")])
def test_what_makes_no_sense_exits_with_2(terminal: Terminal, words: tuple[str, ...]) -> None:
    result = terminal.types("get", *words)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("words", [("watch", "chat"), ("get", "chat", "--watch"), ("get", "-w", "chat")])
def test_watch_and_get_watch_are_the_same(terminal: Terminal, words: tuple[str, ...]) -> None:
    result = terminal.types(*words)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "2026-01-01T00:00:00Z  chat-1  Succeeded  0%  Promoted: ended as Succeeded"
    ]
