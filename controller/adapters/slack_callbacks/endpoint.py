"""Where Slack's calls arrive. Whoever is not Slack gets one answer that says nothing.

**Invariant**: a call is answered at once, before anything is carried out: Slack waits 3 s. What a caller can
make this do without a signature is to compare numbers, read 64 KiB and compute two digests.

**Source**: Slack, "Handling user interaction": answer 200 within 3 s.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from controller.adapters.slack_callbacks.interaction import Press, delivery_of, press_of
from controller.adapters.slack_callbacks.signature import Delivered, Signed, Verifier

log = structlog.get_logger(__name__)

PATH = "/slack/interactions"
LONGEST_BODY_BYTES = 64 * 1024
LONGEST_CALL = timedelta(seconds=10)
"""From the first byte of the connection to its end."""
_BODY_SECONDS = 5.0
_COMPLAINT_SECONDS = 60.0
_CLOSE = {"Connection": "close"}


class SlackEndpoint:
    """``take`` is given each press once; False says that there are too many at the moment.

    ``count`` is told of each call ``unauthenticated``, ``malformed``, ``ignored``, ``repeated``, ``busy`` or
    ``taken``.
    """

    def __init__(
        self,
        verifier: Verifier,
        delivered: Delivered,
        take: Callable[[Press], bool],
        count: Callable[[str], None],
    ) -> None:
        self._verifier = verifier
        self._delivered = delivered
        self._take = take
        self._count = count
        self._quiet_until = 0.0

    def app(self) -> Starlette:
        """The application to be served."""
        return Starlette(routes=[Route(PATH, self._called, methods=["POST"])])

    async def _called(self, request: Request) -> Response:
        result, status = await self._judged(request)
        self._count(result)
        if result == "unauthenticated":
            self._complain("slack_call_unauthenticated")
        return Response(status_code=status, headers=_CLOSE)

    async def _judged(self, request: Request) -> tuple[str, int]:
        """What the call is, and the status that answers it."""
        said = self._verifier.claim(request.headers)
        body = None if said is None else await _body(request)
        if said is None or body is None or not await self._is_from_slack(said, body):
            return "unauthenticated", 401
        try:
            press = press_of(body)
        except ValueError:
            return "malformed", 400
        if press is None:
            return "ignored", 200
        delivery = delivery_of(body)
        if not self._delivered.take(delivery, said):
            return "repeated", 200
        if not self._take(press):
            self._delivered.give_back(delivery)
            return "busy", 503
        return "taken", 200

    async def _is_from_slack(self, said: Signed, body: bytes) -> bool:
        try:
            return await asyncio.to_thread(self._verifier.is_from_slack, said, body)
        except (OSError, ValueError) as error:
            self._complain("slack_signing_secret_unusable", error=type(error).__name__)
            return False

    def _complain(self, event: str, **more: str) -> None:
        """A line a minute: anybody can make us write one."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _COMPLAINT_SECONDS
            log.warning(event, **more)


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is too long, too slow, or breaks off."""
    if not request.headers.get("content-length", "0").isdecimal():
        return None
    if int(request.headers.get("content-length", "0")[:12]) > LONGEST_BODY_BYTES:
        return None
    found = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                found += chunk
                if len(found) > LONGEST_BODY_BYTES:
                    return None
    except (ClientDisconnect, TimeoutError):
        return None
    return bytes(found)
