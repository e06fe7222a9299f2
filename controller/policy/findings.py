"""From pydantic's errors to faults with a place and a sentence.

Pydantic says what is wrong in terms of Python; people wrote YAML. Types that are not in the table keep
pydantic's words, so that no error is lost.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError

from controller.policy.catalogue import Catalogue
from controller.policy.faults import MOST_FAULTS, PolicyFault, field_name
from controller.policy.fields import COMPLAINT, KEY_COMPLAINT, Section
from controller.policy.quantities import shown
from controller.policy.structure import keys, section_at
from controller.policy.tree import Document, ListNode, Location, MappingNode, Node, ScalarNode, plain

AnySection = TypeVar("AnySection", bound=Section)
_WANTED = {
    "int_type": ("a whole number", "write digits only, without quotes"),
    "int_from_float": ("a whole number", "write digits only, without a point"),
    "float_type": ("a number", "write a number without quotes"),
    "bool_type": ("true or false", "write true or false, without quotes"),
    "string_type": ("text", "write a text; quote it if it looks like a number"),
    "list_type": ("a list", "write [a, b], or one - entry per line"),
    "dict_type": ("a mapping", "write key: value lines"),
    "model_type": ("a mapping", "write key: value lines"),
}
_CONTAINERS: dict[type, str] = {ListNode: "list", MappingNode: "mapping"}
_BARE_ENTRIES = re.compile(r"[\w%., -]+")
_LIMITS = {
    "greater_than_equal": ("is below {ge}, the smallest allowed", "write {ge} or more"),
    "greater_than": ("is not above {gt}", "write more than {gt}"),
    "less_than_equal": ("is above {le}, the largest allowed", "write {le} or less"),
    "less_than": ("is not below {lt}", "write less than {lt}"),
    "literal_error": ("is not allowed here", "write {expected}"),
    "too_short": ("is empty", "write at least {min_length}"),
    "too_long": ("has {actual_length} entries", "write at most {max_length}"),
    "string_too_short": ("is empty", "write at least {min_length} character"),
    "string_too_long": ("is too long", "write at most {max_length} characters"),
}


def check(
    document: Document,
    root: type[AnySection],
    catalogue: Catalogue | None,
    may_be_empty: Callable[[Location], bool],
) -> AnySection | tuple[PolicyFault, ...]:
    """The document as a section, or every fault of it in the order of the file.

    A key without a value is a fault, so that what was forgotten does not pass for a default; except where
    ``may_be_empty`` says that null is a value.
    """
    faults = [*document.faults]
    faults += _new(faults, _empty_values(document, may_be_empty))
    section = None
    try:
        section = root.model_validate(plain(document.root), context=catalogue)
    except ValidationError as error:
        faults += _new(faults, _faults(document, root, error))
    if section is not None and not faults:
        return section
    return tuple(sorted(faults, key=lambda fault: (fault.line, fault.column))[:MOST_FAULTS])


def _new(known: list[PolicyFault], found: Iterable[PolicyFault]) -> list[PolicyFault]:
    """What was not told yet: one fault of a field leads to others that only confuse."""
    told = {fault.field for fault in known}
    return [fault for fault in found if fault.field not in told]


def _empty_values(document: Document, may_be_empty: Callable[[Location], bool]) -> Iterator[PolicyFault]:
    for location, node in _scalars(document.root, ()):
        if node.value is None and not may_be_empty(location):
            suggestion = "write one, or remove the key to get the default"
            yield PolicyFault(document.source, node.mark, field_name(location), "has no value", suggestion)


def _scalars(node: Node, location: Location) -> Iterator[tuple[Location, ScalarNode]]:
    match node:
        case ScalarNode():
            yield location, node
        case ListNode(items=items):
            for index, item in enumerate(items):
                yield from _scalars(item, (*location, index))
        case MappingNode(values=values):
            for key, value in values.items():
                yield from _scalars(value, (*location, key))


def _faults(document: Document, root: type[Section], error: ValidationError) -> Iterator[PolicyFault]:
    items = error.errors(include_url=False)
    misspelt = {
        _meant(_section(document, root, tuple(item["loc"])), tuple(item["loc"]))
        for item in items
        if item["type"] == "extra_forbidden"
    }
    for item in items:
        location: Location = tuple(item["loc"])
        if item["type"] == "missing" and location in misspelt:
            continue
        kind, context = item["type"], item.get("ctx", {})
        at_key = kind in ("extra_forbidden", KEY_COMPLAINT)
        mark = document.key_mark(location) if at_key else document.value_mark(location)
        match kind:
            case "extra_forbidden":
                section = _section(document, root, location)
                sentence, suggestion = "unknown key", _known_keys(section, location)
            case "missing":
                mark = document.value_mark(location[:-1])
                section = _section(document, root, location)
                sentence, suggestion = "missing", _example(section, location)
            case _:
                sentence, suggestion = _sentence(document, location, kind, context, item["msg"])
        yield PolicyFault(document.source, mark, field_name(location), sentence, suggestion)


def _sentence(
    document: Document, location: Location, kind: str, context: Mapping[str, Any], message: str
) -> tuple[str, str]:
    node = document.find(location)
    value = shown(node.value) if isinstance(node, ScalarNode) else _CONTAINERS.get(type(node), "value")
    article = "" if isinstance(node, ScalarNode) else "a " if kind in _WANTED else "the "
    if kind in (COMPLAINT, KEY_COMPLAINT):
        return context["sentence"], context["suggestion"]
    if kind in _WANTED:
        wanted, suggestion = _WANTED[kind]
        if kind == "list_type" and _BARE_ENTRIES.fullmatch(value):
            suggestion = f"write [{value}]"
        return f"{article}{value} is not {wanted}", suggestion
    if kind in _LIMITS:
        sentence, suggestion = _LIMITS[kind]
        return f"{article}{value} {sentence.format(**context)}", suggestion.format(**context).replace("'", "")
    return message, ""


def _section(document: Document, root: type[Section], location: Location) -> type[Section] | None:
    """The section that a key is in."""
    node = document.find(location[:-1])
    return section_at(root, location[:-1], node.values if isinstance(node, MappingNode) else None)


def _known_keys(section: type[Section] | None, location: Location) -> str:
    meant = _meant(section, location)
    if meant:
        return f"did you mean {meant[-1]}?"
    return f"keys known here: {', '.join(sorted(keys(section)))}" if section else "remove it"


def _meant(section: type[Section] | None, location: Location) -> Location | None:
    """The location that an unknown key was probably meant to be."""
    close = get_close_matches(str(location[-1])[:64], keys(section) if section else (), n=1, cutoff=0.6)
    return (*location[:-1], close[0]) if close else None


def _example(section: type[Section] | None, location: Location) -> str:
    info = keys(section).get(str(location[-1])) if section else None
    return f"add {location[-1]}: {inline(info.examples[0])}" if info and info.examples else "add it"


def inline(value: object) -> str:
    """A value as it would be written on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
