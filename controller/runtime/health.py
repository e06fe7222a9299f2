"""The daemon's own HTTP port: /livez, /readyz and /metrics; on loopback unless the operator chose another."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from controller.errors import TargetError

Problems = Callable[[], Mapping[str, str]]
"""What keeps the daemon from its work now: a sentence by the name of the part; empty when it is ready."""


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon, which has its own way to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HealthServer:
    """Serves health and metrics until `close`."""

    def __init__(self, host: str, port: int, problems: Problems, registry: CollectorRegistry) -> None:
        self._problems = problems
        self._registry = registry
        routes = [
            Route("/livez", self._live),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            limit_concurrency=64,
        )
        self._address = f"{host}:{port}"
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises `TargetError` when the address cannot be had."""
        self._task = asyncio.create_task(self._serve())
        while not self._server.started:
            if self._task.done():
                error = f"cannot listen on {self._address}: set http_port to a free port"
                raise TargetError(error) from self._task.exception()
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Stop listening; answers in hand get a second."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=2)

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit as error:  # uvicorn's way of saying that the port is taken
            message = f"uvicorn stopped with {error.code}"
            raise TargetError(message) from error

    async def _live(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        problems = self._problems()
        if not problems:
            return PlainTextResponse("ok\n")
        lines = "".join(f"{part}: {sentence}\n" for part, sentence in sorted(problems.items()))
        return PlainTextResponse(lines, status_code=503)

    async def _metrics(self, _request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)
