"""What a person's word led to, and why it was not followed."""

from controller.control.errors import Refused
from controller.control.views import OutcomeView
from controller.domain.model import Decision, Entry, Refusal, Rollout
from controller.domain.vocabulary import Phase
from controller.errors import InvariantError


def entry_of(decision: Decision) -> Entry:
    """The log entry of a decision on a word. Raises `InvariantError`: there always is one."""
    if decision.entry is None:
        error = "a person's word always leaves an entry"
        raise InvariantError(error)
    return decision.entry


def outcome(rollout: str, operation: str, entry: Entry) -> OutcomeView:
    """What an operation on a rollout led to."""
    return OutcomeView(rollout=rollout, operation=operation, phase=entry.phase, message=entry.message)


def refused(rollout: Rollout, refusal: Refusal) -> Refused:
    """The refusal, with what to do instead."""
    hint = (
        f"serinus retry {rollout.model}"
        if rollout.phase.terminal and rollout.phase is not Phase.SUCCEEDED
        else ""
    )
    return Refused(f"{rollout.id}: {refusal.message}", hint or f"serinus status {rollout.model}")
