"""A rollout in a Slack channel: one root message that is kept up to date, and its events in the thread.

**Invariant**: which message is a rollout's root is kept in the outbox's memo, so there is one for each, or
two after a crash between Slack's answer and its settling. At most a message a second goes to the channel.

**Source**: Slack Web API, chat.postMessage and chat.update; rate limits: one message a second and channel.
That Slack tells repeats by ``client_msg_id`` is said only by its list of errors: nothing else rests on it.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from slack_sdk.models.blocks import Block

from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.message import escaped, line
from controller.adapters.notify.slack_api import Place, Refusal, SlackApi
from controller.adapters.notify.slack_blocks import links, reply, root, title
from controller.adapters.notify.slack_buttons import buttons
from controller.ports import Posting

API = "https://slack.com/api/"
_TIMEOUT = timedelta(seconds=10)
_APART = timedelta(seconds=1)
_ROOT_IS_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_NOT_REPEATED = frozenset({"duplicate_message_not_found", "duplicate_channel_not_found"})
"""Slack knows the message's id, and the message no longer."""
_NO_PREVIEWS = {"unfurl_links": False, "unfurl_media": False}


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """Where: ``token_file`` holds a bot's token, ``channel`` is an id or a name, ``api`` is Slack's own.

    ``buttons`` says whether its messages have some: then somebody must be there who is called.
    """

    name: str
    token_file: Path
    channel: str
    api: str = API
    buttons: bool = False


class SlackDestination:
    """Implements `Destination`. ``apart`` is the least time between two messages."""

    at_once = 10

    def __init__(
        self, channel: SlackChannel, timeout: timedelta = _TIMEOUT, apart: timedelta = _APART
    ) -> None:
        self.name = channel.name
        self._channel = channel
        self._api = SlackApi(channel.api, timeout)
        self._apart = apart
        self._next = 0.0

    async def deliver(self, postings: Sequence[Posting], memo: str) -> Taken | Failure:
        """Post or update the root, then reply in its thread; the first event is the root itself.

        Several that came in a burst are one update and one reply.
        """
        known = _known(memo)
        try:
            token = await asyncio.to_thread(read_token, self._channel.token_file)
        except (OSError, ValueError) as error:
            return Failure(f"the token file cannot be used ({type(error).__name__})")
        where = await self._root(token, postings[-1], known)
        if isinstance(where, Place) and known is not None:
            replied = await self._reply(token, postings, where)
            where = replied if isinstance(replied, Refusal) else where
        if isinstance(where, Refusal):
            return where.failure
        return Taken("Slack took it", json.dumps([where.channel, where.ts]))

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()

    async def _root(self, token: str, posting: Posting, known: Place | None) -> Place | Refusal:
        """Bring the root message up to date, or post one; where it is."""
        rollout = posting.rollout
        blocks, text = [*root(rollout, datetime.now(UTC)), *links(posting)], escaped(title(rollout))
        if self._channel.buttons:
            blocks += buttons(rollout, self.name)
        if known is not None:
            found = await self._call(
                "chat.update", token, blocks, text=text, channel=known.channel, ts=known.ts
            )
            if isinstance(found, Place):
                return known
            if found.word not in _ROOT_IS_GONE:
                return found
        which = f"{rollout.id} {known.ts if known else ''}"
        return await self._post(token, which, blocks, text=text, channel=self._channel.channel)

    async def _reply(self, token: str, postings: Sequence[Posting], where: Place) -> Place | Refusal:
        blocks = [block for each in postings for block in reply(each.rollout, each.entry)]
        text = "\n".join(line(each.rollout, each.entry) for each in postings)
        which = " ".join(each.id for each in postings)
        return await self._post(token, which, blocks, text=text, channel=where.channel, thread_ts=where.ts)

    async def _post(self, token: str, which: str, blocks: Sequence[Block], **more: object) -> Place | Refusal:
        """A message of its own. By its id, Slack knows a repeat of one whose answer was lost."""
        own = str(uuid5(NAMESPACE_URL, f"serinus:{self.name} {which}"))
        posted = await self._call(
            "chat.postMessage", token, blocks, client_msg_id=own, **_NO_PREVIEWS, **more
        )
        if isinstance(posted, Refusal) and posted.word in _NOT_REPEATED:
            return await self._call("chat.postMessage", token, blocks, **_NO_PREVIEWS, **more)
        return posted

    async def _call(
        self, method: str, token: str, blocks: Sequence[Block], **more: object
    ) -> Place | Refusal:
        """One call, in its turn."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(self._next - loop.time(), 0))
        self._next = loop.time() + self._apart.total_seconds()
        return await self._api.message(method, token, blocks, **more)


def read_token(path: Path) -> str:
    """Read each time: a rotated token must not need a restart. Raises `OSError` and `ValueError`."""
    with path.open("rb") as file:
        token = file.read(4096).decode("ascii").strip()
    if not token.isprintable() or not token or " " in token:
        raise ValueError("a token file holds one token")
    return token


def _known(memo: str) -> Place | None:
    """Where the root is; None if there is none."""
    try:
        found = json.loads(memo)
    except ValueError:
        return None
    of_two = isinstance(found, list) and [type(each) for each in found] == [str, str]
    return Place(*found) if of_two else None
