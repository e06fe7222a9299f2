"""Server-sent events out of bytes as they come.

Written here because no library that Serinus has reads them from a client it has (the well-kept one is bound
to another client), and because a hostile server must be held within bounds: of a line, and of an event.

**Source**: WHATWG HTML, 9.2.6, "Interpreting an event stream". Fields that probes have no use for (``id``,
``retry``) are ignored, as are comments.
"""

from dataclasses import dataclass
from typing import Final

LONGEST_EVENT_BYTES: Final = 64 * 1024
_BOM = b"\xef\xbb\xbf"


class OversizedEventError(ValueError):
    """A line or an event is longer than any model's would be."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``kind`` is ``message`` where the server names none."""

    kind: str
    data: str


class EventStream:
    """Fed with pieces of any size; lines end with CR, LF or both. What no empty line ends is lost."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._after_cr = False
        self._kind = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """The events that the piece completes. Raises `OversizedEventError`."""
        found = (self._line(line) for line in self._lines(piece))
        return [event for event in found if event is not None]

    def _lines(self, piece: bytes) -> list[bytes]:
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or piece.endswith(b"\r")
        whole = (self._rest + piece).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = whole.split(b"\n")
        if len(self._rest) > LONGEST_EVENT_BYTES:
            raise OversizedEventError
        if not self._begun and lines:
            lines[0] = lines[0].removeprefix(_BOM)
            self._begun = True
        return lines

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatched()
        self._size += len(line)
        if self._size > LONGEST_EVENT_BYTES:
            raise OversizedEventError
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        return None

    def _dispatched(self) -> Event | None:
        event = Event(self._kind or "message", "\n".join(self._data)) if self._data else None
        self._kind, self._data, self._size = "", [], 0
        return event
