"""What a policy's checks allow, and where what they measure comes from, as people and programs see it. Pure.

**Units**: as in `record_view`.
"""

from typing import Any

from controller.control.check_views import UNITS, Unit, View
from controller.domain.judge import judge_of
from controller.domain.policy import Check, Policy
from controller.domain.trials import Sampling


class LimitView(View):
    """What a check allows, absolutely and against stable, and of what: queries of the policy's own, if any.

    A score has ``min`` and where its cases come from: a golden file, or an evaluation.
    ``failures`` in a row end the rollout under the classic rule; None under another.
    """

    name: str
    unit: Unit
    max: float | None
    worse_by_ratio: float | None
    worse_by_points: float | None
    report_only: bool
    failures: int | None = None
    query: str | None = None
    of: str | None = None
    min: float | None = None
    golden: str | None = None
    evaluation: str | None = None
    every_seconds: float | None = None
    requests: int | None = None
    trials: int | None = None


def limit_view(check: Check, policy: Policy) -> LimitView:
    """A check under its policy."""
    return LimitView(
        name=check.name,
        unit=UNITS[check.kind],
        max=check.max,
        worse_by_ratio=check.worse_by_ratio,
        worse_by_points=check.worse_by_points,
        report_only=check.report_only,
        failures=None if judge_of(policy).remembers else check.budget,
        query=check.query,
        of=check.of,
        min=check.min,
        **_sampling(check.sampling),
    )


def _sampling(sampling: Sampling | None) -> dict[str, Any]:
    """Of a score: where its cases come from."""
    if sampling is None:
        return {}
    return {
        "golden": sampling.golden or None,
        "evaluation": sampling.evaluation or None,
        "every_seconds": sampling.every.total_seconds(),
        "requests": sampling.requests if sampling.golden else None,
        "trials": sampling.trials,
    }
