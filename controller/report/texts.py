"""Words of the report that all its forms share. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from controller.domain.vocabulary import Phase
from controller.domain.wording import duration
from controller.report.views import CheckEvidence, ReportView

LONGEST_TEXT = 600
_WITH_TENTHS = 60.0

_ENDINGS: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.SUCCEEDED: "promoted",
        Phase.ROLLED_BACK: "rolled back",
        Phase.NOT_DEPLOYED: "not deployed",
        Phase.SUPERSEDED: "superseded",
        Phase.ABORTED: "aborted",
    }
)


def clipped(text: str) -> str:
    """Of a text that is too long the beginning."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def outcome(report: ReportView) -> str:
    """``promoted``; ``Progressing, not over yet``."""
    return _ENDINGS.get(report.phase, f"{report.phase}, not over yet")


def headline(report: ReportView) -> str:
    """Who, and how it ended."""
    return f"{report.canary} of {report.model}: {outcome(report)}"


def standing(report: ReportView) -> str:
    """From when to when, and how long that is."""
    lasted = span((report.last_at - report.begun_at).total_seconds())
    if report.terminal:
        return f"{instant(report.begun_at)} to {instant(report.last_at)}, {lasted}"
    return f"since {instant(report.begun_at)}, {lasted}; this is how it stood at {instant(report.made_at)}"


def instant(at: datetime) -> str:
    """To the second, UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def since_begin(report: ReportView, at: datetime) -> str:
    """``+7.7s``, ``+1m30s``."""
    return f"+{span((at - report.begun_at).total_seconds())}"


def span(seconds: float) -> str:
    """As a policy file writes it; where it is short to the tenth of a second, and nowhere finer."""
    tenths = round(seconds, 1)
    if 0 < tenths < _WITH_TENTHS:
        return f"{tenths:g}s"
    return duration(timedelta(seconds=round(seconds)))


def event_words(event: str) -> str:
    """``rollback_started`` as people say it."""
    return event.replace("_", " ")


def undecided(report: ReportView) -> str:
    """What there is to say where the log holds no decision."""
    if report.terminal:
        return "The log holds the moment of decision no longer."
    return "Nothing is decided yet."


def measured(checks: Sequence[CheckEvidence]) -> bool:
    """Whether any check had something to judge."""
    return any(check.canary is not None or check.stable is not None or check.requests for check in checks)


def last_says_more(report: ReportView) -> bool:
    """Whether the last evidence is another than what the decision rested on."""
    decided = report.decision.checks if report.decision else ()
    last = [check.sentence for check in report.last_checks]
    return measured(report.last_checks) and last != [check.sentence for check in decided]


def gaps(report: ReportView) -> tuple[str, ...]:
    """What the report does not show, a sentence each."""
    said = []
    if report.namespace is not None:
        said.append("A ModelRollout keeps what was measured of entries of consequence alone: lines have gaps")
    if report.missing:
        said.append(
            f"{report.missing:,} of {report.entries + report.missing:,} log entries are kept no longer"
        )
    if report.untold:
        said.append(f"{report.untold:,} moments in the middle of the timeline are left out")
    if report.unshown:
        said.append(f"{report.unshown:,} more checks are left out")
    return tuple(said)
