"""The pages of ``docs/reference`` are the code's, to the letter."""

import re
from pathlib import Path

from controller.adapters.kube.conditions import Condition
from controller.cli.session import ExitCode
from controller.domain.vocabulary import Reason
from deploy.local.stack import REPOSITORY
from docs.generate_reference import FOLDER, pages
from docs.pages.command_line import EXIT_CODES
from docs.pages.model_rollout import CONDITIONS

_LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def test_the_pages_are_current() -> None:
    for path, content in pages().items():
        assert path.read_text(encoding="utf-8") == content, "run: python -m docs.generate_reference"


def test_every_page_of_the_folder_is_written() -> None:
    assert set(FOLDER.iterdir()) == set(pages())


def test_every_word_is_explained() -> None:
    page = pages()[FOLDER / "modelrollout.md"]
    assert set(CONDITIONS) == set(Condition)
    assert all(f"| `{reason}` |" in page for reason in Reason)
    assert set(EXIT_CODES) == set(ExitCode)


def test_every_link_leads_somewhere() -> None:
    for page in (REPOSITORY / "docs").rglob("*.md"):
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / Path(target)).exists(), f"{page.name}: {target}"
