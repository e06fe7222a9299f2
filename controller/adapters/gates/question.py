"""What a gate is asked, as a CloudEvent, and what it may answer.

**Invariant**: the same asking always gives the same id, however often it is put. What is published stays: a
field may come, none may go or change its meaning without a new version in the type.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from controller.adapters.notify.cloudevent import Versions
from controller.control.check_views import CheckView, check_views
from controller.domain.approval import Asking
from controller.domain.model import Rollout
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Milestone
from controller.domain.rules.approving import what
from controller.domain.vocabulary import Verdict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class GateData(_Part):
    """What is to be let pass. Weights are shares of the requests, from 0 to 100."""

    gate: str
    model: str
    namespace: str
    rollout: str
    versions: Versions
    before: Milestone
    what: str = Field(description="The same in words for people. Text: no markup.")
    weight_percent: float = Field(description="What the canary gets now.")
    wanted_percent: float = Field(
        description="What it gets next, if it may pass; 0 before the start, and before a shadow."
    )
    verdict: Verdict
    checks: Sequence[CheckView]
    created_by: str = Field(description="Who deployed the version.")
    approved_by: Sequence[str] = Field(description="The people who have approved it so far.")


class GateQuestion(_Part):
    """The whole event."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="The same in every repeat.")
    source: str = Field(description="The model: /serinus/NAMESPACE/MODEL.")
    type: Literal["dev.serinus.gate.asked.v1"] = "dev.serinus.gate.asked.v1"
    subject: str = Field(description="The rollout.")
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: GateData


class GateAnswer(_Part):
    """The answer's body, with status 200. Whatever else stands in it is ignored."""

    decision: Literal["allow", "deny", "wait"] = Field(
        description="With wait it is asked again, after Retry-After or the policy's interval."
    )


def question_id(rollout: Rollout, asking: Asking, gate: str) -> str:
    """The question's name: asked anew, it is another."""
    return f"{rollout.id}-{asking.number}-{gate}"


def question_of(rollout: Rollout, asking: Asking, gate: str) -> GateQuestion:
    """What the gate is asked."""
    policy, evidence = rollout.policy, rollout.evidence
    stable = rollout.stable.version if rollout.stable else None
    return GateQuestion(
        id=question_id(rollout, asking, gate),
        source=f"/serinus/{policy.namespace}/{rollout.model}",
        subject=rollout.id,
        time=asking.at,
        data=GateData(
            gate=gate,
            model=rollout.model,
            namespace=policy.namespace,
            rollout=rollout.id,
            versions=Versions(stable=stable, canary=rollout.release.version),
            before=asking.goal.milestone,
            what=what(policy, asking.goal),
            weight_percent=rollout.share_permille / 10,
            wanted_percent=_wanted_permille(rollout, asking) / 10,
            verdict=evidence.verdict,
            checks=check_views(policy.checks, evidence.checks),
            created_by=rollout.created_by,
            approved_by=asking.actors,
        ),
    )


def _wanted_permille(rollout: Rollout, asking: Asking) -> int:
    goal = asking.goal
    if goal.milestone is Milestone.STEP and goal.step is not None:
        return rollout.policy.steps[goal.step].weight_permille
    return FULL_WEIGHT_PERMILLE if goal.milestone is Milestone.PROMOTION else 0
