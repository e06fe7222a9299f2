"""What a request passes before anything of ours reads it, and what every answer passes on its way out.

**Invariant**: what a stranger can make the daemon do is to look at headers and, so often in a second, to have
a token looked at. A body is read, a path is parsed and a question is asked for known people alone, for so
many at a time, each for so long. ``GET`` and ``HEAD`` change nothing: only ``POST`` reaches what does.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.web import bodies, sessions
from controller.web.admission import Admission, Caller, unauthenticated
from controller.web.headers import guarded
from controller.web.origins import Origins
from controller.web.problems import Refusal, answer_to

log = structlog.get_logger(__name__)

API = "/api/"
EVENTS = "/api/v1/events"
MOST_AT_ONCE = 32
_WITHIN_SECONDS = 30.0
_COMPLAINT_SECONDS = 60.0
_METHODS = ("GET", "HEAD", "OPTIONS", "POST")


@dataclass(frozen=True, slots=True)
class Ways:
    """``open`` are paths that need no token, each with all that is below it if it ends in ``/``.

    ``sign_in`` is the page where people without a session are sent to; None where there is none.
    """

    open: Collection[str]
    sign_in: str | None = None

    def is_open(self, path: str) -> bool:
        """Whether the path needs no token."""
        return path in self.open or any(each.endswith("/") and path.startswith(each) for each in self.open)


class Gate:
    """An ASGI application around another. ``count`` is told the status of each answer."""

    def __init__(
        self, app: ASGIApp, admission: Admission, origins: Origins, ways: Ways, count: Callable[[int], None]
    ) -> None:
        self._app = app
        self._admission = admission
        self._origins = origins
        self._ways = ways
        self._count = count
        self._served = 0
        self._quiet_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        begun = False

        def seen(status: int) -> None:
            nonlocal begun
            begun = True
            self._count(status)

        send = guarded(send, secure=self._origins.secure, seen=seen)
        try:
            await self._admitted(request, receive, send)
        except ClientDisconnect:
            return
        except Exception as error:
            if begun:  # half an answer is out: the connection ends, and the log says why
                log.exception("web_request_failed", error=type(error).__name__)
            else:
                await self._refused(request, error)(scope, receive, send)

    async def _admitted(self, request: Request, receive: Receive, send: Send) -> None:
        scope, path = request.scope, request.url.path
        if request.method not in _METHODS:
            raise Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "use GET or POST",
                {"Allow": ", ".join(_METHODS)},
            )
        caller = await self._known(request)
        if request.method == "OPTIONS":
            await Response(status_code=204, headers={"Allow": ", ".join(_METHODS)})(scope, receive, send)
            return
        if request.method == "POST":
            _check_kind(request)
            receive = bodies.again(await bodies.read(request), receive)
        scope.setdefault("state", {})["caller"] = caller
        if request.method == "HEAD":
            await self._headed(scope, receive, send)
        elif path == EVENTS:
            await self._app(scope, receive, send)
        else:
            await self._bounded(scope, receive, send)

    async def _known(self, request: Request) -> Caller | None:
        """Who calls; None on a path that is open to everybody. Raises `Refusal`."""
        header, cookie = _bearer(request), sessions.token_in(request, self._origins)
        session = header is None and cookie is not None
        if request.method == "POST" and self._origins.forbids(request, session=session):
            raise Refusal(
                HTTPStatus.FORBIDDEN, "cross_origin", "the request comes from a page of another site"
            )
        address = request.client.host if request.client else ""
        if self._ways.is_open(request.url.path):
            if request.method == "POST":
                self._admission.stranger(address)
            return None
        caller = await self._admission.caller(header or cookie, address, session=session)
        self._admission.count(caller)
        return caller

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._served >= MOST_AT_ONCE:
            raise _busy("too many requests at a time; try again in a moment")
        self._served += 1
        try:
            async with asyncio.timeout(_WITHIN_SECONDS):
                await self._app(scope, receive, send)
        except TimeoutError:
            raise _busy(
                f"not finished within {_WITHIN_SECONDS:g} s; what came of it is not known yet"
            ) from None
        finally:
            self._served -= 1

    async def _headed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As GET without the body, which is not waited for: it may be endless."""

        async def head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _Headed

        try:
            await self._bounded({**scope, "method": "GET"}, receive, head)
        except _Headed:
            return

    def _refused(self, request: Request, error: Exception) -> Response:
        answer = answer_to(error)
        if answer.status_code != HTTPStatus.UNAUTHORIZED:
            return answer
        now = time.monotonic()
        if now >= self._quiet_until:  # anybody can make us write a line: one a minute
            self._quiet_until = now + _COMPLAINT_SECONDS
            log.warning("web_caller_unauthenticated")
        wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if self._ways.sign_in is not None and wants_page and not request.url.path.startswith(API):
            return RedirectResponse(f"{self._ways.sign_in}?{urlencode({'next': request.url.path})}", 303)
        return answer


class _Headed(Exception):
    """The head of the answer is sent."""


def caller_of(request: Request) -> Caller:
    """Who calls. Raises `Refusal` on a path that is open to everybody."""
    caller = request.scope.get("state", {}).get("caller")
    if not isinstance(caller, Caller):
        raise unauthenticated()
    return caller


def _bearer(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _check_kind(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.url.path.startswith(API) and kind != "application/json":
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "send application/json")


def _busy(detail: str) -> Refusal:
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, {"Retry-After": "1"})
