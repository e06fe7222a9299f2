"""One message to one address: repeated while that may help, given up when it cannot."""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2

from controller.adapters.exchange import NoAnswer, exchange
from controller.adapters.notify.signature import headers, read_secrets

_REPEATS = 5
_MOST_BYTES = 4096
_LONGEST_WAIT = timedelta(seconds=60)
_WORTH_REPEATING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Note:
    """A message as it goes out; ``id`` stays the same in every repeat."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an attempt failed, whether another may not, and the wait that the receiver asked for."""

    message: str
    final: bool = False
    retry_after: timedelta | None = None


class Delivery:
    """Posts to ``url`` until the receiver takes it: one attempt and up to five repeats."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        url: httpx2.URL,
        secret_file: Path | None,
        timeout: timedelta,
        back_off: timedelta,
    ) -> None:
        self._client = client
        self._url = url
        self._secret_file = secret_file
        self._timeout = timeout
        self._back_off = back_off

    async def deliver(self, note: Note) -> str | None:
        """None when it was taken; else the last attempt's failure."""
        for attempt in range(_REPEATS):
            failure = await self._attempt(note)
            if failure is None:
                return None
            if failure.final:
                return failure.message
            wait = back_off(attempt, self._back_off, failure.retry_after)
            await asyncio.sleep(wait.total_seconds())
        failure = await self._attempt(note)
        return f"{failure.message}, after {_REPEATS} repeats" if failure else None

    async def _attempt(self, note: Note) -> _Failure | None:
        try:
            # Read each time: a rotated key must not need a restart.
            secrets = await asyncio.to_thread(read_secrets, self._secret_file) if self._secret_file else ()
        except (OSError, ValueError) as error:
            return _Failure(f"the secret file cannot be used ({type(error).__name__})")
        signed = headers(note.id, int(time.time()), note.body, secrets)
        request = self._client.build_request(
            "POST", self._url, content=note.body, headers={"Content-Type": "application/json", **signed}
        )
        answer = await exchange(self._client, request, within=self._timeout, most_bytes=_MOST_BYTES)
        if isinstance(answer, NoAnswer):
            return _Failure(answer.message)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of success
            return None
        message = f"the receiver answered {answer.status}"
        if answer.status not in _WORTH_REPEATING:
            return _Failure(message, final=True)
        return _Failure(message, retry_after=retry_after(answer.headers, datetime.now(UTC)))


def back_off(attempt: int, first: timedelta, asked: timedelta | None) -> timedelta:
    """The wait after an attempt (counted from 0): doubled each time, from half to all of it by chance.

    What the receiver ``asked`` for is kept to instead. Never more than a minute, so that neither can hold
    back the next message for long.
    """
    wait = first * 2**attempt * random.uniform(0.5, 1.0) if asked is None else asked  # noqa: S311 - no secret
    return min(wait, _LONGEST_WAIT)


def retry_after(answer_headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The wait that an answer asks for; None when it asks for none. **Source**: RFC 9110, 10.2.3."""
    text = answer_headers.get("Retry-After", "").strip()
    try:
        wait = timedelta(seconds=int(text)) if text.isdecimal() else parsedate_to_datetime(text) - now
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return None
    return max(wait, timedelta(0))
