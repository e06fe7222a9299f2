"""What every answer bears: it is not to be kept, framed or guessed at, and runs nothing foreign."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

CONTENT_SECURITY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_UNLESS_SET = {"Content-Security-Policy": CONTENT_SECURITY, "Cache-Control": "no-store"}
_BY_HTTPS = {"Strict-Transport-Security": "max-age=31536000"}


def guarded(send: Send, *, secure: bool, seen: Callable[[int], None]) -> Send:
    """Sends with the headers; ``seen`` is told each answer's status."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_ALWAYS | (_BY_HTTPS if secure else {}))
            for name, value in _UNLESS_SET.items():
                headers.setdefault(name, value)
            seen(message["status"])
        await send(message)

    return sent
