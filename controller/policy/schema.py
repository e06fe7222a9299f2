"""The policy file: the rules that its fields follow together.

A rule between two fields sits on the later one, so that it is told together with every other fault; what a
judge does not know is found in the file's own words, where a default is not. The `Catalogue` of known names
comes in as pydantic's validation context.
"""

from datetime import timedelta
from typing import Any, Self

from pydantic import ModelWrapValidatorHandler as Handler
from pydantic import ValidationInfo, field_validator, model_validator

from controller.domain.measures import AUTO
from controller.policy.approvals import ApprovalSection, GateSection, approval_trouble, gate_troubles
from controller.policy.audience import (
    AudienceSection,
    counts_mixed,
    for_testers,
    incomparable,
    nameless_testers,
    unjudged,
    unroutable,
)
from controller.policy.catalogue import did_you_mean
from controller.policy.check_sections import AnyCheck
from controller.policy.fields import catalogue_of, complaint, complaints, together
from controller.policy.fineness import too_fine
from controller.policy.fleet_sections import FleetFields
from controller.policy.judging import misplaced
from controller.policy.measurable import unmeasured
from controller.policy.packs import MetricsPageSection, usable_pack
from controller.policy.policy_fields import OwnFields
from controller.policy.probing import ProbeSection, told_apart, unasked
from controller.policy.quantities import show_duration, shown
from controller.policy.route_sections import ADAPTER_KINDS, OBJECT_KINDS
from controller.policy.sections import WarmUpSection
from controller.policy.shadows import unmeasured_shadow
from controller.policy.steps import AutoSteps, StepSection, to_steps
from controller.policy.workloads import WorkloadSection, demand_cluster, demand_copies


def _known(what: str, value: str, known: frozenset[str]) -> str:
    if value not in known:
        raise complaint(f"{shown(value)} is not {what}", did_you_mean(value, known))
    return value


class PolicySection(FleetFields, OwnFields):
    """How new versions of one model are rolled out."""

    @model_validator(mode="wrap")
    @classmethod
    def _for_the_judge(cls, value: Any, handler: Handler[Self], info: ValidationInfo) -> Self:
        found = [*misplaced(value, catalogue_of(info).judges), *unasked(value)]
        section: Self = together(value, handler, found)
        return section

    @field_validator("metrics")
    @classmethod
    def _known_pack(cls, value: str, info: ValidationInfo) -> str:
        route = info.data.get("route")
        return usable_pack(value, catalogue_of(info), route.kind if route else None)

    @field_validator("metrics_page")
    @classmethod
    def _looked_at(cls, value: MetricsPageSection | None, info: ValidationInfo) -> MetricsPageSection | None:
        if value is not None and info.data.get("metrics", AUTO) != AUTO:
            raise complaint("only metrics: auto looks at a page", "write metrics: auto, or remove it")
        return value

    @field_validator("audience")
    @classmethod
    def _routable(cls, value: AudienceSection, info: ValidationInfo) -> AudienceSection:
        route = info.data.get("route")
        if route and (found := list(unroutable(value, route.kind, catalogue_of(info)))):
            raise complaints(found)
        return value

    @field_validator("steps")
    @classmethod
    def _for_somebody(
        cls, value: list[StepSection] | AutoSteps, info: ValidationInfo
    ) -> list[StepSection] | AutoSteps:
        audience = info.data.get("audience")
        found = [] if audience is None else [*nameless_testers(value, audience)]
        found += unmeasured_shadow(value, info.data.get("route"), info.data.get("metrics"), info)
        if found:
            raise complaints(found)
        return value

    @field_validator("checks")
    @classmethod
    def _judged(cls, value: dict[str, AnyCheck], info: ValidationInfo) -> dict[str, AnyCheck]:
        audience, route, metrics = (info.data.get(name) for name in ("audience", "route", "metrics"))
        if audience is None or not audience.testers or route is None or metrics is None:
            return value
        mixed = counts_mixed(audience, metrics, route.kind, catalogue_of(info))
        found = [*incomparable(value, metrics, mixed=mixed)]
        found += unjudged(value, testers_step=for_testers(info.data.get("steps", [])))
        if found:
            raise complaints(found)
        return value

    @field_validator("steps")
    @classmethod
    def _given_exactly(
        cls, value: list[StepSection] | AutoSteps, info: ValidationInfo
    ) -> list[StepSection] | AutoSteps:
        route = info.data.get("route")
        if route and (found := too_fine(value, route.kind, catalogue_of(info).routes.get(route.kind))):
            raise complaints(found)
        return value

    @field_validator("checks")
    @classmethod
    def _measured(cls, value: dict[str, AnyCheck], info: ValidationInfo) -> dict[str, AnyCheck]:
        pack = info.data.get("metrics")
        if pack is not None and (found := unmeasured(value, pack, catalogue_of(info))):
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
            demand_copies(value, info.data["route"].kind, ADAPTER_KINDS)
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

    @field_validator("probe")
    @classmethod
    def _told_apart(cls, value: ProbeSection | None, info: ValidationInfo) -> ProbeSection | None:
        if value is None or "checks" not in info.data:
            return value
        return told_apart(value, info.data.get("route"), info.data["checks"], catalogue_of(info).routes)

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
