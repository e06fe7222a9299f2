"""Entries to a webhook: as CloudEvents for programs, or as lines for Slack's incoming webhooks."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from controller.adapters.exchange import tls_client
from controller.adapters.notify.cloudevent import CONTENT_TYPE, event_of
from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.message import line
from controller.adapters.notify.posting import Poster, Target
from controller.ports import Posting

_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Letter:
    """What is posted."""

    body: bytes
    content_type: str


def as_cloudevent(posting: Posting) -> Letter:
    """The whole entry, for a program."""
    return Letter(event_of(posting).model_dump_json().encode(), CONTENT_TYPE)


def as_slack_line(posting: Posting) -> Letter:
    """One line, as Slack's incoming webhooks take it."""
    text = line(posting.rollout, posting.entry, posting.page)
    return Letter(json.dumps({"text": text}).encode("ascii"), "application/json")


class WebhookDestination:
    """Implements `Destination`. Raises `TargetError` when the address cannot be one."""

    at_once = 1

    def __init__(
        self,
        target: Target,
        write: Callable[[Posting], Letter] = as_cloudevent,
        timeout: timedelta = _TIMEOUT,
    ) -> None:
        self.name = target.name
        self._write = write
        self._client = tls_client()
        self._poster = Poster(target, self._client, timeout)

    async def deliver(self, postings: Sequence[Posting], memo: str) -> Taken | Failure:
        """One attempt."""
        del memo
        (posting,) = postings
        letter = self._write(posting)
        return await self._poster.post(posting.id, letter.body, letter.content_type)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()
