"""The pages of ``docs/reference`` are the code's, to the letter."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from controller.adapters.kube.conditions import Condition
from controller.adapters.registry import capabilities
from controller.cli.main import app
from controller.cli.session import ExitCode
from controller.domain.measures import Level
from controller.domain.vocabulary import Reason
from controller.policy.explain import json_schema
from deploy.local.stack import REPOSITORY
from docs.generate_reference import FOLDER
from docs.generate_reference import pages as written
from docs.pages.command_line import EXIT_CODES
from docs.pages.model_rollout import CONDITIONS
from docs.pages.tables import ORIGIN

_LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


@cache
def pages() -> dict[Path, str]:
    """Written once for all tests."""
    return written()


def test_the_pages_are_current() -> None:
    for path, content in pages().items():
        assert path.read_text(encoding="utf-8") == content, "run: python -m docs.generate_reference"


def test_every_page_that_says_that_it_is_written_is_written() -> None:
    claiming = {path for path in FOLDER.glob("*.md") if ORIGIN in path.read_text(encoding="utf-8")}
    assert claiming <= set(pages())


def test_every_word_is_explained() -> None:
    assert set(CONDITIONS) == set(Condition)
    assert set(EXIT_CODES) == set(ExitCode)
    assert all(f"| `{reason}` |" in pages()[FOLDER / "reasons.md"] for reason in Reason)


def test_every_field_of_a_policy_is_there() -> None:
    page = pages()[FOLDER / "policy-fields.md"]
    titles = {*capabilities(), "errors", "probes", *Level}
    fields = set(_properties(json_schema())) - titles
    assert len(fields) > 40
    assert [name for name in sorted(fields) if f"| `{name}` |" not in page] == []


def test_every_command_is_there() -> None:
    page = pages()[FOLDER / "command-line.md"]
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    assert all(f"\n### serinus {name}" in page for name in root.commands)


def _properties(schema: Any) -> Iterator[str]:
    """Names of fields, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for below in schema.values():
            yield from _properties(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _properties(below)


def test_every_link_leads_somewhere() -> None:
    for page in (REPOSITORY / "docs").rglob("*.md"):
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / Path(target)).exists(), f"{page.name}: {target}"
