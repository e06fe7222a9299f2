"""Envoy AI Gateway's AIGatewayRoute: weighted AIServiceBackends in rules.

The gateway makes an HTTPRoute of the same name from it. Its own status has one condition, without the
generation that it speaks of, so what counts is that HTTPRoute: it must carry the same weights, and its
gateways must accept it as it is then. A backend that is not valid is left out there.

A version with weight 0 is left on a route only while it is the old stable one during the bake: what people
wrote into its entry would be lost otherwise. Releases that serve v1beta1, 0.6 and later, can do that; before
January 2026 a weight of 0 broke the route, so v1alpha1 alone is not enough.

**Source**: aigateway.envoyproxy.io/v1beta1 AIGatewayRoute, its CEL rules, and internal/controller/
ai_gateway_route.go (newHTTPRoute: rules and backends keep their order, a rule for what fits none is added).
"""

from copy import deepcopy

from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import AI_GATEWAY_ROUTES, HTTP_ROUTES, Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.traffic.dialect import Companion, Standing
from controller.adapters.traffic.gateway_api import VERBS
from controller.adapters.traffic.gateway_layout import GROUPS, HTTP_ROUTE_LAYOUT
from controller.adapters.traffic.gateway_marker import HEADER
from controller.adapters.traffic.gateway_rule import Pair, Rule, rules_of
from controller.adapters.traffic.gateway_status import Verdict, acceptance, bounded, gateways_of
from controller.adapters.traffic.layout import Layout, Target, Wanted
from controller.adapters.traffic.ownership import owner_of
from controller.adapters.traffic.weighted_routes import WeightedRoutes
from controller.domain.release import BackendKind, RoutedModel
from controller.features import Feature

PERMISSIONS = (Permission(AI_GATEWAY_ROUTES, VERBS, Feature.AI_GATEWAY),)

_ONE_POOL = (
    "a rule of an AIGatewayRoute holds one InferencePool and nothing beside it; "
    "divide requests between pools with an HTTPRoute of your own: write route: {httpRoute: NAME}"
)


def _target(body: Obj, home: str) -> Target:
    kind = text(body.get("kind")) or BackendKind.AI_SERVICE_BACKEND
    group = text(body.get("group")) or GROUPS[BackendKind.AI_SERVICE_BACKEND]
    return Target(group, kind, text(body.get("namespace")) or home, text(body.get("name")))


def _entry(wanted: Wanted) -> Obj:
    """Like the other version's. A model name that is the version's name becomes the new version's."""
    body = _unmarked(wanted.like)
    if wanted.was and body.get("modelNameOverride") == wanted.was:
        body["modelNameOverride"] = wanted.version
    return {**body, "name": wanted.backend.name}


def _set(body: Obj) -> list[Obj]:
    return [mapping(each) for each in sequence(mapping(body.get("headerMutation")).get("set"))]


def _is_ours(entry: Obj) -> bool:
    return text(entry.get("name")).lower() == HEADER


def _is_marked(body: Obj) -> bool:
    return any(map(_is_ours, _set(body)))


def _marked(body: Obj, version: str) -> Obj:
    body = _unmarked(body)
    entry = {"name": HEADER, "value": version}
    return {**body, "headerMutation": {**mapping(body.get("headerMutation")), "set": [*_set(body), entry]}}


def _unmarked(body: Obj) -> Obj:
    body = deepcopy(body)
    if not _is_marked(body):
        return body
    left = [entry for entry in _set(body) if not _is_ours(entry)]
    rest = {key: value for key, value in body.pop("headerMutation").items() if key != "set"}
    mutation = {**rest, "set": left} if left else rest
    return {**body, "headerMutation": mutation} if mutation else body


LAYOUT = Layout(
    kind="AIGatewayRoute",
    rules="rules",
    refs="backendRefs",
    backends=frozenset({BackendKind.AI_SERVICE_BACKEND}),
    target=_target,
    entry=_entry,
    is_marked=_is_marked,
    marked=_marked,
    unmarked=_unmarked,
    refusals={BackendKind.INFERENCE_POOL: _ONE_POOL},
)


def _beside(route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:  # noqa: ARG001 - as `WeightedRoutes` has it
    return (Companion(HTTP_ROUTES, text(mapping(route.get("metadata")).get("name"))),)


def _accepted(standing: Standing) -> Verdict:
    name = text(mapping(standing.route.get("metadata")).get("name"))
    generated = standing.companions[0] if standing.companions else None
    if generated is None:
        return Verdict(
            accepted=False, message=_said(standing, f"there is no HTTPRoute {name} made from it yet")
        )
    owner = owner_of(generated, "")
    if owner is None or owner.shown != f"AIGatewayRoute {name}":
        message = f"the HTTPRoute {name} is not made from it: remove it, or rename one of them"
        return Verdict(accepted=False, refused=True, message=message)
    ours, theirs = rules_of(standing.route, LAYOUT), rules_of(generated, HTTP_ROUTE_LAYOUT)
    if [_weights(rule) for rule in ours] != [_weights(rule) for rule in theirs[: len(ours)]]:
        message = f"the HTTPRoute {name} made from it does not carry its weights"
        return Verdict(accepted=False, message=_said(standing, message))
    return acceptance(generated)


def _weights(rule: Rule) -> list[int | None]:
    return [ref.weight for ref in rule.refs]


def _said(standing: Standing, message: str) -> str:
    """With what the gateway itself says, if that is no: it may be of an earlier generation."""
    conditions = map(mapping, sequence(mapping(standing.route.get("status")).get("conditions")))
    no = [text(each.get("message")) for each in conditions if each.get("type") == "NotAccepted"]
    return bounded(f"{message}: {no[0]}") if no else message


def _series(routed: RoutedModel, pair: Pair, *_: object) -> tuple[tuple[str, str], ...]:
    """The model name that each version's backend is asked for, where they differ: metrics have no other."""
    found = [
        (release.version, text(refs[0].body.get("modelNameOverride")))
        for release, refs in ((routed.stable, pair.stable), (routed.canary, pair.canary))
        if release is not None and len(refs) == 1
    ]
    names = [name for _, name in found]
    return tuple(found) if all(names) and len(set(names)) == len(names) else ()


AI_GATEWAY_ROUTE = WeightedRoutes(
    AI_GATEWAY_ROUTES, Feature.AI_GATEWAY, LAYOUT, _accepted, _series, gateways_of, beside=_beside
)
