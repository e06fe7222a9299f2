"""What the counts of a check say, in the sentences of `serinus why`, from the view of a log entry. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from controller.control.check_views import UNITS, CheckView, Unit
from controller.domain.judge.base import CheckResult, Strength
from controller.domain.policy import Check, CheckKind
from controller.domain.reporting import details
from controller.domain.wording import quantity

KINDS: Mapping[Unit, CheckKind] = MappingProxyType({unit: kind for kind, unit in UNITS.items()})


def amount(value: float | None, unit: Unit) -> str:
    """A value as people read it, ``-`` where there is none."""
    return "-" if value is None else quantity(value, KINDS[unit])


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
    )
    return details(Check(check.name, KINDS[check.unit]), result)
