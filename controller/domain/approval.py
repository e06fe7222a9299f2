"""What a rollout asks people to approve, and who has.

An asking is for one thing: the start, one step's weight, or the promotion. It ends when that is given, or
when the gateway is asked for any other weight, and what was answered ends with it: no word ever lets anything
pass that was not asked for when it was said. All that was said stays in the decision log.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.policy import FULL_WEIGHT_PERMILLE, Gate, Policy


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be approved. ``step`` is the index of the step whose weight it is, None for the others."""

    gate: Gate
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes. ``request_id`` is that of the command."""

    actor: str
    at: datetime
    request_id: str


@dataclass(frozen=True, slots=True)
class Asking:
    """What people were asked, and their answers so far: one of each person.

    ``waited`` is observed time, and counted only where the policy sets people a time.
    """

    goal: Goal
    at: datetime
    people: int
    approvals: tuple[Approval, ...] = ()
    waited: timedelta = timedelta(0)

    @property
    def missing(self) -> int:
        """How many more people must approve."""
        return max(self.people - len(self.approvals), 0)

    @property
    def granted(self) -> bool:
        """Whether enough people have approved."""
        return not self.missing

    @property
    def actors(self) -> tuple[str, ...]:
        """Who has approved, in the order of their words."""
        return tuple(approval.actor for approval in self.approvals)


def goal_of_start(policy: Policy) -> Goal | None:
    """What must be approved before anything is done; None where nobody is asked."""
    return Goal(Gate.START) if Gate.START in policy.approval.before else None


def goal_of_step(policy: Policy, step: int) -> Goal | None:
    """What must be approved before the weight of a step; None where nobody is asked."""
    return Goal(Gate.STEP, step) if policy.steps[step].approval else None


def goal_of_promotion(policy: Policy, present: int | None) -> Goal | None:
    """What must be approved before everyone is served, from the present step on; None where nobody is asked.

    Who skips a step skips no approval: a promotion from below a step that asks for one asks as well.
    """
    skipped = policy.steps[0 if present is None else present + 1 :]
    asks = Gate.PROMOTION in policy.approval.before or any(step.approval for step in skipped)
    return Goal(Gate.PROMOTION) if asks else None


def goal_after_step(policy: Policy, present: int) -> Goal | None:
    """What must be approved before the weight that follows a step; None where nobody is asked."""
    following = present + 1
    last = following >= len(policy.steps) or policy.steps[following].weight_permille >= FULL_WEIGHT_PERMILLE
    return goal_of_promotion(policy, present) if last else goal_of_step(policy, following)


def asks_people(policy: Policy) -> bool:
    """Whether a rollout under the policy ever waits for approval."""
    return bool(policy.approval.before) or any(step.approval for step in policy.steps)
