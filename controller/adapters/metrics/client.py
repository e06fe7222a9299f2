"""One query to Prometheus and its answer, with every bound that an untrusted server needs.

**Invariant**: a query ends within its time and size whatever the server does, is sent once, follows no
redirect, and loses nothing of the answer that tells whether it is complete. Messages hold no text of the
answer and no address: both may hold secrets.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from controller.domain.vocabulary import Reason

_READ_AT_ONCE_BYTES = 64 * 1024
_NEVER = Retry(
    total=0, connect=0, read=False, redirect=False, status=0, other=0, respect_retry_after_header=False
)
_DIVISIBLE = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_ERROR_TYPES = frozenset(
    {"bad_data", "execution", "canceled", "timeout", "internal", "unavailable", "not_found"}
)
_PASSING = frozenset({"canceled", "timeout", "internal", "unavailable"})


@dataclass(frozen=True, slots=True)
class PrometheusAccess:
    """How Prometheus may be asked, and how much of its time and memory a query may cost.

    Readers are answered together who come within ``gather`` of each other, and within ``gather_longest`` of
    the first. While it does not answer, nobody waits longer than ``patience`` for it. ``slowest_scrape`` is
    the longest scrape interval that counters are followed through. Counts older than ``longest_window`` are
    not read any more. ``ca_file`` is PEM; the system's own where it is None.
    """

    timeout: timedelta = timedelta(seconds=10)
    connect_timeout: timedelta = timedelta(seconds=2)
    threads: int = 4
    largest_reply_bytes: int = 16 * 1024 * 1024
    gather: timedelta = timedelta(milliseconds=50)
    gather_longest: timedelta = timedelta(seconds=1)
    patience: timedelta = timedelta(seconds=1)
    backends_per_query: int = 500
    longest_window: timedelta = timedelta(hours=1)
    slowest_scrape: timedelta = timedelta(seconds=60)
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What Prometheus answered: ``result`` is JSON as it came, for a result of type ``result_type``."""

    result_type: str
    result: Any
    complete: bool
    """False if warnings came along: they say that part of the data is missing."""


class QueryError(Exception):
    """A query without an answer that can be trusted.

    ``divisible`` says that a smaller query might get one; ``sent`` is False if time ran out before its turn.
    """

    def __init__(self, reason: Reason, message: str, *, divisible: bool = False, sent: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.divisible = divisible
        self.sent = sent


class PrometheusClient(PrometheusConnect):  # type: ignore[misc]
    """prometheus-api-client, which by itself retries in silence, waits for ever and drops warnings."""

    def __init__(self, url: str, access: PrometheusAccess) -> None:
        session = requests.Session()
        session.trust_env = False
        if access.ca_file is not None:
            session.verify = str(access.ca_file)
        super().__init__(
            url=url.rstrip("/"),
            headers={"Accept-Encoding": "identity", "User-Agent": "serinus", **access.headers},
            retry=_NEVER,
            session=session,
            timeout=(access.connect_timeout.total_seconds(), access.timeout.total_seconds()),
            method="POST",
        )
        self._access = access

    def custom_query(
        self, query: str, params: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Answer:
        """Evaluate one instant query. Raises `QueryError`."""
        total = self._access.timeout.total_seconds() if timeout is None else timeout
        deadline = time.monotonic() + total
        form = {"query": query, "timeout": f"{total * 1000:.0f}ms", **(params or {})}
        try:
            with self._session.post(
                f"{self.url}/api/v1/query",
                data=form,
                headers=self.headers,
                timeout=(min(self._timeout[0], total), total),
                allow_redirects=False,
                stream=True,
            ) as response:
                return _parsed(response.status_code, self._body(response, deadline))
        except requests.Timeout as error:
            raise QueryError(
                Reason.METRICS_UNAVAILABLE, f"Prometheus gave no answer within {total:g} s"
            ) from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise QueryError(Reason.METRICS_UNAVAILABLE, "the connection to Prometheus failed") from error

    def _body(self, response: requests.Response, deadline: float) -> bytearray:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise QueryError(
                Reason.METRICS_INVALID, "Prometheus answered in an encoding that was not asked for"
            )
        body = bytearray()
        while chunk := response.raw.read1(_READ_AT_ONCE_BYTES, decode_content=False):
            body += chunk
            if len(body) > self._access.largest_reply_bytes:
                body.clear()  # the traceback would keep it
                megabytes = self._access.largest_reply_bytes / 2**20
                raise QueryError(
                    Reason.METRICS_INVALID,
                    f"Prometheus' answer is larger than {megabytes:g} MiB",
                    divisible=True,
                )
            if time.monotonic() > deadline:
                raise requests.Timeout
        return body


def _parsed(status: int, body: bytearray) -> Answer:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        reply = None
    if status != HTTPStatus.OK:
        raise _refused(status, reply)
    if not isinstance(reply, dict):
        raise QueryError(Reason.METRICS_INVALID, "Prometheus' answer is not the JSON of its API")
    if reply.get("status") != "success":
        raise _failed(reply)
    match reply:
        case {"data": {"resultType": str(result_type), "result": result}}:
            return Answer(result_type, result, complete=not reply.get("warnings"))
    raise QueryError(Reason.METRICS_INVALID, "Prometheus' answer has no result")


def _refused(status: int, reply: object) -> QueryError:
    """4xx is about the query, or about us; anything else is about the server."""
    kind = _error_type(reply)
    if status in _DIVISIBLE:
        return QueryError(
            Reason.METRICS_INVALID, f"Prometheus refused the query (HTTP {status}{kind})", divisible=True
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return QueryError(
            Reason.METRICS_UNAVAILABLE,
            f"Prometheus does not let us in (HTTP {status}): check the credentials",
        )
    if 300 <= status < 400:  # noqa: PLR2004 - the redirects
        return QueryError(
            Reason.METRICS_UNAVAILABLE, f"Prometheus redirects (HTTP {status}): set its own address"
        )
    return QueryError(Reason.METRICS_UNAVAILABLE, f"Prometheus answered HTTP {status}{kind}")


def _failed(reply: Mapping[str, object]) -> QueryError:
    kind = reply.get("errorType")
    reason = Reason.METRICS_UNAVAILABLE if kind in _PASSING else Reason.METRICS_INVALID
    return QueryError(reason, f"Prometheus reported an error{_error_type(reply)}")


def _error_type(reply: object) -> str:
    kind = reply.get("errorType") if isinstance(reply, dict) else None
    return f", {kind}" if isinstance(kind, str) and kind in _ERROR_TYPES else ""
