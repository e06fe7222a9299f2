"""Reads the body of an answer within bounds: whole, or line by line as it comes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from controller.errors import TransientError


async def whole(chunks: AsyncIterator[bytes], most_bytes: int) -> bytearray:
    """The body. Raises `TransientError` when it is larger than ``most_bytes``."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        _bounded(body, most_bytes)
    return body


async def lines(
    chunks: AsyncIterator[bytes], most_bytes: int, deadline: float
) -> AsyncGenerator[bytearray, None]:
    """The lines of the body, without their ends; what comes after the last end is no line.

    Raises `TransientError` when a line is larger than ``most_bytes``, and TimeoutError when the body is not
    over at ``deadline``, by the event loop's clock.
    """
    rest = bytearray()
    while True:
        async with asyncio.timeout_at(deadline):
            chunk = await _next(chunks)
        if chunk is None:
            return
        begun = len(rest)
        rest += chunk
        start = 0
        while (end := rest.find(b"\n", max(start, begun))) >= 0:
            yield rest[start:end]
            start = end + 1
        del rest[:start]
        _bounded(rest, most_bytes)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    with suppress(StopAsyncIteration):
        return await anext(chunks)
    return None


def _bounded(body: bytearray, most_bytes: int) -> None:
    if len(body) > most_bytes:
        body.clear()  # the traceback would keep it
        raise TransientError(f"the API server's answer is larger than {most_bytes / 2**20:g} MiB")
