"""What every command shares: exit codes, formats, the way to the daemon. Light to import."""

import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from controller.control.client import ControlClient
    from controller.domain.vocabulary import Phase


class ExitCode(IntEnum):
    """How a command ended, for scripts."""

    OK = 0
    ERROR = 1
    INVALID = 2
    ROLLED_BACK = 3
    NOT_PERMITTED = 4
    WAITING_FOR_PERSON = 5
    ABORTED = 6
    TIMEOUT = 124
    CLOSED_PIPE = 141


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Output = Annotated[Format, typer.Option("--output", "-o", help="How to print the answer.")]
Target = Annotated[str, typer.Argument(metavar="MODEL", help="A model, or the id of one of its rollouts.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the rollout is over or waits for a person.")]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout", metavar="DURATION", help="With --wait: give up after, for example, 30m (exit 124)."
    ),
]


_SHORTEST_CALL = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Session:
    """The options that every command takes."""

    socket: Path | None
    no_color: bool

    def client(self, waiting: timedelta | None = None) -> "ControlClient":
        """The way to the daemon; for who waits only so long, a silent one gets no more time (or 5 s)."""
        from controller.control.client import ANSWER_TIMEOUT, ControlClient, default_socket  # noqa: PLC0415 - lazy

        bounded = ANSWER_TIMEOUT if waiting is None else min(ANSWER_TIMEOUT, max(waiting, _SHORTEST_CALL))
        return ControlClient(self.socket or default_socket(), bounded)

    @property
    def fancy(self) -> bool:
        """Whether standard output is a terminal that may be sent colours and cursor movements."""
        plain = self.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return not plain and sys.stdout.isatty()


def session_of(context: typer.Context) -> Session:
    """The session that the root command began."""
    session = context.obj
    assert isinstance(session, Session)
    return session


def exit_code_of(phase: "Phase") -> ExitCode | None:
    """What a rollout's phase means to who waits for its end; None while it goes on by itself."""
    from controller.domain.vocabulary import Phase  # noqa: PLC0415 - lazy

    if phase.waits_for_person:
        return ExitCode.WAITING_FOR_PERSON
    return {
        Phase.SUCCEEDED: ExitCode.OK,
        Phase.ROLLED_BACK: ExitCode.ROLLED_BACK,
        Phase.NOT_DEPLOYED: ExitCode.ROLLED_BACK,
        Phase.ABORTED: ExitCode.ABORTED,
        Phase.SUPERSEDED: ExitCode.ABORTED,
    }.get(phase)


def timeout_of(text: str | None, *, wait: bool) -> timedelta | None:
    """The duration that a person typed. Raises `typer.BadParameter`."""
    from controller.policy.quantities import QuantityError, parse_duration  # noqa: PLC0415 - lazy

    if text is None:
        return None
    if not wait:
        raise typer.BadParameter("--timeout goes with --wait")
    try:
        return parse_duration(text)
    except QuantityError as error:
        raise typer.BadParameter(f"--timeout: {error}; {error.suggestion}") from None
