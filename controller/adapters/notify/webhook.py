"""Entries as CloudEvents to a webhook, for programs."""

from datetime import timedelta

from controller.adapters.exchange import tls_client
from controller.adapters.notify.cloudevent import CONTENT_TYPE, event_of
from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.posting import Poster, Target
from controller.ports import Posting

_TIMEOUT = timedelta(seconds=10)


class WebhookDestination:
    """Implements `Destination`. Raises `TargetError` when the address cannot be one."""

    def __init__(self, target: Target, timeout: timedelta = _TIMEOUT) -> None:
        self.name = target.name
        self._client = tls_client()
        self._poster = Poster(target, self._client, timeout)

    async def deliver(self, posting: Posting, memo: str) -> Taken | Failure:
        """One attempt."""
        del memo
        body = event_of(posting).model_dump_json().encode()
        return await self._poster.post(posting.id, body, CONTENT_TYPE)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()
