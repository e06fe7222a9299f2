"""How the generated pages write a table, and where they say what wrote them."""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Iterable, Iterator, Sequence

ORIGIN = "*This page is written by `python -m docs.generate_reference`.*\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
