"""The dialect of KServe's InferenceService, in both of its ways to divide requests between two models.

A release is the place of a model's files, and the object is never stamped: KServe copies annotations to pods.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.adapters.kube.client import FIELD_MANAGER
from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    REVISIONS,
    Obj,
    Resource,
)
from controller.adapters.traffic.dialect import Companion, Standing, Surveyed
from controller.adapters.traffic.gateway_seen import described
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.kserve_serverless import Serverless, shares_by_files
from controller.adapters.traffic.kserve_service import Mode, Service, files_of
from controller.adapters.traffic.kserve_split import Held, Wanted, of_files, wanted
from controller.adapters.traffic.kserve_standard import Standard
from controller.adapters.traffic.kserve_status import last_writer
from controller.adapters.traffic.kserve_survey import troubles
from controller.domain.observation import RouteSeen, Survey
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TargetError
from controller.features import Feature

PERMISSIONS = (
    Permission(INFERENCE_SERVICES, frozenset({"get", "list", "watch", "patch"}), Feature.INFERENCE_SERVICES),
    Permission(REVISIONS, frozenset({"get"}), Feature.INFERENCE_SERVICES),
    Permission(HTTP_ROUTES, frozenset({"get"}), Feature.INFERENCE_SERVICES),
)
_OURS = ("f:predictor", "f:canary")
_REASONS = {reason.value: reason for reason in Reason}


class Way(Protocol):
    """One way of KServe to divide requests. Messages are for people; changes are those of a JSON Patch."""

    def companions(self, service: Service) -> tuple[Companion, ...]:
        """What says whether it is in force."""
        ...

    def held(self, service: Service, routed: RoutedModel) -> Held:
        """The split that it asks for."""
        ...

    def change(self, service: Service, routed: RoutedModel, wanted: Wanted) -> list[Obj]:
        """What makes it ask for another."""
        ...

    def emergency(self, service: Service, routed: RoutedModel) -> list[Obj]:
        """What gives everything to stable."""
        ...

    def latch(self, service: Service, reason: str) -> list[Obj]:
        """What latches that; empty undoes it."""
        ...

    def latched(self, service: Service) -> str:
        """The reason of a latch."""
        ...

    def verdict(
        self, service: Service, found: Sequence[Obj | None], routed: RoutedModel, held: Held
    ) -> Verdict:
        """Whether what is held is in force."""
        ...

    def settled(self, service: Service, found: Sequence[Obj | None]) -> Verdict:
        """The same without knowing the versions."""
        ...

    def series(
        self, service: Service, found: Sequence[Obj | None], routed: RoutedModel
    ) -> tuple[tuple[str, str], ...]:
        """What each version is called in metrics."""
        ...


_WAYS: Mapping[Mode | None, Way] = {Mode.SERVERLESS: Serverless(), Mode.STANDARD: Standard()}


@dataclass(frozen=True, slots=True)
class InferenceServices:
    """`Dialect`, and `Unstamped`."""

    resource: Resource = INFERENCE_SERVICES
    feature: Feature = Feature.INFERENCE_SERVICES

    def object_name(self, routed: RoutedModel) -> str:
        """The name in the policy."""
        return routed.route.name

    def companions(self, route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:  # noqa: ARG002 - as `Dialect` has it
        """Knative's revisions, or the HTTPRoutes that KServe makes."""
        service = Service(route)
        way = _WAYS.get(service.mode)
        return way.companions(service) if way else ()

    def survey(self, standing: Standing, routed: RoutedModel, recorded: Release | None) -> Surveyed:
        """Which model serves, and what stands in the way."""
        service = Service(standing.route)
        known = [release for release in (routed.stable, recorded) if release is not None]
        trouble = next(troubles(service, routed), None)
        if trouble is not None:
            stopped = Survey(problem=trouble.reason, message=trouble.message, hopeless=trouble.hopeless)
            return Surveyed(stopped)
        found = _serving(service, standing)
        if isinstance(found, str):
            return Surveyed(Survey(problem=Reason.WAITING_FOR_ROUTE, message=found))
        files, name = found
        if len(files) > 1:
            stands = " and ".join(f"{share}% to {uri or '(unknown)'}" for uri, share in files.items())
            message = f"{service.name} divides its requests already, {stands}: give one of them all first"
            return Surveyed(Survey(problem=Reason.DRIFT_DETECTED, message=message))
        uri = next(iter(files))
        serving = of_files(uri, known, name)
        if routed.stable is not None and files_of(routed.stable) != uri:
            message = f"{service.name} serves {uri}, but {routed.stable.version} is on record as serving"
            stopped = Survey(serving, problem=Reason.DRIFT_DETECTED, message=f"{message}: put its model back")
            return Surveyed(stopped)
        if routed.canary is not None and files_of(routed.canary) == uri:
            message = f"{service.name} serves {uri} already: give {routed.canary.version} files of its own"
            return Surveyed(Survey(serving, problem=Reason.ALREADY_SERVING, message=message, hopeless=True))
        return Surveyed(Survey(serving))

    def accepted(self, standing: Standing) -> Verdict:
        """Whether what KServe made of it is as it asks."""
        service = Service(standing.route)
        way = _WAYS.get(service.mode)
        if way is None:
            return Verdict(accepted=False, message=f"KServe has not looked at {service.name} yet")
        return way.settled(service, standing.companions)

    def seen(self, standing: Standing, routed: RoutedModel, mark: str) -> RouteSeen:  # noqa: ARG002 - bears none
        """The split, and whether revisions or routes have it."""
        service = Service(standing.route)
        way = _WAYS.get(service.mode)
        if way is None:
            message = f"KServe says of {service.name} neither Serverless nor Standard any more"
            return RouteSeen(Split(), accepted=False, problem=Reason.DRIFT_DETECTED, message=message)
        held = way.held(service, routed)
        verdict = way.verdict(service, standing.companions, routed, held)
        problem, message = None, _stands(service, held)
        if held.strange:
            problem = Reason.DRIFT_DETECTED
        elif verdict.refused:
            problem, message = Reason.ROUTE_NOT_HONOURED, verdict.message
        elif not verdict.accepted:
            message = verdict.message
        return RouteSeen(
            split=held.split,
            accepted=verdict.accepted and not held.strange,
            problem=problem,
            message=message,
            latched=_REASONS.get(way.latched(service)),
            series=way.series(service, standing.companions, routed),
        )

    def change(self, route: Obj, routed: RoutedModel, split: Split, expected: Split) -> list[Obj]:
        """The model and its percentage together."""
        service = Service(route)
        way = _way(service)
        held = way.held(service, routed)
        if held.split not in (split, expected):
            raise Conflict(f"{_stands(service, held)}; expected was {described(expected)}")
        return way.change(service, routed, wanted(routed, split))

    def emergency(self, route: Obj, routed: RoutedModel) -> list[Obj]:
        """0 percent for the canary."""
        service = Service(route)
        return _way(service).emergency(service, routed)

    def latch(self, route: Obj, reason: Reason | None) -> list[Obj]:
        """At the canary's pods, which have no requests then."""
        service = Service(route)
        way = _WAYS.get(service.mode)
        return way.latch(service, reason.value if reason else "") if way else []


INFERENCE_SERVICE = InferenceServices()


def _way(service: Service) -> Way:
    way = _WAYS.get(service.mode)
    if way is None:
        raise TargetError(f"KServe says of {service.name} neither Serverless nor Standard")
    return way


def _serving(service: Service, standing: Standing) -> tuple[dict[str, int], str] | str:
    """The files that serve, with their shares, and a name for them; or what is waited for."""
    if service.mode is Mode.SERVERLESS:
        shares = shares_by_files(service, standing.companions)
        if shares is None:
            said = service.said("PredictorReady", "IngressReady")
            return f"KServe has not routed {service.name} yet{f': {said}' if said else ''}"
        busy = [each.revision for each in service.targets if each.percent]
        if "" in shares:
            names = " and ".join(busy)
            return f"which files {names} of {service.name} load is not known: KServe says it on each"
        return shares, busy[0]
    verdict = Standard().settled(service, standing.companions)
    if not verdict.accepted:
        return verdict.message
    return {service.uri: 100}, str(service.predictor.get("name") or service.name)


def _stands(service: Service, held: Held) -> str:
    share = described(held.split)
    writer = last_writer(service.obj, FIELD_MANAGER, _OURS)
    return f"the InferenceService {service.name} has the model {service.uri or '(none)'}, {share}{writer}"
