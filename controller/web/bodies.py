"""A request's body: read whole, in bounded length and time, and given on as if it just came."""

import asyncio
from http import HTTPStatus

from starlette.requests import Request
from starlette.types import Message, Receive

from controller.web.problems import Refusal

LONGEST_BODY_BYTES = 64 * 1024
_SECONDS = 5.0


async def read(request: Request) -> bytes:
    """The body. Raises `Refusal` for one too long or too slow, `ClientDisconnect` if it breaks off."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > LONGEST_BODY_BYTES:
        raise _too_long()
    found = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                found += chunk
                if len(found) > LONGEST_BODY_BYTES:
                    raise _too_long()
    except TimeoutError:
        raise Refusal(
            HTTPStatus.REQUEST_TIMEOUT, "request_timeout", f"the body did not come within {_SECONDS:g} s"
        ) from None
    return bytes(found)


def again(body: bytes, receive: Receive) -> Receive:
    """Receives the body at once, and then whatever really comes."""
    left = [body]

    async def received() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return received


def _too_long() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_long",
        f"the body is longer than {LONGEST_BODY_BYTES // 1024} KiB",
        {"Connection": "close"},
    )
