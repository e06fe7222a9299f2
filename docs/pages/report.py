"""The JSON Schema of a rollout's report."""
# ruff: noqa: INP001 - a folder of documents, not a package

import json

from controller.report.views import ReportView


def page() -> str:
    """The schema of what ``serinus report --json`` prints."""
    schema = ReportView.model_json_schema(mode="serialization")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Written by docs.generate_reference from controller/report/views.py. Do not edit.",
    }
    return json.dumps({**head, **schema}, indent=2) + "\n"
