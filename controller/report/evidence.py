"""What the counts of a check say, in the sentences of `serinus why`, from the view of a log entry. Pure."""

from controller.control.check_views import KINDS, CheckView
from controller.domain.judge.base import CheckResult, Strength
from controller.domain.policy import Check
from controller.domain.reporting import details


def details_of(check: CheckView) -> tuple[str, ...]:
    """Empty where no counts were weighed."""
    found = check.evidence
    if found is None:
        return ()
    strength = Strength(**found.model_dump(exclude={"stable_requests"}))
    result = CheckResult(
        name=check.name,
        verdict=check.verdict,
        reason=check.reason,
        requests=check.requests,
        stable_requests=found.stable_requests,
        strength=strength,
        note=check.note,
    )
    return details(Check(check.name, KINDS[check.unit]), result)
