"""A committed entry as a CloudEvent, for programs.

**Invariant**: built from typed fields only; the same entry always gives the same id. What is published stays:
a field may come, none may go or change its meaning without a new version in the type.

**Source**: CloudEvents 1.0.2, JSON event format, structured mode.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from controller.adapters.notify.severity import Severity, severity_of
from controller.control.check_views import CheckView, check_views
from controller.domain.model import Entry
from controller.domain.table import Trigger
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.ports import Posting

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
_LONGEST_MESSAGE = 3000
_BEFORE_TRAFFIC = frozenset({Phase.PENDING, Phase.PREPARING, Phase.VALIDATING})
_BY_PHASE = {
    Phase.SUCCEEDED: "promoted",
    Phase.ROLLED_BACK: "rolledback",
    Phase.NOT_DEPLOYED: "notdeployed",
    Phase.HALTED: "halted",
    Phase.PAUSED: "paused",
    Phase.FROZEN: "paused",
}
_STEPS = frozenset(
    {Trigger.VALID, Trigger.STEP, Trigger.EASE, Trigger.PROMOTE, Trigger.IN_FORCE, Trigger.FAIL}
)
KINDS = ("started", "stepped", "held", "paused", "promoted", "rolledback", "notdeployed", "halted")
"""What `kind_of` may say."""
_STARTS = frozenset({"created", Trigger.START, Trigger.READY})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Versions(_Part):
    """Which version the canary is, and which it is compared with; stable is null in a first deployment."""

    stable: str | None
    canary: str


class RolloutData(_Part):
    """What happened. ``weight_percent`` is the canary's share as asked for, from 0 to 100."""

    model: str
    namespace: str
    rollout: str
    versions: Versions
    severity: Severity = Field(description="How much it matters to people.")
    event: str = Field(description="The entry's name in the decision log.")
    phase_before: Phase
    phase: Phase
    reason: Reason
    message: str = Field(description="One sentence for people. Text: no markup.")
    step: int = Field(description="From 1; 0 before the first.")
    steps: int
    weight_percent: float
    mirror_percent: float = Field(
        default=0.0, description="Share of the requests that are copied to the canary, at the weight 0."
    )
    verdict: Verdict
    checks: Sequence[CheckView]
    actor: str
    page: str | None = Field(default=None, description="Its page, where the operator has one.")
    report: str | None = Field(default=None, description="Its report, as one page; as `page`.")


class RolloutEvent(_Part):
    """The whole event."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="The same in every repeat.")
    source: str = Field(description="The model: /serinus/NAMESPACE/MODEL.")
    type: str = Field(pattern=r"^dev\.serinus\.rollout\.[a-z]+\.v1$")
    subject: str = Field(description="The rollout.")
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: RolloutData


def event_of(posting: Posting) -> RolloutEvent:
    """The event of an entry."""
    rollout, entry = posting.rollout, posting.entry
    data = RolloutData(
        model=rollout.model,
        namespace=rollout.policy.namespace,
        rollout=rollout.id,
        versions=Versions(
            stable=rollout.stable.version if rollout.stable else None, canary=rollout.release.version
        ),
        severity=severity_of(entry),
        event=entry.event,
        phase_before=entry.phase_before,
        phase=entry.phase,
        reason=entry.reason,
        message=entry.message[:_LONGEST_MESSAGE],
        step=0 if entry.step is None else entry.step + 1,
        steps=len(rollout.policy.steps),
        weight_percent=entry.weight_permille / 10,
        mirror_percent=entry.mirror_permille / 10,
        verdict=entry.assessment.verdict,
        checks=check_views(rollout.policy.checks, entry.assessment.checks),
        actor=entry.actor,
        page=posting.page or None,
        report=posting.report or None,
    )
    return RolloutEvent(
        id=posting.id,
        source=f"/serinus/{rollout.policy.namespace}/{rollout.model}",
        type=f"dev.serinus.rollout.{kind_of(entry)}.v1",
        subject=rollout.id,
        time=entry.at,
        data=data,
    )


def kind_of(entry: Entry) -> str:
    """What kind of thing happened, in the words that types are made of."""
    if entry.phase.terminal and entry.phase not in _BY_PHASE:  # aborted, superseded
        return "notdeployed" if entry.phase_before in _BEFORE_TRAFFIC else "rolledback"
    if entry.phase in _BY_PHASE:
        return _BY_PHASE[entry.phase]
    if entry.event in _STARTS:
        return "started"
    return "stepped" if entry.event in _STEPS else "held"
