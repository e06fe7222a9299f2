"""Faults as people and machines want them: with the line and a caret, as JSON, or as GitHub annotations.

Source lines come from whoever wrote the file: what a terminal could act on is replaced before it is shown.
"""

import json
from collections.abc import Iterable
from enum import StrEnum
from unicodedata import east_asian_width

from controller.policy.faults import PolicyFault

_WIDEST_LINE = 120
_LEAD = 60


class Format(StrEnum):
    """How `serinus lint` prints."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def render(faults: Iterable[PolicyFault], how: Format) -> str:
    """All faults as one text, without a final line feed; empty without faults, but ``[]`` as JSON."""
    match how:
        case Format.TEXT:
            return "\n".join(_text(fault) for fault in faults)
        case Format.JSON:
            return json.dumps([_record(fault) for fault in faults], indent=2, ensure_ascii=False)
        case Format.GITHUB:
            return "\n".join(_annotation(fault) for fault in faults)


def _text(fault: PolicyFault) -> str:
    lines = [_harmless(str(fault))]
    if fault.source_line.strip():
        lines += _excerpt(fault)
    if fault.suggestion:
        lines.append(f"        = {_harmless(fault.suggestion)}")
    return "\n".join(lines)


def _excerpt(fault: PolicyFault) -> list[str]:
    """The line, cut to what fits around the place, and carets under the place."""
    start = max(0, fault.column - 1 - _LEAD) if len(fault.source_line) > _WIDEST_LINE else 0
    line = _harmless(fault.source_line[start : start + _WIDEST_LINE])
    before = line[: fault.column - 1 - start]
    carets = "^" * max(1, min(fault.length, len(line) - len(before)))
    gap = "".join("  " if east_asian_width(character) in "WF" else " " for character in before)
    return [f"  {fault.line:>5} | {line}", f"        | {gap}{carets}"]


def _record(fault: PolicyFault) -> dict[str, str | int]:
    return {
        "path": fault.path,
        "line": fault.line,
        "column": fault.column,
        "field": fault.field,
        "message": fault.sentence,
        "suggestion": fault.suggestion,
    }


def _annotation(fault: PolicyFault) -> str:
    suggestion = f" ({fault.suggestion})" if fault.suggestion else ""
    path = _escaped(fault.path).replace(":", "%3A").replace(",", "%2C")
    where = f"file={path},line={fault.line},col={fault.column},title=Invalid policy"
    return f"::error {where}::{_escaped(fault.message + suggestion)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _harmless(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
