"""The contract of `tests.contract.test_routes` for the second way of InferenceServices: Standard mode."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract import test_routes
from tests.contract.route_stages.inference_service_standard import stage as standard
from tests.contract.route_stages.stage import RouteStage

globals().update(
    {name: each for name, each in vars(test_routes).items() if name == "play" or name.startswith("test_")}
)


@pytest.fixture
def kind() -> str:
    return "inferenceService"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[RouteStage]:
    async with standard(tmp_path) as opened:
        yield opened
