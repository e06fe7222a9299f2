"""One call of Slack's Web API: bounded, to Slack and nowhere else.

**Invariant**: what `exchange` promises of every request: no redirect is followed, which would carry the bot's
token to wherever it leads. Of an answer only the message's place and Slack's word for an error are used;
nothing of it is logged. (slack_sdk's own client follows redirects and logs answers that it cannot read.)

**Source**: Slack Web API: JSON bodies, a bearer token, ``ok`` and ``error`` in every answer.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx2
from slack_sdk.models.blocks import Block

from controller.adapters.exchange import Answer, NoAnswer, exchange, tls_client
from controller.adapters.notify.destination import Failure
from controller.adapters.notify.repeating import retry_after
from controller.errors import TargetError

_MOST_BYTES = 1024 * 1024
"""Answers repeat the message."""
_OURS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long"})
"""Errors that the same message will always have."""
_WORD = re.compile(r"[a-z_]{1,60}")
"""As Slack's are: nothing that could be a token."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which message: its channel's id and its timestamp."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is none. ``word`` is Slack's own for it; empty when Slack said none."""

    failure: Failure
    word: str = ""


class SlackApi:
    """The API at ``base``, which ends in a slash. Raises `TargetError` when that is no URL."""

    def __init__(self, base: str, timeout: timedelta) -> None:
        try:
            self._base = str(httpx2.URL(base))
        except httpx2.InvalidURL as error:
            raise TargetError("The url of a destination of kind slack is not a URL.") from error
        self._timeout = timeout
        self._client = tls_client()

    async def call(
        self, method: str, token: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any] | Refusal:
        """What Slack says when it did what was asked."""
        request = self._client.build_request(
            "POST",
            httpx2.URL(self._base + method),
            content=json.dumps(arguments).encode("ascii"),
            headers={"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {token}"},
        )
        answer = await exchange(self._client, request, within=self._timeout, most_bytes=_MOST_BYTES)
        if isinstance(answer, NoAnswer):
            return Refusal(Failure(f"Slack could not be reached: {answer.message}"))
        said = _object(answer.body)
        return said if answer.status == HTTPStatus.OK and said.get("ok") is True else _refusal(answer, said)

    async def message(
        self, method: str, token: str, blocks: Sequence[Block], **more: object
    ) -> Place | Refusal:
        """Post or update a message; where it is."""
        shown = [block.to_dict() for block in blocks]
        said = await self.call(method, token, {**more, "blocks": shown})
        if isinstance(said, Refusal):
            return said
        channel, ts = said.get("channel"), said.get("ts")
        if isinstance(channel, str) and isinstance(ts, str):
            return Place(channel, ts)
        return Refusal(Failure("Slack answered without saying where the message is"))

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


def _refusal(answer: Answer, said: Mapping[str, Any]) -> Refusal:
    word = said.get("error")
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        word = ""
    asked = retry_after(answer.headers, datetime.now(UTC))
    return Refusal(Failure(f"Slack answered {word or answer.status}", word in _OURS, asked), word)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
