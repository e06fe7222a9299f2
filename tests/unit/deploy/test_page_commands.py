"""Every command of the tutorial and of the how-to pages is run by a test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import REPOSITORY
from tests.deploy.shell_blocks import ONLY, runs

DOCS = REPOSITORY / "docs"
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]
_SHELL = re.compile(r"^\s*(?:`{3,}|~{3,})\s*(?:sh|bash|shell|zsh|console)\b", re.MULTILINE)
_IMPORT = re.compile(r"^from tests\.deploy\.shell_blocks import .*\bscript\b", re.MULTILINE)
_UNMARKED = re.compile(r"(?<! -->\n)(?<! -->\n\n)^```sh$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_commands_is_marked(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not _UNMARKED.search(text), (
        "mark it: <!-- tested: RUN -->; what is printed stands in a block without sh"
    )
    assert len(_SHELL.findall(text)) == text.count("<!-- tested")
    runs(page)


def test_every_marked_block_is_run_by_a_test() -> None:
    there = {(str(page.relative_to(REPOSITORY)), run) for page in PAGES for run in runs(page)}
    run = set(_run_by_tests())
    assert there - run == set(), "no test says script(PAGE, RUN) of these"
    assert {each for each in run if each[0].startswith("docs/")} - there == set(), "no page has these"


def _run_by_tests() -> Iterator[tuple[str, str]]:
    """What the calls of `script` in the tests name."""
    for module in (REPOSITORY / "tests").rglob("test_*.py"):
        text = module.read_text(encoding="utf-8")
        if not _IMPORT.search(text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "script":
                words = [each.value for each in node.args if isinstance(each, ast.Constant)]
                assert len(words) == len(node.args), f"{module.name}: write page and run out"
                yield str(words[0]), str(words[1]) if len(words) > 1 else ONLY
