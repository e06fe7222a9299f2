"""Replaces the aliases in a stream of YAML events by what their anchors stand for.

**Invariant**: nothing is built and nothing multiplies ahead of its reader, who counts every event: a few
lines that stand for billions end at the reader's limit. An alias inside its own anchor stays an alias.
"""

from collections.abc import Iterator
from copy import copy
from typing import Any

from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

_OPENING = (MappingStartEvent, SequenceStartEvent)
_CLOSING = (MappingEndEvent, SequenceEndEvent)


def without_aliases(events: Iterator[Any]) -> Iterator[Any]:
    """The events without anchors, and with copies in place of aliases; anchors end with their document.

    An alias without an anchor before it is passed on as it is.
    """
    known: dict[str, list[Any]] = {}
    recording: list[tuple[str, int, list[Any]]] = []
    depth = 0
    for event in events:
        if isinstance(event, DocumentStartEvent):
            known = {}
        alias = isinstance(event, AliasEvent)
        copies = known.get(event.anchor, [event]) if alias else [event]
        if isinstance(event, NodeEvent) and not alias and event.anchor is not None:
            recording.append((event.anchor, depth, []))
            copies = [_plain(event)]
        for each in copies:
            for _, _, seen in recording:
                seen.append(each)
            yield each
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        while recording and recording[-1][1] == depth:
            name, _, seen = recording.pop()
            known[name] = seen


def _plain(event: Any) -> Any:
    unnamed = copy(event)
    unnamed.anchor = None
    return unnamed
