"""The library's connection to an API server: TLS, credentials, connections that are kept open.

Of the library `kubernetes` only its configuration and its HTTP client are used: its models refuse objects
that are newer than they are, its watch never backs off, and most of its calls have no time limit. Only this
module and `controller.adapters.kube.credentials` import it, and only who talks to a cluster imports them.
"""

import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException, Configuration

from controller.adapters.kube.credentials import Credentials, default_kubeconfig, from_kubeconfig, from_pod
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.errors import TargetError, TransientError

_LONGEST_EXCHANGE_SECONDS = 3600.0
"""The library insists on a limit; the callers have shorter ones."""
_UNAUTHORIZED = 401
_FAILURES = (aiohttp.ClientError, ApiException, OSError, TimeoutError, ValueError)


class _RedirectedError(aiohttp.ClientError):
    """An API server never redirects: something else answers, and must not get the request."""


class Connection:
    """A `Transport` to the API server of one configuration."""

    def __init__(self, configuration: Configuration, credentials: Credentials | None) -> None:
        """Raises OSError or ValueError when a certificate of the configuration cannot be used."""
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(_refuse_redirect)
        configuration.trace_configs = [tracing]
        configuration.connection_pool_maxsize = 0  # no limit: the client has one, and watches stay open
        # What Python 3.13 demands of certificates by default, those of many clusters have not.
        configuration.disable_strict_ssl_verification = True
        self._client = ApiClient(configuration)
        self._credentials = credentials

    @asynccontextmanager
    async def send(self, request: ApiRequest) -> AsyncIterator[ApiAnswer]:
        """As `Transport` says."""
        if self._credentials is not None:
            await self._credentials.fresh()
        with self._translated():
            response = await self._sent(request)
        try:
            if response.status == _UNAUTHORIZED and self._credentials is not None:
                self._credentials.refused()
            async with aclosing(self._chunks(response)) as chunks:
                yield ApiAnswer(response.status, response.headers, chunks)
        finally:
            _hang_up(response)

    async def close(self) -> None:
        """As `Transport` says."""
        if self._credentials is not None:
            await self._credentials.close()
        await self._client.close()  # type: ignore[no-untyped-call]

    async def _sent(self, request: ApiRequest) -> aiohttp.ClientResponse:
        configuration = self._client.configuration
        headers = {
            "Accept": "application/json",
            # No encoding: a few compressed bytes could unpack to more than memory holds.
            "Accept-Encoding": "identity",
            "Content-Type": request.content_type,
            "User-Agent": "serinus",
        }
        await self._client.update_params_for_auth(
            headers, [], ["BearerToken"], request.path, request.method, request.body
        )
        query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        answer = await self._client.call_api(
            request.method,
            f"{configuration.host}{request.path}{query}",
            header_params=headers,
            body=request.body,
            _request_timeout=_LONGEST_EXCHANGE_SECONDS,
        )
        response: aiohttp.ClientResponse = answer.response
        if response.headers.get("Content-Encoding", "identity") != "identity":
            _hang_up(response)
            raise TransientError(f"{self._address()} answered in an encoding that was not asked for")
        return response

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        with self._translated():
            async for chunk in response.content.iter_any():
                yield chunk

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise TransientError(f"{self._address()}: {_why(error)}") from error

    def _address(self) -> str:
        """Without what a person may have put into the URL besides."""
        parts = urlsplit(self._client.configuration.host)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Let go of the answer; of its connection too, unless it was read to its end.

    At once: TLS says goodbye and waits half a minute for the other side's, also when this side is closing.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


async def _refuse_redirect(*_: object) -> None:
    raise _RedirectedError


def _why(error: BaseException) -> str:
    """What began it, in the operating system's words where it has some, else the kind of the failure."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    for cause in reversed(chain):
        match cause:
            case _RedirectedError():
                return "it redirects, as no API server does"
            case ssl.SSLCertVerificationError(verify_message=str(why)):
                return f"its certificate is not trusted ({why})"
            case ssl.SSLError(reason=why):  # its errno is not the operating system's
                return f"TLS failed ({why})"
            case socket.gaierror() | aiohttp.ClientConnectorDNSError():
                return "host name not found"
            case OSError(errno=int(number)) if number > 0:
                return os.strerror(number).lower()
    return f"the connection failed ({type(error).__name__})"


async def open_connection(
    kubeconfig: Path | None, context: str | None, server: str | None
) -> tuple[Connection, str]:
    """The connection and the caller's own namespace, as `controller.adapters.kube.client.connect` says."""
    configuration = Configuration()
    paths = str(kubeconfig) if kubeconfig is not None else default_kubeconfig()
    if kubeconfig is None and server is not None and context is None:
        configuration.host = server.rstrip("/")
        return Connection(configuration, None), "default"
    if paths is None and context is not None:
        raise TargetError(
            f"context {context} is in no kubeconfig: there is none. Name one, or set KUBECONFIG."
        )
    load = from_pod() if paths is None else from_kubeconfig(paths, context, server)
    credentials = Credentials(configuration, load)
    namespace = await credentials.first()
    try:
        return Connection(configuration, credentials), namespace
    except (OSError, ValueError) as error:  # the errors of TLS are OSErrors
        raise TargetError("a certificate or key of the kubeconfig cannot be used") from error
