"""One POST to an address of the settings: signed, bounded, to where we may go and nowhere else.

**Invariant**: no redirect is followed, and no more than 4 KiB of the answer are read. A failure names neither
the address nor anything that the receiver said: both may be secrets.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from controller.adapters.exchange import Answer, NoAnswer, exchange
from controller.adapters.notify.addresses import is_public, pinned, resolve
from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.repeating import retry_after
from controller.adapters.notify.signature import headers, read_secrets
from controller.errors import TargetError

_MOST_BYTES = 4096
_HIGHEST_PORT = 65535
_WORTH_REPEATING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Target:
    """An address of the settings, which may itself be a secret, as Slack's are.

    ``secret_file`` holds the keys that deliveries are signed with (`signature.read_secrets`).
    ``private_addresses`` lets it lie in a network of the operator's, ``plain_http`` go without TLS.
    """

    name: str
    url: str = field(repr=False)
    secret_file: Path | None = None
    private_addresses: bool = False
    plain_http: bool = False
    kind: str = "destination"
    """What the settings call it, for messages."""


class Poster:
    """Posts to one target. Raises `TargetError` when its address cannot be one."""

    def __init__(self, target: Target, client: httpx2.AsyncClient, timeout: timedelta) -> None:
        self._target = target
        self._url = _checked(target)
        self._client = client
        self._timeout = timeout

    async def post(self, message_id: str, body: bytes, content_type: str) -> Taken | Failure:
        """One attempt to have it taken: any 2xx says so."""
        answer = await self.send(message_id, body, content_type)
        if isinstance(answer, Failure):
            return answer
        return failure_of(answer) or Taken(_said(answer))

    async def send(self, message_id: str, body: bytes, content_type: str) -> Answer | Failure:
        """One attempt, and what was answered; of that nothing but its status may be shown."""
        try:
            # Read each time: a rotated key must not need a restart.
            signed = await asyncio.to_thread(self._signed, message_id, body)
        except (OSError, ValueError) as error:
            return Failure(f"the secret file cannot be used ({type(error).__name__})")
        request = self._client.build_request(
            "POST", self._url, content=body, headers={"Content-Type": content_type, **signed}
        )
        placed = await self._placed(request)
        if isinstance(placed, Failure):
            return placed
        answer = await exchange(self._client, placed, within=self._timeout, most_bytes=_MOST_BYTES)
        return Failure(answer.message) if isinstance(answer, NoAnswer) else answer

    def _signed(self, message_id: str, body: bytes) -> Mapping[str, str]:
        secrets = read_secrets(self._target.secret_file) if self._target.secret_file else ()
        return headers(message_id, int(time.time()), body, secrets)

    async def _placed(self, request: httpx2.Request) -> httpx2.Request | Failure:
        """The request on its way to an address that was checked."""
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        try:
            found = await resolve(self._url.host, port, self._timeout)
        except TimeoutError:
            return Failure("the host name was not resolved in time")
        except (OSError, UnicodeError):
            return Failure("host name not found")
        allowed = [each for each in found if self._target.private_addresses or is_public(each)]
        if not allowed:
            return Failure(
                "its host has no address on the internet: allow private_addresses if it is yours", final=True
            )
        return pinned(request, allowed[0])


def failure_of(answer: Answer) -> Failure | None:
    """Why an answer is none that takes anything; None for a 2xx."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of success
        return None
    # A redirect is followed by nobody, but a proxy or a login page in the way may be gone tomorrow.
    if answer.status not in _WORTH_REPEATING and not 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
        return Failure(_said(answer), final=True)
    return Failure(_said(answer), retry_after=retry_after(answer.headers, datetime.now(UTC)))


def _said(answer: Answer) -> str:
    return f"the receiver answered {answer.status}"


def _checked(target: Target) -> httpx2.URL:
    try:
        url = httpx2.URL(target.url)
    except httpx2.InvalidURL as error:
        raise TargetError(f"The address of {target.kind} {target.name} is not a URL.") from error
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > _HIGHEST_PORT:
        raise TargetError(f"The address of {target.kind} {target.name} is not an http or https URL.")
    if url.scheme == "http" and not target.plain_http:
        raise TargetError(
            f"The address of {target.kind} {target.name} is not https: allow plain_http if that is meant."
        )
    return url
