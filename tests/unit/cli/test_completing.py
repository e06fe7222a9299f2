"""Completion as the shells and kubectl ask for it: commands, options, live names; bounded, silent."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from controller.cli.main import app
from controller.cli.names import within
from tests.unit.cli.test_process import ROOT, environment_of
from tests.unit.control.stage import Stage, progressing, serving

SHELLS = ("bash", "zsh", "fish")
PLUGIN = "import sys; from controller.cli.main import complete_plugin; complete_plugin()"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    stage = Stage()
    stage.begin(progressing())
    with serving(stage, tmp_path / "sock") as path:
        yield environment_of(SERINUS_SOCKET=str(path), HOME=str(tmp_path))


def run(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip


def in_bash(environment: dict[str, str], *words: str) -> list[str]:
    """What bash would offer for the last of the words."""
    asked = {
        "_SERINUS_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("serinus", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = run({**environment, **asked}, "-m", "controller")
    assert done.stderr == ""
    return done.stdout.split()


def in_zsh_or_fish(environment: dict[str, str], shell: str, *words: str) -> str:
    """What the script gives its shell to offer."""
    asked = {"_SERINUS_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": " ".join(("serinus", *words))}
    done = run({**environment, **asked, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "-m", "controller")
    assert done.stderr == ""
    return done.stdout


def in_kubectl(environment: dict[str, str], *words: str) -> list[str]:
    done = run(environment, "-c", PLUGIN, *words)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines.pop() == ":4", "no file names"
    return [line.partition("\t")[0] for line in lines]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_that_asks_us(shell: str) -> None:
    script = run(environment_of(), "-m", "controller", "completion", shell).stdout
    assert f"_SERINUS_COMPLETE=complete_{shell}" in script
    assert "serinus" in script


def test_the_script_is_one_that_bash_understands() -> None:
    script = run(environment_of(), "-m", "controller", "completion", "bash").stdout
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\ncomplete -p serinus"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "complete -o default -F _serinus_completion serinus"


def test_commands_options_and_choices_are_offered(environment: dict[str, str]) -> None:
    assert in_bash(environment, "st") == ["status"]
    assert in_bash(environment, "status", "--wa") == ["--wait"]
    assert "--namespace" in in_bash(environment, "status", "--n"), "what goes with every command"
    assert in_bash(environment, "get", "-o", "y") == ["yaml"]
    assert in_bash(environment, "completion", "") == list(SHELLS)


def test_filters_of_get_are_offered_with_their_values(environment: dict[str, str]) -> None:
    assert in_bash(environment, "get", "--phase", "Pa") == ["Paused"]
    assert in_bash(environment, "get", "--sort-by", "a") == ["age"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("st",), "status"),
        (("di",), "diff"),
        (("get", "--phase", "Pa"), "Paused"),
        (("watch", "fraud-"), "fraud-1"),
        (("diff", "fraud-1", "fraud-"), "fraud-1"),
    ],
    ids=" ".join,
)
def test_zsh_and_fish_are_offered_the_same(
    environment: dict[str, str], shell: str, words: tuple[str, ...], name: str
) -> None:
    for _ in range(5):  # as below
        if name in (found := in_zsh_or_fish(environment, shell, *words)):
            break
    assert name in found
    assert "run" not in found


def offered(environment: dict[str, str], expected: list[str], *words: str) -> list[str]:
    """What is offered of live names: a machine too busy to answer within a second is asked again."""
    for _ in range(5):
        if (found := in_bash(environment, *words)) == expected:
            break
    return found


def test_models_and_rollouts_are_offered(environment: dict[str, str]) -> None:
    for words, names in (
        (("status", "fr"), ["fraud", "fraud-1"]),
        (("get", "fraud-"), ["fraud-1"]),
        (("diff", "fraud-1", "fraud-"), ["fraud-1"]),
        (("watch", "fraud-"), ["fraud-1"]),
        (("why", "x"), []),
    ):
        assert offered(environment, names, *words) == names


def test_every_command_that_takes_a_model_offers_them() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    names = {"target", "other"}
    taking = {name for name, each in command.commands.items() for p in each.params if p.name in names}
    asking = {"diff", "get", "history", "report", "status", "watch", "why"}
    assert taking == asking | {"abort", "approve", "deny", "pause", "promote", "resume", "retry"}
    for name in taking:
        for target in (each for each in command.commands[name].params if each.name in names):
            assert target._custom_shell_complete is not None, name


def test_the_options_that_were_typed_say_where_to_ask(environment: dict[str, str]) -> None:
    socket = environment.pop("SERINUS_SOCKET")
    names = ["fraud", "fraud-1"]
    assert offered(environment, names, "--socket", socket, "status", "") == names
    assert offered(environment, names, "status", "--socket", socket, "") == names


def test_without_a_daemon_nothing_is_offered_and_nothing_is_said(tmp_path: Path) -> None:
    nowhere = environment_of(HOME=str(tmp_path), SERINUS_SOCKET=str(tmp_path / "none"))
    assert in_bash(nowhere, "status", "") == []


def test_kubectl_asks_the_same_and_is_sent_to_the_cluster(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert in_kubectl(environment, "st") == ["status"]
    assert "--all-namespaces" in in_kubectl(environment, "get", "--a")
    assert in_kubectl({**environment, "KUBECONFIG": str(tmp_path / "none")}, "status", "") == []


class TestWithin:
    def test_an_answer_in_time_is_given(self) -> None:
        assert within(5.0, lambda: ["a", "b"]) == ["a", "b"]

    def test_one_that_comes_late_is_none_and_leaves_no_process(self, tmp_path: Path) -> None:
        def late() -> list[str]:
            (tmp_path / "pid").write_text(str(os.getpid()))
            time.sleep(30)
            return ["a"]

        began = time.monotonic()
        assert within(0.5, late) == []
        assert time.monotonic() - began < 10
        assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()

    def test_what_the_late_one_started_is_gone_too(self, tmp_path: Path) -> None:
        started = tmp_path / "pid"

        def starts() -> list[str]:
            plugin = subprocess.Popen(["sleep", "30"])
            started.write_text(str(plugin.pid))
            plugin.wait()
            return []

        assert within(1.0, starts) == []
        deadline = time.monotonic() + 10  # a process takes a moment to die on a busy machine
        while _lives(int(started.read_text())):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_a_failure_is_no_name(self) -> None:
        assert within(5.0, lambda: [str(1 / 0)]) == []

    def test_what_a_terminal_could_act_on_is_no_name(self) -> None:
        assert within(5.0, lambda: ["ok", "\x1b[31m"]) == ["ok"]

    def test_more_than_a_pipe_holds_comes_through(self) -> None:
        many = [f"model-{number}" for number in range(20_000)]
        assert within(5.0, lambda: many) == many

    def test_nothing_that_is_printed_meanwhile_is_seen(self, capfd: pytest.CaptureFixture[str]) -> None:
        def noisy() -> list[str]:
            os.write(1, b"noise")
            os.write(2, b"noise")
            return ["a"]

        assert within(5.0, noisy) == ["a"]
        assert capfd.readouterr() == ("", "")


def _lives(pid: int) -> bool:
    """A zombie, which its new parent has not buried yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
