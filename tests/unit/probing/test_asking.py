"""One probe against real servers on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from controller.adapters.exchange import plain_client
from controller.adapters.probing.asking import Probed, ProbeGateway, probe
from controller.domain.probes import ProbeRules

RULES = ProbeRules(
    "/chat/v1/chat/completions",
    served_model="tiny",
    version_header="x-serinus-version",
    first_token=timedelta(seconds=5),
    timeout=timedelta(seconds=10),
)
TOKEN = b'data: {"choices":[{"delta":{"content":"1"}}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


def head(status: int = 200, kind: str = "text/event-stream; charset=utf-8", version: str = "v2") -> bytes:
    return (
        f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nX-Serinus-Version: {version}\r\n"
        "connection: close\r\n\r\n"
    ).encode()


@asynccontextmanager
async def gateway(serve: Serve, asked: list[bytes] | None = None) -> AsyncIterator[ProbeGateway]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        length = int(request.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        request += await reader.readexactly(length)
        if asked is not None:
            asked.append(request)
        try:
            await serve(writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield ProbeGateway(f"http://127.0.0.1:{port}", {"Authorization": "Bearer s3cret"})


async def asked(serve: Serve, rules: ProbeRules = RULES) -> Probed:
    client = plain_client()
    try:
        async with gateway(serve) as at:
            return await probe(client, at, rules)
    finally:
        await client.aclose()


def sends(*pieces: bytes) -> Serve:
    async def serve(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
        await writer.drain()

    return serve


async def test_a_probe_is_a_streamed_chat_completion_with_the_gateway_s_headers() -> None:
    requests: list[bytes] = []
    client = plain_client()
    async with gateway(sends(head(), TOKEN, END), requests) as at:
        found = await probe(client, at, replace(RULES, host="chat.example.com", max_tokens=3))
    await client.aclose()
    assert found == Probed("v2")
    lines, _, body = requests[0].partition(b"\r\n\r\n")
    assert lines.startswith(b"POST /chat/v1/chat/completions HTTP/1.1")
    assert b"host: chat.example.com" in lines.lower()
    assert b"authorization: bearer s3cret" in lines.lower()
    sent = json.loads(body)
    assert (sent["model"], sent["stream"], sent["max_tokens"]) == ("tiny", True, 3)
    assert sent["messages"] == [{"role": "user", "content": RULES.prompt}]


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ((head(), TOKEN, b'data: {"error":{"code":500}}\n\n'), Probed("v2", "an error inside the stream")),
        ((head(), TOKEN), Probed("v2", "the stream broke off")),
        ((head(), END), Probed("v2", "the stream ended without a token")),
        ((head(version=""), TOKEN, END), Probed("")),
        ((head(503), b"no healthy upstream"), Probed("v2", "status 503")),
        ((head(404), b"{}"), Probed("v2", "status 404")),
        ((head(429), b"{}"), Probed("v2", "status 429", refused=True)),
        ((head(401, version=""), b"{}"), Probed("", "status 401", refused=True)),
        ((head(302), b""), Probed("v2", "status 302")),
        ((head(kind="application/json"), b'{"choices": []}'), Probed("v2", "the answer is no event stream")),
    ],
)
async def test_what_an_answer_says_of_its_version(pieces: tuple[bytes, ...], found: Probed) -> None:
    assert await asked(sends(*pieces)) == found


async def test_a_stream_that_is_cut_off_amid_a_chunk_broke_off() -> None:
    chunked = head().replace(b"connection: close", b"transfer-encoding: chunked")
    assert await asked(sends(chunked, b"%x\r\n" % len(TOKEN), TOKEN, b"\r\nff\r\n")) == Probed(
        "v2", "the stream broke off"
    )


async def hangs_after(writer: asyncio.StreamWriter, *pieces: bytes) -> None:
    await sends(*pieces)(writer)
    await asyncio.sleep(60)


async def test_the_first_token_has_a_time_of_its_own() -> None:
    rules = replace(RULES, first_token=timedelta(milliseconds=50))
    found = await asked(lambda writer: hangs_after(writer, head(), b": waits\n\n"), rules)
    assert found == Probed("v2", "no token within 0.05 s")
    silent = await asked(hangs_after, rules)
    assert silent == Probed("", "no token within 0.05 s")


async def test_after_the_first_token_the_whole_answer_has_its_time() -> None:
    rules = replace(RULES, first_token=timedelta(milliseconds=100), timeout=timedelta(milliseconds=300))
    found = await asked(lambda writer: hangs_after(writer, head(), TOKEN), rules)
    assert found == Probed("v2", "no end of the answer within 0.3 s")


async def test_nobody_there_is_no_version_s_fault() -> None:
    client = plain_client()
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    found = await probe(client, ProbeGateway(f"http://127.0.0.1:{port}"), RULES)
    await client.aclose()
    assert found == Probed("", "connection refused")
    assert str(port) not in repr(found)


async def test_a_stream_without_end_is_left() -> None:
    async def babbles(writer: asyncio.StreamWriter) -> None:
        writer.write(head())
        while True:
            writer.write(TOKEN * 1000)
            await writer.drain()

    assert await asked(babbles) == Probed("v2", "the stream is longer than 1 MiB")


async def test_an_address_that_is_none_is_nobody_s_fault() -> None:
    client = httpx2.AsyncClient()
    found = await probe(client, ProbeGateway("http://[::1"), RULES)
    await client.aclose()
    assert found.refused
