"""Istio's VirtualService: weighted destinations in the rules for HTTP.

Nothing says that the proxies took it: Istio writes a status only where the operator has it do so, and then
only what its analysis found. So what the API server took, past Istio's own admission check, counts as
accepted, and the share of requests that is measured has to confirm it.

**Source**: networking.istio.io/v1 VirtualService (HTTPRoute, HTTPRouteDestination, Destination) and
DestinationRule; Istio 1.2x, pkg/config/validation: weights are relative since 1.14, all 0 is refused, and a
lone destination gets everything whatever its weight; meta.istio.io/v1alpha1 IstioStatus.
"""

from collections.abc import Iterator
from copy import deepcopy

from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import DESTINATION_RULES, VIRTUAL_SERVICES, Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.traffic.dialect import Companion, Standing
from controller.adapters.traffic.gateway_api import VERBS
from controller.adapters.traffic.gateway_marker import HEADER
from controller.adapters.traffic.gateway_rule import Pair, Trouble, find_pair
from controller.adapters.traffic.gateway_status import Verdict, bounded
from controller.adapters.traffic.layout import Layout, Target, Wanted
from controller.adapters.traffic.weighted_routes import WeightedRoutes
from controller.adapters.workload.kube_subsets import host_of, labels_of_subset
from controller.domain.release import BackendKind, RoutedModel
from controller.domain.vocabulary import Reason
from controller.features import Feature

PERMISSIONS = (
    Permission(VIRTUAL_SERVICES, VERBS, Feature.ISTIO),
    Permission(DESTINATION_RULES, frozenset({"list"}), Feature.ISTIO),
)


def _target(body: Obj, home: str) -> Target:
    destination = mapping(body.get("destination"))
    host = text(destination.get("host"))
    port = mapping(destination.get("port")).get("number")
    service = host_of(host, home)
    name, namespace = service or (host, home)
    return Target(
        group="",
        kind=BackendKind.SERVICE if service else "host",
        namespace=namespace,
        name=name,
        port=port if type(port) is int else None,
        subset=text(destination.get("subset")),
    )


def _entry(wanted: Wanted) -> Obj:
    """Like the other version's, its headers included; a host is as long as the other's."""
    old = mapping(wanted.like.get("destination"))
    _, dot, rest = text(old.get("host")).partition(".")
    destination: Obj = {"host": f"{wanted.backend.name}{dot}{rest}"}
    if wanted.backend.subset:
        destination["subset"] = wanted.backend.subset
    if wanted.port is not None:
        destination["port"] = {"number": wanted.port}
    return {**_unmarked(wanted.like), "destination": destination}


def _set(body: Obj) -> Obj:
    return mapping(mapping(mapping(body.get("headers")).get("request")).get("set"))


def _is_marked(body: Obj) -> bool:
    return HEADER in _set(body)


def _marked(body: Obj, version: str) -> Obj:
    """The mark is a header of the requests to the canary, as on an HTTPRoute."""
    body = deepcopy(body)
    headers = body.setdefault("headers", {})
    headers.setdefault("request", {}).setdefault("set", {})[HEADER] = version
    return body


def _unmarked(body: Obj) -> Obj:
    body = deepcopy(body)
    if _is_marked(body):
        del body["headers"]["request"]["set"][HEADER]
        for holder, name in (
            (body["headers"]["request"], "set"),
            (body["headers"], "request"),
            (body, "headers"),
        ):
            if not holder[name]:
                del holder[name]
    return body


def _weigh(body: Obj, alone: bool) -> object:  # noqa: FBT001 - as `Layout` has it
    weight = body.get("weight", 0)
    return weight or _WHOLE if alone else weight


_WHOLE = 100
"""The weight of a destination that is alone: what people write, and what none or 0 means there."""

LAYOUT = Layout(
    kind="VirtualService",
    rules="http",
    refs="route",
    backends=frozenset({BackendKind.SERVICE}),
    target=_target,
    entry=_entry,
    is_marked=_is_marked,
    marked=_marked,
    unmarked=_unmarked,
    name_at="destination/host",
    weigh=_weigh,
)


def _accepted(standing: Standing) -> Verdict:
    """What Istio's analysis found of the present generation, where it says so at all."""
    status = mapping(standing.route.get("status"))
    if number(status.get("observedGeneration")) < number(standing.route["metadata"].get("generation")):
        return Verdict(accepted=True)
    for message in map(mapping, sequence(status.get("validationMessages"))):
        if message.get("level") == "ERROR":
            kind = mapping(message.get("type"))
            said = bounded(f"{text(kind.get('code'))} {text(kind.get('name'))}")
            return Verdict(accepted=False, refused=True, message=f"Istio's analysis says {said}")
    return Verdict(accepted=True)


def _beside(route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:
    """The subsets that there are, before the canary's is on the route."""
    canary = routed.canary.backend if routed.canary else None
    if canary is None or not canary.subset:
        return ()
    pair = find_pair(route, routed, LAYOUT)
    there = isinstance(pair, Pair) and pair.canary
    return () if there else (Companion(DESTINATION_RULES, ""),)


def _obstacles(standing: Standing, routed: RoutedModel) -> Iterator[Trouble]:
    """Requests to a subset that no DestinationRule defines are answered with 503."""
    canary = routed.canary.backend if routed.canary else None
    if canary is None or not standing.companions:
        return
    rules = map(mapping, sequence(mapping(standing.companions[0]).get("items")))
    if labels_of_subset(rules, routed.namespace, canary) is None:
        message = (
            f"no DestinationRule of {routed.namespace} gives {canary.name} a subset {canary.subset}: "
            "create it before the canary gets requests, and keep it until the rollout is over"
        )
        yield Trouble(Reason.BACKEND_NOT_FOUND, message)


def _gateways(route: Obj) -> tuple[str, ...]:
    """**Source**: VirtualService, ``gateways``: of its own namespace unless it says so, or the mesh."""
    home = text(mapping(route.get("metadata")).get("namespace"))
    names = [text(each) for each in sequence(mapping(route.get("spec")).get("gateways"))] or ["mesh"]
    return tuple(sorted(name if "/" in name or name == "mesh" else f"{home}/{name}" for name in names))


def _series(*_: object) -> tuple[tuple[str, str], ...]:
    """Istio's metrics tell versions by the labels of their pods."""
    return ()


VIRTUAL_SERVICE = WeightedRoutes(
    VIRTUAL_SERVICES, Feature.ISTIO, LAYOUT, _accepted, _series, _gateways, _obstacles, _beside
)
