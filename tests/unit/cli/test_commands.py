"""The commands against a real socket: what goes to which stream, in which format, with which exit code."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from controller.cli.main import app, shared_first
from controller.control.explanations import EXPLANATIONS
from controller.domain.model import Evidence
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.unit.control.stage import Stage, a_result, ended, progressing, serving

READ_COMMANDS = (
    ["get"],
    ["get", "fraud"],
    ["status", "fraud"],
    ["why", "fraud"],
    ["history", "fraud", "--all"],
)
ESCAPES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
ENDINGS = {
    Phase.SUCCEEDED: 0,
    Phase.ROLLED_BACK: 3,
    Phase.NOT_DEPLOYED: 3,
    Phase.PAUSED: 5,
    Phase.FROZEN: 5,
    Phase.HALTED: 5,
    Phase.ABORTED: 6,
    Phase.SUPERSEDED: 6,
}


class Terminal:
    """Types commands at a daemon whose socket is named in the environment."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.stage = stage
        self.path = path

    def types(self, *words: str, **environment: str) -> Result:
        env = {"SERINUS_SOCKET": str(self.path), **environment}
        return CliRunner().invoke(app, list(words), env=env, prog_name="serinus")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    stage = Stage()
    with serving(stage, tmp_path / "s" / "serinus.sock") as path:
        yield Terminal(stage, path)


class TestFormats:
    @pytest.mark.parametrize("command", READ_COMMANDS, ids=" ".join)
    def test_every_read_command_has_every_format_and_keeps_standard_error_empty(
        self, terminal: Terminal, command: list[str]
    ) -> None:
        terminal.stage.begin(progressing())
        for output in ("table", "wide", "json", "yaml", "name"):
            result = terminal.types(*command, "-o", output)
            assert result.exit_code == 0, result.output
            assert result.stdout
            assert result.stderr == ""
            assert not ESCAPES.search(result.stdout)

    @pytest.mark.parametrize("command", READ_COMMANDS, ids=" ".join)
    def test_yaml_says_the_same_as_json(self, terminal: Terminal, command: list[str]) -> None:
        terminal.stage.begin(replace(progressing(), message="yes: 1:30, #no 'quotes' \x1b[31m é"))
        of_json = json.loads(terminal.types(*command, "-o", "json").stdout)
        of_yaml = YAML(typ="safe", pure=True).load(terminal.types(*command, "-o", "yaml").stdout)
        assert of_yaml == of_json
        assert of_json["apiVersion"] == "serinus.dev/v1alpha1"

    def test_status_as_json_has_what_scripts_need(self, terminal: Terminal) -> None:
        terminal.stage.begin(progressing())
        status = json.loads(terminal.types("status", "fraud", "-o", "json").stdout)
        assert (status["model"], status["rollout"]) == ("fraud", "fraud-1")
        assert (status["stable"], status["canary"], status["weight"]) == ("v1", "v2", 5.0)
        assert (status["step"], status["steps"]) == (1, 2)
        assert status["next_at"].endswith("Z")
        assert status["checks"][0]["value"] == 0.002

    def test_names_are_what_other_commands_take(self, terminal: Terminal) -> None:
        terminal.stage.begin(progressing())
        assert terminal.types("get", "-o", "name").stdout == "fraud-1\n"
        assert terminal.types("status", "fraud-1", "-o", "name").stdout == "fraud-1\n"

    def test_a_table_has_a_line_for_each_rollout_without_trailing_blanks(self, terminal: Terminal) -> None:
        terminal.stage.begin(progressing())
        head, row = terminal.types("get").stdout.splitlines()
        assert head.split() == ["MODEL", "VERSION", "PHASE", "STEP", "WEIGHT", "VERDICT", "NEXT", "AGE"]
        assert row.split()[:6] == ["fraud", "v2", "Progressing", "1/2", "5%", "PASS"]
        assert row == row.rstrip()
        assert "ababababab" in terminal.types("get", "-o", "wide").stdout

    def test_no_text_from_outside_reaches_the_terminal_as_a_control_character(
        self, terminal: Terminal
    ) -> None:
        hostile = "answered \x1b]0;owned\x07 \x9b31m \r\n[bold]x[/bold]"
        terminal.stage.begin(replace(progressing(), message=hostile))
        for command in (*READ_COMMANDS, ["why", "fraud", "-o", "json"], ["get", "-o", "yaml"]):
            result = terminal.types(*command)
            assert not ESCAPES.search(result.output)
        assert "\\x1b]0;owned" in terminal.types("status", "fraud").stdout
        assert "[bold]x[/bold]" in terminal.types("status", "fraud").stdout

    def test_without_rollouts_the_first_command_is_suggested_on_standard_error(
        self, terminal: Terminal
    ) -> None:
        result = terminal.types("get", "-o", "name")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "serinus deploy" in result.stderr


class TestWhy:
    @pytest.mark.parametrize("reason", list(Reason))
    def test_every_reason_is_explained(self, terminal: Terminal, reason: Reason) -> None:
        terminal.stage.begin(replace(progressing(), reason=reason))
        text = terminal.types("why", "fraud").stdout
        assert f"{reason}: {EXPLANATIONS[reason].meaning}" in text
        assert EXPLANATIONS[reason].remedy_for("fraud") in text

    def test_it_names_value_and_limit(self, terminal: Terminal) -> None:
        evidence = Evidence(verdict=Verdict.FAIL, checks=(a_result(Verdict.FAIL, value=0.02, failures=3),))
        terminal.stage.begin(replace(progressing(), evidence=evidence))
        text = terminal.types("why", "fraud").stdout
        assert "FAIL  errors 2% is above its limit 1% over 1,234 requests" in text


class TestSteering:
    def test_deploy_begins_a_rollout_and_says_how_to_follow_it(self, terminal: Terminal) -> None:
        result = terminal.types(
            "deploy", "fraud", "v2", "--endpoint", "10.0.0.7:80", "--endpoint", "10.0.0.8:80"
        )
        assert result.exit_code == 0
        assert result.stdout.startswith("fraud-1: v2 of fraud is to be rolled out")
        assert "serinus watch fraud" in result.stderr
        assert terminal.stage.rollout("fraud-1").release.endpoints == ("10.0.0.7:80", "10.0.0.8:80")

    @pytest.mark.parametrize(
        ("command", "phase"),
        [("pause", Phase.PAUSED), ("promote", Phase.PROMOTING), ("abort", Phase.ROLLING_BACK)],
    )
    def test_a_word_is_obeyed(self, terminal: Terminal, command: str, phase: Phase) -> None:
        terminal.stage.begin(progressing())
        result = terminal.types(command, "fraud", "-o", "json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["phase"] == phase
        assert terminal.stage.rollout("fraud-1").phase is phase

    def test_resume_and_retry_follow_a_pause_and_an_end(self, terminal: Terminal) -> None:
        terminal.stage.begin(progressing())
        terminal.types("pause", "fraud")
        assert terminal.types("resume", "fraud").exit_code == 0
        terminal.stage.move("fraud-1", phase=Phase.ROLLED_BACK)
        assert terminal.types("retry", "fraud", "-o", "name").stdout == "fraud-2\n"

    def test_a_refused_word_exits_with_1_and_the_command_to_type_next(self, terminal: Terminal) -> None:
        terminal.stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
        result = terminal.types("pause", "fraud")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.splitlines()[0].startswith("error: fraud-1: fraud-1 is over")
        assert result.stderr.splitlines()[-1] == "try:   serinus retry fraud"

    @pytest.mark.parametrize(
        "words",
        [
            ["deploy", "fraud", "../v2", "--endpoint", "h:1"],
            ["deploy", "fraud", "v2", "--endpoint", "nonsense"],
            ["deploy", "fraud", "v2"],
            ["deploy", "fraud", "v2", "--endpoint", "h:1", "--timeout", "5m"],
            ["deploy", "fraud", "v2", "--endpoint", "h:1", "--wait", "--timeout", "5"],
            ["status", "m" * 200],
            ["history", "fraud", "--limit", "0"],
            ["get", "-o", "xml"],
            ["frobnicate"],
        ],
        ids=lambda words: " ".join(words)[:40],
    )
    def test_what_makes_no_sense_exits_with_2_and_changes_nothing(
        self, terminal: Terminal, words: list[str]
    ) -> None:
        result = terminal.types(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr
        assert terminal.stage.store.writes == 0

    def test_an_abort_that_cannot_be_recorded_says_so(self, terminal: Terminal) -> None:
        terminal.stage.begin(progressing())
        terminal.stage.store.broken = True
        result = terminal.types("abort", "fraud")
        assert result.exit_code == 0
        assert "the record follows when the store is back" in result.stdout


class TestWaiting:
    @pytest.mark.parametrize(("phase", "code"), ENDINGS.items())
    def test_the_end_of_a_rollout_is_the_exit_code(self, terminal: Terminal, phase: Phase, code: int) -> None:
        terminal.stage.begin(ended(phase, Reason.CHECK_FAILED))
        result = terminal.types("status", "fraud", "--wait", "-o", "json")
        assert result.exit_code == code
        assert json.loads(result.stdout)["phase"] == phase
        assert ("serinus why fraud-1" in result.stderr) == (code != 0)

    @pytest.mark.parametrize("phase", list(ENDINGS))
    def test_without_wait_the_status_of_any_rollout_is_no_error(
        self, terminal: Terminal, phase: Phase
    ) -> None:
        terminal.stage.begin(ended(phase, Reason.CHECK_FAILED))
        assert terminal.types("status", "fraud").exit_code == 0

    def test_a_rollout_that_goes_on_longer_than_the_timeout_exits_with_124(self, terminal: Terminal) -> None:
        terminal.stage.begin(progressing())
        result = terminal.types("status", "fraud", "--wait", "--timeout", "1ms")
        assert result.exit_code == 124
        assert "still Progressing" in result.stderr

    def test_deploy_waits_for_the_rollout_that_it_began(self, terminal: Terminal) -> None:
        terminal.stage.begin(ended(Phase.SUCCEEDED, Reason.PROMOTED, "v1"))
        result = terminal.types(
            "deploy", "fraud", "v2", "--endpoint", "h:1", "--wait", "--timeout", "1ms", "-o", "json"
        )
        assert result.exit_code == 124
        assert json.loads(result.stdout)["rollout"] == "fraud-2"


class TestWatch:
    def test_a_pipe_gets_a_line_for_what_stands_and_ends_with_the_rollout(self, terminal: Terminal) -> None:
        terminal.stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
        result = terminal.types("watch", "fraud")
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 1
        assert "fraud-1  RolledBack  0%  CheckFailed: ended as RolledBack" in result.stdout

    def test_a_program_gets_json_lines(self, terminal: Terminal) -> None:
        terminal.stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
        lines = terminal.types("watch", "fraud", "-o", "json").stdout.splitlines()
        assert [json.loads(line)["phase"] for line in lines] == ["RolledBack"]


class TestSharedOptions:
    def test_they_go_before_and_after_the_command(self, terminal: Terminal) -> None:
        socket = str(terminal.path)
        for words in (
            ["--socket", socket, "get"],
            ["get", "--socket", socket],
            ["get", f"--socket={socket}", "--no-color"],
        ):
            assert terminal.types(*words, SERINUS_SOCKET="").exit_code == 0

    def test_the_option_wins_over_the_environment(self, terminal: Terminal, tmp_path: Path) -> None:
        result = terminal.types("get", "--socket", str(tmp_path / "none"))
        assert result.exit_code == 1
        assert str(tmp_path / "none") in result.stderr
        assert "serinus run" in result.stderr

    def test_what_follows_a_double_dash_is_left_alone(self) -> None:
        assert shared_first(["get", "--", "--no-color"]) == ["get", "--", "--no-color"]
        assert shared_first(["get", "x", "--socket", "s"]) == ["--socket", "s", "get", "x"]
        assert shared_first(["get", "--socket"]) == ["get", "--socket"]


class TestPolicies:
    def test_the_schema_is_json(self, terminal: Terminal) -> None:
        assert "properties" in json.loads(terminal.types("schema").stdout)

    def test_a_field_is_explained(self, terminal: Terminal) -> None:
        assert "steps.min_requests" in terminal.types("explain", "steps.min_requests").stdout
        assert "checks" in terminal.types("explain").stdout

    def test_a_valid_folder_passes(self, terminal: Terminal, tmp_path: Path) -> None:
        (tmp_path / "fraud.yaml").write_text(POLICY)
        result = terminal.types("lint", str(tmp_path))
        assert (result.exit_code, result.stdout) == (0, "")
        assert "valid" in result.stderr

    @pytest.mark.parametrize("as_folder", [True, False])
    def test_a_fault_exits_with_2_and_its_position(
        self, terminal: Terminal, tmp_path: Path, as_folder: bool
    ) -> None:
        file = tmp_path / "fraud.yaml"
        file.write_text(POLICY.replace("metrics:", "metrisc:"))
        path = str(tmp_path if as_folder else file)
        result = terminal.types("lint", path)
        assert result.exit_code == 2
        assert f"{file}:3:1: metrisc: unknown key" in result.stdout
        assert "serinus explain" in result.stderr
        assert json.loads(terminal.types("lint", path, "--format", "json").stdout)[0]["line"] == 3
        assert terminal.types("lint", path, "--format", "github").stdout.startswith("::error file=")

    def test_two_files_for_one_model_are_a_fault_of_the_folder(
        self, terminal: Terminal, tmp_path: Path
    ) -> None:
        for name in ("a.yaml", "b.yaml"):
            (tmp_path / name).write_text(POLICY)
        assert terminal.types("lint", str(tmp_path)).exit_code == 2
        assert terminal.types("lint", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")).exit_code == 0

    def test_a_file_that_is_not_there_is_a_fault(self, terminal: Terminal, tmp_path: Path) -> None:
        result = terminal.types("lint", str(tmp_path / "none.yaml"))
        assert result.exit_code == 2
        assert "does not exist" in result.stdout


POLICY = """\
model: fraud
route: {envoy: /v2/models/fraud}
metrics: envoy
steps: [5%, 25%]
checks:
  errors: {max: 1%}
"""
