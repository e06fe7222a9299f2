"""Stands between the daemon and Prometheus, and is as slow or as broken as it is told to be."""

import asyncio
import contextlib
from enum import StrEnum
from typing import Self

_REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_CHUNK_BYTES = 1 << 16


class Fault(StrEnum):
    """What the proxy does to answers."""

    NONE = "none"
    SLOW = "slow"
    """Each comes ten seconds later."""
    FAILING = "failing"
    """Each is a 503, at once."""


SLOW_SECONDS = 10.0


class Proxy:
    """Passes connections on to a loopback port."""

    def __init__(self, target: int) -> None:
        self.fault = Fault.NONE
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open.values():
            writer.close()  # the connection's own task ends by it
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connected(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._open.pop)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = asyncio.Event()
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        tasks = {
            asyncio.create_task(self._requests(reader, writer, back, asked)),
            asyncio.create_task(self._answers(there, writer, asked)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for end in (back, writer):
                end.close()
                with contextlib.suppress(ConnectionError):
                    await end.wait_closed()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        asked: asyncio.Event,
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if self.fault is Fault.FAILING:
                writer.write(_REFUSAL)
                await writer.drain()
                return
            asked.set()
            back.write(data)
            await back.drain()

    async def _answers(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while data := await there.read(_CHUNK_BYTES):
            if self.fault is Fault.SLOW and asked.is_set():
                await asyncio.sleep(SLOW_SECONDS)
            asked.clear()
            writer.write(data)
            await writer.drain()
