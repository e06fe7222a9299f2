"""The fields of a policy file that are about its own model: defaults, and what each says of itself."""

from typing import Literal

from pydantic import Field

from controller.policy.approvals import ApprovalSection, GateSection
from controller.policy.audience import AudienceSection
from controller.policy.checks import Checks
from controller.policy.fields import Duration, Section, written
from controller.policy.judging import DEFAULT_JUDGE, Budget, Confidence, PromoteRatio
from controller.policy.names import Label, Model
from controller.policy.packs import MetricsPageSection
from controller.policy.probing import ProbeSection
from controller.policy.routes import Route
from controller.policy.sections import NoDataSection, OnSilence, ValidationSection, WarmUpSection
from controller.policy.steps import Steps
from controller.policy.workloads import WorkloadSection


class OwnFields(Section):
    """How new versions of one model are rolled out, whatever becomes of others."""

    model: Model = Field(description="Name of the model that the policy is for.", examples=["fraud-detector"])
    namespace: Label = Field(
        default="default", description="Namespace that the model belongs to.", examples=["ml"]
    )
    route: Route = Field(
        description=(
            "Who splits the traffic, and the route there:"
            " {envoy: PATH}, {envoy: {prefix: PATH, rewrite: PATH}}, {httpRoute: NAME}"
            " or {httpRoute: {name: NAME, rule: RULE, stable: BACKEND}}; others of a cluster as httpRoute,"
            " but {inferenceService: NAME}; {llmInferenceService: GROUP}."
        ),
        examples=[{"envoy": "/v2/models/fraud-detector"}, {"httpRoute": "fraud-detector"}],
    )
    metrics: str = Field(
        description=(
            "Pack that says how errors and latencies are read from the metric source; or auto, and the"
            " engine's pack is recognised from what a copy of the canary shows."
        ),
        examples=["envoy"],
    )
    metrics_page: MetricsPageSection | None = Field(
        default=None,
        description="Where a copy shows its metrics, for metrics: auto, which recognises the pack from them.",
        examples=[{"port": 8082}],
    )
    prometheus: Label | None = Field(
        default=None,
        description="Prometheus server that is asked, by the name that the operator's settings give it.",
        examples=["eu-west"],
    )
    audience: AudienceSection = Field(
        default_factory=AudienceSection,
        description="Who gets the canary otherwise than by chance: testers, and users who keep it.",
        examples=[
            {"testers": [{"header": "x-tester", "value": "internal"}], "sticky": {"header": "x-user-id"}}
        ],
    )
    steps: Steps = Field(
        description=(
            "Rising weights, each as 5% or as {weight: 5%, for: 10m, min_requests: 1000, approval: true},"
            " and before them testers, where audience names some, or shadow: 10%, at which requests are only"
            " copied to the canary;"
            " or auto, and the sequential judge chooses them, up to {max_weight: 50%}."
        ),
        examples=[["1%", "5%", "25%", "50%"], "auto", {"max_weight": "30%"}],
    )
    checks: Checks = Field(
        description=(
            "Limits by name: errors, latency_pNN, what else the metrics pack measures, or any other name with"
            " a histogram, two counters or a query."
        ),
        examples=[{"errors": {"max": "1%"}}],
    )
    interval: Duration = Field(
        default=written("15s"), description="Time from one check to the next.", examples=["30s"]
    )
    ready_deadline: Duration = Field(
        default=written("30m"),
        description="Time for the canary to become ready; it is not deployed after it.",
        examples=["1h"],
    )
    validation: ValidationSection | None = Field(
        default=None,
        description="Golden requests before any traffic.",
        examples=[{"golden": "golden/chat.yaml"}],
    )
    warm_up: WarmUpSection = Field(
        default_factory=WarmUpSection,
        description="Requests that wake the canary up before it is validated.",
        examples=[{"requests": 20}],
    )
    bake: Duration = Field(
        default=written("10m"),
        description="Time after promotion in which the old version is kept ready.",
        examples=["1h"],
    )
    deadline: Duration = Field(
        default=written("24h"),
        description="Time for the whole rollout; it then ends as on_deadline says.",
        examples=["12h"],
    )
    on_deadline: OnSilence = Field(
        default="hold",
        description="What a deadline of a step or the rollout does: hold, or rollback.",
        examples=["rollback"],
    )
    no_data: NoDataSection = Field(
        default_factory=NoDataSection,
        description="What to do without measurements.",
        examples=[{"action": "hold"}],
    )
    on_drift: Literal["freeze", "restore"] = Field(
        default="freeze",
        description="What to do when somebody else changed the weights: wait for a person, or restore them.",
        examples=["restore"],
    )
    approval: ApprovalSection | None = Field(
        default=None,
        description="Whose approval a rollout waits for, and where; a step says approval: true itself.",
        examples=[{"before": ["promotion"], "people": 2}],
    )
    gates: list[GateSection] = Field(
        default=[],
        max_length=10,
        description="Programs that must let a rollout pass, and where; a step says gate: NAME itself.",
        examples=[[{"name": "release-desk", "before": ["promotion"]}]],
    )
    probe: ProbeSection | None = Field(
        default=None,
        description="Streamed requests of Serinus' own through the gateway, for the check probes.",
        examples=[{"every": "1m", "requests": 10}],
    )
    workload: WorkloadSection = Field(
        default_factory=WorkloadSection,
        description="What to do to the workloads behind the route, in a cluster.",
        examples=[{"discover": True, "keep_for": "7d"}],
    )
    notify: list[Label] = Field(
        default=[],
        max_length=20,
        description="Destinations to tell, by the names that the operator's settings give them.",
        examples=[["ml-releases"]],
    )
    judge: str = Field(
        default=DEFAULT_JUDGE,
        description=(
            "How evidence becomes a verdict: sequential weighs every request,"
            " threshold counts failing measurements in a row."
        ),
        examples=["threshold"],
    )
    budget: Budget = Field(
        default=written("20 bad requests"),
        description=(
            "Bad requests, more than stable's, that a version may plausibly cost before the sequential judge"
            " can react; it keeps the weight low enough for that."
        ),
        examples=["50 bad requests"],
    )
    confidence: Confidence = Field(
        default=written("99%"),
        description=(
            "How sure the sequential judge must be to roll back: at 99%, at most one good version in a"
            " hundred is rolled back, however often it looks."
        ),
        examples=["99.9%"],
    )
    promote_if_not_worse_than: PromoteRatio = Field(
        default=written("1.5x"),
        description=(
            "The sequential judge promotes a version whose share of bad requests is shown to be below this"
            " many times stable's."
        ),
        examples=["1.2x"],
    )
