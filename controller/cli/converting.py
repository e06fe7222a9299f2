"""The command that makes a policy of another tool's file: convert. It needs no daemon."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.session import ExitCode, session_of

if TYPE_CHECKING:
    from controller.convert.converting import Converted
    from controller.policy.tree import Document

_STDIN, _STDIN_NAME = "-", "stdin"
_OF_A_CHART = ("{{-", "{{ .", "{{.")


class Form(StrEnum):
    """How a converted policy is printed."""

    TEXT = "text"
    JSON = "json"


def convert(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES", show_default=False, help="Files of YAML with the objects; - is stdin."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which Canary or Rollout, where the files have several."),
    ] = None,
    version_label: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL",
            help="The label of your metrics that has the version: queries then find the canary by it, and "
            "not by a name that only the other tool knows.",
        ),
    ] = None,
    strict: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--strict", help="Exit with 1 when anything was not carried over.")
    ] = False,
    output: Annotated[Form, typer.Option("--output", "-o", help="How to print it.")] = Form.TEXT,
) -> None:
    """Make a policy of a Flagger Canary or an Argo Rollout.

    Reads it with its MetricTemplates or AnalysisTemplates, also as kubectl get -o yaml prints them. The
    policy goes to standard output; what could not be carried over, what means a little else now, and what
    was assumed to standard error, each with its line. Exits with 0 when there is a policy, whatever was
    not carried over, and with 2 when there is none.
    """
    from controller.adapters.registry import catalogue  # noqa: PLC0415 - lazy
    from controller.cli.output import complain  # noqa: PLC0415 - lazy
    from controller.convert.converting import Unconvertible, Wishes  # noqa: PLC0415 - lazy
    from controller.convert.converting import convert as converted  # noqa: PLC0415 - lazy
    from controller.convert.promql import is_label_name  # noqa: PLC0415 - lazy

    if version_label is not None and not is_label_name(version_label):
        raise typer.BadParameter("--version-label: a label has letters, digits and _ only")
    documents = [document for file in files for document in _documents(file)]
    wishes = Wishes(name, session_of(context).line.cluster.namespace, version_label)
    found = converted(documents, wishes, catalogue())
    if isinstance(found, Unconvertible):
        complain(found.message, found.advice)
        raise typer.Exit(ExitCode.INVALID)
    if _told(found, output) and strict:
        raise typer.Exit(ExitCode.ERROR)


def _told(found: "Converted", output: Form) -> int:
    """Print the policy and its notes. Gives how many things were not carried over."""
    from controller.cli.output import say, write  # noqa: PLC0415 - lazy
    from controller.convert.notes import Kind  # noqa: PLC0415 - lazy

    write(_json(found) if output is Form.JSON else found.text)
    for note in found.notes if output is Form.TEXT else ():
        say(str(note))
    counts = {kind: sum(note.kind is kind for note in found.notes) for kind in Kind}
    say(", ".join(f"{kind}: {count}" for kind, count in counts.items()))
    return counts[Kind.LOST]


def _documents(file: Path) -> "tuple[Document, ...]":
    """Those of a file. Ends the command with 2 when it cannot be read, or is no YAML."""
    from controller.cli.output import complain, say  # noqa: PLC0415 - lazy
    from controller.convert.converting import MANIFEST_LIMITS  # noqa: PLC0415 - lazy
    from controller.policy.document import parse_manifests  # noqa: PLC0415 - lazy
    from controller.policy.faults import PolicyFault  # noqa: PLC0415 - lazy
    from controller.policy.render import Format, render  # noqa: PLC0415 - lazy
    from controller.policy.source import decode  # noqa: PLC0415 - lazy

    path = _STDIN_NAME if str(file) == _STDIN else str(file)
    try:
        raw = _read(file, MANIFEST_LIMITS.size_bytes + 1)
    except OSError as error:
        complain(f"{path} cannot be read: {(error.strerror or str(error)).lower()}")
        raise typer.Exit(ExitCode.INVALID) from error
    source = decode(raw, path, MANIFEST_LIMITS.size_bytes)
    parsed = (source,) if isinstance(source, PolicyFault) else parse_manifests(source, MANIFEST_LIMITS)
    documents = tuple(each for each in parsed if not isinstance(each, PolicyFault))
    faults = [each for each in parsed if isinstance(each, PolicyFault)]
    for line in render(faults, Format.TEXT).splitlines():
        say(line)
    if faults:
        if any(sign in getattr(source, "text", "") for sign in _OF_A_CHART):
            say("try:   helm template CHART | serinus convert -")
        raise typer.Exit(ExitCode.INVALID)
    return documents


def _read(file: Path, most_bytes: int) -> bytes:
    if str(file) == _STDIN:
        return sys.stdin.buffer.read(most_bytes)
    with file.open("rb") as opened:
        return opened.read(most_bytes)


def _json(found: "Converted") -> str:
    """As data: the policy's text and the notes, in ASCII."""
    import json  # noqa: PLC0415 - lazy

    from controller.control.views import API_VERSION  # noqa: PLC0415 - lazy

    notes = [
        {
            "kind": note.kind.name.lower(),
            "path": note.place.document.source.path,
            "line": note.place.mark.line,
            "column": note.place.mark.column,
            "field": note.place.field,
            "message": note.message,
            "suggestion": note.advice,
        }
        for note in found.notes
    ]
    return json.dumps({"apiVersion": API_VERSION, "policy": found.text, "notes": notes}, indent=2) + "\n"
