"""Records as people and programs see them. Pure, and stable: these field names are a published interface.

**Units**: weights are percent, a check's value and limit are in the check's own unit (``unit``), instants
are UTC. Numbers that JSON cannot hold (NaN, infinities) are shown as null.
"""

from datetime import datetime, timedelta
from typing import Literal

from controller.control.approval_views import ApprovalView, approval_view
from controller.control.check_views import CheckView, View, check_views
from controller.domain.model import Entry, Rollout
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.domain.wording import audience_words

API_VERSION: Literal["serinus.dev/v1alpha1"] = "serinus.dev/v1alpha1"


class Document(View):
    """What an answer consists of."""

    apiVersion: Literal["serinus.dev/v1alpha1"] = API_VERSION  # noqa: N815 - the key that users know from Kubernetes


class StatusView(Document):
    """One rollout. ``step`` counts from 1, 0 is before the first; ``seq`` numbers the last log entry.

    ``mirror`` is the share of users' requests that are copied to the canary, at the weight 0.

    ``namespace`` is where in a cluster its object is; None on one machine. ``approval`` is what people are
    asked, None while nobody is; ``waits_for_person`` is also true while only that is lacking.
    """

    model: str
    rollout: str
    stable: str | None
    canary: str
    phase: Phase
    reason: Reason
    message: str
    verdict: Verdict
    step: int
    steps: int
    weight: float
    checks: tuple[CheckView, ...]
    next_at: datetime | None
    terminal: bool
    waits_for_person: bool
    created_at: datetime
    updated_at: datetime
    created_by: str
    retry_of: str | None
    policy: str
    seq: int
    namespace: str | None = None
    approval: ApprovalView | None = None
    audience: tuple[str, ...] = ()
    mirror: float = 0.0


class StatusList(Document):
    """Rollouts, by model."""

    items: tuple[StatusView, ...]


class EntryView(View):
    """One line of a rollout's decision log."""

    rollout: str
    seq: int
    at: datetime
    actor: str
    event: str
    phase: Phase
    reason: Reason
    message: str
    step: int
    weight: float
    verdict: Verdict
    checks: tuple[CheckView, ...]
    notable: bool
    mirror: float = 0.0


class EntryList(Document):
    """Log entries, oldest first."""

    items: tuple[EntryView, ...]


class OutcomeView(Document):
    """What a person's word led to. ``recorded`` is False when only the gateway could be told."""

    rollout: str | None
    operation: str
    phase: Phase | None
    message: str
    recorded: bool = True


def status_view(rollout: Rollout, now: datetime) -> StatusView:
    """A rollout as it stands; ``now`` bounds ``next_at`` from below."""
    updated_at = rollout.updated_at or rollout.created_at
    return StatusView(
        model=rollout.model,
        rollout=rollout.id,
        stable=rollout.stable.version if rollout.stable else None,
        canary=rollout.release.version,
        phase=rollout.phase,
        reason=rollout.reason,
        message=rollout.message,
        verdict=rollout.evidence.verdict,
        step=_step_number(rollout.step),
        steps=len(rollout.policy.steps),
        weight=rollout.share_permille / 10,
        checks=check_views(rollout.policy.checks, rollout.evidence.checks),
        next_at=next_at(rollout, now),
        terminal=rollout.phase.terminal,
        waits_for_person=rollout.waits_for_person,
        created_at=rollout.created_at,
        updated_at=updated_at,
        created_by=rollout.created_by,
        retry_of=rollout.retry_of,
        policy=rollout.policy.digest,
        seq=rollout.seq,
        approval=approval_view(rollout, now),
        audience=audience_words(rollout.route.intended.audience),
        mirror=rollout.mirror_permille / 10,
    )


def entry_view(rollout: Rollout, entry: Entry) -> EntryView:
    """An entry of the rollout's log."""
    return EntryView(
        rollout=rollout.id,
        seq=entry.seq,
        at=entry.at,
        actor=entry.actor,
        event=entry.event,
        phase=entry.phase,
        reason=entry.reason,
        message=entry.message,
        step=_step_number(entry.step),
        weight=entry.weight_permille / 10,
        verdict=entry.assessment.verdict,
        checks=check_views(rollout.policy.checks, entry.assessment.checks),
        notable=entry.notable,
        mirror=entry.mirror_permille / 10,
    )


def next_at(rollout: Rollout, now: datetime) -> datetime | None:
    """When the step, or the bake, can be over at the earliest; None where no clock of the rollout says.

    The record's clocks are those of its last pass, so they are counted on from there.
    """
    if rollout.waits_for_person:
        return None
    match rollout.phase:
        case Phase.PROGRESSING if rollout.step is not None:
            span = rollout.policy.steps[rollout.step].hold
        case Phase.BAKING:
            span = rollout.policy.bake
        case _:
            return None
    left = max(span - rollout.clocks.at_weight, timedelta(0))
    if not rollout.route.in_force:
        return now + left  # the clock stands until the gateway confirms the weight
    return max(now, (rollout.updated_at or rollout.created_at) + left)


def _step_number(index: int | None) -> int:
    return 0 if index is None else index + 1
