"""HTTPRoute and GRPCRoute of the Gateway API. Nothing is generated from them: their status says all."""

from functools import partial

from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import GRPC_ROUTES, HTTP_ROUTES, Resource
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.gateway_layout import GRPC_ROUTE_LAYOUT, HTTP_ROUTE_LAYOUT
from controller.adapters.traffic.gateway_series import series_of
from controller.adapters.traffic.gateway_status import Verdict, acceptance, gateways_of
from controller.adapters.traffic.layout import Layout
from controller.adapters.traffic.weighted_routes import WeightedRoutes
from controller.features import Feature

VERBS = frozenset({"get", "list", "watch", "patch"})
"""What is done to a route of any kind."""
PERMISSIONS = (
    Permission(HTTP_ROUTES, VERBS, Feature.CORE),
    Permission(GRPC_ROUTES, VERBS, Feature.GRPC_ROUTES),
)


def _accepted(standing: Standing) -> Verdict:
    return acceptance(standing.route)


def _of(resource: Resource, feature: Feature, layout: Layout) -> WeightedRoutes:
    series = partial(series_of, resource.kind)
    return WeightedRoutes(resource, feature, layout, _accepted, series, gateways_of)


HTTP_ROUTE = _of(HTTP_ROUTES, Feature.CORE, HTTP_ROUTE_LAYOUT)
GRPC_ROUTE = _of(GRPC_ROUTES, Feature.GRPC_ROUTES, GRPC_ROUTE_LAYOUT)
