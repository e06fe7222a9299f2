"""What Hypothesis may choose for a `tests.domain_world`: policies, and the faults of a run."""

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from hypothesis import strategies as st

from controller.domain.audience import AudienceRules, Carrier, Key, Match, Sticky
from controller.domain.policy import (
    ApprovalRules,
    Check,
    CheckKind,
    Fallback,
    GateRules,
    Milestone,
    NoData,
    Policy,
    RouteRef,
    Step,
    Validation,
    WorkloadRules,
)
from controller.domain.probes import PROBES, ProbeRules
from controller.domain.trials import Sampling
from controller.domain.vocabulary import Phase
from controller.policy.steps import AutoSteps


class Fault(StrEnum):
    """What may go wrong in a run: a few kinds at a time, so that rollouts get far in spite of them."""

    CRASH = "the daemon dies"
    QUALITY = "a canary turns bad"
    READINESS = "a version is not ready, or not valid"
    GATEWAY = "the gateway does not answer, accept or agree"
    EDIT = "somebody edits the route"
    METRICS = "the metric source does not answer"
    CLOCKS = "clocks jump"
    STORE = "the store cannot be written"
    TRAFFIC = "the traffic changes"
    NEWER = "newer releases"
    SHADOW = "the gateway copies nothing"


def seconds(*counts: float) -> st.SearchStrategy[timedelta]:
    return st.sampled_from([timedelta(seconds=count) for count in counts])


steps = st.builds(
    Step,
    weight_permille=st.just(0),
    hold=seconds(0, 15, 45),
    min_requests=st.sampled_from([1, 100]),
    deadline=seconds(180, 3600),
)
PROBE = ProbeRules("/v1/chat/completions", "fraud", "x-serinus-version", requests=4)
classic_policies = st.builds(
    Policy,
    model=st.just("fraud"),
    namespace=st.just("default"),
    route=st.just(RouteRef("envoy", "/fraud")),
    metrics=st.just("envoy"),
    steps=st.tuples(st.sampled_from([(10, 50, 500), (100,), (100, 1000), (50, 250)]), steps).map(
        lambda drawn: tuple(replace(drawn[1], weight_permille=weight) for weight in drawn[0])
    ),
    probe=st.just(PROBE),
    checks=st.sampled_from([None, 0.005]).map(
        lambda points: (
            Check("errors", CheckKind.RATIO, max=0.01, worse_by_points=points, failures=3),
            Check("crashes", CheckKind.RATIO, max=0.5, critical=True),
            Check("odd", CheckKind.RATIO, max=0.0, report_only=True),
            Check(PROBES, CheckKind.RATIO, max=0.3, measure=PROBES, report_only=True),
        )
    ),
    judge=st.just("threshold"),
    interval=seconds(5, 15),
    ready_deadline=seconds(120),
    workload=st.builds(WorkloadRules, scale=st.booleans(), drain=seconds(0, 60)),
    warm_up_requests=st.sampled_from([0, 10]),
    validation=st.sampled_from([None, Validation("golden.yaml", timedelta(seconds=30))]),
    bake=seconds(0, 15, 45),
    deadline=seconds(150, 86_400),
    on_deadline=st.sampled_from(Fallback),
    no_data=st.builds(
        NoData, st.just(timedelta(minutes=1)), st.just(timedelta(minutes=3)), st.sampled_from(Fallback)
    ),
)
sampling = st.builds(
    Sampling, golden=st.just("labels.yaml"), every=seconds(10, 30), trials=st.sampled_from([2, 100])
)
answers = st.builds(
    Check,
    name=st.just("accuracy"),
    kind=st.just(CheckKind.SCORE),
    min=st.sampled_from([None, 0.8]),
    worse_by_points=st.just(0.1),
    failures=st.just(1),
    report_only=st.booleans(),
    sampling=sampling,
)
drift = Check("tokens_drift", CheckKind.PSI, max=0.2, failures=1, measure="tokens")
sequential_policies = st.builds(
    lambda policy, auto, more: replace(
        policy,
        checks=(*policy.checks, *more),
        judge="sequential",
        auto_steps=auto is not None,
        steps=auto.to_steps(policy.interval) if auto else policy.steps,
    ),
    classic_policies,
    st.sampled_from(
        [
            None,
            AutoSteps.model_validate({"max_weight": "50%"}),
            AutoSteps.model_validate({"max_weight": "10%"}),
        ]
    ),
    st.just(()) | st.tuples(answers) | st.tuples(answers, st.just(drift)),
)
milestones = st.sampled_from(
    [(), (Milestone.START,), (Milestone.PROMOTION,), (Milestone.START, Milestone.PROMOTION)]
)
approvals = st.builds(
    ApprovalRules,
    before=milestones,
    people=st.integers(1, 3),
    within=st.none() | seconds(60, 600),
    on_timeout=st.sampled_from(Fallback),
    on_deny=st.sampled_from(Fallback),
)


gates = st.builds(
    GateRules,
    name=st.just("desk"),
    before=milestones,
    within=st.none() | seconds(60, 600),
    on_timeout=st.sampled_from(Fallback),
    on_deny=st.sampled_from(Fallback),
    on_error=st.sampled_from(Fallback),
)


def _with_askings(
    policy: Policy, rules: ApprovalRules, gate: GateRules | None, asking: tuple[tuple[bool, str], ...]
) -> Policy:
    """Some steps ask people, or gates; of auto steps none can."""
    steps = policy.steps
    if not policy.auto_steps:
        steps = tuple(
            replace(step, approval=asks, gate=named)
            for step, (asks, named) in zip(steps, asking, strict=False)
        )
    return replace(policy, approval=rules, gates=(gate,) if gate else (), steps=steps)


def _with_audience(policy: Policy, testers: Step | None, audience: AudienceRules) -> Policy:
    """Testers have a step of their own, or come with the first weight, as they do with auto steps."""
    steps = policy.steps if policy.auto_steps or testers is None else (testers, *policy.steps)
    return replace(policy, steps=steps, audience=audience)


TESTERS = (Match(Key(Carrier.HEADER, "x-tester"), "1"),)
STICKY = Sticky(Key(Carrier.COOKIE, "session"))
PEOPLE = ("ann", "bob", "cy", "dan")
"""Ann is who deploys."""
GATES = ("desk", "audit")
"""The second has no rules of its own."""
silent_policies = classic_policies | sequential_policies
_asks_at_step = st.tuples(st.booleans(), st.sampled_from(["", "", *GATES]))
audienced_policies = st.builds(
    _with_audience,
    silent_policies,
    st.none() | steps.map(lambda step: replace(step, testers=True)),
    st.sampled_from([AudienceRules(TESTERS), AudienceRules(TESTERS, STICKY, requests_per_user=5)]),
)
asking_policies = st.builds(
    _with_askings,
    silent_policies | audienced_policies,
    approvals,
    st.none() | gates,
    st.tuples(_asks_at_step, _asks_at_step, _asks_at_step),
)


def _with_shadows(policy: Policy, shadows: tuple[int, ...], step: Step) -> Policy:
    """Copies first; beside auto steps and testers there are none."""
    first = tuple(replace(step, weight_permille=0, mirror_permille=share) for share in shadows)
    without = policy.auto_steps or any(each.testers for each in policy.steps)
    return policy if without else replace(policy, steps=(*first, *policy.steps))


shadow_policies = st.builds(
    _with_shadows,
    silent_policies | audienced_policies | asking_policies,
    st.sampled_from([(100,), (50, 1000), (1,)]),
    steps,
)
policies = silent_policies | audienced_policies | asking_policies | shadow_policies
beginnings = st.sampled_from([None, *(phase for phase in Phase if not phase.terminal)])
