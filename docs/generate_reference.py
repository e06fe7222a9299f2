"""Writes the pages of ``docs/reference`` from the code, so that the two cannot differ.

Run it from the root of the repository: ``python -m docs.generate_reference``. A test keeps the pages current.
"""
# ruff: noqa: INP001 - a folder of documents, not a package

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from controller.adapters.gates.question import GateAnswer, GateQuestion
from controller.adapters.notify.cloudevent import RolloutEvent
from controller.cli.backtest.report import BacktestReport
from controller.cli.doctor.findings import Report
from controller.control.diff_view import DiffView
from controller.control.record_view import RecordView
from controller.control.views import EntryList, OutcomeView, StatusList, StatusView
from controller.control.why import WhyView
from controller.report.views import ReportView
from docs.pages import metrics, model_rollout, permissions, settings

FOLDER = Path(__file__).parent / "reference"

DOCUMENTS: Mapping[str, tuple[type[BaseModel], str]] = {
    "status-list": (StatusList, "Rollouts: what `serinus get` prints"),
    "status": (StatusView, "One rollout: what `serinus status` prints"),
    "why": (WhyView, "Why a rollout stands where it stands: what `serinus why` prints"),
    "entries": (EntryList, "Entries of a decision log: what `serinus history` prints"),
    "record": (RecordView, "A rollout with its reason, its release and its policy"),
    "diff": (DiffView, "What differs between two rollouts: what `serinus diff` prints"),
    "doctor": (Report, "What is wrong, and how to mend it: what `serinus doctor` prints"),
    "backtest": (BacktestReport, "A policy on past traffic: what `serinus backtest` prints"),
    "outcome": (OutcomeView, "What a person's word led to: what `serinus pause` and the like print"),
}
"""What commands print with `-o json`, by the name of its schema."""


def pages() -> dict[Path, str]:
    """The content of every generated page."""
    return {
        FOLDER / "modelrollout.md": model_rollout.page(),
        FOLDER / "settings.md": settings.page(),
        FOLDER / "permissions.md": permissions.page(),
        FOLDER / "metrics.md": metrics.page(),
        FOLDER / "rollout-event.schema.json": _schema(
            RolloutEvent, "rollout-event:v1", "An event of a rollout"
        ),
        FOLDER / "gate-question.schema.json": _schema(
            GateQuestion, "gate-question:v1", "What a gate is asked"
        ),
        FOLDER / "gate-answer.schema.json": _schema(GateAnswer, "gate-answer:v1", "What a gate answers"),
        FOLDER / "report.schema.json": _schema(ReportView, "report:v1alpha1", "The report of a rollout"),
        **{
            FOLDER / f"{name}.schema.json": _schema(of, f"{name}:v1alpha1", title)
            for name, (of, title) in DOCUMENTS.items()
        },
    }


def _schema(of: type[BaseModel], name: str, title: str) -> str:
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:serinus:schema:{name}",
        "title": title,
    }
    return json.dumps(head | of.model_json_schema(mode="serialization") | {"title": title}, indent=2) + "\n"


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
