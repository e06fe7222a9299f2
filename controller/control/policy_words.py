"""A policy field by field, named and written as in its file. Pure.

**Invariant**: two policies that give the same words here may still differ in what a `PolicyView` leaves out;
their digests tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from controller.control.check_views import amount
from controller.control.limit_views import LimitView
from controller.control.probe_views import ProbeRulesView
from controller.control.record_view import (
    ApprovalRulesView,
    GateRulesView,
    PolicyView,
    StepView,
)
from controller.domain.wording import TESTERS, duration, given

Words = Mapping[str, str]
"""Text by field, as in ``steps[5%].for``: ``10m``. A step is named by its weight, which it alone has."""


def policy_words(policy: PolicyView) -> Words:
    """All that the view holds, in the order of a policy file."""
    return dict(_fields(policy))


def _fields(policy: PolicyView) -> Iterator[tuple[str, str]]:
    yield "namespace", policy.namespace
    yield "route", policy.route
    yield "metrics", policy.metrics
    if policy.audience is not None and policy.audience.testers:
        yield "audience.testers", listed(policy.audience.testers)
    if policy.audience is not None and policy.audience.sticky:
        yield "audience.sticky", policy.audience.sticky
        yield "audience.sticky.requests_per_user", str(policy.audience.requests_per_user)
    yield "steps", "auto" if policy.auto_steps else listed(_weight(step) for step in policy.steps)
    for step in policy.steps:
        yield from _step(f"steps[{_weight(step)}]", step)
    for limit in policy.limits:
        yield from _limit(f"checks.{limit.name}", limit)
    if policy.probe is not None:
        yield from _probe(policy.probe)
    yield "judge", policy.judge
    if policy.rules is not None:
        yield "budget", f"{policy.rules.budget} bad requests"
        yield "confidence", f"{100 * policy.rules.confidence:g}%"
        yield "promote_if_not_worse_than", f"{policy.rules.promote_ratio:g}x"
    yield "interval", _span(policy.interval_seconds)
    if policy.ready_deadline_seconds is not None:
        yield "ready_deadline", _span(policy.ready_deadline_seconds)
    if policy.warm_up_requests is not None:
        yield "warm_up.requests", str(policy.warm_up_requests)
    if policy.golden:
        yield "validation.golden", policy.golden
    yield "bake", _span(policy.bake_seconds)
    yield "deadline", _span(policy.deadline_seconds)
    yield "on_deadline", policy.on_deadline
    yield from _rest(policy)


def _rest(policy: PolicyView) -> Iterator[tuple[str, str]]:
    """What happens when something is missing, whose word is asked, and who is told."""
    if policy.no_data is not None:
        yield "no_data.alert_after", _span(policy.no_data.alert_after_seconds)
        yield "no_data.act_after", _span(policy.no_data.act_after_seconds)
        yield "no_data.action", policy.no_data.action
    if policy.on_drift is not None:
        yield "on_drift", policy.on_drift
    if policy.approval is not None:
        yield "approval.people", str(policy.approval.people)
        yield from _asked("approval", policy.approval)
    for gate in policy.gates:
        yield from _asked(f"gates[{gate.name}]", gate)
        yield f"gates[{gate.name}].on_error", gate.on_error
    if policy.workload is not None:
        yield "workload.discover", _truth(policy.workload.discover)
        yield "workload.scale", _truth(policy.workload.scale)
        yield "workload.drain", _span(policy.workload.drain_seconds)
        yield "workload.keep_for", _span(policy.workload.keep_for_seconds)
        yield "workload.history", str(policy.workload.history)
    if policy.prometheus:
        yield "prometheus", policy.prometheus
    if policy.notify is not None:
        yield "notify", listed(policy.notify)


def _step(name: str, step: StepView) -> Iterator[tuple[str, str]]:
    yield f"{name}.for", _span(step.hold_seconds)
    yield f"{name}.min_requests", str(step.min_requests)
    yield f"{name}.deadline", _span(step.deadline_seconds)
    if step.approval:
        yield f"{name}.approval", "true"
    if step.gate is not None:
        yield f"{name}.gate", step.gate


def _limit(name: str, limit: LimitView) -> Iterator[tuple[str, str]]:
    if limit.max is not None:
        yield f"{name}.{'psi' if limit.unit == 'psi' else 'max'}", amount(limit.max, limit.unit)
    if limit.min is not None:
        yield f"{name}.min", amount(limit.min, limit.unit)
    if limit.worse_by_points is not None:
        yield f"{name}.worse_by", f"{100 * limit.worse_by_points:g}pp"
    elif limit.worse_by_ratio is not None:
        yield f"{name}.worse_by", f"{100 * limit.worse_by_ratio:g}%"
    if limit.failures is not None:
        yield f"{name}.failures", str(limit.failures)
    if limit.query is not None:
        yield f"{name}.query", limit.query
    if limit.of is not None:
        yield f"{name}.of", limit.of
    yield from _sampling(name, limit)
    yield f"{name}.report_only", _truth(limit.report_only)


def _probe(probe: ProbeRulesView) -> Iterator[tuple[str, str]]:
    yield "probe.every", _span(probe.every_seconds)
    yield "probe.requests", str(probe.requests)
    yield "probe.path", probe.path
    yield "probe.gateway", probe.gateway
    yield "probe.served_model", probe.served_model
    yield "probe.max_tokens", str(probe.max_tokens)
    yield "probe.first_token", _span(probe.first_token_seconds)
    yield "probe.timeout", _span(probe.timeout_seconds)
    yield "probe.version_header", probe.version_header


def _sampling(name: str, limit: LimitView) -> Iterator[tuple[str, str]]:
    if limit.golden is not None:
        yield f"{name}.golden", limit.golden
    if limit.evaluation is not None:
        yield f"{name}.evaluation", limit.evaluation
    if limit.every_seconds is not None:
        yield f"{name}.every", _span(limit.every_seconds)
    if limit.requests is not None:
        yield f"{name}.requests", str(limit.requests)
    if limit.trials is not None:
        yield f"{name}.trials", str(limit.trials)


def _asked(name: str, rules: ApprovalRulesView | GateRulesView) -> Iterator[tuple[str, str]]:
    yield f"{name}.before", listed(rules.before)
    if rules.within_seconds is not None:
        yield f"{name}.within", _span(rules.within_seconds)
        yield f"{name}.on_timeout", rules.on_timeout
    yield f"{name}.on_deny", rules.on_deny


def listed(values: Sequence[str] | Iterator[str]) -> str:
    """As a policy file writes a short list: ``[1%, 5%]``."""
    return f"[{', '.join(values)}]"


def _weight(step: StepView) -> str:
    return TESTERS if step.testers else given(round(step.weight * 10), round(step.mirror * 10))


def _span(seconds: float) -> str:
    return duration(timedelta(seconds=seconds))


def _truth(value: bool) -> str:  # noqa: FBT001 - a value to be written
    return "true" if value else "false"
