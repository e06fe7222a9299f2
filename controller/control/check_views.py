"""Checks and their evidence as people and programs see them. Pure.

**Units**: a check's value and limit are in the check's own unit (``unit``). Numbers that JSON cannot hold
(NaN, infinities) are shown as null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from controller.domain.judge.base import CheckResult
from controller.domain.policy import Check, CheckKind
from controller.domain.vocabulary import Reason, Verdict
from controller.domain.wording import quantity, sentence

Unit = Literal["ratio", "seconds", "number", "score", "psi"]

UNITS: Mapping[CheckKind, Unit] = MappingProxyType(
    {
        CheckKind.RATIO: "ratio",
        CheckKind.QUANTILE: "seconds",
        CheckKind.GAUGE: "number",
        CheckKind.SCORE: "score",
        CheckKind.PSI: "psi",
    }
)
KINDS: Mapping[Unit, CheckKind] = MappingProxyType({unit: kind for kind, unit in UNITS.items()})
"""The kind of check that has a unit."""


def amount(value: float | None, unit: Unit) -> str:
    """A value as people read it, ``-`` where there is none."""
    return "-" if value is None else quantity(value, KINDS[unit])


class View(BaseModel):
    """Base of what is shown. A newer daemon's further fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EvidenceView(View):
    """What the counts of a check say. ``against`` and ``favour`` are e-values, never probabilities.

    **Units**: ``difference`` is in shares of requests, canary minus stable, lower and upper end; ``interval``
    that of the value itself, of a score or a PSI.
    """

    against: float
    favour: float
    bad: int
    stable_bad: int
    stable_requests: int
    difference: tuple[float, float] | None
    confidence: float
    bound_seconds: float | None
    requests_needed: int | None
    seconds_needed: float | None
    skipped: int
    design_effect: float
    interval: tuple[float, float] | None = None


class CheckView(View):
    """One check as last measured. ``failures`` of ``budget`` failing measurements in a row were seen.

    ``evidence`` is there where the sequential judge weighed counts.
    """

    name: str
    verdict: Verdict
    reason: Reason
    value: float | None
    limit: float | None
    stable_value: float | None
    unit: Unit
    requests: int
    failures: int
    budget: int
    report_only: bool
    text: str
    note: str = ""
    evidence: EvidenceView | None = None


def check_views(checks: Sequence[Check], results: Sequence[CheckResult]) -> tuple[CheckView, ...]:
    """One view for each of the policy's checks, in its order; UNKNOWN where nothing was measured yet."""
    measured = {result.name: result for result in results}
    return tuple(_check_view(check, measured.get(check.name) or unmeasured(check)) for check in checks)


def unmeasured(check: Check) -> CheckResult:
    """A check before its first measurement."""
    return CheckResult(
        name=check.name,
        verdict=Verdict.UNKNOWN,
        reason=Reason.NO_VALUE,
        limit=check.min if check.max is None else check.max,
        budget=check.budget,
        report_only=check.report_only,
    )


def _check_view(check: Check, result: CheckResult) -> CheckView:
    return CheckView(
        name=check.name,
        verdict=result.verdict,
        reason=result.reason,
        value=_finite(result.value),
        limit=_finite(result.limit),
        stable_value=_finite(result.stable_value),
        unit=UNITS[check.kind],
        requests=result.requests,
        failures=result.failures,
        budget=result.budget,
        report_only=result.report_only,
        text=sentence(check, result),
        note=result.note,
        evidence=_evidence_view(result),
    )


def _evidence_view(result: CheckResult) -> EvidenceView | None:
    found = result.strength
    if found is None:
        return None
    return EvidenceView(stable_requests=result.stable_requests, **asdict(found))


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
