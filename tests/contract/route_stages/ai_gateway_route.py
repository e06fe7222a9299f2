"""AIGatewayRoute of Envoy AI Gateway."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.contract.route_stages.stage import RouteStage
from tests.contract.route_stages.weighted import weighted_stage
from tests.weighted_routes import AI_GATEWAY_ROUTES


def stage(_: Path) -> AbstractAsyncContextManager[RouteStage]:
    return weighted_stage(AI_GATEWAY_ROUTES)
