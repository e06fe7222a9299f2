"""YAML 1.2 (and so JSON) to a tree in which everything knows its place.

The tree is built from ruamel's event stream and never from its composer: nesting and size are checked event
by event, before anything is built, so no input can recurse or multiply. What a policy has no use for is
refused: anchors, aliases, tags, merge keys, directives, several documents. Scalars are JSON's: text, whole
numbers, decimals, true, false, null. So ``no`` is text, and there are no dates and no octal numbers.

Files that are not ours, a cluster's manifests, may have several documents, anchors and aliases.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from controller.policy.aliases import without_aliases
from controller.policy.faults import MOST_FAULTS, Mark, PolicyFault, Source, field_name
from controller.policy.quantities import shown
from controller.policy.tree import Document, ListNode, Location, MappingNode, Node, ScalarNode
from controller.policy.yaml_errors import directive_fault, explain_yaml_error

_INTEGER = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_QUOTES = "check the quotes and the escapes in them"
_LONGEST_NUMBER = 32
_LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may measure before it is refused."""

    size_bytes: int
    nodes: int
    depth: int


def parse_document(source: Source, limits: Limits) -> Document | PolicyFault:
    """Build the tree, or say what made that impossible."""
    builder = _Builder(source, limits)
    roots = _built(builder, source, manifests=False)
    if isinstance(roots, PolicyFault):
        return roots
    return Document(source, roots[0] if roots else ScalarNode(Mark(), None), tuple(builder.faults))


def parse_manifests(source: Source, limits: Limits) -> tuple[Document, ...] | tuple[PolicyFault, ...]:
    """The documents of a file, with every alias replaced by what it stands for; or the faults, if any.

    **Shape**: in the order of the file, empty documents left out. The limits are those of the whole file, and
    what an alias stands for counts each time.
    """
    builder = _Builder(source, limits)
    roots = _built(builder, source, manifests=True)
    if isinstance(roots, PolicyFault) or builder.faults:
        return (roots,) if isinstance(roots, PolicyFault) else tuple(builder.faults)
    return tuple(
        Document(source, root, ())
        for root in roots
        if not (isinstance(root, ScalarNode) and root.value is None)
    )


def _built(builder: "_Builder", source: Source, *, manifests: bool) -> list[Node] | PolicyFault:
    # JSON may be indented with tabs, YAML may not; within JSON's strings there are none.
    text = source.text.replace("\t", " ") if source.path.endswith(".json") else source.text
    try:
        events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        return builder.documents(without_aliases(events) if manifests else events, several=manifests)
    except _RefusedError as refused:
        return refused.fault
    except MarkedYAMLError as error:
        return explain_yaml_error(source, error)
    except (YAMLError, ValueError, OverflowError) as error:  # an escape such as \UFFFFFFFF
        return PolicyFault(source, Mark(), "", f"the file is not YAML: {shown(str(error))}", _QUOTES)


class _RefusedError(Exception):
    """Ends the parse."""

    def __init__(self, fault: PolicyFault) -> None:
        self.fault = fault


class _Builder:
    """Consumes the events of a file. Keeps going past faults that leave the rest readable."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self.faults: list[PolicyFault] = []
        self._source = source
        self._limits = limits
        self._nodes = 0

    def documents(self, events: Iterator[Any], *, several: bool) -> list[Node]:
        roots: list[Node] = []
        for event in events:
            if isinstance(event, NodeEvent):
                roots.append(self._node(event, events, (), None))
            elif isinstance(event, DocumentStartEvent) and (event.version or event.tags):
                raise _RefusedError(directive_fault(self._source))
            elif isinstance(event, DocumentStartEvent) and roots and not several:
                self._refuse(event, (), "a second document begins here", "one file holds one document")
        return roots

    def _node(self, event: Any, events: Iterator[Any], location: Location, key: Mark | None) -> Node:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            self._refuse(event, (), f"the file holds more than {self._limits.nodes} values", "shorten it")
        if len(location) >= self._limits.depth:
            self._refuse(event, (), f"nested deeper than {self._limits.depth} levels", "nest less")
        self._plain_only(event, location)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, events, location)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, events, location)
        # A value that is not there has a place that means nothing to people: its key has a better one.
        empty = not event.value and event.implicit[0]
        return ScalarNode(key if empty and key else _mark(event), self._scalar(event, location))

    def _sequence(self, start: Any, events: Iterator[Any], location: Location) -> ListNode:
        items: list[Node] = []
        while not isinstance(event := next(events), SequenceEndEvent):
            items.append(self._node(event, events, (*location, len(items)), None))
        return ListNode(_mark(start), tuple(items))

    def _mapping(self, start: Any, events: Iterator[Any], location: Location) -> MappingNode:
        values: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            key, mark = self._key(event, location), _mark(event)
            value = self._node(next(events), events, (*location, key), mark)
            if key in keys:
                first = keys[key]
                sentence = f"given twice, first at line {first.line}, column {first.column}"
                self._fault(mark, (*location, key), sentence, "keep one of the two")
            elif key == "<<" and event.implicit[0]:
                self._fault(mark, location, "merge keys (<<) are not allowed", "write the keys out")
            else:
                values[key], keys[key] = value, mark
        return MappingNode(_mark(start), values, keys)

    def _key(self, event: Any, location: Location) -> str:
        if not isinstance(event, ScalarEvent):
            self._refuse(
                event, location, "a key must be a word", "is a quote or a colon missing or too many?"
            )
        self._nodes += 1
        self._plain_only(event, location)
        return _well_formed(event.value)

    def _plain_only(self, event: Any, location: Location) -> None:
        if event.anchor is not None:
            sign = "*" if isinstance(event, AliasEvent) else "&"
            sentence = f"anchors and aliases ({sign}{shown(event.anchor)}) are not allowed"
            self._refuse(event, location, sentence, "write the value out wherever it is used")
        if event.tag is not None:
            self._fault(
                _mark(event), location, "tags (!) are not allowed", "remove it; quote text that begins with !"
            )

    def _scalar(self, event: Any, location: Location) -> str | int | float | bool | None:
        text = _well_formed(event.value)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return None
        if text in _WORDS_BOOL:
            return _WORDS_BOOL[text]
        if not _DECIMAL.fullmatch(text):
            return text
        number = _number(text)
        if number is None:
            self._fault(_mark(event), location, f"{shown(text)} is too large a number", "write a smaller one")
        return number

    def _fault(self, mark: Mark, location: Location, sentence: str, suggestion: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(PolicyFault(self._source, mark, field_name(location), sentence, suggestion))

    def _refuse(self, event: Any, location: Location, sentence: str, suggestion: str) -> NoReturn:
        raise _RefusedError(
            PolicyFault(self._source, _mark(event), field_name(location), sentence, suggestion)
        )


def _mark(event: Any) -> Mark:
    start, end = event.start_mark, event.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Mark(start.line + 1, start.column + 1, max(length, 1))


def _number(text: str) -> int | float | None:
    if len(text) > _LONGEST_NUMBER:
        return None
    if _INTEGER.fullmatch(text):
        integer = int(text)
        return integer if abs(integer) <= _LARGEST_INTEGER else None
    decimal = float(text)
    return decimal if math.isfinite(decimal) else None


def _well_formed(text: str) -> str:
    """JSON writes characters beyond U+FFFF as two escapes; join them. A lone half becomes a question mark."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
