"""What every page that shows a rollout is made with: the environment of its template, the charts, the style.

**Invariants**: templates escape all that they are given, and what could change how a line reads (control
characters, changes of direction) is written out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from controller.control.check_views import amount
from controller.domain.wording import printable
from controller.report import tables
from controller.report.charts import check_chart, has_values, weight_chart
from controller.report.svg import Chart, draw
from controller.report.texts import event_words, instant
from controller.report.views import ReportView

_HERE = "controller.report"
_WIDE, _NARROW, _HEIGHT = 800, 340, 240
_MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart for wide and for narrow windows, and its numbers."""

    title: str
    wide: Markup
    narrow: Markup
    columns: tables.Row
    rows: list[tables.Row]
    thinned: bool


def charts(report: ReportView) -> Iterator[Drawn]:
    """The weight, and each check that has values."""
    columns, rows = tables.weight_rows(report, _MOST_ROWS)
    yield _drawn(weight_chart(report), columns, rows, len(report.weights))
    for place, series in enumerate(report.checks, 1):
        if has_values(series):
            columns, rows = tables.check_rows(report, series, _MOST_ROWS)
            yield _drawn(check_chart(report, series, place), columns, rows, len(series.points))


def unmeasured(report: ReportView) -> Sequence[str]:
    """The checks of which there is nothing to draw."""
    return [series.name for series in report.checks if not has_values(series)]


@cache
def style() -> str:
    """What a page that shows a rollout looks like, in light, in dark and on paper."""
    return (files(_HERE) / "templates" / "report.css").read_text(encoding="ascii")


def environment(*packages: str) -> Environment:
    """Templates of the packages, and those of the report, which may be taken parts from."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, _HERE)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "amount": amount,
        "instant": instant,
        "machine": lambda at: at.isoformat(),
        "words": event_words,
        "weight": tables.weight,
    }
    return made


def _drawn(chart: Chart, columns: tables.Row, rows: list[tables.Row], points: int) -> Drawn:
    return Drawn(
        title=chart.title,
        wide=Markup(draw(chart, _WIDE, _HEIGHT)),  # noqa: S704 - escaped where it is drawn
        narrow=Markup(draw(replace(chart, key=f"{chart.key}-narrow"), _NARROW, _HEIGHT)),  # noqa: S704 - as above
        columns=columns,
        rows=rows,
        thinned=points > _MOST_ROWS,
    )


def _finalized(value: Any) -> Any:
    """What stands in the page for a value; markup is ours."""
    return value if isinstance(value, Markup) else printable(str(value))
