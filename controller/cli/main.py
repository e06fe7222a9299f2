"""The commands of ``serinus``, and what is common to all: shared options, errors, exit codes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from controller.cli import authoring, reading, steering
from controller.cli.session import ExitCode, Session
from controller.errors import ControllerError

_SHARED_FLAGS = ("--no-color",)
_SHARED_OPTIONS = ("--socket",)


class SerinusGroup(TyperGroup):
    """Takes the shared options before and after the command's name, and turns errors into exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Shared options first, wherever they were typed."""
        rest: list[str] = super().parse_args(ctx, shared_first(args))
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command. An error of ours is told on standard error, with the command to type next."""
        try:
            return super().invoke(ctx)
        except ControllerError as error:
            raise typer.Exit(_told(error)) from error


app = typer.Typer(
    name="serinus",
    cls=SerinusGroup,
    help="Bring new versions of machine-learning models into production safely, step by step.",
    epilog="Exit codes: 0 ok or promoted, 1 error, 2 invalid use or policy, 3 rolled back or not deployed, "
    "4 not permitted, 5 waiting for a person, 6 aborted or superseded, 124 timeout.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def serinus(
    context: typer.Context,
    socket: Annotated[
        Path | None,
        typer.Option(
            envvar="SERINUS_SOCKET", metavar="PATH", help="The daemon's socket. Goes with any command."
        ),
    ] = None,
    no_color: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--no-color", help="Plain text, as with NO_COLOR. Goes with any command.")
    ] = False,
) -> None:
    """Keep the shared options for the command."""
    context.obj = Session(socket, no_color)


@app.command()
def run(
    settings: Annotated[
        Path | None,
        typer.Option(envvar="SERINUS_SETTINGS", metavar="FILE", help="The daemon's settings, a TOML file."),
    ] = None,
) -> None:
    """Run the daemon until SIGTERM."""
    from controller import app as daemon  # noqa: PLC0415 - the daemon's libraries are heavy

    if settings is not None:
        os.environ["SERINUS_SETTINGS"] = str(settings)
    raise typer.Exit(daemon.run())


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415 - slow to import

    from controller.cli.output import write  # noqa: PLC0415 - lazy

    write(f"serinus {installed('serinus')}\n")


for _command in (
    steering.deploy,
    reading.get,
    reading.status,
    reading.watch,
    reading.why,
    reading.history,
    steering.promote,
    steering.abort,
    steering.pause,
    steering.resume,
    steering.retry,
    authoring.lint,
    authoring.schema,
    authoring.explain,
):
    app.command()(_command)


def main() -> None:
    """The entry point. Always raises `SystemExit`."""
    app(prog_name="serinus")


def shared_first(args: Sequence[str]) -> list[str]:
    """The arguments with the shared options moved to the front; what follows ``--`` stays."""
    shared: list[str] = []
    rest: list[str] = []
    left = list(args)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += [word, *left]
            break
        if word in _SHARED_FLAGS or word.startswith(tuple(f"{name}=" for name in _SHARED_OPTIONS)):
            shared.append(word)
        elif word in _SHARED_OPTIONS and left:
            shared += [word, left.pop(0)]
        else:
            rest.append(word)
    return shared + rest


def _told(error: ControllerError) -> ExitCode:
    from controller.cli.output import complain  # noqa: PLC0415 - lazy
    from controller.control.errors import ControlError, ErrorCode  # noqa: PLC0415 - lazy

    if not isinstance(error, ControlError):
        complain(str(error))
        return ExitCode.ERROR
    complain(error.message, error.hint)
    codes = {ErrorCode.INVALID_REQUEST: ExitCode.INVALID, ErrorCode.NOT_PERMITTED: ExitCode.NOT_PERMITTED}
    return codes.get(error.code, ExitCode.ERROR)
