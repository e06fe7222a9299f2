"""The commands of the documentation: the blocks of a page that say that a test runs them.

A block is marked by a comment on the line before its fence, ``<!-- tested -->`` or with names of runs:
``<!-- tested: kustomize, helm -->``. A run is all blocks of a page that bear its name, in order.

A test asks for a run by `script`, with the page and the run written out: so it can be seen from the text of
the tests which runs are run, and `tests/unit/deploy/test_page_commands.py` looks that all are.
"""

import re
from pathlib import Path

from deploy.local.stack import REPOSITORY

_BLOCK = re.compile(
    r"^<!-- tested(?:: (?P<runs>[^>]*?))? -->\n+```sh\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
_MARK = re.compile(r"<!-- tested")
ONLY = ""
"""The name of the run of a page whose blocks bear no names."""


def script(page: str, run: str = ONLY) -> str:
    """The script of a run of a page, by its path in the repository. Both have to be written out."""
    return runs(REPOSITORY / page)[run]


def runs(page: Path) -> dict[str, str]:
    """The script of each run of a page. Raises AssertionError for a mark that marks nothing."""
    text = page.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    blocks = list(_BLOCK.finditer(text))
    assert len(blocks) == len(_MARK.findall(text)), f"{page.name}: a mark without a block of sh after it"
    for block in blocks:
        for name in (block["runs"] or ONLY).split(","):
            found[name.strip()] = found.get(name.strip(), "") + block["code"]
    return found
