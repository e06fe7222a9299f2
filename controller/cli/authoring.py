"""The commands for who writes policies: lint, schema, explain. They need no daemon."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.session import ExitCode
from controller.policy.render import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.policy.catalogue import Catalogue
    from controller.policy.faults import PolicyFault


def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILES",
            show_default=False,
            help="Policy files, or folders of them; policies/ by default.",
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print what is wrong.")] = Format.TEXT,
) -> None:
    """Check policy files and print every fault.

    Each with its line and what to write instead. Exits with 2 if there is any.
    """
    from controller.adapters.registry import catalogue  # noqa: PLC0415 - lazy
    from controller.cli.output import say, write  # noqa: PLC0415 - lazy
    from controller.policy.render import render  # noqa: PLC0415 - lazy

    known = catalogue()
    faults = [fault for path in files or [Path("policies")] for fault in _faults(path, known)]
    if text := render(faults, output):
        write(text + "\n")
    if faults:
        say(f"faults found: {len(faults)}; what a field means: serinus explain FIELD")
        raise typer.Exit(ExitCode.INVALID)
    say("every policy is valid")


def schema() -> None:
    """Print the policy file's JSON Schema, for editors."""
    import json  # noqa: PLC0415 - lazy

    from controller.cli.output import write  # noqa: PLC0415 - lazy
    from controller.policy.explain import json_schema  # noqa: PLC0415 - lazy

    write(json.dumps(json_schema(), indent=2) + "\n")


def explain(
    field: Annotated[
        str | None,
        typer.Argument(metavar="FIELD", show_default=False, help="A field, such as steps.min_requests."),
    ] = None,
) -> None:
    """Explain a policy file's fields: meaning, default, example."""
    from controller.cli.output import write  # noqa: PLC0415 - lazy
    from controller.control.errors import InvalidRequest  # noqa: PLC0415 - lazy
    from controller.policy import explain as policy  # noqa: PLC0415 - lazy

    try:
        write(policy.explain(field) + "\n")
    except LookupError as error:
        raise InvalidRequest(str(error), "serinus explain") from error


def _faults(path: Path, known: "Catalogue") -> "Sequence[PolicyFault]":
    """Those of a file, or of all files in a folder, two claims on one model included."""
    from controller.policy.folder import folder_problem, read_folder, settle  # noqa: PLC0415 - lazy
    from controller.policy.loader import load_policy  # noqa: PLC0415 - lazy
    from controller.policy.source import UnreadableError  # noqa: PLC0415 - lazy

    if not path.is_dir():
        found = load_policy(path, known)
        return found if isinstance(found, tuple) else ()
    try:
        _, problems = settle(path, {}, read_folder(path, known, {}))
    except UnreadableError as error:
        problems = folder_problem(path, error)
    return [fault for faults in problems.values() for fault in faults]
