"""One engine process of the simulated cluster: a real served model that listens at many pod addresses.

`python engine_process.py WHAT`, where WHAT is echo, faulty-echo or the folder of a model. Orders are lines of
JSON on standard input, each answered by one on standard output: ``{"open": ["127.3.0.1", 8080]}`` begins to
listen, ``close`` ends it. At the end of the input the process ends.
"""

import asyncio
import itertools
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from deploy.local.serving.server import Engine, create_app
from tests.kube.simulator.images import ECHO, FAULTY_ECHO

Address = tuple[str, int]


class _Listener(uvicorn.Server):
    """One of several servers in a process: signals are not its business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listeners:
    """The addresses at which one application answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: dict[Address, tuple[_Listener, asyncio.Task[None]]] = {}

    async def open(self, address: Address) -> None:
        """Listen. Raises OSError."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
        config = uvicorn.Config(
            self._app,
            access_log=False,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=3600,  # else it closes idle connections, perhaps just when Envoy uses one
        )
        server = _Listener(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        self._open[address] = (server, task)
        while not server.started and not task.done():  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0.005)

    async def close(self, address: Address) -> None:
        """Take no more requests, and return once those in hand are answered."""
        if address in self._open:
            server, task = self._open.pop(address)
            server.should_exit = True
            await task


def echo(*, faulty: bool) -> Starlette:
    """Answers everything; a faulty one fails each second time."""
    numbers = itertools.count(1)

    async def answer(request: Request) -> Response:
        await request.body()
        if faulty and not next(numbers) % 2:
            return JSONResponse({"error": "each second request fails"}, 500)
        return JSONResponse({"model_name": "echo", "path": request.url.path})

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


async def obey(listeners: Listeners) -> None:
    """Follow the orders until there are no more."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    answering: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(_answer(listeners, json.loads(line)))
        answering.add(task)
        task.add_done_callback(answering.discard)


async def _answer(listeners: Listeners, order: dict[str, list[str | int]]) -> None:
    ((verb, (host, port)),) = order.items()
    address = (str(host), int(port))
    error = ""
    try:
        await (listeners.open(address) if verb == "open" else listeners.close(address))
    except OSError as fault:
        error = str(fault)
    sys.stdout.write(json.dumps({verb: list(address), "error": error}) + "\n")
    sys.stdout.flush()


async def main(what: str) -> None:
    if what in (ECHO, FAULTY_ECHO):
        app = echo(faulty=what == FAULTY_ECHO)
    else:
        engine = Engine(Path(what))
        await engine.load()
        app = create_app(engine)
    await obey(Listeners(app))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
