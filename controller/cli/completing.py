"""Completion of commands, options and live names: for the shells, and for kubectl."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from controller.cli.way import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.core import TyperGroup

_NAME = "serinus"
VARIABLE = "_SERINUS_COMPLETE"
"""Set in the environment by the scripts when they ask."""
_NO_FILES = ":4"
"""Cobra's ShellCompDirectiveNoFileComp, which kubectl reads on the last line."""


class Shell(StrEnum):
    """The shells that can be helped."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


class SerinusCommand(TyperCommand):
    """Completes the shared options too, which are the root command's own."""

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The command's own first."""
        found: list[Any] = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-") and ctx.parent is not None:
            seen = {item.value for item in found}
            shared = ctx.parent.command.shell_complete(ctx.parent, incomplete)
            found += [item for item in shared if item.value.startswith("-") and item.value not in seen]
        return found


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script that completes commands, options and live names.

    bash: source <(serinus completion bash). zsh: source <(serinus completion zsh). fish: serinus completion
    fish | source. For kubectl serinus nothing is to be done: kubectl asks by itself.
    """
    from typer._completion_shared import get_completion_script  # noqa: PLC0415 - typer's own scripts

    from controller.cli.output import write  # noqa: PLC0415 - lazy

    write(get_completion_script(prog_name=_NAME, complete_var=VARIABLE, shell=shell.value) + "\n")


def teach_shells() -> None:
    """Make the answers to the scripts known, which typer does only for who installs them its own way."""
    from typer._completion_classes import completion_init  # noqa: PLC0415 - as above

    completion_init()


def complete_for_kubectl(command: "TyperGroup", words: "Sequence[str]") -> None:
    """Answer kubectl, which passes the words typed so far: a candidate a line, then what else is possible.

    **Source**: kubectl's plugin documentation, ``kubectl_complete-NAME``.
    """
    from typer._completion_classes import BashComplete  # noqa: PLC0415 - it finds candidates for all shells

    before, incomplete = list(words[:-1]), words[-1] if words else ""
    found = BashComplete(command, {}, PLUGIN, VARIABLE).get_completions(before, incomplete)
    lines = [f"{item.value}\t{item.help}" if item.help else item.value for item in found]
    sys.stdout.write("".join(f"{line}\n" for line in [*lines, _NO_FILES]))
