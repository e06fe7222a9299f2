"""Writes a policy file as a person would: one line where it fits, comments above what they are about.

**Invariant**: whatever text a value is, the loader reads back that very value: what could pass for something
else in YAML is quoted, and nothing unprintable is written.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from controller.domain.wording import printable
from controller.policy.tree import Location

Value = str | int | float | Decimal | bool | Sequence["Value"] | Mapping[str, "Value"]
HEADER = "# yaml-language-server: $schema=schema.json"
_WIDTH = 110
_APART: tuple[Location, ...] = (("checks",),)
"""What has a line for each entry, however short it is."""
_PLAIN = re.compile(r"[A-Za-z0-9/](?:[A-Za-z0-9_./%-]| (?=[A-Za-z0-9]))*")
_OTHER_THAN_TEXT = re.compile(
    r"[-+.0-9][-+.0-9_eExXoO:]*|null|true|false|yes|no|on|off|y|n|\.?(?:nan|inf)", re.IGNORECASE
)
_LONGEST_NUMBER = 32
"""In characters, of what the loader takes for a number."""


def policy_text(
    policy: Mapping[str, Value],
    heading: Sequence[str] = (),
    comments: Mapping[Location, Sequence[str]] | None = None,
) -> str:
    """The text of a policy file, its keys in the order given.

    ``heading`` are comments under the header; ``comments`` stand above the key or the list's entry at their
    location, which must exist.
    """
    writer = _Writer(comments or {})
    lines = [HEADER, *_comment(heading, ""), *writer.mapping(policy, (), "")]
    return "\n".join(lines) + "\n"


class _Writer:
    def __init__(self, comments: Mapping[Location, Sequence[str]]) -> None:
        self._comments = comments

    def mapping(self, values: Mapping[str, Value], location: Location, indent: str) -> Iterator[str]:
        for key, value in values.items():
            here = (*location, key)
            yield from _comment(self._comments.get(here, ()), indent)
            yield from self._entry(f"{indent}{_text(key)}:", value, here, indent)

    def _entry(self, lead: str, value: Value, here: Location, indent: str) -> Iterator[str]:
        if self._fits(f"{lead} ", value, here):
            yield f"{lead} {_flow(value)}"
        elif isinstance(value, str):
            yield f"{lead} |-"
            yield from (f"{indent}  {line}" if line else "" for line in value.split("\n"))
        elif isinstance(value, Mapping):
            yield lead
            yield from self.mapping(value, here, f"{indent}  ")
        elif isinstance(value, Sequence):
            yield lead
            yield from self._list(value, here, f"{indent}  ")

    def _list(self, values: Sequence[Value], location: Location, indent: str) -> Iterator[str]:
        for index, value in enumerate(values):
            here = (*location, index)
            yield from _comment(self._comments.get(here, ()), indent)
            if not isinstance(value, Mapping) or self._fits(f"{indent}- ", value, here):
                yield f"{indent}- {_flow(value)}"
            else:
                first, *rest = self.mapping(value, here, f"{indent}  ")
                yield f"{indent}- {first.lstrip()}"
                yield from rest

    def _fits(self, lead: str, value: Value, here: Location) -> bool:
        """Whether the value is to stand on the line of its key."""
        if isinstance(value, str):
            return not _is_block(value)
        if not isinstance(value, Mapping | Sequence):
            return True
        if not value:
            return True
        if here in _APART or any(
            place[: len(here)] == here and len(place) > len(here) for place in self._comments
        ):
            return False
        inner = list(value.values() if isinstance(value, Mapping) else value)
        nested = (isinstance(each, Mapping) for each in inner)
        if any(isinstance(each, str) and _is_block(each) for each in inner) or (any(nested) and inner[1:]):
            return False
        return len(lead) + len(_flow(value)) <= _WIDTH


def _flow(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return _number(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _OTHER_THAN_TEXT.fullmatch(text):
        return text
    if '"' in text and "'" not in text and text.isascii() and text.isprintable():
        return f"'{text}'"
    return json.dumps(text).replace("\x7f", "\\u007f")


def _number(value: float | Decimal) -> str:
    digits = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return digits if len(digits) <= _LONGEST_NUMBER else repr(float(value))


def _is_block(text: str) -> bool:
    """Whether a text has lines, and is read back the same from below its key."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and all(line.isprintable() and line == line.rstrip() for line in lines)
        and bool(lines[0] and lines[-1])
        and not lines[0].startswith(" ")
    )


def _comment(lines: Sequence[str], indent: str) -> Iterator[str]:
    return (f"{indent}# {printable(line)}" for line in lines)
