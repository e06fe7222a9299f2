"""The checks of a rollout: value against limit, canary and stable, and what the evidence says. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from rich.text import Text

from controller.cli.live import glyphs as signs
from controller.cli.live.glyphs import Glyphs
from controller.cli.live.layout import Node, shortened
from controller.cli.styles import VERDICT_STYLES
from controller.control.check_views import CheckView, amount
from controller.control.why import CheckWhy
from controller.domain.reporting import in_words, odds
from controller.domain.vocabulary import Reason, Verdict
from controller.domain.wording import duration, printable

_MOST = (12, 8, 6, 5, 4, 3)
"""Checks that are shown, by level."""
_WHOLE_EVIDENCE = 0
"""The level at which all sentences of the evidence are told."""
_ONE_LINE = 2
"""The last level at which one is."""
_WORST_FIRST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS, Verdict.SKIPPED)
_LONGEST_NAME = 24
_NARROW = 60
"""Columns below which a verdict is its sign alone, and names are short."""
_SHORT_NAME = 11
_COLUMNS = (("CANARY", 0), ("LIMIT", 0), ("STABLE", 50), ("REQUESTS", 66))
"""Each with the width of the terminal from which on it is shown."""


def check_nodes(
    checks: Sequence[CheckView], whys: Sequence[CheckWhy], width: int, level: int, glyphs: Glyphs
) -> list[Node]:
    """One node with a line for each check; the worst ones where not all fit."""
    if not checks:
        return []
    details = {why.name: why.details for why in whys}
    shown = _worst(checks, _MOST[level])
    rows = [_cells(check, width) for check in shown]
    heads = tuple(name for name, least in _COLUMNS if width >= least)
    narrow = width < _NARROW
    names = [_name(check, narrow=narrow) for check in shown]
    wide = min(max(map(len, names)), _SHORT_NAME if narrow else _LONGEST_NAME)
    cells = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    below = []
    for check, name, row in zip(shown, names, rows, strict=True):
        head = _row(check, _padded(name, wide, glyphs), _joined(row, cells), glyphs, narrow=narrow)
        below.append(Node(head, notes=_notes(check, details.get(check.name, ()), level), most=2))
    if left := len(checks) - len(shown):
        below.append(Node(Text(f"{glyphs.ellipsis} {left} more, no worse", style="dim")))
    title = Text("checks".ljust(wide + 5), style="bold")
    return [Node(title.append(_joined(heads, cells), style="dim"), below=tuple(below))]


def _worst(checks: Sequence[CheckView], most: int) -> list[CheckView]:
    """In the policy's order."""
    ranked = sorted(checks, key=lambda check: (_WORST_FIRST.index(check.verdict), check.report_only))
    kept = {check.name for check in ranked[:most]}
    return [check for check in checks if check.name in kept]


def _name(check: CheckView, *, narrow: bool) -> str:
    return printable(check.name) + (" (shown only)" if check.report_only and not narrow else "")


def _padded(name: str, wide: int, glyphs: Glyphs) -> str:
    return shortened(name, wide, glyphs).ljust(wide)


def _cells(check: CheckView, width: int) -> tuple[str, ...]:
    values = [amount(value, check.unit) for value in (check.value, check.limit, check.stable_value)]
    cells = (*values, f"{check.requests:,}" if check.unit != "number" else "-")
    return tuple(cell for cell, (_, least) in zip(cells, _COLUMNS, strict=True) if width >= least)


def _joined(row: Sequence[str], cells: Sequence[int]) -> str:
    return "".join(f"  {text:>{wide}}" for text, wide in zip(row, cells, strict=True))


def _row(check: CheckView, name: str, values: str, glyphs: Glyphs, *, narrow: bool) -> Text:
    style = VERDICT_STYLES[check.verdict]
    head = Text(f"{signs.of_verdict(check.verdict, glyphs)} ", style=style)
    head.append(name).append(values)
    return head if narrow else head.append(f"  {check.verdict}", style=style)


def _notes(check: CheckView, details: Sequence[str], level: int) -> tuple[str, ...]:
    if level > _ONE_LINE:
        return ()
    if level == _WHOLE_EVIDENCE and details:
        return tuple(details)
    said = evidence_of(check)
    return (said,) if said else ()


def evidence_of(check: CheckView) -> str:
    """What the evidence says, in half a line; empty where the row of values says it all."""
    found = check.evidence
    if found is None:
        if check.verdict is Verdict.PASS or check.reason is Reason.NO_VALUE:
            return ""
        failing = f"; {check.failures} of {check.budget} failing in a row" if check.failures else ""
        return f"{check.text}{failing}"
    against = f"evidence against it: {in_words(found.against)}, {odds(found.against)}"
    if found.requests_needed is None:
        return against
    if not found.requests_needed:
        return f"{against}; shown to be good"
    at = f" ({duration(timedelta(seconds=round(found.seconds_needed)))})" if found.seconds_needed else ""
    return f"{against}; {found.requests_needed:,} more requests{at} to show it is good"
