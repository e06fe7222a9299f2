"""Rules of waiting for people's approval.

A rollout that waits goes through every rule of harm first, and asks only when all else is met: a yes is
followed at once. Silence and no do what the policy says.
"""

from dataclasses import replace

from controller.domain.approval import Asking, Goal
from controller.domain.model import Rollout
from controller.domain.observation import Observation
from controller.domain.observing import Folded
from controller.domain.policy import Fallback, Gate, Policy
from controller.domain.rules.turns import Turn, hold, refuse, tell, withdraw
from controller.domain.table import Trigger
from controller.domain.vocabulary import Reason
from controller.domain.wording import duration, listed, percent


def awaited(folded: Folded, seen: Observation, goal: Goal | None) -> Turn | None:
    """Ask people, or wait for them; None when they have approved, or nobody is to be asked."""
    rollout = folded.rollout
    if goal is None:
        return None
    if rollout.asking is None or rollout.asking.goal != goal:
        asking = Asking(goal, seen.at, rollout.policy.approval.people)
        message = waits(rollout.policy, asking)
        asked = replace(rollout, asking=asking, reason=Reason.WAITING_FOR_APPROVAL, message=message)
        return Turn(asked, "approval_asked")
    if rollout.asking.granted:
        return None
    return hold(folded, Reason.WAITING_FOR_APPROVAL, waits(rollout.policy, rollout.asking))


def unanswered(folded: Folded, seen: Observation) -> Turn | None:
    """People are asked already: nothing else is done before their word."""
    asking = folded.rollout.asking
    return awaited(folded, seen, asking.goal) if asking is not None else None


def overdue(folded: Folded, seen: Observation) -> Turn | None:
    """The time that the policy gives people is over: tell them, or end it."""
    rollout, rules, asking = folded.rollout, folded.rollout.policy.approval, folded.rollout.asking
    if asking is None or asking.granted or rules.within is None or asking.waited < rules.within:
        return None
    message = f"not approved within {duration(rules.within)}: {waits(rollout.policy, asking)}"
    if rules.on_timeout is Fallback.ROLLBACK:
        return decline(rollout, seen, Reason.APPROVAL_TIMED_OUT, message)
    told = Reason.APPROVAL_TIMED_OUT
    return None if told in rollout.told else tell(rollout, "approval_overdue", told, told, message)


def decline(rollout: Rollout, seen: Observation | None, cause: Reason, message: str) -> Turn:
    """The end for want of approval: without any traffic it is not deployed, with traffic it goes back."""
    if rollout.route.intended.canary is None:
        return refuse(rollout, cause, message)
    return withdraw(rollout, seen, Trigger.FAIL, cause, message)


def waits(policy: Policy, asking: Asking) -> str:
    """For whose approval of what it waits, in words for people."""
    more = "" if not asking.approvals else " more"
    people = f"{asking.missing}{more} {'person' if asking.missing == 1 else 'people'}"
    so_far = f"; approved by {listed(asking.actors)}" if asking.approvals else ""
    return f"{what(policy, asking.goal)} waits for the approval of {people}{so_far}"


def what(policy: Policy, goal: Goal) -> str:
    """What is to be approved, in words for people."""
    match goal.gate:
        case Gate.STEP if goal.step is not None:
            return f"step {goal.step + 1} ({percent(policy.steps[goal.step].weight_permille)})"
        case _:
            return f"the {goal.gate}"
