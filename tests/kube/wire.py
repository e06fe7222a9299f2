"""HTTP/1.1 over asyncio streams, as far as a proxy before an API server needs it: no upgrades."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_HEAD_END = b"\r\n\r\n"
_NO_BODY = (204, 304)
_HOP = frozenset({"connection", "content-length", "transfer-encoding", "accept-encoding", "keep-alive"})
CHUNKED = {"transfer-encoding": "chunked"}


class Closed(ConnectionError):
    """The other side ended the connection, perhaps in the middle of a message."""


@dataclass(frozen=True, slots=True)
class Head:
    """The three words of the first line, and the headers by their lower-case name."""

    first: tuple[str, str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """What a proxy sends on: the head, its end-to-end headers only, and a whole body."""

    head: Head
    body: bytes

    def encoded(self) -> bytes:
        length = {"content-length": str(len(self.body))}
        return encode_head(self.head.first, {**self.head.headers, **length}) + self.body


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Read the first line and the headers. Raises Closed."""
    try:
        block = await reader.readuntil(_HEAD_END)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as problem:
        raise Closed(str(problem)) from problem
    first, *lines = block.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Head((words[0], words[1], words[2] if len(words) > 2 else ""), MappingProxyType(headers))


async def read_body(reader: asyncio.StreamReader, head: Head) -> bytes:
    """Read a whole body. Raises Closed."""
    return b"".join([piece async for piece in pieces(reader, head)])


async def pieces(reader: asyncio.StreamReader, head: Head) -> AsyncIterator[bytes]:
    """The body as it comes: chunk by chunk, or at once. Raises Closed."""
    try:
        if "chunked" in head.headers.get("transfer-encoding", ""):
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                yield (await reader.readexactly(size + 2))[:-2]
            await reader.readuntil(b"\r\n")
        elif length := int(head.headers.get("content-length", "0")):
            yield await reader.readexactly(length)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as problem:
        raise Closed(str(problem)) from problem


async def lines(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a stream, each with its end, as soon as they are whole."""
    rest = b""
    async for piece in source:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def end_to_end(head: Head) -> Head:
    """The head without what is between two neighbours: length, encoding, keeping alive."""
    return Head(head.first, {name: value for name, value in head.headers.items() if name not in _HOP})


def has_body(method: str, status: int) -> bool:
    """Whether an answer has one."""
    return method != "HEAD" and status not in _NO_BODY


def encode_head(first: Iterable[str], headers: Mapping[str, str]) -> bytes:
    return "\r\n".join(
        [" ".join(first), *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    ).encode("latin-1")


def encode_chunk(data: bytes) -> bytes:
    """One chunk; empty data ends the body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection at once, so that the other side sees a reset."""
    found = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
