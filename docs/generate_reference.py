"""Writes the pages of ``docs/reference`` from the code, so that the two cannot differ.

Run it from the root of the repository: ``python -m docs.generate_reference``. A test keeps the pages current.
"""
# ruff: noqa: INP001 - a folder of documents, not a package

import json
from pathlib import Path

from pydantic import BaseModel

from controller.adapters.gates.question import GateAnswer, GateQuestion
from controller.adapters.metrics.packs import Pack
from controller.adapters.notify.cloudevent import RolloutEvent
from controller.adapters.trials.question import EvaluationAnswer, EvaluationQuestion
from controller.report.views import ReportView
from controller.web.application import openapi
from docs.pages import (
    command_line,
    example_policies,
    metrics,
    model_rollout,
    packs,
    permissions,
    policy_fields,
    reasons,
    routes,
    settings,
)
from docs.pages.documents import DOCUMENTS

FOLDER = Path(__file__).parent / "reference"


def pages() -> dict[Path, str]:
    """The content of every generated page."""
    return {
        FOLDER / "command-line.md": command_line.page(),
        FOLDER / "policy-fields.md": policy_fields.page(),
        FOLDER / "example-policies.md": example_policies.page(),
        FOLDER / "reasons.md": reasons.page(),
        FOLDER / "modelrollout.md": model_rollout.page(),
        FOLDER / "settings.md": settings.page(),
        FOLDER / "permissions.md": permissions.page(),
        FOLDER / "metrics.md": metrics.page(),
        FOLDER / "packs.md": packs.page(),
        FOLDER / "routes.md": routes.page(),
        FOLDER / "metrics-pack.schema.json": _schema(Pack, "metrics-pack", "A metrics pack"),
        FOLDER / "rollout-event.schema.json": _schema(
            RolloutEvent, "rollout-event:v1", "An event of a rollout"
        ),
        FOLDER / "gate-question.schema.json": _schema(
            GateQuestion, "gate-question:v1", "What a gate is asked"
        ),
        FOLDER / "gate-answer.schema.json": _schema(GateAnswer, "gate-answer:v1", "What a gate answers"),
        FOLDER / "evaluation-question.schema.json": _schema(
            EvaluationQuestion, "evaluation-question:v1", "What an evaluation is asked"
        ),
        FOLDER / "evaluation-answer.schema.json": _schema(
            EvaluationAnswer, "evaluation-answer:v1", "What an evaluation answers"
        ),
        FOLDER / "report.schema.json": _schema(ReportView, "report:v1alpha1", "The report of a rollout"),
        FOLDER / "openapi.json": json.dumps(openapi(), indent=2) + "\n",
        **{
            FOLDER / f"{name}.schema.json": _schema(each.of, f"{name}:v1alpha1", each.title)
            for name, each in DOCUMENTS.items()
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
