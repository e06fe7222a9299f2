"""Rows of the report that the page and the Markdown share: facts, limits, steps, numbers of charts. Pure."""

from collections.abc import Sequence

from controller.control.check_views import amount
from controller.control.limit_views import LimitView
from controller.control.record_view import (
    ApprovalRulesView,
    GateRulesView,
    PolicyView,
    StepView,
)
from controller.domain.wording import TESTERS
from controller.report.texts import clipped, since_begin, span, standing
from controller.report.thinning import thinned
from controller.report.views import CheckPoint, CheckSeries, ReportView

MOST_LINES = 40
"""Of one table of the policy."""
_POINT_COLUMNS = ("Time", "Canary", "Stable", "Limit", "Requests", "Verdict")
_WEIGHT_COLUMNS = ("Time", "Weight")

Row = tuple[str, ...]


def facts(report: ReportView) -> list[Row]:
    """Name and value of what a reader wants to know first."""
    found: list[Row] = [
        ("Version", report.canary),
        ("Stable", report.stable or "none: it was the first"),
        ("When", standing(report)),
        ("Begun by", report.created_by or "-"),
        ("Reason", report.reason),
    ]
    if report.namespace is not None:
        found.append(("Namespace", report.namespace))
    if report.retry_of is not None:
        found.append(("Retry of", report.retry_of))
    if report.policy is not None:
        found.append(("Policy", report.policy.digest))
    return found


def policy_facts(policy: PolicyView) -> list[Row]:
    """Name and value of what the policy says besides its limits and steps."""
    found: list[Row] = [
        ("SHA-256", clipped(policy.digest)),
        ("Route", clipped(policy.route)),
        ("Metrics", clipped(policy.metrics)),
        ("Judge", policy.judge),
    ]
    if policy.audience is not None and policy.audience.testers:
        found.append(("Testers", clipped(", ".join(policy.audience.testers))))
    if policy.audience is not None and policy.audience.sticky:
        found.append(("Sticky", clipped(policy.audience.sticky)))
    if policy.rules is not None:
        found.append(("Confidence", f"{100 * policy.rules.confidence:g}%"))
        found.append(("Budget", f"{policy.rules.budget:,} bad requests"))
        found.append(("Promote if not worse than", f"{policy.rules.promote_ratio:g}x"))
    if policy.approval is not None:
        found.append(("Approval", _approval(policy.approval, policy)))
    found += [(f"Gate {clipped(gate.name)}", _gate(gate, policy)) for gate in policy.gates[:MOST_LINES]]
    found.append(("Validation", clipped(policy.golden) if policy.golden else "none"))
    found.append(("Checked every", span(policy.interval_seconds)))
    found.append(("Bake", span(policy.bake_seconds)))
    found.append(("Deadline", f"{span(policy.deadline_seconds)}, then {policy.on_deadline}"))
    return found


def limits(policy: PolicyView) -> list[Row]:
    """Check, absolute limit, limit against stable."""
    return [
        (clipped(each.name) + (" (report only)" if each.report_only else ""), _most(each), _worse(each))
        for each in policy.limits[:MOST_LINES]
    ]


def steps(policy: PolicyView) -> list[Row]:
    """Weight, time, requests, deadline."""
    return [
        (
            _step(each),
            span(each.hold_seconds),
            f"{each.min_requests:,}",
            span(each.deadline_seconds),
        )
        for each in policy.steps[:MOST_LINES]
    ]


def _step(step: StepView) -> str:
    return TESTERS if step.testers else weight(step.weight, step.mirror)


def weight_rows(report: ReportView, most: int) -> tuple[Row, list[Row]]:
    """The heads of the columns, and at most ``most`` lines."""
    points = thinned(report.weights, most, lambda point: point.at, lambda point: (point.weight, point.mirror))
    return _WEIGHT_COLUMNS, [
        (since_begin(report, point.at), weight(point.weight, point.mirror)) for point in points
    ]


def check_rows(report: ReportView, series: CheckSeries, most: int) -> tuple[Row, list[Row]]:
    """As `weight_rows`, of what was measured; ``most`` is at least 8."""

    def values(point: CheckPoint) -> tuple[float | None, ...]:
        return point.canary, point.stable

    known = [point for point in series.points if point.canary is not None or point.stable is not None]
    rows = [
        (
            since_begin(report, point.at),
            *(amount(value, series.unit) for value in (point.canary, point.stable, point.limit)),
            f"{point.requests:,}",
            point.verdict.value,
        )
        for point in thinned(known, most, lambda point: point.at, values)
    ]
    return _POINT_COLUMNS, rows


def weight(percent: float, mirror: float = 0.0) -> str:
    """``5%``; ``shadow 10%`` where requests are only copied."""
    return f"shadow {mirror:g}%" if mirror else f"{percent:g}%"


def _most(limit: LimitView) -> str:
    if limit.min is not None:
        return f"at least {amount(limit.min, limit.unit)}"
    return amount(limit.max, limit.unit)


def _worse(limit: LimitView) -> str:
    if limit.worse_by_points is not None:
        return f"{100 * limit.worse_by_points:g}pp"
    return "-" if limit.worse_by_ratio is None else f"{100 * limit.worse_by_ratio:g}%"


def _approval(rules: ApprovalRulesView, policy: PolicyView) -> str:
    people = "1 person" if rules.people == 1 else f"{rules.people} people"
    asked = [step for step in policy.steps if step.approval]
    return f"{people} {_asked(rules, asked)}; after a no: {rules.on_deny}"


def _gate(rules: GateRulesView, policy: PolicyView) -> str:
    asked = [step for step in policy.steps if step.gate == rules.name]
    return f"{_asked(rules, asked)}; after a no: {rules.on_deny}; without a word: {rules.on_error}"


def _asked(rules: ApprovalRulesView | GateRulesView, steps: Sequence[StepView]) -> str:
    """Where somebody is asked, and for how long."""
    at_steps = [f"the step of {_step(step)}" for step in steps]
    before = ", ".join([*(f"the {each}" for each in rules.before), *at_steps[:MOST_LINES]])
    if rules.within_seconds is None:
        return f"before {before}"
    return f"before {before}, within {span(rules.within_seconds)}, then {rules.on_timeout}"
