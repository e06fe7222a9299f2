"""A port of the daemon: taken ports are said, and who says nothing is not waited for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from controller.errors import TargetError
from controller.runtime.listener import Address, Bounds, HttpListener

PLAIN = Bounds()


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


@asynccontextmanager
async def listening(bounds: Bounds = PLAIN) -> AsyncIterator[HttpListener]:
    app = Starlette(routes=[Route("/", hello)])
    listener = HttpListener(app, Address("127.0.0.1", 0, "some_port"), bounds)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.close()


async def asked(listener: HttpListener, said: bytes) -> bytes:
    """All that comes back until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        writer.write(said)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_it_answers_until_it_is_closed() -> None:
    async with listening() as listener:
        answer = await asked(listener, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"hello")
    assert b"uvicorn" not in answer.lower()


async def test_a_port_that_is_taken_names_the_setting() -> None:
    async with listening() as listener:
        second = HttpListener(Starlette(), Address("127.0.0.1", listener.port, "some_port"))
        with pytest.raises(TargetError, match=f"127.0.0.1:{listener.port}: set some_port to a free port"):
            await second.start()


@pytest.mark.parametrize("said", [b"", b"POST / HTTP/1.1\r\nHost: a\r\nContent-"])
async def test_who_says_nothing_or_half_a_request_is_hung_up_on(said: bytes) -> None:
    async with listening(Bounds(longest_seconds=0.05)) as listener:
        with contextlib.suppress(ConnectionResetError):
            assert await asked(listener, said) == b""
