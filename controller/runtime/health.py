"""The daemon's own HTTP port: /livez, /readyz and /metrics; on loopback unless the operator chose another."""

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from controller.runtime.listener import Address, HttpListener

Problems = Callable[[], Mapping[str, str]]
"""What keeps the daemon from its work now: a sentence by the name of the part; empty when it is ready."""


class HealthServer:
    """Serves health and metrics until `close`."""

    def __init__(
        self, host: str, port: int, problems: Problems, registry: CollectorRegistry, notes: Problems = dict
    ) -> None:
        """``notes`` are told to who asks whether it is ready; they keep it from nothing."""
        self._problems = problems
        self._notes = notes
        self._registry = registry
        routes = [
            Route("/livez", self._live),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
        ]
        self._listener = HttpListener(Starlette(routes=routes), Address(host, port, "http_port"))

    async def start(self) -> None:
        """Listen. Raises `TargetError` when the address cannot be had."""
        await self._listener.start()

    async def close(self) -> None:
        """Stop listening; answers in hand get a second."""
        await self._listener.close()

    async def _live(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        problems = self._problems()
        if not problems:
            return PlainTextResponse("ok\n" + _lines(self._notes()))
        return PlainTextResponse(_lines(problems), status_code=503)

    async def _metrics(self, _request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


def _lines(said: Mapping[str, str]) -> str:
    return "".join(f"{part}: {sentence}\n" for part, sentence in sorted(said.items()))
