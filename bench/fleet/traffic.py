"""The models' two versions, and requests to those that roll: both in the bench's own process."""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from deploy.local.http_client import Connection

_GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_BAD = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno"
_MODEL = re.compile(rb"^GET /v2/models/([a-z0-9-]+)/infer")
_CONNECTIONS = 4


class Versions:
    """One server for all models' v1 and one for all their canaries: every answer of those in ``bad`` is 500.

    ``first_bad`` says since when.
    """

    def __init__(self) -> None:
        self.bad: set[str] = set()
        self.first_bad: dict[str, datetime] = {}
        self.stable = self.canary = ""
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        for answer in (self._stable, self._canary):
            self._servers.append(await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024))
        self.stable, self.canary = (f"127.0.0.1:{each.sockets[0].getsockname()[1]}" for each in self._servers)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    async def _stable(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer(reader, writer, frozenset())

    async def _canary(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer(reader, writer, self.bad)

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bad: set[str] | frozenset[str]
    ) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                found = _MODEL.match(head) if bad else None
                if found and (model := found[1].decode()) in bad:
                    self.first_bad.setdefault(model, datetime.now(UTC))
                    writer.write(_BAD)
                else:
                    writer.write(_GOOD)
                await writer.drain()
        writer.close()


class Requests:
    """Requests to some models in turn, at a steady rate in all; ``answers`` counts them by status."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._turns: Sequence[str] = ()
        self._rate = 0.0
        self._sent = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.answers: Counter[int] = Counter()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._send()) for _ in range(_CONNECTIONS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def to(self, turns: Sequence[str], per_second: float) -> None:
        """From now on to these, in this order; a model that stands there twice gets twice as many."""
        self._turns, self._rate = list(turns), per_second

    async def _send(self) -> None:
        connection = await Connection.open("127.0.0.1", self._port)
        due = time.monotonic()
        while True:
            if not self._turns:
                await asyncio.sleep(0.1)
                due = time.monotonic()
                continue
            due = max(due + _CONNECTIONS / self._rate, time.monotonic() - 1.0)
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
            model = self._turns[self._sent % len(self._turns)]
            self._sent += 1
            request = f"GET /v2/models/{model}/infer HTTP/1.1\r\nhost: bench\r\n\r\n"
            try:
                self.answers[(await connection.send(request.encode())).status] += 1
            except ConnectionError:
                self.answers[0] += 1
                connection.close()
                connection = await Connection.open("127.0.0.1", self._port)
