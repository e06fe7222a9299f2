"""One HTTP port of the daemon: bounded in callers, and where strangers call, in time.

**Invariant**: whoever connects and says nothing, or says it slowly, costs one connection, and that for no
longer than ``longest``.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from controller.errors import TargetError

_MOST_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; ``setting`` is what the operator changes when that port is taken."""

    host: str
    port: int
    setting: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class HttpListener:
    """Serves an application between `start` and `close`.

    A connection lives no longer than ``longest``; None lets it live on for as long as its caller asks.
    """

    def __init__(self, app: Starlette, address: Address, longest: timedelta | None = None) -> None:
        config = uvicorn.Config(
            app,
            host=address.host,
            port=address.port,
            http="auto" if longest is None else _brief(longest),
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            limit_concurrency=_MOST_CONNECTIONS,
        )
        self._address = address
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises `TargetError` when the address cannot be had."""
        self._task = asyncio.create_task(self._serve())
        while not self._server.started:
            if self._task.done():
                error = f"cannot listen on {self._address}: set {self._address.setting} to a free port"
                raise TargetError(error) from self._task.exception()
            await asyncio.sleep(0.01)

    @property
    def port(self) -> int:
        """The port listened on, which is another than the address's if that is 0."""
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

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


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon, which has its own way to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _brief(longest: timedelta) -> type[H11Protocol]:
    """Connections that end after a while, whatever happens on them: uvicorn waits for a request for ever."""

    class Brief(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._end = self.loop.call_later(longest.total_seconds(), transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            self._end.cancel()
            super().connection_lost(exc)

    return Brief
