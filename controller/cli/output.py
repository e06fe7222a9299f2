"""Writes answers to standard output and everything else to standard error.

**Invariant**: nothing that came from outside reaches a terminal as a control character, and without a
terminal not one escape byte is written.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType

from controller.cli.session import ExitCode, Format, Session
from controller.domain.wording import printable

_UNBOUNDED_COLUMNS = 10_000
"""Without a terminal nothing is wrapped or cut: lines are for other programs."""


def emit(
    session: Session,
    output: Format,
    answer: BaseModel,
    *,
    names: Sequence[str],
    table: Callable[[bool], RenderableType],
) -> None:
    """Print an answer in the format asked for. ``table`` is told whether to be wide."""
    match output:
        case Format.JSON:
            write(as_json(answer, indent=2) + "\n")
        case Format.YAML:
            write(as_yaml(answer))
        case Format.NAME:
            write("".join(f"{name}\n" for name in names))
        case Format.TABLE | Format.WIDE:
            write(rendered(table(output is Format.WIDE), fancy=session.fancy))


def as_json(answer: BaseModel, indent: int | None = None) -> str:
    """JSON in ASCII, which no terminal acts on."""
    return json.dumps(answer.model_dump(mode="json"), indent=indent, allow_nan=False)


def as_yaml(answer: BaseModel) -> str:
    """A YAML document, keys in the order of the JSON."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - only one format needs it

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = _UNBOUNDED_COLUMNS
    text = io.StringIO()
    yaml.dump(answer.model_dump(mode="json"), text)
    return text.getvalue()


def rendered(what: RenderableType, *, fancy: bool) -> str:
    """As lines of text, with colours only where they are welcome."""
    text = io.StringIO()
    console = Console(
        file=text,
        force_terminal=fancy,
        color_system="auto" if fancy else None,
        width=None if fancy else _UNBOUNDED_COLUMNS,
        markup=False,
        highlight=False,
        emoji=False,
    )
    console.print(what)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def write(text: str) -> None:
    """To standard output. Ends the command quietly when nobody reads it any more."""
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        _detach(sys.stdout)
        raise typer.Exit(ExitCode.CLOSED_PIPE) from None


def say(text: str) -> None:
    """One line to standard error."""
    with contextlib.suppress(BrokenPipeError):
        _write(sys.stderr, f"{printable(text)}\n")


def complain(message: str, hint: str = "") -> None:
    """An error to standard error, and the command to type next."""
    say(f"error: {message}")
    if hint:
        say(f"try:   {hint}")


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _detach(stream: TextIO) -> None:
    """What is still buffered goes nowhere, so that the interpreter's last flush does not fail."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
