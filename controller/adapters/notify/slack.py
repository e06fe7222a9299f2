"""A rollout in a Slack channel: one root message that is kept up to date, and its events in the thread.

**Invariant**: which message is a rollout's root is kept in the outbox's memo, so there is one for each, or
two after a crash between Slack's answer and its settling. At most a message a second goes to the channel.

**Source**: Slack Web API, chat.postMessage and chat.update; rate limits: one message a second and channel.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.models.blocks import Block

from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.message import escaped, line
from controller.adapters.notify.repeating import retry_after
from controller.adapters.notify.slack_blocks import reply, root, title
from controller.adapters.notify.slack_buttons import buttons
from controller.ports import Posting

API = "https://slack.com/api/"
_TIMEOUT = timedelta(seconds=10)
_APART = timedelta(seconds=1)
_ROOT_IS_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_OURS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long"})
"""Errors that the same message will always have."""


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
        self._timeout = timeout
        self._apart = apart
        self._next = 0.0
        # slack_sdk's client blocks; one entry at a time is told, so one thread is enough
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"slack-{channel.name}")

    async def deliver(self, postings: Sequence[Posting], memo: str) -> Taken | Failure:
        """Post or update the root, then reply in its thread; the first event is the root itself.

        Several that came in a burst are one update and one reply.
        """
        known = _known(memo)
        try:
            token = await asyncio.to_thread(read_token, self._channel.token_file)
        except (OSError, ValueError) as error:
            return Failure(f"the token file cannot be used ({type(error).__name__})")
        client = web_client(token, self._channel.api, self._timeout)
        try:
            where = await self._root(client, postings[-1], known)
            if known == where:
                await self._reply(client, postings, where)
        except SlackApiError as error:
            return _failure(error)
        except (SlackClientError, OSError, TimeoutError, ValueError) as error:
            return Failure(f"Slack could not be reached ({type(error).__name__})")
        return Taken("Slack took it", json.dumps(where))

    async def close(self) -> None:
        """Let go of the thread; a request in hand ends by its own time-out."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _root(self, client: WebClient, posting: Posting, known: list[str] | None) -> list[str]:
        """Bring the root message up to date, or post one; its channel and timestamp."""
        rollout = posting.rollout
        blocks, text = [*root(rollout, datetime.now(UTC))], escaped(title(rollout))
        if self._channel.buttons:
            blocks += buttons(rollout, self.name)
        if known is not None:
            try:
                await self._call(client.chat_update, channel=known[0], ts=known[1], blocks=blocks, text=text)
            except SlackApiError as error:
                if word_of(error) not in _ROOT_IS_GONE:
                    raise
            else:
                return known
        answer = await self._call(
            client.chat_postMessage, channel=self._channel.channel, blocks=blocks, text=text, **_NO_PREVIEWS
        )
        return [str(answer["channel"]), str(answer["ts"])]

    async def _reply(self, client: WebClient, postings: Sequence[Posting], where: list[str]) -> None:
        await self._call(
            client.chat_postMessage,
            channel=where[0],
            thread_ts=where[1],
            blocks=[block for each in postings for block in reply(each.rollout, each.entry)],
            text="\n".join(line(each.rollout, each.entry) for each in postings),
            **_NO_PREVIEWS,
        )

    async def _call(
        self, method: Callable[..., Any], *, blocks: Sequence[Block], **more: Any
    ) -> Mapping[str, Any]:
        """One call, in its turn."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(self._next - time.monotonic(), 0))
        self._next = time.monotonic() + self._apart.total_seconds()
        shown = [block.to_dict() for block in blocks]

        def call() -> Mapping[str, Any]:
            answer = method(blocks=shown, **more)
            return {key: answer.get(key) for key in ("channel", "ts")}

        return await loop.run_in_executor(self._thread, call)


def web_client(token: str, api: str, timeout: timedelta) -> WebClient:
    """Without retries of its own, which would go on behind our back, and without a proxy."""
    seconds = max(round(timeout.total_seconds()), 1)
    client = WebClient(token, base_url=api, timeout=seconds, retry_handlers=[])
    client.proxy = None
    return client


def read_token(path: Path) -> str:
    """Read each time: a rotated token must not need a restart. Raises `OSError` and `ValueError`."""
    with path.open("rb") as file:
        token = file.read(4096).decode("ascii").strip()
    if not token.isprintable() or not token or " " in token:
        raise ValueError("a token file holds one token")
    return token


def _known(memo: str) -> list[str] | None:
    """Channel and timestamp of the root; None if there is none."""
    try:
        found = json.loads(memo)
    except ValueError:
        return None
    of_two = isinstance(found, list) and [type(each) for each in found] == [str, str]
    return found if of_two else None


def _failure(error: SlackApiError) -> Failure:
    answer: Any = error.response
    status = getattr(answer, "status_code", 0)
    asked = retry_after(getattr(answer, "headers", None) or {}, datetime.now(UTC))
    return Failure(f"Slack answered {word_of(error) or status}", word_of(error) in _OURS, asked)


def word_of(error: SlackApiError) -> str:
    """Slack's word for what is wrong; a word, and nothing longer."""
    answer: Any = error.response
    found = answer.get("error") if hasattr(answer, "get") else None
    return found if isinstance(found, str) and found.isidentifier() else ""
