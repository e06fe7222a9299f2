"""Entries as lines in a Slack channel, through an incoming webhook of Slack."""

import json
from datetime import timedelta

from controller.adapters.exchange import tls_client
from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.message import line
from controller.adapters.notify.posting import Poster, Target
from controller.ports import Posting

_TIMEOUT = timedelta(seconds=10)


class SlackWebhookDestination:
    """Implements `Destination`. Raises `TargetError` when the address cannot be one."""

    def __init__(self, target: Target, timeout: timedelta = _TIMEOUT) -> None:
        self.name = target.name
        self._client = tls_client()
        self._poster = Poster(target, self._client, timeout)

    async def deliver(self, posting: Posting, memo: str) -> Taken | Failure:
        """One attempt."""
        del memo
        body = json.dumps({"text": line(posting.rollout, posting.entry)}).encode("ascii")
        return await self._poster.post(posting.id, body, "application/json")

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()
