"""How much an entry matters to people. Pure."""

from enum import StrEnum

from controller.domain.model import Entry
from controller.domain.vocabulary import Phase, Reason


class Severity(StrEnum):
    """From what is good to know to what went wrong."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return list(Severity).index(self)


_WISHED = frozenset({Reason.ABORTED_BY_PERSON, Reason.NEWER_RELEASE})
"""Why traffic goes back though nothing is wrong with the version."""
_ERRORS = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.NOT_DEPLOYED, Phase.HALTED})
_WARNINGS = frozenset(
    {
        Reason.METRICS_UNAVAILABLE,
        Reason.BOTH_ABOVE_LIMIT,
        Reason.TOO_LITTLE_EVIDENCE,
        Reason.CHECKS_FAILING,
        Reason.EVIDENCE_AGAINST,
        Reason.BUDGET_SPENT,
        Reason.GATEWAY_UNAVAILABLE,
        Reason.DRIFT_DETECTED,
        Reason.ROLLOUT_DEADLINE_EXCEEDED,
        Reason.APPROVAL_DENIED,
        Reason.APPROVAL_TIMED_OUT,
        Reason.GATE_DENIED,
        Reason.GATE_TIMED_OUT,
        Reason.GATE_FAILED,
        Reason.DRAIN_TIMED_OUT,
        Reason.SHADOW_SKIPPED,
    }
)


def severity_of(entry: Entry) -> Severity:
    """How much it matters: an error where a version was taken back, or a person has to act at once."""
    if entry.phase_before.terminal:  # it is over: what is noted now makes its end no worse
        return Severity.WARNING if entry.reason in _WARNINGS else Severity.INFO
    if entry.phase in _ERRORS and entry.reason not in _WISHED:
        return Severity.ERROR
    return Severity.WARNING if entry.phase is Phase.FROZEN or entry.reason in _WARNINGS else Severity.INFO
