"""What a rollout asks people to approve, as people and programs see it. Pure."""

from datetime import datetime
from typing import Literal

from controller.control.check_views import View
from controller.domain.model import Rollout
from controller.domain.rules.approving import what


class ApprovalView(View):
    """``what`` is what waits; ``until`` is the end of the time that the policy gives people, if it does."""

    what: str
    people: int
    approved_by: tuple[str, ...]
    missing: int
    asked_at: datetime
    until: datetime | None
    on_timeout: Literal["hold", "rollback"]
    on_deny: Literal["hold", "rollback"]


def approval_view(rollout: Rollout, now: datetime) -> ApprovalView | None:
    """What people are asked, None where nobody is. ``until`` assumes that time is watched from now on."""
    asking, rules = rollout.asking, rollout.policy.approval
    if asking is None:
        return None
    since, until = rollout.updated_at or rollout.created_at, None
    if rules.within is not None and asking.waited < rules.within and not asking.granted:
        until = max(now, since + rules.within - asking.waited)
    return ApprovalView(
        what=what(rollout.policy, asking.goal),
        people=asking.people,
        approved_by=asking.actors,
        missing=asking.missing,
        asked_at=asking.at,
        until=until,
        on_timeout=rules.on_timeout.value,
        on_deny=rules.on_deny.value,
    )
