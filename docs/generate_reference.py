"""Writes the pages of ``docs/reference`` from the code, so that the two cannot differ.

Run it from the root of the repository: ``python -m docs.generate_reference``. A test keeps the pages current.
"""
# ruff: noqa: INP001 - a folder of documents, not a package

import json
from pathlib import Path

from controller.adapters.notify.cloudevent import RolloutEvent
from docs.pages import model_rollout, permissions, report, settings

FOLDER = Path(__file__).parent / "reference"


def pages() -> dict[Path, str]:
    """The content of every generated page."""
    return {
        FOLDER / "modelrollout.md": model_rollout.page(),
        FOLDER / "settings.md": settings.page(),
        FOLDER / "permissions.md": permissions.page(),
        FOLDER / "rollout-event.schema.json": _event_schema(),
        FOLDER / "report.schema.json": report.page(),
    }


def _event_schema() -> str:
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:serinus:schema:rollout-event:v1",
        "title": "An event of a rollout",
    }
    return json.dumps(head | RolloutEvent.model_json_schema(mode="serialization"), indent=2) + "\n"


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
