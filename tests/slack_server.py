"""What Slack knows and answers: chat.postMessage, chat.update and chat.postEphemeral of its Web API.

**Source**: https://docs.slack.dev/reference/methods, of the methods' names: JSON bodies and
answers, ``ok`` false with a word in ``error``, 429 with Retry-After.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Answered = tuple[int, Mapping[str, str], bytes]

CHANNEL = "C01"


@dataclass
class Slack:
    """Its messages by timestamp, and the calls that it heard, in order.

    ``refusals`` come before any other answer. ``knows_repeats``: a second message with the ``client_msg_id``
    of the first is none. ``remark`` stands in every answer, as a channel's name or a bot's profile would.
    """

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ephemerals: list[dict[str, Any]] = field(default_factory=list)
    """What one person was told alone, in order."""
    tokens: set[str] = field(default_factory=set)
    refusals: list[Answered] = field(default_factory=list)
    knows_repeats: bool = True
    remark: str = ""
    url: str = ""
    _by_id: dict[tuple[str, str], str] = field(default_factory=dict)

    def play(self, method: str, call: dict[str, Any]) -> Answered:
        self.calls.append((method, call))
        if self.refusals:
            return self.refusals.pop(0)
        if method == "chat.update":
            if call["ts"] not in self.messages:
                return self.no("message_not_found")
            self.messages[call["ts"]] = call
            return self.yes(call["ts"], self.remark)
        if method == "chat.postEphemeral":
            self.ephemerals.append(call)
            return 200, {}, json.dumps({"ok": True, "message_ts": "1764000000.000000"}).encode()
        if method != "chat.postMessage":
            return self.no("unknown_method")
        return self._post(call)

    def _post(self, call: dict[str, Any]) -> Answered:
        own = (call["channel"], call.get("client_msg_id", ""))
        if self.knows_repeats and own[1] and own in self._by_id:
            before = self._by_id[own]
            return (
                self.yes(before, self.remark)
                if before in self.messages
                else self.no("duplicate_message_not_found")
            )
        ts = f"1764000000.{len(self.calls):06}"
        self._by_id[own] = ts
        self.messages[ts] = call
        return self.yes(ts, self.remark)

    @staticmethod
    def yes(ts: str, remark: str = "") -> Answered:
        body = {"ok": True, "channel": CHANNEL, "ts": ts, "message": {"text": remark, "type": "message"}}
        return 200, {}, json.dumps(body).encode()

    @staticmethod
    def no(error: str, status: int = 200, **headers: str) -> Answered:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return status, named, json.dumps({"ok": False, "error": error}).encode()

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" not in message]

    @property
    def replies(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" in message]
