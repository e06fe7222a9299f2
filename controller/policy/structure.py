"""Which section of a file lies at which location: what its keys are, and what they say about themselves."""

import re
from collections.abc import Collection, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from controller.policy.check_sections import check_section
from controller.policy.fields import Kind, Section
from controller.policy.route_sections import route_section
from controller.policy.steps import AutoSteps, StepSection

_KIND_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list"}
_INDEX = re.compile(r"\[[0-9]*\]")


def keys(section: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section by the names that files give them."""
    return {info.alias or name: info for name, info in section.model_fields.items()}


def section_at(
    root: type[Section], location: Sequence[str | int], written: Collection[str] | None = None
) -> type[Section] | None:
    """The section that a location leads to; None where there are only values, or nothing.

    ``written`` are the keys that the file has there, where that tells which section it is.
    """
    section: type[Section] | None = root
    place: str | None = None
    for part in location:
        if isinstance(part, int):
            section = StepSection if section is AutoSteps else section
        elif place == "checks":
            section, place = check_section(part, written), None
        elif place == "route":
            section, place = route_section(part), None
        elif section is not None and part in keys(section):
            place = part if part in ("checks", "route") else None
            section = None if place else _section_in(keys(section)[part].annotation)
        else:
            return None
    return section


def sections_at(root: type[Section], location: Sequence[str | int]) -> tuple[type[Section], ...]:
    """The sections that a location without indices can mean: of a list's entries, or in place of the list."""
    found = section_at(root, (*location, 0)), section_at(root, location)
    return tuple(dict.fromkeys(section for section in found if section is not None))


def split_location(text: str) -> tuple[str, ...]:
    """The keys of a field as people write it, ``steps[2].weight`` or ``steps.weight``.

    A quantile's own dot belongs to its key: ``checks.latency_p99.9.max``.
    """
    parts = re.split(r"\.(?![0-9])", _INDEX.sub("", text.strip()))
    return tuple(part for part in parts if part)


def kind_of(info: FieldInfo) -> str:
    """What people would call the type of a field."""
    for kind in info.metadata:
        if isinstance(kind, Kind):
            return kind.words
    return _words(info.annotation)


def _words(annotation: Any) -> str:
    for kind in getattr(annotation, "__metadata__", ()):
        if isinstance(kind, Kind):
            return kind.words
    arguments = [argument for argument in get_args(annotation) if argument is not NoneType]
    if get_origin(annotation) is Literal:
        return " or ".join(str(argument) for argument in arguments)
    if get_origin(annotation) in (UnionType, Union, Annotated):
        return _words(arguments[0])
    return _KIND_WORDS.get(get_origin(annotation) or annotation, "a mapping")


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    found = (_section_in(argument) for argument in get_args(annotation))
    return next((section for section in found if section is not None), None)
