"""What is said of a rollout in a few words, the same in a table, in the live view and on a line."""

from datetime import datetime, timedelta
from typing import Literal

from controller.control.approval_views import ApprovalView
from controller.control.record_view import StepView
from controller.control.views import EntryView, StatusView
from controller.domain.wording import TESTERS, duration, listed, printable

_BAR_CELLS = 20


def line_of(entry: StatusView | EntryView, name: str | None = None) -> str:
    """A status or a log entry on one line, for pipes and for who waits; ``name`` if it is not the id."""
    at = entry.at if isinstance(entry, EntryView) else entry.updated_at
    weight = weight_of(entry.weight, entry.mirror)
    facts = f"{instant(at)}  {name or entry.rollout}  {entry.phase}  {weight}  {entry.reason}"
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


def _silence(ends: datetime | None, on_timeout: Literal["hold", "rollback"], now: datetime) -> str:
    leads_to = {"rollback": "ends the rollout", "hold": "is told"}[on_timeout]
    return f"; silence {leads_to} {until(ends, now)}" if ends else ""


def step_of(status: StatusView) -> str:
    """``2/4``."""
    return f"{status.step}/{status.steps}"


def weight_of(percent: float, mirror: float = 0.0) -> str:
    """``5%``, ``0.1%``; ``shadow 10%`` where requests are only copied."""
    return f"shadow {mirror:g}%" if mirror else f"{percent:g}%"


def share_of(status: StatusView) -> str:
    """The weight, or ``testers`` where nobody else gets the canary."""
    testers = TESTERS in status.audience and not status.weight
    return TESTERS if testers else weight_of(status.weight, status.mirror)


def step_name(step: StepView) -> str:
    """The same of a step."""
    return TESTERS if step.testers else weight_of(step.weight, step.mirror)


def weight_bar(percent: float) -> str:
    """The weight as a bar; what is above 0 shows at least one cell."""
    filled = round(percent / 100 * _BAR_CELLS) if percent else 0
    filled = max(filled, 1) if percent else 0
    return f"[{'#' * filled}{'.' * (_BAR_CELLS - filled)}]"


def until(at: datetime | None, now: datetime) -> str:
    """``in 25s``, ``now`` for what is over, ``-`` where nothing says."""
    if at is None:
        return "-"
    return "now" if at <= now else f"in {rounded(at - now)}"


def rounded(span: timedelta) -> str:
    """In whole seconds, never below 0."""
    return duration(timedelta(seconds=max(round(span.total_seconds()), 0)))


def instant(at: datetime) -> str:
    """As logs have it: ``2026-01-01T09:05:07Z``."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
