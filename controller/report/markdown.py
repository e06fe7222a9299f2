"""The report as Markdown, for terminals, tickets and pull requests. Pure.

**Invariant**: what came from outside is text: no markup, no link, no table cell of its own.
"""

import re
from collections.abc import Iterable, Sequence

from controller.control.check_views import amount
from controller.domain.wording import printable
from controller.report import tables
from controller.report.texts import (
    event_words,
    gaps,
    headline,
    instant,
    last_says_more,
    measured,
    since_begin,
    undecided,
)
from controller.report.views import CheckEvidence, CheckSeries, ReportView

_MOST_ROWS = 12
_MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
"""An underscore within a word, as in names of checks, marks nothing."""
_FIRST = re.compile(r"^(?:[#+=-](?=[\s#+=-]|$)|(\d{1,9})(?=[.)](?:\s|$)))")
"""What begins a heading, a list or a line; of a number its digits."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(report: ReportView) -> str:
    """The whole document, ending in a line feed."""
    parts = [
        _head(report),
        _decision(report),
        _last(report),
        _warnings(report),
        _series(report),
        _timeline(report),
        _policy(report),
        _actors(report),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def plain(text: str) -> str:
    """A text that Markdown shows as it is, wherever it stands."""
    return _FIRST.sub(lambda found: f"{found[0]}\\" if found[1] else f"\\{found[0]}", inline(text))


def inline(text: str) -> str:
    """As `plain`, where no list or heading can begin: in a table, after other words."""
    said = "".join(_ENTITIES.get(letter, letter) for letter in printable(text))
    said = _MARKS.sub(lambda found: f"\\{found[0]}", said)
    return said.replace("://", "&#58;//").replace("www.", "www&#46;")


def _head(report: ReportView) -> list[str]:
    lines = [f"# {plain(headline(report))}", "", plain(report.message), ""]
    if not report.terminal:
        lines += [f"**This rollout is not over**: it stood so at {instant(report.made_at)}.", ""]
    lines += [
        f"- {name}: {plain(value)}" for name, value in (("Rollout", report.rollout), *tables.facts(report))
    ]
    return lines + [f"- Note: {each}" for each in gaps(report)]


def _decision(report: ReportView) -> list[str]:
    found, meaning = report.decision, f"{report.reason}: {report.meaning}."
    if found is None:
        return ["## Decision", "", f"{undecided(report)} {meaning}", "", f"To do: {plain(report.remedy)}"]
    moment = found.moment
    when = f"{instant(moment.at)} ({since_begin(report, moment.at)})"
    lines = ["## Decision", ""]
    lines += [
        f"**{plain(event_words(moment.event))}**, {when}, by {plain(moment.actor)}: {plain(moment.message)}"
    ]
    lines += ["", meaning, "", f"To do: {plain(report.remedy)}"]
    known = _evidence(found.checks) if measured(found.checks) else ["No check had been measured then."]
    return [*lines, "", *known]


def _last(report: ReportView) -> list[str]:
    if not last_says_more(report):
        return []
    title = "## Evidence at the end" if report.terminal else "## Evidence now"
    return [title, "", *_evidence(report.last_checks)]


def _warnings(report: ReportView) -> list[str]:
    if not report.warnings:
        return []
    return ["## Warnings", "", *(f"- {plain(each)}" for each in report.warnings)]


def _evidence(checks: Iterable[CheckEvidence]) -> list[str]:
    checks = list(checks)
    rows = [
        (
            check.name + (" (report only)" if check.report_only else ""),
            check.verdict.value,
            *(amount(value, check.unit) for value in (check.canary, check.stable, check.limit)),
            f"{check.requests:,}",
        )
        for check in checks
    ]
    lines = [*_table(("Check", "Verdict", "Canary", "Stable", "Limit", "Requests"), rows), ""]
    for check in checks:
        lines.append(f"- {check.verdict.value}: {plain(check.sentence)}")
        lines += [f"  - {plain(detail)}" for detail in check.details]
    return lines


def _series(report: ReportView) -> list[str]:
    lines = ["## Weight over time", "", *_table(*tables.weight_rows(report, _MOST_ROWS))]
    for series in report.checks:
        lines += _of_check(report, series)
    return lines


def _of_check(report: ReportView, series: CheckSeries) -> list[str]:
    columns, rows = tables.check_rows(report, series, _MOST_ROWS)
    if not rows:
        return ["", f"Nothing was measured of {plain(series.name)}."]
    return ["", f"## {plain(series.name)} over time", "", *_table(columns, rows)]


def _timeline(report: ReportView) -> list[str]:
    lines = ["## Timeline", ""]
    decided = report.decision.moment.seq if report.decision else 0
    for moment in report.timeline:
        said = f"{plain(event_words(moment.event))}" + (" (decision)" if moment.seq == decided else "")
        weight = tables.weight(moment.weight, moment.mirror)
        where = f"at {weight}, {moment.phase}, {moment.reason}, by {plain(moment.actor)}"
        lines.append(f"- {since_begin(report, moment.at)} **{said}** {where}: {plain(moment.message)}")
    return lines


def _policy(report: ReportView) -> list[str]:
    policy = report.policy
    if policy is None:
        return []
    heading = "Weights that the judge may choose:" if policy.auto_steps else "Steps:"
    return [
        "## Policy",
        "",
        *(f"- {name}: {plain(value)}" for name, value in tables.policy_facts(policy)),
        "",
        *_table(("Check", "Limit", "Worse than stable by at most"), tables.limits(policy)),
        "",
        heading,
        "",
        *_table(("Weight", "For", "Requests at least", "Deadline"), tables.steps(policy)),
    ]


def _actors(report: ReportView) -> list[str]:
    lines = ["## Actors", ""]
    for actor in report.actors:
        events = f" ({', '.join(event_words(event) for event in actor.events)})" if actor.events else ""
        entries = "entry" if actor.entries == 1 else "entries"
        lines.append(f"- {plain(actor.name)}: {actor.entries:,} log {entries}{plain(events)}")
    return [*lines, "", f"Made by {plain(report.made_by)} at {instant(report.made_at)}."]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = f"| {' | '.join(columns)} |"
    return [
        head,
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(inline(cell) for cell in row)} |" for row in rows),
    ]
