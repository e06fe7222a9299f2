"""Each kind of route on a stage of its own, ready for the contract: one module for each kind of the registry.

A stage is what stands around a router in a test: an API server in memory with whoever runs the route, or the
files of an Envoy. A new kind is one module here, called by the kind (``http_route`` for httpRoute), with a
``stage(folder)``: an asynchronous context manager that gives a `stage.RouteStage`.
"""

import importlib
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.contract.route_stages.stage import RouteStage


@asynccontextmanager
async def stage_of(kind: str, folder: Path) -> AsyncIterator[RouteStage]:
    """The stage of a kind, open; a kind without one fails."""
    name = f"{__name__}.{re.sub('(?<=[a-z])(?=[A-Z])', '_', kind).lower()}"
    assert find_spec(name), f"the contract has no stage for the route {kind}: write {name}"
    opening: AbstractAsyncContextManager[RouteStage] = importlib.import_module(name).stage(folder)
    async with opening as stage:
        yield stage
