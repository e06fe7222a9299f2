"""The report as one page that needs nothing else: no script, nothing fetched, its own style.

**Invariants**: the template escapes all that it is given, and what could change how a line reads (control
characters, changes of direction) is written out. The page is ASCII, so that no encoding spoils it.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from controller.control.check_views import amount
from controller.domain.vocabulary import Phase
from controller.domain.wording import printable
from controller.report import tables
from controller.report.charts import check_chart, has_values, weight_chart
from controller.report.svg import Chart, draw
from controller.report.texts import (
    event_words,
    gaps,
    headline,
    instant,
    last_says_more,
    measured,
    outcome,
    since_begin,
    undecided,
)
from controller.report.views import ReportView

_WIDE, _NARROW, _HEIGHT = 800, 340, 240
_MOST_ROWS = 40
_TONES = {Phase.SUCCEEDED: "good", Phase.ROLLED_BACK: "bad", Phase.NOT_DEPLOYED: "bad", Phase.ABORTED: "bad"}


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A chart for wide and for narrow windows, and its numbers."""

    title: str
    wide: Markup
    narrow: Markup
    columns: tables.Row
    rows: list[tables.Row]
    thinned: bool


def page(report: ReportView) -> str:
    """The whole document."""
    environment, style = _environment(), _style()
    template = environment.get_template("report.html")
    policy = report.policy
    text = template.render(
        report=report,
        headline=headline(report),
        outcome=outcome(report),
        tone=_TONES.get(report.phase, "open"),
        facts=tables.facts(report),
        gaps=gaps(report),
        show_last=last_says_more(report),
        undecided=undecided(report),
        charts=list(_charts(report)),
        unmeasured=[series.name for series in report.checks if not has_values(series)],
        policy_facts=tables.policy_facts(policy) if policy else (),
        limits=tables.limits(policy) if policy else (),
        steps=tables.steps(policy) if policy else (),
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=_style_hash(),
        measured=measured,
        since=lambda at: since_begin(report, at),
    )
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def content_security() -> str:
    """The policy that the page carries, for a header: nothing but its own style."""
    return f"default-src 'none'; style-src 'sha256-{_style_hash()}'; base-uri 'none'; form-action 'none'"


def _style_hash() -> str:
    return base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()


def _charts(report: ReportView) -> Iterator[_Drawn]:
    columns, rows = tables.weight_rows(report, _MOST_ROWS)
    yield _drawn(weight_chart(report), columns, rows, len(report.weights))
    for place, series in enumerate(report.checks, 1):
        if has_values(series):
            columns, rows = tables.check_rows(report, series, _MOST_ROWS)
            yield _drawn(check_chart(report, series, place), columns, rows, len(series.points))


def _drawn(chart: Chart, columns: tables.Row, rows: list[tables.Row], points: int) -> _Drawn:
    return _Drawn(
        title=chart.title,
        wide=Markup(draw(chart, _WIDE, _HEIGHT)),  # noqa: S704 - escaped where it is drawn
        narrow=Markup(draw(replace(chart, key=f"{chart.key}-narrow"), _NARROW, _HEIGHT)),  # noqa: S704 - as above
        columns=columns,
        rows=rows,
        thinned=points > _MOST_ROWS,
    )


@cache
def _style() -> str:
    return (files("controller.report") / "templates" / "report.css").read_text(encoding="ascii")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("controller.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "amount": amount,
        "instant": instant,
        "machine": lambda at: at.isoformat(),
        "words": event_words,
        "weight": tables.weight,
    }
    return environment


def _finalized(value: Any) -> Any:
    """What stands in the page for a value; markup is ours."""
    return value if isinstance(value, Markup) else printable(str(value))
