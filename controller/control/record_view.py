"""A rollout with its reason, what it brings, and the policy that it is judged by. Pure.

A report and a comparison of two rollouts begin with it.

**Units**: weights are percent, shares are ratios from 0 to 1, spans are seconds, limits are in the check's
own unit.
"""

from datetime import datetime

from controller.control.check_views import View
from controller.control.limit_views import LimitView, limit_view
from controller.control.probe_views import ProbeRulesView, probe_rules_view
from controller.control.release_views import ReleaseView, release_view
from controller.control.views import Document, StatusView, status_view
from controller.control.why import WhyView, why_view
from controller.domain.audience import AudienceRules
from controller.domain.judge import judge_of
from controller.domain.model import Rollout
from controller.domain.policy import NoData, Policy, Step, WorkloadRules


class StepView(View):
    """One weight, or testers alone with the weight 0, and what must hold before the next.

    A shadow's weight is 0, too: ``mirror`` is the share of requests that it copies.
    """

    weight: float
    hold_seconds: float
    min_requests: int
    deadline_seconds: float
    approval: bool = False
    gate: str | None = None
    testers: bool = False
    mirror: float = 0.0


class JudgeView(View):
    """How sure the judge must be, where it is one that can be told so."""

    confidence: float
    budget: int
    promote_ratio: float


class ApprovalRulesView(View):
    """Whose word is waited for: of ``people`` different ones, ``before`` these and the steps that say so."""

    before: tuple[str, ...]
    people: int
    within_seconds: float | None
    on_timeout: str
    on_deny: str


class GateRulesView(View):
    """A gate that must let it pass: ``before`` these, and the steps that name it."""

    name: str
    before: tuple[str, ...]
    within_seconds: float | None
    on_timeout: str
    on_deny: str
    on_error: str


class NoDataView(View):
    """What silence of the metric source leads to."""

    alert_after_seconds: float
    act_after_seconds: float
    action: str


class WorkloadRulesView(View):
    """What is done to the workloads in a cluster."""

    discover: bool
    scale: bool
    drain_seconds: float
    keep_for_seconds: float
    history: int


class AudienceView(View):
    """Who gets the canary otherwise than by chance: whose headers or cookies, without their values."""

    testers: tuple[str, ...] = ()
    sticky: str | None = None
    requests_per_user: int = 1


class PolicyView(View):
    """The policy as it was when the rollout began.

    With ``auto_steps`` the steps are the weights that the judge may choose from. What follows ``gates`` is
    None where a daemon of an older version does not tell.
    """

    digest: str
    namespace: str
    route: str
    metrics: str
    judge: str
    rules: JudgeView | None
    auto_steps: bool
    steps: tuple[StepView, ...]
    limits: tuple[LimitView, ...]
    interval_seconds: float
    bake_seconds: float
    deadline_seconds: float
    on_deadline: str
    golden: str | None
    approval: ApprovalRulesView | None = None
    gates: tuple[GateRulesView, ...] = ()
    ready_deadline_seconds: float | None = None
    warm_up_requests: int | None = None
    on_drift: str | None = None
    no_data: NoDataView | None = None
    workload: WorkloadRulesView | None = None
    notify: tuple[str, ...] | None = None
    prometheus: str = ""
    probe: ProbeRulesView | None = None
    audience: AudienceView | None = None


class RecordView(Document):
    """All of one instant. ``policy`` and ``release`` are None where the record cannot be read."""

    status: StatusView
    why: WhyView
    policy: PolicyView | None
    release: ReleaseView | None = None


def record_view(rollout: Rollout, now: datetime) -> RecordView:
    """The three of one reading."""
    return RecordView(
        status=status_view(rollout, now),
        why=why_view(rollout, now),
        policy=policy_view(rollout.policy, rollout.pack),
        release=release_view(rollout.release),
    )


def policy_view(policy: Policy, pack: str = "") -> PolicyView:
    """What of a policy says how a rollout had to go; ``pack`` is the one that was recognised."""
    rules = policy.judge_rules
    told = JudgeView(confidence=rules.confidence, budget=rules.budget, promote_ratio=rules.promote_ratio)
    return PolicyView(
        digest=policy.digest,
        namespace=policy.namespace,
        route=f"{policy.route.kind} {policy.route.name}",
        metrics=f"{policy.metrics}: {pack}" if pack else policy.metrics,
        judge=policy.judge,
        rules=told if judge_of(policy).remembers else None,
        auto_steps=policy.auto_steps,
        steps=tuple(map(_step, policy.steps)),
        limits=tuple(limit_view(check, policy) for check in policy.checks),
        interval_seconds=policy.interval.total_seconds(),
        bake_seconds=policy.bake.total_seconds(),
        deadline_seconds=policy.deadline.total_seconds(),
        on_deadline=policy.on_deadline.value,
        golden=policy.validation.golden if policy.validation else None,
        approval=_approval(policy),
        gates=_gates(policy),
        ready_deadline_seconds=policy.ready_deadline.total_seconds(),
        warm_up_requests=policy.warm_up_requests,
        on_drift=policy.on_drift.value,
        no_data=_no_data(policy.no_data),
        workload=_workload(policy.workload),
        notify=policy.notify,
        prometheus=policy.prometheus,
        probe=probe_rules_view(policy.probe) if policy.probe else None,
        audience=_audience(policy.audience),
    )


def _audience(rules: AudienceRules) -> AudienceView:
    named = (f"{match.key.carrier} {match.key.name}" for match in rules.testers)
    sticky = rules.sticky
    return AudienceView(
        testers=tuple(dict.fromkeys(named)),
        sticky=f"{sticky.key.carrier} {sticky.key.name}" if sticky else None,
        requests_per_user=rules.requests_per_user,
    )


def _step(step: Step) -> StepView:
    return StepView(
        weight=step.weight_permille / 10,
        hold_seconds=step.hold.total_seconds(),
        min_requests=step.min_requests,
        deadline_seconds=step.deadline.total_seconds(),
        approval=step.approval,
        gate=step.gate or None,
        testers=step.testers,
        mirror=step.mirror_permille / 10,
    )


def _no_data(rules: NoData) -> NoDataView:
    return NoDataView(
        alert_after_seconds=rules.alert_after.total_seconds(),
        act_after_seconds=rules.act_after.total_seconds(),
        action=rules.action.value,
    )


def _workload(rules: WorkloadRules) -> WorkloadRulesView:
    return WorkloadRulesView(
        discover=rules.discover,
        scale=rules.scale,
        drain_seconds=rules.drain.total_seconds(),
        keep_for_seconds=rules.keep_for.total_seconds(),
        history=rules.history,
    )


def _approval(policy: Policy) -> ApprovalRulesView | None:
    """None where nobody is asked."""
    rules = policy.approval
    if not rules.before and not any(step.approval for step in policy.steps):
        return None
    return ApprovalRulesView(
        before=tuple(each.value for each in rules.before),
        people=rules.people,
        within_seconds=rules.within.total_seconds() if rules.within is not None else None,
        on_timeout=rules.on_timeout.value,
        on_deny=rules.on_deny.value,
    )


def _gates(policy: Policy) -> tuple[GateRulesView, ...]:
    """Those with rules of their own, and those that a step alone names."""
    names = dict.fromkeys([*(rules.name for rules in policy.gates), *(step.gate for step in policy.steps)])
    return tuple(
        GateRulesView(
            name=rules.name,
            before=tuple(each.value for each in rules.before),
            within_seconds=rules.within.total_seconds() if rules.within is not None else None,
            on_timeout=rules.on_timeout.value,
            on_deny=rules.on_deny.value,
            on_error=rules.on_error.value,
        )
        for rules in (policy.gate(name) for name in names if name)
    )
