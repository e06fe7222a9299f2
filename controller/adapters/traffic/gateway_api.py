"""The dialect of HTTPRoute and GRPCRoute of the Gateway API: weights of backends in a rule."""

from dataclasses import dataclass

from controller.adapters.kube.client import FIELD_MANAGER
from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import GRPC_ROUTES, HTTP_ROUTES, Obj, Resource
from controller.adapters.traffic.dialect import Companion, Standing, Surveyed
from controller.adapters.traffic.gateway_emergency import with_versions
from controller.adapters.traffic.gateway_patch import route_patch
from controller.adapters.traffic.gateway_rule import Pair, Trouble, find_pair
from controller.adapters.traffic.gateway_seen import agrees, described, held_in, route_seen, standing_words
from controller.adapters.traffic.gateway_status import Verdict, acceptance
from controller.adapters.traffic.gateway_survey import survey_of
from controller.domain.observation import RouteSeen
from controller.domain.release import Release, RoutedModel, Split
from controller.errors import Conflict, TargetError
from controller.features import Feature

_VERBS = frozenset({"get", "list", "watch", "patch"})
PERMISSIONS = (
    Permission(HTTP_ROUTES, _VERBS, Feature.CORE),
    Permission(GRPC_ROUTES, _VERBS, Feature.GRPC_ROUTES),
)


@dataclass(frozen=True, slots=True)
class GatewayRoutes:
    """`Dialect` of one of the two kinds. Nothing is generated from a route: its status says all."""

    resource: Resource
    feature: Feature

    def object_name(self, routed: RoutedModel) -> str:
        """The name in the policy."""
        return routed.route.name

    def companions(self, route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:  # noqa: ARG002 - as `Dialect` has it
        """None."""
        return ()

    def survey(self, standing: Standing, routed: RoutedModel, recorded: Release | None) -> Surveyed:
        """Of the model's rule."""
        return survey_of(standing.route, routed, recorded)

    def accepted(self, standing: Standing) -> Verdict:
        """By all of the route's gateways."""
        return acceptance(standing.route)

    def seen(self, standing: Standing, routed: RoutedModel, mark: str) -> RouteSeen:
        """The weights, who wrote last, and whether the gateways took them."""
        return route_seen(standing.route, self.resource.kind, routed, FIELD_MANAGER, mark)

    def change(self, route: Obj, routed: RoutedModel, split: Split, expected: Split) -> list[Obj]:
        """The pair's weights, the canary's ref, and the rules for those who do not get it by chance."""
        pair = _pair(route, routed)
        if not agrees(held_in(route, pair, routed), routed, split, expected):
            stands = standing_words(route, pair, routed, FIELD_MANAGER)
            raise Conflict(f"{stands}; expected was {described(expected)}")
        return route_patch(route, pair, routed, split)

    def emergency(self, route: Obj, routed: RoutedModel) -> list[Obj]:
        """Serinus' mark tells the canary where the record cannot."""
        known = with_versions(route, routed)
        return route_patch(route, _pair(route, known), known, Split(stable=known.stable))


HTTP_ROUTE = GatewayRoutes(HTTP_ROUTES, Feature.CORE)
GRPC_ROUTE = GatewayRoutes(GRPC_ROUTES, Feature.GRPC_ROUTES)


def _pair(route: Obj, routed: RoutedModel) -> Pair:
    pair = find_pair(route, routed)
    if isinstance(pair, Trouble):
        raise TargetError(pair.message)
    return pair
