"""Readiness of a release, asked of real servers on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.exchange import endpoint_url
from controller.adapters.workload.endpoints import EndpointWorkload
from controller.domain.model import Rollout
from controller.domain.policy import Policy, RouteRef
from controller.domain.release import Release

Serve = Callable[[Callable[[str], bytes | None]], Awaitable[str]]

ROLLOUT = Rollout(
    "a",
    "fraud",
    Release("v2", ()),
    Policy("fraud", "ml", RouteRef("envoy", "/fraud"), "envoy", steps=(), checks=()),
    created_at=datetime(2026, 11, 23, tzinfo=UTC),
    created_by="ann",
)


def answer(status: int, body: bytes = b"", header: str = "") -> bytes:
    return b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s" % (status, header.encode(), len(body), body)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers that answer a path with raw bytes, or with silence for None."""
    servers: list[asyncio.Server] = []

    async def start(behave: Callable[[str], bytes | None]) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            raw = behave(head.split()[1].decode())
            if raw is None:
                await reader.read()  # until the other side gives up
            else:
                writer.write(raw)
            writer.close()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return f"127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


@pytest.fixture
async def workload() -> AsyncIterator[EndpointWorkload]:
    built = EndpointWorkload()
    yield built
    await built.close()


def closed_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


async def test_ready_when_every_endpoint_answers_2xx(workload: EndpointWorkload, serve: Serve) -> None:
    asked: list[str] = []

    def ready(path: str) -> bytes:
        asked.append(path)
        return answer(200)

    release = Release("v2", (await serve(ready), await serve(ready)))
    assert (await workload.readiness(ROLLOUT, release)).ready
    assert asked == ["/v2/health/ready", "/v2/health/ready"]


async def test_an_engine_without_the_inference_protocol_is_asked_on_health(
    workload: EndpointWorkload, serve: Serve
) -> None:
    endpoint = await serve(lambda path: answer(200 if path == "/health" else 404))
    assert (await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))).ready


async def test_a_path_of_ones_own_is_asked_instead(serve: Serve) -> None:
    workload = EndpointWorkload(["/up?deep=1"])
    endpoint = await serve(lambda path: answer(200 if path == "/up?deep=1" else 500))
    assert (await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))).ready
    await workload.close()


async def test_only_404_leads_to_the_next_path(workload: EndpointWorkload, serve: Serve) -> None:
    endpoint = await serve(lambda path: answer(200 if path == "/health" else 503))
    seen = await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))
    assert not seen.ready
    assert seen.message == f"1 of 1 endpoints of v2 not ready: {endpoint} answered 503 on /v2/health/ready"


async def test_no_known_path_is_not_ready(workload: EndpointWorkload, serve: Serve) -> None:
    endpoint = await serve(lambda path: answer(404))
    seen = await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))
    assert seen.message.endswith(f"{endpoint} answered 404 on /v2/health/ready and /health")


async def test_a_redirect_is_not_followed_and_not_ready(workload: EndpointWorkload, serve: Serve) -> None:
    good = await serve(lambda path: answer(200))
    endpoint = await serve(lambda path: answer(302, header=f"Location: http://{good}/\r\n"))
    seen = await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))
    assert f"{endpoint} answered 302" in seen.message


async def test_one_endpoint_down_makes_the_release_not_ready(
    workload: EndpointWorkload, serve: Serve
) -> None:
    up, down = await serve(lambda path: answer(200)), closed_port()
    seen = await workload.readiness(ROLLOUT, Release("v2", (up, down)))
    assert not seen.ready
    assert seen.message == f"1 of 2 endpoints of v2 not ready: {down}: connection refused"


async def test_a_silent_endpoint_is_given_up_within_the_time_limit(serve: Serve) -> None:
    workload = EndpointWorkload(timeout=timedelta(milliseconds=50))
    endpoint = await serve(lambda path: None)
    seen = await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))
    assert seen.message.endswith(f"{endpoint}: no answer within 0.05 s")
    await workload.close()


async def test_an_answer_that_never_ends_is_cut_off(workload: EndpointWorkload, serve: Serve) -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 10_000
    endpoint = await serve(lambda path: endless)
    assert (await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))).ready


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        answer(302, header="Location: http://[::bad/\r\n"),
        answer(302, header="Location: gopher://x:99999999/\r\n"),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    ],
)
async def test_what_is_not_an_answer_is_not_ready(
    workload: EndpointWorkload, serve: Serve, raw: bytes
) -> None:
    endpoint = await serve(lambda path: raw)
    seen = await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))
    assert not seen.ready
    assert endpoint in seen.message


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost",
        "a:80/path",
        "user@a:80",
        "a:99999",
        "a:0",
        "[::1:80",
        "a:80?x",
        "a:b",
        "",
        ":80",
        "a\nb:80",
    ],
)
async def test_an_address_that_is_none_is_not_ready(workload: EndpointWorkload, endpoint: str) -> None:
    seen = await workload.readiness(ROLLOUT, Release("v2", (endpoint,)))
    assert not seen.ready
    assert "is not host:port" in seen.message


async def test_a_release_without_endpoints_is_not_ready(workload: EndpointWorkload) -> None:
    seen = await workload.readiness(ROLLOUT, Release("v2", ()))
    assert not seen.ready
    assert seen.message == "v2 has no endpoint to ask."


async def test_many_endpoints_are_counted_and_few_named(workload: EndpointWorkload) -> None:
    endpoints = tuple(f"a{n}" for n in range(40))
    seen = await workload.readiness(ROLLOUT, Release("v2", endpoints))
    assert seen.message.startswith("40 of 40 endpoints of v2 not ready: 'a0' is not host:port; 'a1'")
    assert seen.message.endswith("; and 37 more")


async def test_only_so_many_endpoints_are_asked_at_once(serve: Serve) -> None:
    arrived: list[str] = []
    two_arrived = asyncio.Event()

    def silent(path: str) -> None:
        arrived.append(path)
        if len(arrived) == 2:
            two_arrived.set()

    workload = EndpointWorkload(concurrency=2, timeout=timedelta(seconds=30))
    endpoint = await serve(silent)
    asking = asyncio.create_task(workload.readiness(ROLLOUT, Release("v2", (endpoint,) * 5)))
    await two_arrived.wait()
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(arrived) == 2
    asking.cancel()
    await asyncio.wait([asking])
    await workload.close()


def test_addresses_keep_their_parts() -> None:
    assert str(endpoint_url("[::1]:8000", "/a?b=c")) == "http://[::1]:8000/a?b=c"
    assert str(endpoint_url("models.ml:80", "/a")) == "http://models.ml/a"


@given(st.text(max_size=30) | st.from_regex(r"[a-z.\[\]:@/?#%\x00-\x20]{1,12}:[0-9]{1,6}", fullmatch=True))
def test_no_address_leads_anywhere_but_to_its_own_host(endpoint: str) -> None:
    with suppress(ValueError):
        url = endpoint_url(endpoint, "/ready")
        assert (url.scheme, url.raw_path, url.userinfo) == ("http", b"/ready", b"")
