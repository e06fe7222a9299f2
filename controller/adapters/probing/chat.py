"""Whether a streamed answer of an OpenAI-compatible server is a good one, though its status was 200.

**Invariant**: whatever the stream holds, the result is a short sentence of our own; none of its text.

**Source**: OpenAI's API reference, "Chat completion chunk"; the reasons that vLLM and SGLang end with.
"""

import json
from typing import Any

from controller.adapters.probing.event_stream import Event, EventStream, OversizedEventError

MOST_BYTES = 1024 * 1024
_DONE = "[DONE]"
_FAILED = frozenset({"abort", "error", "cancelled", "timeout"})
_WORDS = ("content", "reasoning_content", "reasoning", "refusal")
"""Where a token's text may stand in a delta."""


def _is_error(chunk: dict[str, Any]) -> bool:
    """Some servers stream ``{"object": "error"}`` and no ``error``."""
    return chunk.get("error") is not None or chunk.get("object") == "error"


class ChatAnswer:
    """One answer as it comes. ``begun`` after the first token; ``fault`` is what is wrong with it so far."""

    def __init__(self) -> None:
        self._stream = EventStream()
        self._bytes = 0
        self._reason = ""
        self.begun = False
        self.done = False
        self.fault = ""

    def feed(self, piece: bytes) -> None:
        """Take in the next piece; nothing more is needed once there is a fault, or it is done."""
        self._bytes += len(piece)
        try:
            events = self._stream.feed(piece)
        except OversizedEventError:
            self.fault = "an event of the stream is too long"
            return
        for event in events:
            if self.done or self.fault:
                return
            self._event(event)
        if self._bytes > MOST_BYTES and not self.done:
            self.fault = f"the stream is longer than {MOST_BYTES // 2**20} MiB"

    def end(self) -> str:
        """What is wrong with the whole answer, when nothing more comes; empty if it is good."""
        if self.fault:
            return self.fault
        if not self.done and not self._reason:
            return "the stream broke off"
        if self._reason in _FAILED:
            return "the stream ended because of a failure"
        return "" if self.begun else "the stream ended without a token"

    def _event(self, event: Event) -> None:
        if event.data.strip() == _DONE:
            self.done = True
            return
        try:
            chunk = json.loads(event.data)
        except (ValueError, RecursionError):
            self.fault = "an event of the stream is not JSON"
            return
        if event.kind == "error" or not isinstance(chunk, dict) or _is_error(chunk):
            self.fault = "an error inside the stream"
            return
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        delta, reason = choice.get("delta"), choice.get("finish_reason")
        if isinstance(delta, dict):
            said = any(isinstance(text := delta.get(name), str) and text for name in _WORDS)
            self.begun = self.begun or said or bool(delta.get("tool_calls"))
        if isinstance(reason, str):
            self._reason = reason
