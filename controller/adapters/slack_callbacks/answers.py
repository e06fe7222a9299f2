"""Answers to whoever pressed a button, which nobody else in the channel sees.

**Invariant**: they go to Slack's API with the bot's token and to no address that a call named; an answer that
cannot be given is logged, and changes nothing.

**Source**: Slack Web API, chat.postEphemeral.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from http.client import HTTPException
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError

from controller.adapters.notify.message import escaped
from controller.adapters.notify.slack import SlackChannel, read_token, web_client, word_of
from controller.adapters.slack_callbacks.interaction import Press

log = structlog.get_logger(__name__)

_TIMEOUT = timedelta(seconds=10)
_AT_ONCE = 4
_LONGEST_TEXT = 3000


class EphemeralAnswers:
    """``channels`` are the destinations of kind ``slack`` by name: the bot that posted a button answers."""

    def __init__(self, channels: Mapping[str, SlackChannel], timeout: timedelta = _TIMEOUT) -> None:
        self._channels = channels
        self._timeout = timeout
        # slack_sdk's client blocks
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="slack-answers")

    async def tell(self, press: Press, text: str) -> None:
        """One attempt: whoever pressed looks at the channel now. Never raises."""
        channel = self._channels.get(press.value.destination)
        if channel is None:
            log.warning("slack_answer_failed", error="the settings have no such destination any more")
            return
        post = partial(self._post, channel, press, escaped(text[:_LONGEST_TEXT]))
        failure = ""
        try:
            async with asyncio.timeout(2 * self._timeout.total_seconds()):
                await asyncio.get_running_loop().run_in_executor(self._threads, post)
        except SlackApiError as error:
            answer: Any = error.response
            failure = f"Slack answered {word_of(error) or getattr(answer, 'status_code', 0)}"
        except (SlackClientError, HTTPException, OSError, TimeoutError, ValueError) as error:
            failure = type(error).__name__
        if failure:
            log.warning("slack_answer_failed", destination=channel.name, error=failure)

    async def close(self) -> None:
        """Let go of the threads; requests in hand end by their own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _post(self, channel: SlackChannel, press: Press, text: str) -> None:
        client = web_client(read_token(channel.token_file), channel.api, self._timeout)
        client.chat_postEphemeral(channel=press.channel, user=press.user, text=text)
