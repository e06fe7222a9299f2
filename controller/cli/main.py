"""The commands of ``serinus``, and what is common to all: shared options, errors, exit codes."""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from controller.cli import (
    authoring,
    backtesting,
    comparing,
    completing,
    converting,
    examining,
    notifying,
    reading,
    reporting,
    steering,
)
from controller.cli.session import ExitCode, Session
from controller.cli.way import PLUGIN, ClusterOptions, line_of
from controller.errors import ControllerError

_SHARED_FLAGS = frozenset({"--no-color", "--all-namespaces", "-A"})
_SHARED_OPTIONS = frozenset({"--socket", "--kubeconfig", "--context", "--namespace", "-n"})


class SerinusGroup(TyperGroup):
    """Takes the shared options before and after the command's name, and turns errors into exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Shared options first, wherever they were typed.

        A command's help is given before anything is parsed: typer would load pydantic to parse nothing.
        """
        if (asked := self._asked_for_help(ctx, args)) is not None:
            typer.echo(asked.get_help())
            ctx.exit()
        rest: list[str] = super().parse_args(ctx, shared_first(args, self._options_with_values()))
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command. An error of ours is told on standard error, with the command to type next."""
        try:
            return super().invoke(ctx)
        except ControllerError as error:
            raise typer.Exit(_told(error, ctx.obj)) from error

    def _asked_for_help(self, ctx: Any, args: Sequence[str]) -> Any:
        """The context of ``COMMAND --help``; None for every other line."""
        if not args or args[-1] not in ctx.help_option_names:
            return None
        command: Any = self
        for name in args[:-1]:
            command = getattr(command, "commands", {}).get(name)
            if command is None:
                return None
            ctx = type(ctx)(command, info_name=name, parent=ctx)
        return ctx if command is not self else None

    def _options_with_values(self) -> frozenset[str]:
        """Those of any command: the word after one is its value, whatever it looks like."""
        options = (each for command in self.commands.values() for each in command.params)
        return frozenset(
            name
            for option in options
            if isinstance(option, TyperOption) and not option.is_flag
            for name in option.opts
        )


app = typer.Typer(
    name="serinus",
    cls=SerinusGroup,
    help="Bring new versions of machine-learning models into production safely, step by step.\n\n"
    "The options go before a command's name or after it. A socket names the daemon of one machine, the other "
    "four a cluster; without any, the daemon of this machine is asked if there is one.",
    epilog="Exit codes: 0 ok or promoted, 1 error, 2 invalid use or policy, 3 rolled back or not deployed, "
    "4 not permitted, 5 waiting for a person, 6 aborted or superseded, 124 timeout.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def serinus(
    context: typer.Context,
    socket: Annotated[
        Path | None,
        typer.Option(envvar="SERINUS_SOCKET", metavar="PATH", help="The daemon's socket, on one machine."),
    ] = None,
    kubeconfig: Annotated[Path | None, typer.Option(metavar="FILE", help="The cluster's kubeconfig.")] = None,
    cluster_context: Annotated[
        str | None,
        typer.Option("--context", metavar="NAME", help="The context of the kubeconfig."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="The namespace in the cluster."),
    ] = None,
    all_namespaces: Annotated[  # noqa: FBT002 - a flag of the command line
        bool,
        typer.Option("--all-namespaces", "-A", help="All namespaces of the cluster."),
    ] = False,
    no_color: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--no-color", help="Plain text, as with NO_COLOR.")
    ] = False,
) -> None:
    """Keep the shared options for the command."""
    cluster = ClusterOptions(kubeconfig, cluster_context, namespace, all_namespaces)
    session = Session(line_of(context, socket, cluster), no_color)
    context.obj = session
    context.call_on_close(session.closing.close)


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
    comparing.diff,
    reporting.report,
    steering.approve,
    steering.deny,
    steering.promote,
    steering.abort,
    steering.pause,
    steering.resume,
    steering.retry,
    authoring.lint,
    authoring.schema,
    authoring.explain,
    converting.convert,
    examining.doctor,
    backtesting.backtest,
    completing.completion,
):
    app.command(cls=completing.SerinusCommand)(_command)


app.add_typer(notifying.notify, name="notify")


def main() -> None:
    """The entry point. Always raises `SystemExit`."""
    if completing.VARIABLE in os.environ:
        completing.teach_shells()
    app(prog_name="serinus")


def plugin() -> None:
    """The entry point for ``kubectl serinus``, which goes to the cluster. Always raises `SystemExit`."""
    app(prog_name=PLUGIN)


def complete_plugin() -> None:
    """The entry point for kubectl when it completes a command of ``kubectl serinus``."""
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    completing.complete_for_kubectl(command, sys.argv[1:])


def shared_first(args: Sequence[str], with_values: Collection[str] = ()) -> list[str]:
    """The arguments with the shared options moved to the front.

    What follows ``--`` stays, and so does the value of an option ``with_values``.
    """
    shared: list[str] = []
    rest: list[str] = []
    left = list(args)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += [word, *left]
            break
        if word in _SHARED_FLAGS or _is_joined(word):
            shared.append(word)
        elif word in _SHARED_OPTIONS and left:
            shared += [word, left.pop(0)]
        elif word in with_values and left:
            rest += [word, left.pop(0)]
        else:
            rest.append(word)
    return shared + rest


def _is_joined(word: str) -> bool:
    """Whether it is a shared option with its value: ``--namespace=ml``, ``-nml``."""
    if word.startswith("--"):
        name, joined, _ = word.partition("=")
        return bool(joined) and name in _SHARED_OPTIONS
    return word[:2] in _SHARED_OPTIONS and word not in _SHARED_OPTIONS


def _told(error: ControllerError, session: Session | None) -> ExitCode:
    from controller.cli.output import complain  # noqa: PLC0415 - lazy
    from controller.control.errors import ControlError, ErrorCode  # noqa: PLC0415 - lazy

    if not isinstance(error, ControlError):
        complain(str(error))
        return ExitCode.ERROR
    complain(error.message, session.as_called(error.hint) if session else error.hint)
    codes = {ErrorCode.INVALID_REQUEST: ExitCode.INVALID, ErrorCode.NOT_PERMITTED: ExitCode.NOT_PERMITTED}
    return codes.get(error.code, ExitCode.ERROR)
