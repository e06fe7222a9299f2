"""Puts what `make bench-judge` printed into ``docs/explanation/judges-compared.md``, as it is.

Run it from the root of the repository: ``make -s bench-judge | .venv/bin/python -m docs.generate_judges``.
What stands between the two marks is replaced; a test looks that it is such an output, and a whole one.
"""
# ruff: noqa: INP001 - a folder of documents, not a package

import re
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "explanation" / "judges-compared.md"
BEGIN = "<!-- What follows was printed by `make bench-judge`. Do not edit. -->"
END = "<!-- The end of what was printed. -->"

_FIRST_LINE = re.compile(r"^.*\. Seed \d+, \d+ repetitions of each scenario\.$", re.MULTILINE)


def printed(page: str) -> str:
    """What stands between the marks. Raises ValueError unless each stands there once."""
    _, begin, rest = page.partition(BEGIN)
    text, end, after = rest.partition(END)
    if not begin or not end or BEGIN in text + after or END in after:
        raise ValueError("the page does not have each of its two marks once")
    return text.strip("\n")


def with_output(page: str, output: str) -> str:
    """The page with the output of a run, without what make says first. Raises ValueError if it is none."""
    first = _FIRST_LINE.search(output)
    if first is None or "\n| --- |" not in output:
        raise ValueError("this is not what make bench-judge prints")
    printed(page)
    head, tail = page.partition(BEGIN)[0], page.partition(END)[2]
    return f"{head}{BEGIN}\n\n{output[first.start() :].strip()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(with_output(PAGE.read_text(encoding="utf-8"), sys.stdin.read()), encoding="utf-8")
