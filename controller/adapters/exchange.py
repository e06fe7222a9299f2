"""One HTTP request and its answer, with every bound that an untrusted server needs.

**Invariant**: an exchange ends within its time whatever the server does, holds no more of the answer than
was allowed, follows no redirect, keeps no cookie, uses no proxy from the environment, and leaves no
connection behind, cancelled or not. What went wrong is a value in words for people, free of addresses and of
the answer's own text, which may hold secrets.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit

import httpx2

_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came, not decoded. ``truncated`` when it was longer than what was allowed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    latency: timedelta
    """From before the connection was opened to the last byte that was read."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why there is no complete answer: "connection refused", "no answer within 2 s"."""

    message: str


def plain_client() -> httpx2.AsyncClient:
    """A client for plain HTTP: its TLS context trusts nobody, so no authorities are loaded (0.15 s)."""
    return _client(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def tls_client() -> httpx2.AsyncClient:
    """A client that trusts the system's authorities."""
    return _client(ssl.create_default_context())


def _client(tls: ssl.SSLContext) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        verify=tls,
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # `exchange` has its own; the library's default of 5 s would cut slow models short
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        # A kept connection may be half dead: a fresh one says what the server is now. Callers bound how many.
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        # No encoding: a few compressed bytes could unpack to more than memory holds.
        headers={"Accept-Encoding": "identity", "User-Agent": "serinus"},
    )


def endpoint_url(endpoint: str, path: str) -> httpx2.URL:
    """The URL of a path, with its query, at ``host:port``. Raises `ValueError` for anything else."""
    with suppress(ValueError, httpx2.InvalidURL):
        parts = urlsplit(f"//{endpoint}")
        if parts.netloc == endpoint and "@" not in endpoint and parts.hostname and parts.port:
            raw_path = path.encode("ascii")
            return httpx2.URL(scheme="http", host=parts.hostname, port=parts.port, raw_path=raw_path)
    raise ValueError(f"{endpoint[:_SHOWN_CHARACTERS]!r} is not host:port")


async def exchange(
    client: httpx2.AsyncClient, request: httpx2.Request, *, within: timedelta, most_bytes: int
) -> Answer | NoAnswer:
    """Send the request and read up to ``most_bytes`` of the answer, in the time of ``within``."""
    begun = time.monotonic()
    try:
        async with asyncio.timeout(within.total_seconds()):
            response = await client.send(request, stream=True)
            try:
                body, truncated = await _read(response, most_bytes)
            finally:
                await response.aclose()
    except (TimeoutError, httpx2.TimeoutException):
        return NoAnswer(f"no answer within {within.total_seconds():g} s")
    except httpx2.HTTPError as error:
        return NoAnswer(why(error))
    latency = timedelta(seconds=time.monotonic() - begun)
    return Answer(response.status_code, response.headers, body, truncated, latency)


async def _read(response: httpx2.Response, most_bytes: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most_bytes:
            return bytes(body[:most_bytes]), True
    return bytes(body), False


def why(error: BaseException) -> str:
    """The operating system's word for it where there is one, else the kind of the failure."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "host name not found"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.RemoteProtocolError):
        return "the connection was closed, or the answer is not HTTP"
    return f"the request failed ({type(error).__name__})"
