"""What a rollout asks people and gates, as people and programs see it. Pure."""

from datetime import datetime, timedelta
from typing import Literal

from controller.control.check_views import View
from controller.domain.model import Rollout
from controller.domain.rules.approving import what


class GateView(View):
    """One gate that is asked. ``until`` is the end of the time that the policy gives it, if it does."""

    name: str
    passed: bool
    until: datetime | None
    on_timeout: Literal["hold", "rollback"]
    on_deny: Literal["hold", "rollback"]
    on_error: Literal["hold", "rollback"]


class ApprovalView(View):
    """``what`` is what waits; ``people`` is how many are asked, 0 where gates alone are.

    ``number`` is that of the log entry that asked; ``until`` the end of the time that the policy gives
    people, if it does.
    """

    what: str
    number: int
    people: int
    approved_by: tuple[str, ...]
    missing: int
    asked_at: datetime
    until: datetime | None
    on_timeout: Literal["hold", "rollback"]
    on_deny: Literal["hold", "rollback"]
    gates: tuple[GateView, ...] = ()


def approval_view(rollout: Rollout, now: datetime) -> ApprovalView | None:
    """What is asked, None where nobody is. ``until`` assumes that time is watched from now on."""
    asking, rules = rollout.asking, rollout.policy.approval
    if asking is None:
        return None
    since = rollout.updated_at or rollout.created_at

    def until(within: timedelta | None, *, answered: bool) -> datetime | None:
        if answered or within is None or asking.waited >= within:
            return None
        return max(now, since + within - asking.waited)

    gates = [(rollout.policy.gate(name), name in asking.passed) for name in asking.gates]
    return ApprovalView(
        what=what(rollout.policy, asking.goal),
        number=asking.number,
        people=asking.people,
        approved_by=asking.actors,
        missing=asking.missing,
        asked_at=asking.at,
        until=until(rules.within, answered=not asking.missing),
        on_timeout=rules.on_timeout.value,
        on_deny=rules.on_deny.value,
        gates=tuple(
            GateView(
                name=gate.name,
                passed=passed,
                until=until(gate.within, answered=passed),
                on_timeout=gate.on_timeout.value,
                on_deny=gate.on_deny.value,
                on_error=gate.on_error.value,
            )
            for gate, passed in gates
        ),
    )
