"""Reads of JSON that others wrote: a value of another type counts as none. Total, and pure."""

from typing import Any

from controller.adapters.kube.resources import Obj


def mapping(value: object) -> Obj:
    """The value if it is a mapping, else an empty one: for what others wrote."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def number(value: object) -> int:
    """The value if it is a whole number from 0 on, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
