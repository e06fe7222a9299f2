"""A report for people: a line for each check, and below them what to do."""

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from controller.cli.doctor.findings import Outcome, Report
from controller.domain.wording import printable

_STYLES = {
    Outcome.OK: "green",
    Outcome.WARNING: "bold yellow",
    Outcome.FAILED: "bold red",
    Outcome.SKIPPED: "yellow",
}


def report(answer: Report, as_called: Callable[[str], str]) -> RenderableType:
    """``as_called`` makes commands of ours such as this person types them."""
    checks = _table("CHECK", "SUBJECT", "RESULT", "FOUND")
    mends = _table("TO MEND", "SUBJECT", "DO")
    for item in answer.items:
        result = Text(item.outcome, style=_STYLES[item.outcome])
        checks.add_row(_cell(item.check), _cell(item.subject), result, _cell(item.message))
        if item.outcome is Outcome.FAILED:
            mends.add_row(_cell(item.check), _cell(item.subject), _cell(as_called(item.fix)))
        elif item.fix:
            check = f"{item.check} ({item.outcome})"
            mends.add_row(_cell(check), _cell(item.subject), _cell(as_called(item.fix)))
    return Group(checks, Text(""), mends) if mends.row_count else checks


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _cell(text: str) -> Text:
    return Text(printable(text))
