"""Answers as tables and paragraphs for people."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from controller.control.approval_views import ApprovalView
from controller.control.check_views import CheckView, amount
from controller.control.views import EntryList, EntryView, StatusList, StatusView
from controller.control.why import WhyView
from controller.domain.vocabulary import Phase, Verdict
from controller.domain.wording import duration, listed, printable

_DIGEST_LETTERS = 12
_BAR_CELLS = 20
_VERDICT_STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.UNKNOWN: "yellow",
    Verdict.SKIPPED: "dim",
}
_PHASE_STYLES = {
    Phase.SUCCEEDED: "green",
    Phase.ROLLING_BACK: "bold red",
    Phase.ROLLED_BACK: "red",
    Phase.NOT_DEPLOYED: "red",
    Phase.PAUSED: "yellow",
    Phase.FROZEN: "bold yellow",
    Phase.HALTED: "bold red",
    Phase.SUPERSEDED: "dim",
    Phase.ABORTED: "dim",
}


def status_list(answer: StatusList, now: datetime, *, wide: bool, namespaces: bool = False) -> RenderableType:
    """One line for each rollout; with ``namespaces``, which one it is in."""
    columns = [
        *(["NAMESPACE"] if namespaces else []),
        "MODEL",
        "VERSION",
        "PHASE",
        "STEP",
        "WEIGHT",
        "VERDICT",
        "NEXT",
        "AGE",
    ]
    table = _table(*columns, *(("ROLLOUT", "STABLE", "REASON", "POLICY", "BY") if wide else ()))
    for status in answer.items:
        row = [
            *([_cell(status.namespace or "-")] if namespaces else []),
            _cell(status.model),
            _cell(status.canary),
            _phase(status.phase),
            _cell(step_of(status)),
            _cell(weight_of(status.weight)),
            _verdict(status.verdict),
            _cell(_until(status.next_at, now)),
            _cell(_rounded(now - status.created_at)),
        ]
        if wide:
            digest = status.policy[:_DIGEST_LETTERS]
            more = (status.rollout, status.stable or "-", status.reason, digest or "-", status.created_by)
            row += [_cell(text) for text in more]
        table.add_row(*row)
    return table


def status_detail(status: StatusView, now: datetime, *, wide: bool) -> RenderableType:
    """One rollout with its checks."""
    facts = _facts()
    facts.add_row("rollout", _cell(f"{status.rollout}: {status.canary} of {status.model}"))
    if status.namespace is not None:
        facts.add_row("namespace", _cell(status.namespace))
    facts.add_row("stable", _cell(status.stable or "none"))
    facts.add_row("phase", _phase(status.phase))
    facts.add_row("step", _cell(f"{step_of(status)}  {weight_bar(status.weight)} {weight_of(status.weight)}"))
    facts.add_row("verdict", _verdict(status.verdict))
    facts.add_row("reason", _cell(f"{status.reason}: {status.message}"))
    if status.approval is not None:
        facts.add_row("approval", _cell(approval_of(status.approval, now)))
    facts.add_row("next", _cell(_until(status.next_at, now)))
    if wide:
        facts.add_row("policy", _cell(status.policy or "-"))
        facts.add_row("created", _cell(f"{_instant(status.created_at)} by {status.created_by or '-'}"))
        facts.add_row("updated", _cell(_instant(status.updated_at)))
        facts.add_row("retry of", _cell(status.retry_of or "-"))
    return Group(facts, Text(""), checks(status.checks)) if status.checks else facts


def checks(views: tuple[CheckView, ...]) -> Table:
    """One line for each check: value against limit."""
    table = _table("CHECK", "VERDICT", "VALUE", "LIMIT", "STABLE", "REQUESTS", "FAILURES")
    for view in views:
        table.add_row(
            _cell(view.name + (" (report only)" if view.report_only else "")),
            _verdict(view.verdict),
            *(_cell(amount(value, view.unit)) for value in (view.value, view.limit, view.stable_value)),
            _cell(f"{view.requests:,}"),
            _cell(f"{view.failures} of {view.budget}"),
        )
    return table


def why(answer: WhyView, now: datetime, as_called: Callable[[str], str]) -> RenderableType:
    """Why a rollout stands where it stands, and what to do, ``as_called`` by this person."""
    facts = _facts()
    facts.add_row("rollout", _cell(f"{answer.rollout}: {answer.canary} of {answer.model}"))
    facts.add_row("phase", _phase(answer.phase))
    facts.add_row("verdict", _verdict(answer.verdict))
    facts.add_row("reason", _cell(f"{answer.reason}: {answer.meaning}"))
    facts.add_row("here", _cell(answer.message or "-"))
    for check in answer.checks:
        line = _verdict(check.verdict)
        facts.add_row("check", line.append(f"  {printable(check.sentence)}", style="default"))
        for detail in check.details:
            facts.add_row("", _cell(f"  {detail}"))
    for warning in answer.warnings:
        facts.add_row("warning", _cell(warning))
    if answer.approval is not None:
        facts.add_row("approval", _cell(approval_of(answer.approval, now)))
    at = f", {_until(answer.next_at, now)} at the earliest" if answer.next_at else ""
    facts.add_row("next", _cell(f"{answer.next_action}{at}"))
    if answer.deadline is not None:
        facts.add_row("deadline", _cell(f"{_until(answer.deadline, now)}: {answer.deadline_action}"))
    facts.add_row("to do", _cell(as_called(answer.remedy)))
    return facts


def history(answer: EntryList, *, wide: bool) -> RenderableType:
    """One line for each log entry."""
    columns = ["TIME", "ROLLOUT", "EVENT", "PHASE", "WEIGHT", "REASON", "BY", "MESSAGE"]
    table = _table(*columns, *(("SEQ", "STEP", "VERDICT") if wide else ()))
    for entry in answer.items:
        texts = (_instant(entry.at), entry.rollout, entry.event)
        row = [*(_cell(text) for text in texts), _phase(entry.phase)]
        row += [_cell(text) for text in (weight_of(entry.weight), entry.reason, entry.actor, entry.message)]
        if wide:
            row += [_cell(str(entry.seq)), _cell(str(entry.step)), _verdict(entry.verdict)]
        table.add_row(*row)
    return table


def line_of(entry: StatusView | EntryView, name: str | None = None) -> str:
    """A status or a log entry on one line, for pipes and for who waits; ``name`` if it is not the id."""
    at = entry.at if isinstance(entry, EntryView) else entry.updated_at
    facts = (
        f"{_instant(at)}  {name or entry.rollout}  {entry.phase}  {weight_of(entry.weight)}  {entry.reason}"
    )
    return printable(f"{facts}: {entry.message}" if entry.message else facts)


def approval_of(approval: ApprovalView, now: datetime) -> str:
    """Of what, by whom, until when: ``the promotion: 1 of 2, by bob; 1 missing; gate desk is asked``."""
    said = [_people(approval, now)] if approval.people else []
    for gate in approval.gates:
        answer = "lets it pass" if gate.passed else f"is asked{_silence(gate.until, gate.on_timeout, now)}"
        said.append(f"gate {gate.name} {answer}")
    return f"{approval.what}: {'; '.join(said)}"


def _people(approval: ApprovalView, now: datetime) -> str:
    given = f"{len(approval.approved_by)} of {approval.people}"
    by = f", by {listed(approval.approved_by)}" if approval.approved_by else ""
    missing = f"; {approval.missing} missing" if approval.missing else ""
    return f"{given}{by}{missing}{_silence(approval.until, approval.on_timeout, now)}"


def _silence(until: datetime | None, on_timeout: Literal["hold", "rollback"], now: datetime) -> str:
    end = {"rollback": "ends the rollout", "hold": "is told"}[on_timeout]
    return f"; silence {end} {_until(until, now)}" if until else ""


def step_of(status: StatusView) -> str:
    """``2/4``."""
    return f"{status.step}/{status.steps}"


def weight_of(percent: float) -> str:
    """``5%``, ``0.1%``."""
    return f"{percent:g}%"


def weight_bar(percent: float) -> str:
    """The weight as a bar; what is above 0 shows at least one cell."""
    filled = round(percent / 100 * _BAR_CELLS) if percent else 0
    filled = max(filled, 1) if percent else 0
    return f"[{'#' * filled}{'.' * (_BAR_CELLS - filled)}]"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _facts() -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _cell(text: str) -> Text:
    return Text(printable(text))


def _phase(phase: Phase) -> Text:
    return Text(phase, style=_PHASE_STYLES.get(phase, "cyan"))


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict, style=_VERDICT_STYLES[verdict])


def _until(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "-"
    return "now" if at <= now else f"in {_rounded(at - now)}"


def _rounded(span: timedelta) -> str:
    return duration(timedelta(seconds=max(round(span.total_seconds()), 0)))


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
