"""`serinus report`: which form goes where, for whom, and what a wrong line is told."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from controller.cli.main import app
from controller.control.client import ControlClient
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.report import collecting
from controller.report.collecting import collect
from controller.report.markdown import markdown
from deploy.local.stack import REPOSITORY
from tests.fakes import EPOCH
from tests.unit.cli.cluster_stage import a_cluster
from tests.unit.cli.test_commands import ESCAPES, Terminal
from tests.unit.control.stage import Stage, a_result, progressing, serving
from tests.unit.report.scenes import HOSTILE

COMMANDS = (["report", "fraud"], ["report", "fraud", "--html"], ["report", "fraud", "--json"])


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    stage = Stage()
    with serving(stage, tmp_path / "s" / "serinus.sock") as path:
        yield Terminal(stage, path)


def roll_back(stage: Stage, message: str = "errors 2% is above its limit 1%") -> None:
    stage.begin(progressing())
    end: dict[str, Any] = {"reason": Reason.CHECK_FAILED, "message": message}
    stage.move("fraud-1", event="rollback_started", phase=Phase.ROLLING_BACK, **end)
    stage.move("fraud-1", event="rollback_finished", phase=Phase.ROLLED_BACK, **end)


class TestForms:
    def test_it_is_markdown_on_standard_output(self, terminal: Terminal) -> None:
        roll_back(terminal.stage)
        result = terminal.types("report", "fraud")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith("# v2 of fraud: rolled back\n")
        assert terminal.types("report", "fraud-1", "--md").stdout.startswith("# v2 of fraud: rolled back\n")

    def test_html_is_a_page(self, terminal: Terminal) -> None:
        roll_back(terminal.stage)
        result = terminal.types("report", "fraud", "--html", "--output", "-")
        assert result.stdout.startswith("<!DOCTYPE html>\n")
        assert result.stdout.endswith("</html>\n")

    def test_json_is_what_its_schema_says(self, terminal: Terminal) -> None:
        roll_back(terminal.stage)
        found = json.loads(terminal.types("report", "fraud", "--json").stdout)
        schema = json.loads((REPOSITORY / "docs" / "reference" / "report.schema.json").read_text())
        Draft202012Validator(schema).validate(found)
        assert found["apiVersion"] == "serinus.dev/v1alpha1"
        assert (found["rollout"], found["phase"], found["terminal"]) == ("fraud-1", "RolledBack", True)
        assert found["decision"]["moment"]["event"] == "rollback_started"
        assert re.fullmatch(r"serinus \d.*", found["made_by"])

    def test_a_rollout_that_goes_on_is_told_as_it_stands(self, terminal: Terminal) -> None:
        terminal.stage.begin(progressing())
        result = terminal.types("report", "fraud")
        assert result.exit_code == 0
        assert "**This rollout is not over**" in result.stdout

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_nothing_from_outside_reaches_a_terminal(self, terminal: Terminal, command: list[str]) -> None:
        roll_back(terminal.stage, HOSTILE)
        result = terminal.types(*command)
        assert result.exit_code == 0
        assert not ESCAPES.search(result.output)
        assert "\u202e" not in result.output


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "begins"),
        [("r.html", "<!DOCTYPE"), ("r.HTM", "<!DOCTYPE"), ("r.md", "# "), ("r.json", "{"), ("r", "# ")],
    )
    def test_the_ending_says_the_form(
        self, terminal: Terminal, tmp_path: Path, name: str, begins: str
    ) -> None:
        roll_back(terminal.stage)
        file = tmp_path / name
        result = terminal.types("report", "fraud", "--output", str(file))
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == f"written: {file}\n"
        assert file.read_text().startswith(begins)

    def test_an_option_wins_over_the_ending(self, terminal: Terminal, tmp_path: Path) -> None:
        roll_back(terminal.stage)
        file = tmp_path / "r.txt"
        assert terminal.types("report", "fraud", "--json", "-o", str(file)).exit_code == 0
        assert json.loads(file.read_text())["model"] == "fraud"

    def test_a_file_that_cannot_be_written_is_an_error(self, terminal: Terminal, tmp_path: Path) -> None:
        roll_back(terminal.stage)
        result = terminal.types("report", "fraud", "-o", str(tmp_path / "none" / "r.html"))
        assert (result.exit_code, result.stdout) == (1, "")
        assert "cannot be written: No such file or directory" in result.stderr

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--html", "--json"], "--html and --json"),
            (["-o", "json"], "--json"),
            (["-o", "html"], "--html"),
            (["-o", "yaml"], "names a file"),
        ],
    )
    def test_what_makes_no_sense_exits_with_2(
        self, terminal: Terminal, words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        roll_back(terminal.stage)
        result = terminal.types("report", "fraud", *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
        assert not [path for path in tmp_path.iterdir() if path.is_file()]

    def test_an_unknown_rollout_is_an_error_with_the_command_to_type(self, terminal: Terminal) -> None:
        result = terminal.types("report", "chat")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "try:   serinus get" in result.stderr

    def test_it_is_among_the_commands(self) -> None:
        assert "report" in {
            command.callback.__name__ for command in app.registered_commands if command.callback
        }


class TestPages:
    def test_a_long_log_is_read_in_pages(self, terminal: Terminal) -> None:
        stage = terminal.stage
        stage.begin(progressing())
        for _ in range(2 * collecting.PAGE + 10):
            stage.move(
                "fraud-1", notable=False, evidence=replace(progressing().evidence, checks=(a_result(),))
            )
        report = collect(ControlClient(terminal.path), "fraud", EPOCH, "serinus 0")
        assert (report.entries, report.missing) == (2 * collecting.PAGE + 11, 0)

    def test_in_a_cluster_it_is_what_the_object_holds(self) -> None:
        with a_cluster() as cluster:
            rollout = cluster.begin("fraud-v2")
            failed = replace(rollout.evidence, verdict=Verdict.FAIL, checks=(a_result(Verdict.FAIL, 0.02),))
            cluster.record(replace(rollout, seq=5, evidence=failed, phase=Phase.ROLLED_BACK))
            report = collect(cluster.client(namespace=None), "fraud", EPOCH, "serinus 0")
        assert (report.namespace, report.rollout, report.phase) == ("ml", "fraud-v2", Phase.ROLLED_BACK)
        assert (report.entries, report.missing) == (2, 3)
        assert "entries of consequence alone" in markdown(report)
        assert [point.canary for point in report.checks[0].points] == [0.002, 0.02]

    def test_an_object_that_no_daemon_took_up_is_reported_without_a_policy(self) -> None:
        with a_cluster() as cluster:
            cluster.apply("fraud-v2")
            report = collect(cluster.client(), "fraud", EPOCH, "serinus 0")
        assert (report.policy, report.entries, report.phase) == (None, 0, Phase.PENDING)
