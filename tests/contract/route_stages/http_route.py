"""HTTPRoute."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from controller.adapters.traffic.gateway_api import HTTP_ROUTE
from tests.contract.route_stages.gateway_routes import gateway_stage
from tests.contract.route_stages.stage import RouteStage


def stage(_: Path) -> AbstractAsyncContextManager[RouteStage]:
    return gateway_stage(HTTP_ROUTE, "httpRoute")
