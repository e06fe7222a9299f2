"""A port of the daemon: taken ports are said, and who says nothing is not waited for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
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


async def test_who_says_nothing_or_half_a_request_is_not_waited_for() -> None:
    async with listening(Bounds(idle_seconds=0.05)) as listener:
        assert await asked(listener, b"") == b""
        assert await asked(listener, b"GET / HTTP/1.1\r\nHost: x\r\n") == b""
        answered = await asked(listener, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answered.endswith(b"hello"), "and a connection that is kept open ends by itself"


async def test_who_does_not_read_loses_the_connection() -> None:
    ended = asyncio.Event()

    async def endless(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65_536
                    await asyncio.sleep(0)  # what is sent to nobody does not wait
            finally:
                ended.set()

        return StreamingResponse(chunks())

    app = Starlette(routes=[Route("/", endless)])
    listener = HttpListener(app, Address("127.0.0.1", 0, "some_port"), Bounds(idle_seconds=0.2))
    await listener.start()
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(10):
        await ended.wait()
    writer.close()
    await listener.close()


async def test_a_head_that_goes_on_and_on_is_refused() -> None:
    async with listening(Bounds(idle_seconds=5)) as listener:
        answered = await asked(listener, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000)
        assert answered.startswith(b"HTTP/1.1 400")
