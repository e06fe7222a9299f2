"""What stands in the way of a rollout on an InferenceService, before any canary has requests. Pure."""

from collections.abc import Iterator

from controller.adapters.kube.untrusted import mapping
from controller.adapters.traffic.gateway_rule import Trouble
from controller.adapters.traffic.kserve_canary import entry_name, entry_of, service_name
from controller.adapters.traffic.kserve_service import Mode, Service, files_of
from controller.adapters.traffic.kserve_split import PERMILLE
from controller.adapters.traffic.ownership import owner_of
from controller.adapters.workload.kube_labels import annotations_of
from controller.domain.release import BackendKind, RoutedModel
from controller.domain.vocabulary import Reason
from controller.domain.wording import percent

_BY_ITSELF = "serving.knative.dev/rollout-duration"
_NO_TIME = frozenset({"", "0", "0s"})
_LONGEST = 63


def troubles(service: Service, routed: RoutedModel) -> Iterator[Trouble]:
    """What can be said without looking at anything beside it, what no waiting mends first."""
    if owner := owner_of(service.obj, "predictor"):
        message = (
            f"the InferenceService {service.name} belongs to {owner.shown}, which would undo every change: "
            f"{owner.advice}"
        )
        yield Trouble(Reason.ROUTE_OWNED, message, hopeless=True)
    yield from _of_the_release(routed)
    if service.mode is None:
        yield Trouble(Reason.WAITING_FOR_ROUTE, f"KServe has not looked at {service.name} yet")
    elif service.mode is Mode.SERVERLESS:
        yield from _of_serverless(service)
    elif service.mode is Mode.STANDARD:
        yield from _of_standard(service, routed)
    else:
        message = f"the InferenceService {service.name} is deployed neither on Knative nor as Standard"
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)
    yield from _of_both(service)


def _of_the_release(routed: RoutedModel) -> Iterator[Trouble]:
    canary = routed.canary
    if canary is not None and (canary.backend is None or canary.backend.kind is not BackendKind.STORAGE_URI):
        message = (
            f"an InferenceService runs a model by its files: serinus deploy {routed.model} {canary.version} "
            "--storage-uri gs://BUCKET/PATH   (spec.storageUri of a ModelRollout)"
        )
        yield Trouble(Reason.BACKEND_NOT_FOUND, message, hopeless=True)
    fine = [step for step in routed.steps_permille if step % PERMILLE]
    if fine:
        message = f"KServe divides in whole percents: {percent(fine[0])} is none; change the step"
        yield Trouble(Reason.WEIGHT_SUM_TOO_SMALL, message, hopeless=True)


def _of_both(service: Service) -> Iterator[Trouble]:
    if not service.uri:
        message = (
            f"the predictor of {service.name} has no model.storageUri, the one field that a rollout changes: "
            "write the model as model: {modelFormat: ..., storageUri: ...}"
        )
        yield Trouble(Reason.BACKEND_NOT_FOUND, message, hopeless=True)
    if service.least == 0:
        message = (
            f"minReplicas of {service.name} is 0: a canary without requests would have no copies to "
            "validate; write minReplicas: 1"
        )
        yield Trouble(Reason.WORKLOAD_REFUSED, message, hopeless=True)
    if service.stopped:
        yield Trouble(Reason.WAITING_FOR_ROUTE, f"{service.name} is stopped: serving.kserve.io/stop is true")


def _of_serverless(service: Service) -> Iterator[Trouble]:
    if annotations_of(service.obj).get(_BY_ITSELF, "") not in _NO_TIME:
        message = f"{_BY_ITSELF} of {service.name} moves requests by itself: remove the annotation"
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)
    if service.entries:
        message = f"spec.canary of {service.name} is for Standard mode: remove it"
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)


def _of_standard(service: Service, routed: RoutedModel) -> Iterator[Trouble]:
    spec = service.spec
    if service.splits_revisions:
        message = (
            f"canaryTrafficPercent of {service.name} is ignored in Standard mode, which has spec.canary: "
            "remove it, Serinus writes the canary"
        )
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)
    if mapping(spec.get("transformer")):
        message = (
            f"the transformer of {service.name} calls the predictor past the HTTPRoute, so that nothing "
            "would be divided: deploy it on Knative, or without a transformer"
        )
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)
    if mapping(service.predictor.get("workerSpec")):
        message = f"{service.name} runs on several nodes (workerSpec), and KServe makes no canary of such"
        yield Trouble(Reason.WORKLOAD_REFUSED, message, hopeless=True)
    ours = entry_of(service, routed.canary)
    theirs = [each for each in service.entries if each.percent and each != ours]
    given = [each for each in (ours, *theirs) if each is not None and each.percent]
    if given:
        message = (
            f"the canary {given[0].name} of {service.name} has {given[0].percent}% already: set it to 0 first"
        )
        yield Trouble(Reason.DRIFT_DETECTED, message)
    if routed.canary is None:
        return
    name = entry_name(routed.canary.version)
    if any(each.name == name and each.uri != files_of(routed.canary) for each in service.entries):
        message = f"{service.name} has a canary {name} with other files: remove it from spec.canary"
        yield Trouble(Reason.DRIFT_DETECTED, message, hopeless=True)
    if len(service_name(service.name, name)) > _LONGEST:
        message = (
            f"{service_name(service.name, name)} is too long a name for a Service: use a shorter version"
        )
        yield Trouble(Reason.WORKLOAD_REFUSED, message, hopeless=True)
