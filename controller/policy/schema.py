"""The policy file: its fields, their defaults, and what they say about themselves.

A rule between two fields sits on the later one, so that it is told together with every other fault; what a
judge does not know is found in the file's own words, where a default is not. The `Catalogue` of known names
comes in as pydantic's validation context.
"""

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic import ModelWrapValidatorHandler as Handler

from controller.policy.approvals import ApprovalSection, GateSection, approval_trouble, gate_troubles
from controller.policy.catalogue import did_you_mean
from controller.policy.check_sections import AnyCheck
from controller.policy.checks import Checks, unmeasured
from controller.policy.fields import Duration, Section, catalogue_of, complaint, complaints, together, written
from controller.policy.judging import DEFAULT_JUDGE, Budget, Confidence, PromoteRatio, misplaced
from controller.policy.names import Label, Model
from controller.policy.quantities import show_duration, shown
from controller.policy.routes import OBJECT_KINDS, Route
from controller.policy.sections import NoDataSection, OnSilence, ValidationSection, WarmUpSection
from controller.policy.steps import Steps, to_steps
from controller.policy.workloads import WorkloadSection, demand_cluster


def _known(what: str, value: str, known: frozenset[str]) -> str:
    if value not in known:
        raise complaint(f"{shown(value)} is not {what}", did_you_mean(value, known))
    return value


class PolicySection(Section):
    """How new versions of one model are rolled out."""

    model: Model = Field(description="Name of the model that the policy is for.", examples=["fraud-detector"])
    namespace: Label = Field(
        default="default", description="Namespace that the model belongs to.", examples=["ml"]
    )
    route: Route = Field(
        description=(
            "Who splits the traffic, and the route there:"
            " {envoy: PATH}, {envoy: {prefix: PATH, rewrite: PATH}}, {httpRoute: NAME}"
            " or {httpRoute: {name: NAME, rule: RULE, stable: BACKEND}}; grpcRoute as httpRoute."
        ),
        examples=[{"envoy": "/v2/models/fraud-detector"}, {"httpRoute": "fraud-detector"}],
    )
    metrics: str = Field(
        description="Pack that says how errors and latencies are read from the metric source.",
        examples=["envoy"],
    )
    prometheus: Label | None = Field(
        default=None,
        description="Prometheus server that is asked, by the name that the operator's settings give it.",
        examples=["eu-west"],
    )
    steps: Steps = Field(
        description=(
            "Rising weights, each as 5% or as {weight: 5%, for: 10m, min_requests: 1000, approval: true};"
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

    @model_validator(mode="wrap")
    @classmethod
    def _for_the_judge(cls, value: Any, handler: Handler[Self], info: ValidationInfo) -> Self:
        found = misplaced(value, catalogue_of(info).judges)
        section: Self = together(value, handler, found)
        return section

    @field_validator("metrics")
    @classmethod
    def _known_pack(cls, value: str, info: ValidationInfo) -> str:
        return _known("a metrics pack", value, frozenset(catalogue_of(info).packs))

    @field_validator("checks")
    @classmethod
    def _measured(cls, value: dict[str, AnyCheck], info: ValidationInfo) -> dict[str, AnyCheck]:
        pack = info.data.get("metrics")
        if pack is not None and (found := unmeasured(value, pack, catalogue_of(info).packs[pack])):
            raise complaints(found)
        return value

    @field_validator("judge")
    @classmethod
    def _known_judge(cls, value: str, info: ValidationInfo) -> str:
        return _known("a judge", value, catalogue_of(info).judges)

    @field_validator("warm_up")
    @classmethod
    def _has_requests(cls, value: WarmUpSection, info: ValidationInfo) -> WarmUpSection:
        if value.requests and "validation" in info.data and info.data["validation"] is None:
            sentence = "warm-up sends golden requests, and the policy names none"
            raise complaint(sentence, "add validation: {golden: FILE}, or remove warm_up")
        return value

    @field_validator("workload")
    @classmethod
    def _in_a_cluster(cls, value: WorkloadSection, info: ValidationInfo) -> WorkloadSection:
        if "route" in info.data:
            demand_cluster(value, info.data["route"].kind, OBJECT_KINDS)
        return value

    @field_validator("approval")
    @classmethod
    def _of_something(cls, value: ApprovalSection | None, info: ValidationInfo) -> ApprovalSection | None:
        if value is None or "steps" not in info.data:
            return value
        if found := approval_trouble(value, info.data["steps"], info.data.get("deadline")):
            raise complaints([found])
        return value

    @field_validator("gates")
    @classmethod
    def _asked_somewhere(cls, value: list[GateSection], info: ValidationInfo) -> list[GateSection]:
        if "steps" not in info.data:
            return value
        if found := gate_troubles(value, info.data["steps"], info.data.get("deadline")):
            raise complaints(found)
        return value

    @field_validator("deadline")
    @classmethod
    def _long_enough(cls, deadline: timedelta, info: ValidationInfo) -> timedelta:
        if not info.data.keys() >= {"steps", "interval", "bake"}:
            return deadline
        steps = to_steps(info.data["steps"], info.data["interval"])
        needed = sum((step.hold for step in steps), info.data["bake"])
        if deadline < needed:
            sentence = (
                f"{show_duration(deadline)} is shorter than all steps and bake ({show_duration(needed)})"
            )
            raise complaint(sentence, f"write {show_duration(needed)} or more")
        return deadline
