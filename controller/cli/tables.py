"""Answers as tables and paragraphs for people."""

from collections.abc import Callable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from controller.cli.phrases import (
    approval_of,
    instant,
    rounded,
    share_of,
    step_of,
    until,
    weight_bar,
    weight_of,
)
from controller.cli.styles import PHASE_STYLES, VERDICT_STYLES
from controller.control.check_views import CheckView, amount
from controller.control.diff_view import DiffView
from controller.control.views import EntryList, StatusList, StatusView
from controller.control.why import WhyView
from controller.domain.vocabulary import Phase, Verdict
from controller.domain.wording import printable

_DIGEST_LETTERS = 12


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
    table = _table(*columns, *(("ROLLOUT", "STABLE", "REASON", "AUDIENCE", "POLICY", "BY") if wide else ()))
    for status in answer.items:
        row = [
            *([_cell(status.namespace or "-")] if namespaces else []),
            _cell(status.model),
            _cell(status.canary),
            _phase(status.phase),
            _cell(step_of(status)),
            _cell(share_of(status)),
            _verdict(status.verdict),
            _cell(until(status.next_at, now)),
            _cell(rounded(now - status.created_at)),
        ]
        if wide:
            digest = status.policy[:_DIGEST_LETTERS]
            audience = ", ".join(status.audience) or "-"
            first = (status.rollout, status.stable or "-", status.reason, audience)
            more = (*first, digest or "-", status.created_by)
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
    facts.add_row("step", _cell(f"{step_of(status)}  {weight_bar(status.weight)} {share_of(status)}"))
    if status.audience:
        facts.add_row("audience", _cell(", ".join(status.audience)))
    facts.add_row("verdict", _verdict(status.verdict))
    facts.add_row("reason", _cell(f"{status.reason}: {status.message}"))
    if status.approval is not None:
        facts.add_row("approval", _cell(approval_of(status.approval, now)))
    facts.add_row("next", _cell(until(status.next_at, now)))
    if wide:
        facts.add_row("policy", _cell(status.policy or "-"))
        facts.add_row("created", _cell(f"{instant(status.created_at)} by {status.created_by or '-'}"))
        facts.add_row("updated", _cell(instant(status.updated_at)))
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
    if answer.drained:
        facts.add_row("drain", _cell(answer.drained))
    at = f", {until(answer.next_at, now)} at the earliest" if answer.next_at else ""
    facts.add_row("next", _cell(f"{answer.next_action}{at}"))
    if answer.deadline is not None:
        facts.add_row("deadline", _cell(f"{until(answer.deadline, now)}: {answer.deadline_action}"))
    facts.add_row("to do", _cell(as_called(answer.remedy)))
    return facts


def history(answer: EntryList, *, wide: bool) -> RenderableType:
    """One line for each log entry."""
    columns = ["TIME", "ROLLOUT", "EVENT", "PHASE", "WEIGHT", "REASON", "BY", "MESSAGE"]
    table = _table(*columns, *(("SEQ", "STEP", "VERDICT") if wide else ()))
    for entry in answer.items:
        texts = (instant(entry.at), entry.rollout, entry.event)
        row = [*(_cell(text) for text in texts), _phase(entry.phase)]
        weight = weight_of(entry.weight, entry.mirror)
        row += [_cell(text) for text in (weight, entry.reason, entry.actor, entry.message)]
        if wide:
            row += [_cell(str(entry.seq)), _cell(str(entry.step)), _verdict(entry.verdict)]
        table.add_row(*row)
    return table


def diff(answer: DiffView, *, wide: bool) -> RenderableType:
    """A line for each field that differs, by subject; ``wide`` also names those that do not."""
    before, after = answer.before, answer.after
    table = _table("FIELD", *(printable(f"{each.rollout} ({each.version})") for each in (before, after)))
    for subject, found in (
        ("version", answer.version),
        ("policy", answer.policy),
        ("outcome", answer.outcome),
        ("checks", answer.checks),
    ):
        if not found:
            table.add_row(Text(subject, style="bold"), Text("same", style="dim"), Text("same", style="dim"))
        for each in found:
            short = _DIGEST_LETTERS if each.field == "digest" else None
            values = (_set(value)[:short] for value in (each.before, each.after))
            table.add_row(_cell(f"{subject}.{each.field}"), *map(_cell, values))
    if not wide:
        return table
    return Group(table, Text(""), _cell(f"same: {', '.join(answer.same) or 'nothing'}"))


def _set(value: str | None) -> str:
    return "-" if value is None else value


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
    return Text(phase, style=PHASE_STYLES.get(phase, "cyan"))


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict, style=VERDICT_STYLES[verdict])
