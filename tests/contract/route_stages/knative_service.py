"""Service of Knative."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.contract.route_stages.stage import RouteStage
from tests.contract.route_stages.weighted import weighted_stage
from tests.weighted_routes import KNATIVE_SERVICES


def stage(_: Path) -> AbstractAsyncContextManager[RouteStage]:
    return weighted_stage(KNATIVE_SERVICES)
