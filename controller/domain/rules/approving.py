"""Rules of waiting for somebody's word: people's approval, and that of gates.

A rollout that waits goes through every rule of harm first, and asks only when all else is met: a yes is
followed at once. Silence and no do what the policy says.
"""

from collections.abc import Sequence
from dataclasses import replace

from controller.domain.approval import Asking, Goal, Needed
from controller.domain.model import Rollout
from controller.domain.observation import GateSeen, GateWord, Observation
from controller.domain.observing import Folded, exposed
from controller.domain.policy import Fallback, GateRules, Milestone, Policy
from controller.domain.rules.turns import Turn, hold, refuse, tell, withdraw
from controller.domain.table import Trigger, move
from controller.domain.vocabulary import CONSENT_LACKS, Phase, Reason
from controller.domain.wording import called, duration, listed

_GOES_ON = {Phase.PENDING: Reason.CREATED, Phase.VALIDATING: Reason.VALIDATION_RUNNING}
"""The reason after the last yes, until the next pass; in every other phase StepRunning."""


def awaited(folded: Folded, seen: Observation, needed: Needed | None) -> Turn | None:
    """Ask, or wait; None when everybody has said yes, or nobody is to be asked."""
    rollout = folded.rollout
    if needed is None:
        return None
    if rollout.asking is None or rollout.asking.goal != needed.goal:
        number = rollout.seq + 1
        asking = Asking(needed.goal, seen.at, needed.people, number=number, gates=needed.gates)
        reason, message = _lack(asking), waits(rollout.policy, asking)
        event = "approval_asked" if asking.people else "gate_asked"
        return Turn(replace(rollout, asking=asking, reason=reason, message=message), event)
    if rollout.asking.granted:
        return None
    return _waiting(folded, seen, rollout.asking)


def unanswered(folded: Folded, seen: Observation) -> Turn | None:
    """Somebody is asked already: nothing else is done before their word."""
    asking = folded.rollout.asking
    return None if asking is None or asking.granted else _waiting(folded, seen, asking)


def gated(folded: Folded, seen: Observation) -> Turn | None:
    """A gate has answered: what it lets pass is noted, what it does not let pass is held or ended."""
    rollout, asking = folded.rollout, folded.rollout.asking
    if asking is None:
        return None
    for found in seen.gates:
        if found.name not in asking.shut:
            continue
        rules, goal = rollout.policy.gate(found.name), what(rollout.policy, asking.goal)
        if found.word is GateWord.ALLOW:
            passed = replace(asking, passed=(*asking.passed, found.name))
            return consented(rollout, passed, "gate_passed", f"gate {found.name} lets {goal} pass")
        if found.word is GateWord.DENY:
            message = f"gate {found.name} does not let {goal} pass"
            return denied(rollout, seen, rules.on_deny, Reason.GATE_DENIED, message)
        turn = _failed(rollout, seen, rules, found)
        if turn is not None:
            return turn
    return None


def _failed(rollout: Rollout, seen: Observation, rules: GateRules, found: GateSeen) -> Turn | None:
    cause = Reason.GATE_FAILED
    if rules.on_error is Fallback.ROLLBACK:
        return decline(rollout, seen, cause, _no_word(found))
    if cause in rollout.told:
        return None
    return tell(rollout, "gate_failed", cause, cause, f"{_no_word(found)}; it is asked again")


def overdue(folded: Folded, seen: Observation) -> Turn | None:
    """The time that the policy gives people, or a gate, is over: tell it, or end it."""
    rollout, asking = folded.rollout, folded.rollout.asking
    if asking is None or asking.granted:
        return None
    policy = rollout.policy
    people = [(policy.approval.within, policy.approval.on_timeout, Reason.APPROVAL_TIMED_OUT)]
    gates = [(policy.gate(name), Reason.GATE_TIMED_OUT) for name in asking.shut]
    over = [
        *(people if asking.missing else []),
        *((rules.within, rules.on_timeout, cause) for rules, cause in gates),
    ]
    for within, fallback, cause in over:
        if within is None or asking.waited < within:
            continue
        done = "approved" if cause is Reason.APPROVAL_TIMED_OUT else "let pass"
        message = f"not {done} within {duration(within)}: {waits(policy, asking)}"
        if fallback is Fallback.ROLLBACK:
            return decline(rollout, seen, cause, message)
        if cause not in rollout.told:
            event = "approval_overdue" if cause is Reason.APPROVAL_TIMED_OUT else "gate_overdue"
            return tell(rollout, event, cause, cause, message)
    return None


def consented(rollout: Rollout, asking: Asking, event: str, message: str) -> Turn:
    """One more yes. After the last the rollout goes on with the next pass."""
    if not asking.granted:
        return Turn(
            replace(rollout, asking=asking, reason=_lack(asking), message=waits(rollout.policy, asking)),
            event,
        )
    reason = rollout.reason
    if reason in CONSENT_LACKS:
        reason = _GOES_ON.get(rollout.phase, Reason.STEP_RUNNING)
    # clocks that stood begin with the next pass, which does not know how long that was
    clocks = replace(rollout.clocks, mark=None) if rollout.phase is Phase.VALIDATING else rollout.clocks
    return Turn(replace(rollout, asking=asking, clocks=clocks, reason=reason, message=message), event)


def denied(
    rollout: Rollout, seen: Observation | None, fallback: Fallback, cause: Reason, message: str
) -> Turn:
    """A no: the end, or a pause until a person says resume, which asks anew."""
    if fallback is Fallback.ROLLBACK:
        return decline(rollout, seen, cause, message)
    event = "gate_denied" if cause is Reason.GATE_DENIED else "approval_denied"
    held = replace(rollout, asking=None)
    if rollout.phase is Phase.PAUSED:
        return Turn(replace(held, reason=cause, message=message), event)
    held = replace(held, resume_to=rollout.phase)
    return Turn(move(held, Trigger.PAUSE, Phase.PAUSED, cause, message), event)


def decline(rollout: Rollout, seen: Observation | None, cause: Reason, message: str) -> Turn:
    """The end for want of a yes: without any traffic it is not deployed, with traffic it goes back."""
    if not exposed(rollout):
        return refuse(rollout, cause, message)
    return withdraw(rollout, seen, Trigger.FAIL, cause, message)


def waits(policy: Policy, asking: Asking) -> str:
    """For whose word on what it waits, in words for people."""
    awaited_ones = []
    if asking.missing:
        more = "" if not asking.approvals else " more"
        people = f"{asking.missing}{more} {'person' if asking.missing == 1 else 'people'}"
        awaited_ones.append(f"the approval of {people}")
    if asking.shut:
        awaited_ones.append(gates_called(asking.shut))
    so_far = f"; approved by {listed(asking.actors)}" if asking.approvals else ""
    return f"{what(policy, asking.goal)} waits for {' and for '.join(awaited_ones)}{so_far}"


def gates_called(names: Sequence[str]) -> str:
    """Gates in words for people: ``gate desk``, ``gates desk and audit``."""
    return f"{'gate' if len(names) == 1 else 'gates'} {listed(names)}"


def what(policy: Policy, goal: Goal) -> str:
    """What is asked about, in words for people."""
    match goal.milestone:
        case Milestone.STEP if goal.step is not None:
            return f"step {goal.step + 1} ({called(policy.steps[goal.step])})"
        case _:
            return f"the {goal.milestone}"


def _waiting(folded: Folded, seen: Observation, asking: Asking) -> Turn:
    """Hold, and say for whom; a gate that gives no word first."""
    failed = [each for each in seen.gates if each.word is GateWord.ERROR and each.name in asking.shut]
    if failed:
        return hold(folded, Reason.GATE_FAILED, f"{_no_word(failed[0])}; it is asked again")
    return hold(folded, _lack(asking), waits(folded.rollout.policy, asking))


def _lack(asking: Asking) -> Reason:
    return Reason.WAITING_FOR_APPROVAL if asking.missing else Reason.WAITING_FOR_GATE


def _no_word(found: GateSeen) -> str:
    return f"gate {found.name} gives no word: {found.message}"
