"""A proxy that makes the 1.20 server of the tests answer like a server of today.

It bears the server's own certificate and name, so that clients verify it as they verify the server, and
kubectl, which sends no token without TLS, can use it. A thread of its own runs the asyncio loop. Each
connection of a client has one to the server, so that what happens to the one can be done to the other.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, parse_qs, urlsplit

from tests.kube import wire
from tests.kube.versions import Translation, translate

_TIMEOUT_SECONDS = 10
_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the client sent it."""

    head: wire.Head
    body: bytes

    @property
    def method(self) -> str:
        return self.head.first[0]

    @property
    def target(self) -> str:
        """Path and query."""
        return self.head.first[1]

    @property
    def url(self) -> SplitResult:
        return urlsplit(self.target)

    @property
    def watch(self) -> bool:
        return parse_qs(self.url.query).get("watch", ["0"])[0] in ("1", "true")


async def _open_gate() -> None:
    pass


@dataclass(slots=True, eq=False)
class Client:
    """A client's connection, the one to the server that serves it, and what answers wait for."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    identity: str = ""
    gate: Callable[[], Awaitable[None]] = _open_gate

    async def send(self, data: bytes) -> None:
        """Raises wire.Closed."""
        await self.gate()
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError as problem:
            raise wire.Closed(str(problem)) from problem

    async def gone(self) -> None:
        """Wait until the client ends the connection; it says nothing more before its answer."""
        with contextlib.suppress(OSError):
            await self.reader.read(1)

    def abort(self) -> None:
        """Reset both connections."""
        wire.reset(self.writer)
        self.leave_server()

    def leave_server(self) -> None:
        if self.upstream is not None:
            self.upstream[1].transport.abort()
            self.upstream = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's: a whole body, or the lines of a watch."""

    status: int
    head: wire.Head
    body: bytes = b""
    lines: AsyncIterator[bytes] | None = None


class Shim:
    """Serves at ``url`` from its making on until ``close()``, over outages of the server too."""

    def __init__(self, server_port: int, certificate: Path, key: Path) -> None:
        self._server_port = server_port
        self._trust = ssl.create_default_context(cafile=certificate)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate, key)
        self._clients: dict[asyncio.Task[None], Client] = {}
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self.loop)
        self._server = listening.result(_TIMEOUT_SECONDS)
        self.url = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and the thread. Idempotent."""
        if self.loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(_TIMEOUT_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_TIMEOUT_SECONDS)
        self.loop.close()

    # one request: what a proxy with faults does otherwise

    async def answer(self, request: Request, client: Client) -> None:
        """Answer one request. Raises wire.Closed when the connection is of no more use."""
        await self.relay(await self.ask(request, client), client)

    async def ask(self, request: Request, client: Client) -> Answer:
        """Send the request to the server and read its answer. Raises wire.Closed."""
        translation = translate(request.target)
        reader, writer = await self._connected(client)
        writer.write(_for_server(request, translation))
        try:
            await writer.drain()
        except OSError as problem:
            raise wire.Closed(str(problem)) from problem
        head = await wire.read_head(reader)
        status = int(head.first[1])
        if not wire.has_body(request.method, status):
            return Answer(status, head)
        source = wire.pieces(reader, head)
        if request.watch and status == 200:
            return Answer(status, head, lines=_translated(wire.lines(source), translation))
        body = b"".join([piece async for piece in source])
        return Answer(status, head, translation.answer_body(body) if translation else body)

    async def relay(self, answer: Answer, client: Client) -> None:
        """Send the answer to the client; a watch until one of both ends it. Raises wire.Closed."""
        if answer.lines is None:
            await client.send(wire.Message(wire.end_to_end(answer.head), answer.body).encoded())
            return
        await self.while_there(self.send_lines(answer, client), client)

    async def while_there(self, work: Coroutine[None, None, None], client: Client) -> None:
        """Do the work, and stop once the client leaves. Raises wire.Closed."""
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(client.gone())
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise wire.Closed("the client left")
            working.result()
        finally:
            await _cancelled(working, leaving)

    async def send_lines(self, answer: Answer, client: Client) -> None:
        """Send a watch's head and each line as soon as it comes. Raises wire.Closed."""
        assert answer.lines is not None
        head = wire.end_to_end(answer.head)
        await client.send(wire.encode_head(head.first, {**head.headers, **wire.CHUNKED}))
        async for line in answer.lines:
            await client.send(wire.encode_chunk(line))
        await client.send(wire.encode_chunk(b""))

    # connections

    async def _connected(self, client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if client.upstream is not None and client.upstream[0].at_eof():
            client.leave_server()
        if client.upstream is None:
            try:
                client.upstream = await asyncio.wait_for(
                    asyncio.open_connection("127.0.0.1", self._server_port, ssl=self._trust, limit=_LIMIT),
                    _TIMEOUT_SECONDS,
                )
            except (OSError, TimeoutError) as problem:
                raise wire.Closed(str(problem)) from problem
        return client.upstream

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        client = self._clients[task] = Client(reader, writer)
        try:
            while True:
                head = await wire.read_head(reader)
                await self.answer(Request(head, await wire.read_body(reader, head)), client)
        except (wire.Closed, asyncio.CancelledError):
            pass  # cancelled by close() alone; asyncio's streams cannot bear a cancelled task
        finally:
            del self._clients[task]
            client.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._tls, limit=_LIMIT, backlog=1024
        )

    async def _end(self) -> None:
        self._server.close()
        await _cancelled(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))
        await self.loop.shutdown_asyncgens()


async def _translated(source: AsyncIterator[bytes], translation: Translation | None) -> AsyncIterator[bytes]:
    async for line in source:
        yield translation.answer_body(line) + b"\n" if translation else line


async def _cancelled(*tasks: "asyncio.Task[None] | asyncio.Future[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _for_server(request: Request, translation: Translation | None) -> bytes:
    head = wire.end_to_end(request.head)
    if translation is None:
        return wire.Message(head, request.body).encoded()
    method, _, protocol = head.first
    headers = dict(head.headers)
    if "protobuf" in headers.get("accept", ""):
        headers["accept"] = "application/json"
    translated = wire.Head((method, translation.target, protocol), headers)
    return wire.Message(translated, translation.request_body(request.body)).encoded()
