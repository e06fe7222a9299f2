"""Whose word a rollout waits for: people's approval, and that of gates, which are programs.

An asking is for one thing: the start, one step's weight, or the promotion. It ends when that is given, or
when the gateway is asked for any other weight, and what was answered ends with it: no word ever lets anything
pass that was not asked for when it was said. All that was said stays in the decision log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.policy import FULL_WEIGHT_PERMILLE, Milestone, Policy, Step


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be let pass. ``step`` is the index of the step whose weight it is, None for the others."""

    milestone: Milestone
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Needed:
    """Whose word a goal needs: how many people's, and which gates'."""

    goal: Goal
    people: int
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes. ``request_id`` is that of the command."""

    actor: str
    at: datetime
    request_id: str


@dataclass(frozen=True, slots=True)
class Asking:
    """What was asked, and the answers so far: of each person one. ``passed`` are the gates that let it pass.

    ``number`` is that of the log entry that asked. ``waited`` is observed time, and counted only where the
    policy sets a time.
    """

    goal: Goal
    at: datetime
    people: int
    approvals: tuple[Approval, ...] = ()
    waited: timedelta = timedelta(0)
    number: int = 0
    gates: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """How many more people must approve."""
        return max(self.people - len(self.approvals), 0)

    @property
    def shut(self) -> tuple[str, ...]:
        """The gates that have not let it pass yet."""
        return tuple(name for name in self.gates if name not in self.passed)

    @property
    def granted(self) -> bool:
        """Whether enough people have approved, and every gate lets it pass."""
        return not self.missing and not self.shut

    @property
    def actors(self) -> tuple[str, ...]:
        """Who has approved, in the order of their words."""
        return tuple(approval.actor for approval in self.approvals)


def needed_to_start(policy: Policy) -> Needed | None:
    """Whose word is needed before anything is done; None where nobody is asked."""
    return _needed(policy, Goal(Milestone.START))


def needed_for_step(policy: Policy, step: int, first: int | None = None) -> Needed | None:
    """Whose word is needed before the weight of a step; None where nobody is asked.

    With the steps from ``first`` on, which are left out: who is asked there is asked all the same.
    """
    return _needed(
        policy, Goal(Milestone.STEP, step), policy.steps[step if first is None else first : step + 1]
    )


def needed_to_promote(policy: Policy, present: int | None) -> Needed | None:
    """Whose word is needed before everyone is served, from the present step on; None where nobody is asked.

    Who skips a step skips no word: a promotion from below a step that asks for one asks as well.
    """
    return _needed(policy, Goal(Milestone.PROMOTION), policy.steps[0 if present is None else present + 1 :])


def needed_after_step(policy: Policy, present: int, following: int) -> Needed | None:
    """Whose word is needed before the weight that follows a step; None where nobody is asked."""
    last = following >= len(policy.steps) or policy.steps[following].weight_permille >= FULL_WEIGHT_PERMILLE
    return needed_to_promote(policy, present) if last else needed_for_step(policy, following, present + 1)


def asks_people(policy: Policy) -> bool:
    """Whether a rollout under the policy ever waits for approval."""
    return bool(policy.approval.before) or any(step.approval for step in policy.steps)


def _needed(policy: Policy, goal: Goal, steps: Sequence[Step] = ()) -> Needed | None:
    """Of the rules for the milestone itself, and of the steps that it comes with."""
    asks = goal.milestone in policy.approval.before or any(step.approval for step in steps)
    named = [rules.name for rules in policy.gates if goal.milestone in rules.before]
    gates = tuple(dict.fromkeys([*named, *(step.gate for step in steps if step.gate)]))
    return Needed(goal, policy.approval.people if asks else 0, gates) if asks or gates else None
