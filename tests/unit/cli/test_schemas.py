"""What commands print with `-o json` is what the published schemas say, and every such command has one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from controller.cli.main import app
from controller.cli.session import Output
from controller.control.client import ControlClient
from controller.domain.flaws import Flaw
from controller.domain.judge.base import Strength
from controller.domain.model import Evidence
from controller.domain.policy import ApprovalRules, GateRules, Milestone, Validation
from controller.domain.release import Backend, BackendKind, Image, Release
from controller.domain.vocabulary import Phase, Reason, Verdict
from docs.generate_reference import FOLDER
from docs.pages.documents import DOCUMENTS
from tests.unit.cli.test_backtest import Desk
from tests.unit.cli.test_commands import Terminal
from tests.unit.control.stage import Stage, a_result, asking, ended, serving

COMMANDS: Mapping[tuple[str, ...], str] = {
    ("get",): "status-list",
    ("get", "fraud"): "status-list",
    ("status", "fraud"): "status",
    ("why", "fraud"): "why",
    ("history", "fraud", "--all"): "entries",
    ("diff", "fraud"): "diff",
    ("diff", "fraud-2", "fraud-1"): "diff",
    ("doctor",): "doctor",
    ("pause", "fraud"): "outcome",
    ("deploy", "fraud", "v9", "--endpoint", "h:1"): "outcome",
}
STEERING = {"deploy", "approve", "deny", "promote", "abort", "pause", "resume", "retry"}


def errors_of(document: Any, name: str, definition: str | None = None) -> list[str]:
    """What the document breaks of its schema, or of a part of it. Keys that no schema has are errors too."""
    schema = closed(json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")))
    if definition is not None:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def closed(schema: Any) -> Any:
    """The schema as it is today: without room for what a later version may add."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(each) for name, each in schema.items()}
    return found | {"additionalProperties": False} if "properties" in schema else found


def a_full_stage() -> Stage:
    """A rollout that ended, and one that is asked for approval, with all that can be shown of either."""
    image = Image("registry/model:7", ("--a",), (("A", "1"),), "server")
    release = Release("v1", ("10.0.0.1:80",), Backend(BackendKind.SERVICE, "fraud-v1", 80), image)
    strength = Strength(4.5, 0.1, 3, 4, (0.001, 0.2), 0.99, 0.5, 400, 60.0, 1, 1.5)
    stage = Stage()
    stage.begin(replace(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED), release=release, retry_of="fraud-0"))
    people = replace(
        asking(ApprovalRules((Milestone.PROMOTION,), 2, timedelta(hours=8)), "bob(1)"), id="fraud-2"
    )
    checks = (replace(a_result(Verdict.UNKNOWN, None), strength=strength),)
    stage.begin(
        replace(
            people,
            policy=replace(
                people.policy,
                judge="sequential",
                gates=(GateRules("desk", (Milestone.START,), timedelta(minutes=1)),),
                validation=Validation("golden.yaml", timedelta(minutes=1)),
                notify=("ml",),
            ),
            evidence=Evidence(checks=checks, warnings=(Flaw("counter resets", 3),)),
        )
    )
    return stage


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    stage = a_full_stage()
    with serving(stage, tmp_path / "s" / "serinus.sock") as path:
        yield Terminal(stage, path)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_json_is_what_its_schema_says(terminal: Terminal, words: tuple[str, ...]) -> None:
    document = json.loads(terminal.types(*words, "-o", "json").stdout)
    assert errors_of(document, COMMANDS[words]) == []
    assert document["apiVersion"] == "serinus.dev/v1alpha1"


def test_a_record_is_what_its_schema_says(terminal: Terminal) -> None:
    for name in ("fraud-1", "fraud-2"):
        document = ControlClient(terminal.path).record(name).model_dump(mode="json")
        assert errors_of(document, "record") == []


def test_lines_of_watch_are_a_status_and_then_entries(terminal: Terminal) -> None:
    lines = terminal.types("watch", "fraud-1", "-o", "json").stdout.splitlines()
    assert [errors_of(json.loads(line), "status") for line in lines] == [[]]
    for entry in json.loads(terminal.types("history", "fraud", "-o", "json").stdout)["items"]:
        assert errors_of(entry, "entries", "EntryView") == []


def test_a_backtest_is_what_its_schema_says(tmp_path: Path) -> None:
    answer = Desk(tmp_path).types("--since", "2h", "--rollouts", "2", "-o", "json")
    assert errors_of(json.loads(answer.stdout), "backtest") == []


def test_what_is_not_so_is_found() -> None:
    document = {"apiVersion": "serinus.dev/v1alpha1", "items": []}
    assert errors_of(document, "status-list") == []
    assert errors_of({**document, "more": 1}, "status-list")
    assert errors_of({"apiVersion": "v2", "items": []}, "status-list")
    assert errors_of({"items": None}, "status-list")


def test_every_command_that_prints_json_is_here_and_every_schema_is_used() -> None:
    callbacks = [each.callback for each in app.registered_commands if each.callback is not None]
    printing = {each.__name__ for each in callbacks if each.__annotations__.get("output") == Output}
    assert printing - STEERING == {words[0] for words in COMMANDS} - STEERING | {"backtest"}
    assert {*COMMANDS.values(), "record", "backtest"} == set(DOCUMENTS)
    assert printing == {name for each in DOCUMENTS.values() for name in each.commands} - {"watch"}
