"""A keep-alive HTTP/1.1 connection for load generation: one request at a time, almost no CPU.

Only what a gateway on loopback answers with: a body by Content-Length or chunked. Anything else, a
reply of more than MAX_RESPONSE_BYTES included, is a broken connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self

MAX_RESPONSE_BYTES = 1 << 20
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response; header names are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Connection(asyncio.Protocol):
    """One connection. `usable` says whether another request may be sent on it."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiter: asyncio.Future[Reply] | None = None
        self._keep_alive = True

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Connect. Raises OSError."""
        _, protocol = await asyncio.get_running_loop().create_connection(cls, host, port)
        return protocol

    @property
    def usable(self) -> bool:
        """Whether the connection is open, idle and may be kept."""
        open_ = self._transport is not None and not self._transport.is_closing()
        return open_ and self._keep_alive and self._waiter is None

    async def send(self, request: bytes) -> Reply:
        """Send one complete request. Raises ConnectionError; after it, or a cancellation, close()."""
        if not self.usable or self._transport is None:
            raise ConnectionError("the connection is closed or busy")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by asyncio)."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request in flight (called by asyncio)."""
        self._keep_alive = False
        self._fail(str(exc or "closed by the server"))

    def data_received(self, data: bytes) -> None:
        """Collect a response and hand it over once it is complete (called by asyncio)."""
        self._buffer += data
        try:
            reply = self._parse()
        except ValueError as error:
            self._fail(f"not an HTTP response: {error}")
            self.close()
            return
        if reply is None:
            return
        waiter, self._waiter = self._waiter, None
        if waiter is None or self._buffer:  # an answer that nobody asked for
            self._keep_alive = False
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)
        if not self._keep_alive:
            self.close()

    def _fail(self, message: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(ConnectionError(message))

    def _parse(self) -> Reply | None:
        """Take one response off the buffer; None while it is incomplete. Raises ValueError."""
        if len(self._buffer) > MAX_RESPONSE_BYTES:
            raise ValueError("too large")
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return None
        first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        if not first.startswith(b"HTTP/1.1 "):
            raise ValueError("unknown protocol")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        start = end + len(_END_OF_HEAD)
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            framed = _chunked(self._buffer, start)
        else:
            stop = start + int(headers[b"content-length"]) if b"content-length" in headers else -1
            if stop < start:
                raise ValueError("no length")
            whole = len(self._buffer) >= stop
            framed = (bytes(self._buffer[start:stop]), stop) if whole else None
        if framed is None:
            return None
        del self._buffer[: framed[1]]
        self._keep_alive &= headers.get(b"connection", b"").lower() != b"close"
        return Reply(int(first[9:12]), headers, framed[0])


def _chunked(buffer: bytearray, at: int) -> tuple[bytes, int] | None:
    """Decode a chunked body without trailers; give it and where it ends, None if incomplete."""
    body = bytearray()
    while (line_end := buffer.find(b"\r\n", at)) >= 0:
        size = int(bytes(buffer[at:line_end]).partition(b";")[0], 16)
        at = line_end + 2
        if size < 0 or bytes(buffer[at + size : at + size + 2]) not in {b"\r\n", b"\r", b""}:
            raise ValueError("bad chunk")
        if len(buffer) < at + size + 2:
            return None
        body += buffer[at : at + size]
        at += size + 2
        if size == 0:
            return bytes(body), at
    return None
