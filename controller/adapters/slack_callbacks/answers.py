"""Answers to whoever pressed a button, which nobody else in the channel sees.

**Invariant**: they go to Slack's API with the bot's token and to no address that a call named; an answer that
cannot be given is logged, and changes nothing.

**Source**: Slack Web API, chat.postEphemeral.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog

from controller.adapters.notify.message import escaped
from controller.adapters.notify.slack import SlackChannel, read_token
from controller.adapters.notify.slack_api import Refusal, SlackApi
from controller.adapters.slack_callbacks.interaction import Press

log = structlog.get_logger(__name__)

_TIMEOUT = timedelta(seconds=10)
_LONGEST_TEXT = 3000


class EphemeralAnswers:
    """``channels`` are the destinations of kind ``slack`` by name: the bot that posted a button answers."""

    def __init__(self, channels: Mapping[str, SlackChannel], timeout: timedelta = _TIMEOUT) -> None:
        self._channels = channels
        self._apis = {name: SlackApi(channel.api, timeout) for name, channel in channels.items()}

    async def tell(self, press: Press, text: str) -> None:
        """One attempt: whoever pressed looks at the channel now. Never raises."""
        name = press.value.destination
        channel = self._channels.get(name)
        if channel is None:
            log.warning("slack_answer_failed", error="the settings have no such destination any more")
            return
        arguments = {
            "channel": press.channel,
            "user": press.user,
            "text": escaped(text[:_LONGEST_TEXT]),
        }
        try:
            token = await asyncio.to_thread(read_token, channel.token_file)
        except (OSError, ValueError) as error:
            log.warning("slack_answer_failed", destination=name, error=type(error).__name__)
            return
        answer = await self._apis[name].call("chat.postEphemeral", token, arguments)
        if isinstance(answer, Refusal):
            log.warning("slack_answer_failed", destination=name, error=answer.failure.message)

    async def close(self) -> None:
        """Let go of connections."""
        for api in self._apis.values():
            await api.close()
