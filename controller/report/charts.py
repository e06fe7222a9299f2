"""Which charts a report has: one of the weight, and one for each check. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from controller.control.check_views import amount
from controller.domain.vocabulary import Verdict
from controller.report.svg import Band, Chart, Line
from controller.report.texts import outcome, since_begin, span
from controller.report.views import CheckPoint, CheckSeries, ReportView

_HEIGHTS: Mapping[Verdict, float] = MappingProxyType(
    {Verdict.FAIL: 1.0, Verdict.PASS: 0.5, Verdict.UNKNOWN: 0.2, Verdict.SKIPPED: 0.2}
)


def weight_chart(report: ReportView) -> Chart:
    """The canary's share of requests, and the phases below."""
    seconds = _clock(report)
    points = [(seconds(point.at), point.weight) for point in report.weights]
    most = max(point.weight for point in report.weights)
    return Chart(
        key="weight",
        title=f"Share of requests to {report.canary}",
        description=f"At most {most:g}%, at the end {report.weights[-1].weight:g}%. {_marked(report)}",
        seconds=seconds(report.last_at),
        lines=(Line("canary", report.canary[:10], points, stepped=True),),
        bands=[
            Band(seconds(each.begin), seconds(each.end), f"phase{place % 2}", each.phase)
            for place, each in enumerate(report.phases)
        ],
        amount=lambda value: f"{value:g}%",
        time=span,
        mark=_mark(report),
    )


def check_chart(report: ReportView, series: CheckSeries, place: int) -> Chart:
    """Canary, stable and limit, and the verdicts below."""
    seconds = _clock(report)

    def line(kind: str, value: Callable[[CheckPoint], float | None], *, guide: bool = False) -> Line:
        return Line(kind, kind, [(seconds(each.at), value(each)) for each in series.points], guide=guide)

    return Chart(
        key=f"check-{place}",
        title=f"{series.name}{' (report only)' if series.report_only else ''}: canary and stable",
        description=f"{_last(series)} {_marked(report)}",
        seconds=seconds(report.last_at),
        lines=(
            Line("interval", "", [(seconds(each.at), each.low) for each in series.points], guide=True),
            Line("interval", "", [(seconds(each.at), each.high) for each in series.points], guide=True),
            line("limit", lambda each: each.limit if _has_value(each) else None, guide=True),
            line("stable", lambda each: each.stable),
            line("canary", lambda each: each.canary),
        ),
        bands=_verdicts(series.points, seconds, seconds(report.last_at)),
        amount=lambda value: amount(value, series.unit),
        time=span,
        mark=_mark(report),
    )


def has_values(series: CheckSeries) -> bool:
    """Whether there is anything to draw."""
    return any(_has_value(point) for point in series.points)


def _has_value(point: CheckPoint) -> bool:
    return point.canary is not None or point.stable is not None


def _clock(report: ReportView) -> Callable[[datetime], float]:
    return lambda at: (at - report.begun_at).total_seconds()


def _mark(report: ReportView) -> tuple[float, str] | None:
    if report.decision is None:
        return None
    return _clock(report)(report.decision.moment.at), _decided(report)


def _decided(report: ReportView) -> str:
    assert report.decision is not None
    said = "decision" if not report.terminal else outcome(report)
    return f"{said} {since_begin(report, report.decision.moment.at)}"


def _marked(report: ReportView) -> str:
    return f"A vertical line marks the moment of decision: {_decided(report)}." if report.decision else ""


def _last(series: CheckSeries) -> str:
    """In words, for who does not see the picture."""
    for point in reversed(series.points):
        if point.canary is not None:
            canary, stable, limit = (
                amount(each, series.unit) for each in (point.canary, point.stable, point.limit)
            )
            return f"At the end: canary {canary}, stable {stable}, limit {limit}, verdict {point.verdict}."
    return "Nothing was measured of the canary."


def _verdicts(points: Sequence[CheckPoint], seconds: Callable[[datetime], float], end: float) -> list[Band]:
    """One band for each run of the same verdict."""
    bands: list[Band] = []
    starts = [
        point
        for before, point in zip((None, *points), points, strict=False)
        if before is None or before.verdict is not point.verdict
    ]
    for point, following in zip(starts, (*starts[1:], None), strict=True):
        until = seconds(following.at) if following is not None else end
        kind = f"verdict-{point.verdict.lower()}"
        bands.append(Band(seconds(point.at), until, kind, height=_HEIGHTS[point.verdict]))
    return bands
