"""People's answers to what a rollout asks them: approve and deny. Pure, like `machine`.

The rules: an answer is to what is asked at that moment, and to nothing else. One person's yes counts once.
Where several people are asked, who deployed the rollout is none of them; where one is asked, it may be that
one. A single no decides, also after a yes and until the weight is given, and anybody may say it.
"""

from dataclasses import replace

from controller.domain.approval import Approval, Asking, Goal, asks_people, needed_to_promote
from controller.domain.model import Command, CommandKind, Refusal, Rollout
from controller.domain.policy import Milestone, Policy
from controller.domain.rules.approving import consented, denied, gates_called, waits, what
from controller.domain.rules.turns import Turn
from controller.domain.vocabulary import Phase, Reason
from controller.domain.wording import listed


def answer(rollout: Rollout, command: Command) -> Turn | Refusal:
    """What follows from approve or deny now, or why nothing can."""
    return _approve(rollout, command) if command.kind is CommandKind.APPROVE else _deny(rollout, command)


def _approve(rollout: Rollout, command: Command) -> Turn | Refusal:
    asking = _asked(rollout, command)
    if isinstance(asking, Refusal):
        return asking
    goal = what(rollout.policy, asking.goal)
    if not asking.missing:
        by = (
            f"is approved already by {listed(asking.actors)}"
            if asking.actors
            else "asks for nobody's approval"
        )
        return Refusal(f"{goal} {by}{_gates(asking)}")
    if command.actor in asking.actors:
        return Refusal(f"{command.actor} has approved {goal} already; it needs {_others(asking)}")
    if asking.people > 1 and command.actor == rollout.created_by:
        return Refusal(
            f"{command.actor} deployed {rollout.release.version}, and its policy asks {asking.people} other "
            f"people: {goal} needs the approval of {_others(asking)}"
        )
    given = Approval(command.actor, command.at, command.request_id)
    asking = replace(asking, approvals=(*asking.approvals, given))
    message = f"{goal} is approved by {listed(asking.actors)}"
    return consented(rollout, asking, "approval_given", message)


def _deny(rollout: Rollout, command: Command) -> Turn | Refusal:
    asking = _asked(rollout, command)
    if isinstance(asking, Refusal):
        return asking
    why = f": {command.note}" if command.note else ""
    message = f"{what(rollout.policy, asking.goal)} was denied by {command.actor}{why}"
    return denied(rollout, None, rollout.policy.approval.on_deny, Reason.APPROVAL_DENIED, message)


def unapproved_promotion(rollout: Rollout) -> Refusal | None:
    """Why a person cannot promote early, if somebody's word on something is needed that this would skip."""
    needed, asking = needed_to_promote(rollout.policy, rollout.step), rollout.asking
    if needed is None or (asking is not None and asking.goal == needed.goal and asking.granted):
        return None
    if asking is not None and asking.granted:
        return Refusal(
            f"{what(rollout.policy, asking.goal)} is approved and comes first; say promote after it"
        )
    if asking is not None:
        instead = ": approve it instead" if asking.missing else ""
        return Refusal(f"{waits(rollout.policy, asking)}, which promote does not replace{instead}")
    asked = _next_asked(rollout.policy, rollout.step)
    if not needed.people:
        return Refusal(
            f"its policy has {gates_called(needed.gates)} asked about {asked}, which promote does not skip"
        )
    return Refusal(
        f"its policy asks for approval of {asked}, which promote does not skip: approve when it asks"
    )


def _asked(rollout: Rollout, command: Command) -> Asking | Refusal:
    if rollout.asking is not None and rollout.phase is Phase.FROZEN:
        return Refusal("it is Frozen: decide about the route first, with resume or abort; then it asks anew")
    if rollout.asking is not None and command.asking in (None, rollout.asking.number):
        return rollout.asking
    if rollout.asking is not None:
        now = what(rollout.policy, rollout.asking.goal)
        return Refusal(f"what that answers is not asked any more; now it asks for {now}: look at it first")
    if not asks_people(rollout.policy):
        return Refusal("its policy asks for nobody's approval")
    return Refusal(f"it does not ask for approval now ({rollout.phase}); say it when it asks")


def _next_asked(policy: Policy, present: int | None) -> str:
    first = 0 if present is None else present + 1
    steps = [index for index, step in enumerate(policy.steps[first:], first) if step.approval or step.gate]
    return what(policy, Goal(Milestone.STEP, steps[0]) if steps else Goal(Milestone.PROMOTION))


def _others(asking: Asking) -> str:
    return f"{asking.missing} {'other person' if asking.missing == 1 else 'others'}"


def _gates(asking: Asking) -> str:
    return f"; it waits for {gates_called(asking.shut)}" if asking.shut else ""
