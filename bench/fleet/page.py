"""Puts what was printed into ``docs/explanation/fleet.md``, each part between its own marks.

The picture stands beside it. A part that was not run stays as it is.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from bench.fleet.figures import Figures
from bench.fleet.picture import picture

FOLDER = Path(__file__).parents[2] / "docs" / "explanation"
PAGE = FOLDER / "fleet.md"
PICTURE = FOLDER / "fleet-growth.svg"


def put(part: str, text: str) -> None:
    """Write one part's text into the page. Raises ValueError if the page has no place for it."""
    PAGE.write_text(with_part(PAGE.read_text(encoding="utf-8"), part, text), encoding="utf-8")


def draw(found: Sequence[Figures]) -> None:
    """Write the picture of the growth."""
    PICTURE.write_text(picture(found), encoding="utf-8")


def with_part(page: str, part: str, text: str) -> str:
    """The page with the text between the part's marks. Raises ValueError unless each stands there once."""
    begin, end = marks(part)
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page does not have each mark of {part} once")
    head, rest = page.split(begin)
    return f"{head}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end)[1]}"


def part_of(page: str, part: str) -> str:
    """What stands between the part's marks."""
    begin, end = (re.escape(mark) for mark in marks(part))
    found = re.search(f"{begin}(.*){end}", page, re.DOTALL)
    return found[1].strip() if found else ""


def marks(part: str) -> tuple[str, str]:
    """What stands before and after a part."""
    return f"<!-- Printed by bench.fleet {part}. Do not edit. -->", f"<!-- The end of {part}. -->"
