"""One HTTP port of the daemon: bounded in callers, and where strangers call, in time.

**Invariant**: whoever connects and says nothing, says it slowly, or does not listen to the answer, costs one
connection, and that for no longer than the port's `Bounds` say.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from controller.errors import TargetError

_LONGEST_HEAD_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; ``setting`` is what the operator changes when that port is taken."""

    host: str
    port: int
    setting: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What connections may cost; None is no bound.

    A connection lives for ``longest_seconds``, whatever happens on it. For ``idle_seconds`` it may be without
    a whole request in hand, and as long an answer may be without anybody who reads it.
    """

    connections: int = 64
    longest_seconds: float | None = None
    idle_seconds: float | None = None


_PLAIN = Bounds()


class HttpListener:
    """Serves an application between `start` and `close`."""

    def __init__(self, app: ASGIApp, address: Address, bounds: Bounds = _PLAIN) -> None:
        config = uvicorn.Config(
            app,
            host=address.host,
            port=address.port,
            http="auto" if bounds.longest_seconds is bounds.idle_seconds is None else _bounded(bounds),
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            limit_concurrency=bounds.connections,
            h11_max_incomplete_event_size=_LONGEST_HEAD_BYTES,
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


def _bounded(bounds: Bounds) -> type[H11Protocol]:
    """Connections that end by the clock: uvicorn waits for a request, and for a reader, for ever."""

    class Bounded(H11Protocol):
        _end: asyncio.TimerHandle | None = None
        _idle: asyncio.TimerHandle | None = None
        _unread: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._end = self._abort_after(bounds.longest_seconds)
            self._idle = self._abort_after(bounds.idle_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            _cancel(self._end, self._idle, self._unread)

        def handle_events(self) -> None:
            super().handle_events()
            cycle: RequestResponseCycle | None = self.cycle  # None before the first request
            if cycle is not None and not cycle.response_complete:
                _cancel(self._idle)  # from here on the application's own time counts

        def on_response_complete(self) -> None:
            _cancel(self._idle)
            self._idle = self._abort_after(bounds.idle_seconds)
            super().on_response_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = self._abort_after(bounds.idle_seconds)

        def resume_writing(self) -> None:
            _cancel(self._unread)
            super().resume_writing()

        def _abort_after(self, seconds: float | None) -> asyncio.TimerHandle | None:
            return None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    return Bounded


def _cancel(*timers: asyncio.TimerHandle | None) -> None:
    for timer in timers:
        if timer is not None:
            timer.cancel()
