"""``docs/reference/command-line.md``, from the commands themselves."""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from controller.cli.main import app
from controller.cli.session import ExitCode, Format
from docs.pages.documents import DOCUMENTS
from docs.pages.tables import ORIGIN, table

EXIT_CODES: Mapping[ExitCode, str] = {
    ExitCode.OK: "done; with `--wait`: promoted",
    ExitCode.ERROR: "an error: refused, not found, no daemon; `doctor` found something to mend",
    ExitCode.INVALID: "the line or the policy is not valid",
    ExitCode.ROLLED_BACK: "with `--wait`: rolled back, or not deployed",
    ExitCode.NOT_PERMITTED: "not permitted",
    ExitCode.WAITING_FOR_PERSON: "with `--wait`: it waits for a person (paused, frozen, halted, approval)",
    ExitCode.ABORTED: "with `--wait`: aborted, or superseded by a newer version",
    ExitCode.TIMEOUT: "with `--wait`: not over within `--timeout`",
    ExitCode.CLOSED_PIPE: "who read standard output went away",
}
"""What each exit code says to a script."""
_WITHOUT_WAIT = (
    "Without `--wait`, `status` exits with 0 whatever the phase is, and `diff` always does, whether or not "
    "there are differences."
)
_OUTPUT = (
    "Data goes to standard output, all else to standard error. In a pipe, with `NO_COLOR`, `--no-color` or "
    "`TERM=dumb`, nothing writes an escape byte. JSON and YAML have an `apiVersion`; fields may be added to "
    "them, and programs ignore those that they do not know."
)
_STREAMS = (
    "`watch -o json` prints a line for each change: a status first, then entries as in `history`. "
    "`report --json` has [a schema](report.schema.json) too."
)


def page() -> str:
    """The whole document."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return "\n".join(
        [
            "# The command line\n",
            ORIGIN,
            "`serinus COMMAND --help` says the same. These options go before a command's name or after it:\n",
            *_options(root, typer.Context(root)),
            "\n## Exit codes\n",
            *table(("code", "meaning"), ((f"`{code.value}`", says) for code, says in EXIT_CODES.items())),
            f"\n{_WITHOUT_WAIT}\n",
            "## Output\n",
            f"`-o {'|'.join(Format)}`. {_OUTPUT}\n",
            *table(
                ("schema", "what it is", "printed by"),
                (
                    (f"[{name}]({name}.schema.json)", each.title, _listed(each.commands))
                    for name, each in DOCUMENTS.items()
                ),
            ),
            f"\n{_STREAMS}\n",
            "## Commands\n",
            *_commands(root, typer.Context(root, info_name="serinus")),
            "",
        ]
    )


def _commands(group: TyperGroup, root: Any) -> Iterator[str]:
    for name, command in group.commands.items():
        context = typer.Context(command, info_name=name, parent=root)
        if isinstance(command, TyperGroup):
            yield from _commands(command, context)
            continue
        yield f"### {context.command_path}\n"
        yield f"`{context.get_usage().removeprefix('Usage: ')}`\n"
        yield f"{(command.help or '').strip()}\n"
        yield from _options(command, context)
        yield ""


def _options(command: Any, context: Any) -> list[str]:
    """A table of a command's options; empty without any."""
    found = [param.get_help_record(context) for param in command.params if param.param_type_name == "option"]
    rows = [(f"`{names}`", help_text) for names, help_text in filter(None, found)]
    return list(table(("option", "meaning"), (tuple(map(_escaped, row)) for row in rows))) if rows else []


def _escaped(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")


def _listed(commands: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in commands) or "-"
