"""What the policy file's fields mean: as text for people, as JSON Schema for editors."""

from collections.abc import Sequence
from typing import Any

from pydantic.fields import FieldInfo

from controller.errors import InvariantError
from controller.policy.catalogue import did_you_mean
from controller.policy.check_sections import (
    LEVELS,
    ErrorsCheck,
    LatencyCheck,
    ProbesCheck,
    QueryCheck,
    SharesCheck,
)
from controller.policy.fields import Section, json_schema_of
from controller.policy.findings import inline
from controller.policy.quality_sections import DriftCheck, EvaluationCheck, GoldenCheck
from controller.policy.quantities import shown
from controller.policy.schema import PolicySection
from controller.policy.structure import keys, kind_of, section_at, sections_at, split_location

_SCHEMA_ID = "urn:serinus:schema:policy"
_HINT = "serinus explain FIELD says more, for example: serinus explain steps.min_requests"
_CHECK_KINDS: tuple[tuple[str, type[Section]], ...] = (
    ("errors", ErrorsCheck),
    ("latency_p99", LatencyCheck),
    ("probes", ProbesCheck),
    *LEVELS.items(),
    ("any other name", SharesCheck),
    ("any other name", QueryCheck),
    ("any other name", GoldenCheck),
    ("any other name", EvaluationCheck),
    ("NAME_drift", DriftCheck),
)


def explain(path: str | None) -> str:
    """The meaning of a field such as ``steps.min_requests``, or of the whole file.

    Raises `LookupError`, with a suggestion, when there is no such field.
    """
    location = split_location(path or "")
    if not location:
        return "\n".join(["A policy file has these fields:", "", *_listing(PolicySection), "", _HINT])
    if len(location) == 2 and location[0] in ("checks", "route"):  # noqa: PLR2004 - checks.NAME, route.KIND
        section = section_at(PolicySection, location)
        if section is None:
            raise LookupError(_unknown(location))
        return "\n".join([".".join(location), f"  {summary_of(section)}", "", "Fields:", *_listing(section)])
    known = _keys_at(location[:-1])
    if location[-1] not in known:
        raise LookupError(_unknown(location))
    return _field(location, known[location[-1]])


def json_schema() -> dict[str, Any]:
    """The policy file as JSON Schema 2020-12. Names that only a catalogue knows are left open."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _SCHEMA_ID,
        "title": "Serinus rollout policy",
    }
    return head | json_schema_of(PolicySection)


def _listing(section: type[Section]) -> list[str]:
    fields = keys(section)
    width = max(len(name) for name in fields)
    return [
        f"  {name:<{width}}  {info.description or ''} {_default(info)}".rstrip()
        for name, info in fields.items()
    ]


def _keys_at(location: Sequence[str]) -> dict[str, FieldInfo]:
    """The fields there, in whichever form the section is written."""
    sections = sections_at(PolicySection, location)
    return {name: info for section in sections for name, info in keys(section).items()}


def _field(location: Sequence[str], info: FieldInfo) -> str:
    lines = [".".join(location), f"  {info.description}", f"  Type: {kind_of(info)}. {_default(info)}"]
    lines += [f"  Example: {location[-1]}: {inline(example)}" for example in info.examples or []]
    below = sections_at(PolicySection, location)
    for section in below:
        heading = "Fields" if len(below) == 1 else summary_of(section).rstrip(".")
        lines += ["", f"{heading}:", *_listing(section)]
    if location[-1] == "checks":
        lines += [
            "",
            "Checks, by name:",
            *(f"  {name}  {summary_of(section)}" for name, section in _CHECK_KINDS),
        ]
    return "\n".join(lines)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "Required."
    if info.default_factory is not None:
        return "Default: that of its fields."
    if info.default in (None, []):
        return "Optional."
    return f"Default: {inline(info.default).removesuffix('.')}."


def summary_of(section: type[Section]) -> str:
    """What a section is, in a sentence."""
    return (section.__doc__ or "").splitlines()[0]


def _unknown(location: Sequence[str]) -> str:
    for length in range(len(location) - 1, -1, -1):
        if fields := _keys_at(location[:length]):
            path = ".".join([*location[:length], ""])
            known = frozenset(path + name for name in fields)
            suggestion = did_you_mean(path + location[length], known)
            return f"there is no field {shown('.'.join(location))}; {suggestion}"
    raise InvariantError("the root is a section")
