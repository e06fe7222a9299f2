"""The library's connection, against servers on loopback of which most misbehave."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from kubernetes.aio.client import Configuration

from controller.adapters.kube.client import CallLimits, KubeClient, connect
from controller.adapters.kube.connection import Connection, open_connection
from controller.adapters.kube.credentials import Credentials
from controller.adapters.kube.resources import HTTP_ROUTES, SERVICES
from controller.errors import TargetError, TransientError

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
Reaction = bytes | None
"""What a server sends to a request before it closes the connection; None: nothing, and it stays open."""


class Server:
    """Answers each request with the next reaction, and keeps what it was sent."""

    def __init__(self, *reactions: Reaction) -> None:
        self.reactions = list(reactions)
        self.requests: list[str] = []
        self.open = 0
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            body = await reader.readexactly(int(length[0].split(":")[1]) if length else 0)
            self.requests.append(head + body.decode())
            reaction = self.reactions.pop(0)
            if reaction is None:
                await reader.read()  # until the client gives up
            else:
                writer.write(reaction)
                await writer.drain()
        finally:
            self.open -= 1
            writer.close()


def answered(body: bytes, headers: bytes = b"") -> bytes:
    return OK + headers + b"content-length: " + str(len(body)).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def talking_to(server: Server, limits: CallLimits | None = None) -> AsyncIterator[KubeClient]:
    async with server.running():
        client = await connect(server=server.url, limits=limits)
        try:
            yield client
        finally:
            await client.close()


async def test_a_request_is_sent_as_asked() -> None:
    server = Server(answered(b'{"a": 1}'))
    async with talking_to(server) as client:
        assert client.namespace == "default"
        operation = {"op": "add", "path": "/x", "value": "é"}
        assert await client.json_patch(HTTP_ROUTES, "ml", "fraud", [operation], subresource="status") == {
            "a": 1
        }
    (request,) = server.requests
    lines = request.split("\r\n")
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/ml/httproutes/fraud/status?fieldManager=serinus"
    assert lines[0] == f"PATCH {path} HTTP/1.1"
    headers = {line.lower() for line in lines[1:]}
    assert "content-type: application/json-patch+json" in headers
    assert "accept-encoding: identity" in headers
    assert "user-agent: serinus" in headers
    assert not any(line.startswith("authorization") for line in headers)
    assert lines[-1] == '[{"op": "add", "path": "/x", "value": "\\u00e9"}]'


async def test_what_is_asked_for_is_quoted() -> None:
    server = Server(answered(b'{"metadata": {"resourceVersion": "1"}, "items": []}'))
    async with talking_to(server) as client:
        await client.list(SERVICES, "ml", labels="a in (b,c),x=y&z")
    path, _, query = server.requests[0].split(" ")[1].partition("?")
    assert path == "/api/v1/namespaces/ml/services"
    assert parse_qs(query) == {"limit": ["250"], "labelSelector": ["a in (b,c),x=y&z"]}


@pytest.mark.parametrize(
    ("reaction", "says"),
    [
        (b"", "the connection failed"),
        (b"nonsense\r\n\r\n", "the connection failed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", "the connection failed"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "the connection failed"),
        (answered(gzip.compress(b"{}"), b"content-encoding: gzip\r\n"), "an encoding that was not asked for"),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 6\r\n\r\n<html>", "HTTP 500"),
    ],
)
async def test_what_breaks_on_the_way_is_transient_and_is_not_tried_again(reaction: bytes, says: str) -> None:
    server = Server(*[reaction] * 5)
    async with talking_to(server) as client:
        with pytest.raises(TransientError, match=says):
            await client.create(SERVICES, "ml", {"metadata": {"name": "x"}})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://ann:secret@127.0.0.1:1/", "http://127.0.0.1:1: connection refused"),
        ("http://no-such-host.invalid", "http://no-such-host.invalid: host name not found"),
    ],
)
async def test_nobody_at_the_address_is_said_in_words(url: str, says: str) -> None:
    client = await connect(server=url)
    with pytest.raises(TransientError) as caught:
        await client.get(SERVICES, "ml", "fraud")
    await client.close()
    assert str(caught.value) == says


async def test_a_server_without_tls_is_said_to_have_none() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(plain, "127.0.0.1", 0)
    client = await connect(server=f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    with pytest.raises(TransientError, match=r"TLS failed \(WRONG_VERSION_NUMBER\)"):
        await client.get(SERVICES, "ml", "fraud")
    await client.close()
    listener.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(status: int) -> None:
    elsewhere = Server(answered(b"{}"))
    async with elsewhere.running():
        head = f"HTTP/1.1 {status} Moved\r\nlocation: {elsewhere.url}/x\r\ncontent-length: 0\r\n\r\n"
        server = Server(head.encode(), head.encode())
        async with talking_to(server) as client:
            with pytest.raises(TransientError, match="it redirects, as no API server does"):
                await client.get(SERVICES, "ml", "fraud")
            with pytest.raises(TransientError, match="it redirects"):
                await client.json_patch(SERVICES, "ml", "fraud", [])
    assert not elsewhere.requests


async def test_a_server_that_is_silent_is_left_in_time() -> None:
    server = Server(None, None, None)
    limits = CallLimits(
        timeout=timedelta(seconds=0.2), list_timeout=timedelta(seconds=0.2), silence=timedelta(0)
    )
    async with talking_to(server, limits) as client:
        with pytest.raises(TransientError, match=r"no answer within 0\.2 s"):
            await client.get(SERVICES, "ml", "fraud")
        with pytest.raises(TransientError, match=r"no answer within 0\.2 s; it may have been done"):
            await client.delete(SERVICES, "ml", "fraud")
        with pytest.raises(TransientError, match=r"no answer within 0\.2 s"):
            await client.list(SERVICES)
        await until(lambda: server.open == 0)


async def test_a_watch_that_is_left_closes_its_connection() -> None:
    event = b'{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"}}}\n'
    server = Server()

    async def streaming(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.open += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"\r\n" + event)
        await reader.read()
        server.open -= 1
        writer.close()

    listener = await asyncio.start_server(streaming, "127.0.0.1", 0)
    client = await connect(server=f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    async with aclosing(client.watch(SERVICES, "ml", resource_version="1", seconds=60)) as events:
        assert (await anext(events)).object["metadata"]["name"] == "a"
        assert server.open == 1
    await until(lambda: server.open == 0)
    await client.close()
    listener.close()


async def test_refused_credentials_are_loaded_again_before_the_next_call() -> None:
    refused = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}"
    server = Server(refused, answered(b"{}"))
    tokens = iter(("one", "two"))

    async def load(configuration: Configuration) -> tuple[str, float | None]:
        configuration.api_key["BearerToken"] = f"Bearer {next(tokens)}"
        return "ml", None

    async with server.running():
        configuration = Configuration(host=server.url)
        credentials = Credentials(configuration, load)
        await credentials.first()
        client = KubeClient(Connection(configuration, credentials))
        with pytest.raises(TransientError, match="HTTP 401, the credentials are not accepted"):
            await client.get(SERVICES, "ml", "fraud")
        credentials._loaded -= 10
        await client.get(SERVICES, "ml", "fraud")
        await client.close()
    assert ["authorization: Bearer one" in request for request in server.requests] == [True, False]
    assert "authorization: Bearer two" in server.requests[1]


async def test_a_context_needs_a_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(TargetError, match="context prod is in no kubeconfig: there is none"):
        await open_connection(None, "prod", None)
    with pytest.raises(TargetError, match="no cluster to talk to"):
        await open_connection(None, None, None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what happens in a socket sets no event
            await asyncio.sleep(0.01)
