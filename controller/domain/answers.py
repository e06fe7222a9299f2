"""People's answers to what a rollout asks them: approve and deny. Pure, like `machine`.

The rules: an answer is to what is asked at that moment, and to nothing else. One person's yes counts once.
Where several people are asked, who deployed the rollout is none of them; where one is asked, it may be that
one. A single no decides, also after a yes and until the weight is given, and anybody may say it.
"""

from dataclasses import replace

from controller.domain.approval import Approval, Asking, Goal, asks_people, goal_of_promotion
from controller.domain.model import Command, CommandKind, Refusal, Rollout
from controller.domain.policy import Fallback, Gate, Policy
from controller.domain.rules.approving import decline, waits, what
from controller.domain.rules.turns import Turn
from controller.domain.table import Trigger, move
from controller.domain.vocabulary import Phase, Reason
from controller.domain.wording import listed

_GOES_ON = {Phase.PENDING: Reason.CREATED, Phase.VALIDATING: Reason.VALIDATION_RUNNING}
"""The reason after the last yes, until the next pass; in every other phase StepRunning."""


def answer(rollout: Rollout, command: Command) -> Turn | Refusal:
    """What follows from approve or deny now, or why nothing can."""
    return _approve(rollout, command) if command.kind is CommandKind.APPROVE else _deny(rollout, command)


def _approve(rollout: Rollout, command: Command) -> Turn | Refusal:
    asking = _asked(rollout)
    if isinstance(asking, Refusal):
        return asking
    goal = what(rollout.policy, asking.goal)
    if asking.granted:
        return Refusal(f"{goal} is approved already by {listed(asking.actors)}")
    if command.actor in asking.actors:
        return Refusal(f"{command.actor} has approved {goal} already; it needs {_others(asking)}")
    if asking.people > 1 and command.actor == rollout.created_by:
        return Refusal(
            f"{command.actor} deployed {rollout.release.version}, and its policy asks {asking.people} other "
            f"people: {goal} needs the approval of {_others(asking)}"
        )
    given = Approval(command.actor, command.at, command.request_id)
    asking = replace(asking, approvals=(*asking.approvals, given))
    if not asking.granted:
        return Turn(replace(rollout, asking=asking, message=waits(rollout.policy, asking)), "approval_given")
    message = f"{goal} is approved by {listed(asking.actors)}"
    reason = rollout.reason
    if reason is Reason.WAITING_FOR_APPROVAL:
        reason = _GOES_ON.get(rollout.phase, Reason.STEP_RUNNING)
    # clocks that stood begin with the next pass, which does not know how long that was
    clocks = replace(rollout.clocks, mark=None) if rollout.phase is Phase.VALIDATING else rollout.clocks
    return Turn(
        replace(rollout, asking=asking, clocks=clocks, reason=reason, message=message), "approval_given"
    )


def _deny(rollout: Rollout, command: Command) -> Turn | Refusal:
    asking = _asked(rollout)
    if isinstance(asking, Refusal):
        return asking
    why = f": {command.note}" if command.note else ""
    message = f"{what(rollout.policy, asking.goal)} was denied by {command.actor}{why}"
    if rollout.policy.approval.on_deny is Fallback.ROLLBACK:
        return decline(rollout, None, Reason.APPROVAL_DENIED, message)
    held = replace(rollout, asking=None)
    if rollout.phase is Phase.PAUSED:
        return Turn(replace(held, reason=Reason.APPROVAL_DENIED, message=message), "approval_denied")
    held = replace(held, resume_to=rollout.phase)
    return Turn(move(held, Trigger.PAUSE, Phase.PAUSED, Reason.APPROVAL_DENIED, message), "approval_denied")


def unapproved_promotion(rollout: Rollout) -> Refusal | None:
    """Why a person cannot promote early, if people must approve something that this would skip."""
    goal, asking = goal_of_promotion(rollout.policy, rollout.step), rollout.asking
    if goal is None or (asking is not None and asking.goal == goal and asking.granted):
        return None
    if asking is not None and asking.granted:
        return Refusal(
            f"{what(rollout.policy, asking.goal)} is approved and comes first; say promote after it"
        )
    if asking is not None:
        return Refusal(f"{waits(rollout.policy, asking)}, which promote does not replace: approve it instead")
    asked = _next_asked(rollout.policy, rollout.step)
    return Refusal(
        f"its policy asks for approval of {asked}, which promote does not skip: approve when it asks"
    )


def _asked(rollout: Rollout) -> Asking | Refusal:
    if rollout.asking is not None and rollout.phase is Phase.FROZEN:
        return Refusal("it is Frozen: decide about the route first, with resume or abort; then it asks anew")
    if rollout.asking is not None:
        return rollout.asking
    if not asks_people(rollout.policy):
        return Refusal("its policy asks for nobody's approval")
    return Refusal(f"it does not ask for approval now ({rollout.phase}); say it when it asks")


def _next_asked(policy: Policy, present: int | None) -> str:
    first = 0 if present is None else present + 1
    steps = [index for index in range(first, len(policy.steps)) if policy.steps[index].approval]
    return what(policy, Goal(Gate.STEP, steps[0]) if steps else Goal(Gate.PROMOTION))


def _others(asking: Asking) -> str:
    return f"{asking.missing} {'other person' if asking.missing == 1 else 'others'}"
