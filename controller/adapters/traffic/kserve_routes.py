"""Whether the HTTPRoutes that KServe makes have the weights of an InferenceService. Pure.

**Source**: kserve#5912: both routes, of the service and of its predictor, get whole percents.
"""

from collections.abc import Sequence

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.traffic.gateway_status import Verdict, acceptance
from controller.adapters.traffic.kserve_canary import service_name
from controller.adapters.traffic.kserve_service import Service

_ALL = 100


def in_force(
    service: Service, routes: Sequence[tuple[str, Obj | None]], shares: dict[str, int], names: set[str]
) -> Verdict:
    """Whether all have these shares, in percent by Service, and their gateways took them.

    ``names`` are the Services that are the model's: rules without any of them are none of ours.
    """
    for name, route in routes:
        if route is None:
            message = f"KServe has made no HTTPRoute {name} yet; it makes them with enableGatewayApi only"
            return Verdict(accepted=False, message=message)
        weights = _weights(route, names)
        if not weights or any(each != shares for each in weights):
            return _contradiction(service, name, weights, shares)
        taken = acceptance(route)
        if not taken.accepted:
            return taken
    return Verdict(accepted=True)


def _weights(route: Obj, names: set[str]) -> list[dict[str, int]]:
    """Percent by Service of each rule that has one of these; the API gives a ref without a weight 1."""
    found = []
    for rule in map(mapping, sequence(mapping(route.get("spec")).get("rules"))):
        refs = [mapping(ref) for ref in sequence(rule.get("backendRefs"))]
        weights = {text(ref.get("name")): _weight(ref) for ref in refs}
        if names & weights.keys():
            total = sum(weights.values())
            found.append({name: _ALL * each // total for name, each in weights.items() if each and total})
    return found


def _weight(ref: Obj) -> int:
    weight = ref.get("weight", 1)
    return weight if type(weight) is int and weight >= 0 else 0


def _contradiction(
    service: Service, route: str, weights: list[dict[str, int]], shares: dict[str, int]
) -> Verdict:
    """A canary that KServe calls ready, and that no route knows, is one that this KServe never routes to."""
    said = {
        text(each.get("name")): each for each in map(mapping, sequence(service.status.get("canaryStatuses")))
    }
    for entry in service.entries:
        name, status = service_name(service.name, entry.name), said.get(entry.name, {})
        echoed = status.get("ready") is True and status.get("trafficPercent") == entry.percent
        if shares.get(name) and not any(name in each for each in weights):
            if echoed:
                message = (
                    "this KServe accepts spec.canary but does not split (0.20.0 and before): "
                    f"the HTTPRoute {route} does not have {name}, which is ready; "
                    "update KServe, or deploy on Knative"
                )
                return Verdict(accepted=False, refused=True, message=message)
            why = service.said("CanaryPredictorReady")
            message = f"KServe leaves {name} out of its routes until it is ready{f': {why}' if why else ''}"
            return Verdict(accepted=False, message=message)
    return Verdict(
        accepted=False, message=f"the HTTPRoute {route} has not got the weights of {service.name} yet"
    )
