"""The policies that our own judges are run with: one place to tune them."""

from dataclasses import dataclass, replace
from datetime import timedelta

from controller.domain.policy import Check, CheckKind, Policy, RouteRef, Step
from controller.policy.steps import AutoSteps

INTERVAL = timedelta(seconds=15)
CLASSIC = "threshold"
STEP_DEADLINE = timedelta(hours=24)
"""The simulator has its own time limit."""

WORSE_BY_RATIO = 0.1
"""What the sequential judge tolerates: errors, and slow requests, a tenth more often than stable's."""
CLASSIC_ERRORS_POINTS, CLASSIC_LATENCY_RATIO = 0.005, 0.2
"""What the classic rule tolerates, as in the policy file of `design.md`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The absolute limits of the two checks."""

    errors_max: float = 0.05
    p99_max_seconds: float = 0.5


def policy_for(judge: str, limits: Limits) -> Policy:
    """The policy of a judge: the classic rule with explicit steps, every other one with `steps: auto`."""
    classic = judge == CLASSIC
    errors = Check("errors", CheckKind.RATIO, max=limits.errors_max)
    latency = Check("latency_p99", CheckKind.QUANTILE, max=limits.p99_max_seconds, quantile=0.99)
    if classic:
        errors = replace(errors, worse_by_points=CLASSIC_ERRORS_POINTS)
        latency = replace(latency, worse_by_ratio=CLASSIC_LATENCY_RATIO)
    else:
        errors, latency = (replace(check, worse_by_ratio=WORSE_BY_RATIO) for check in (errors, latency))
    return Policy(
        model="bench",
        namespace="bench",
        route=RouteRef("envoy", "/v2/models/bench"),
        metrics="envoy",
        steps=_explicit() if classic else AutoSteps().to_steps(INTERVAL),
        checks=(errors, latency),
        interval=INTERVAL,
        deadline=STEP_DEADLINE,
        judge=judge,
        auto_steps=not classic,
    )


def _explicit() -> tuple[Step, ...]:
    """The steps of `design.md`, with the defaults of a policy file."""
    return tuple(Step(permille, timedelta(minutes=5), 100, STEP_DEADLINE) for permille in (10, 50, 250, 500))
