"""What every command shares: exit codes, formats, the way to the daemon. Light to import."""

import os
import re
import shlex
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.names import live_names
from controller.cli.way import Line, Way, choose, surroundings

if TYPE_CHECKING:
    from controller.control.interface import Control
    from controller.control.views import StatusView
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
Target = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", autocompletion=live_names, help="A model, or the id of one of its rollouts."
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the rollout is over or waits for a person.")]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout", metavar="DURATION", help="With --wait: give up after, for example, 30m (exit 124)."
    ),
]


_SHORTEST_CALL = timedelta(seconds=5)
_ASKING = (
    "abort|approve|deny|deploy|diff|doctor|get|history|pause|promote|report|resume|retry|status|watch|why"
)
_COMMAND = re.compile(rf"(?<![\w/.-])(?<!kubectl )serinus(?= (?:{_ASKING})(?:[ ,;.)]|$))")
"""A command that goes to the daemon; the others need no options that say where."""


@dataclass(frozen=True, slots=True)
class Session:
    """What goes with every command, and what is to be closed when the command is over."""

    line: Line
    no_color: bool = False
    closing: ExitStack = field(default_factory=ExitStack)

    @property
    def way(self) -> Way:
        """Where the daemon is asked. Raises a `ControlError` when that cannot be told."""
        from controller.control.client import default_socket  # noqa: PLC0415 - lazy

        return choose(self.line, surroundings(default_socket()))

    def client(self, waiting: timedelta | None = None) -> "Control":
        """The way to the daemon; for who waits only so long, a silent one gets no more time (or 5 s)."""
        from controller.control.client import ANSWER_TIMEOUT, ControlClient, default_socket  # noqa: PLC0415 - lazy

        bounded = ANSWER_TIMEOUT if waiting is None else min(ANSWER_TIMEOUT, max(waiting, _SHORTEST_CALL))
        if self.way is Way.SOCKET:
            return ControlClient(self.line.socket or default_socket(), bounded)
        from controller.cli.cluster.access import connect  # noqa: PLC0415 - lazy
        from controller.cli.cluster.client import ClusterClient  # noqa: PLC0415 - lazy

        return ClusterClient(self.closing.enter_context(connect(self.line.cluster, bounded)))

    @property
    def all_namespaces(self) -> bool:
        """Whether rollouts of more than one namespace are shown."""
        return self.line.cluster.all_namespaces

    @property
    def deployment(self) -> str:
        """How a first rollout is begun this way."""
        if self.way is Way.SOCKET:
            return self.as_called("serinus deploy MODEL VERSION --endpoint HOST:PORT")
        return self._into_one_namespace().as_called("serinus deploy MODEL VERSION --image IMAGE")

    def _into_one_namespace(self) -> "Session":
        if not self.all_namespaces:
            return self
        cluster = replace(self.line.cluster, all_namespaces=False, namespace="NAMESPACE")
        return replace(self, line=replace(self.line, cluster=cluster))

    def as_called(self, text: str) -> str:
        """A text with its commands as this person has to type them: with the options that say where to go."""
        return _COMMAND.sub(lambda _: shlex.join(self.line.prefix), text)

    def name_of(self, status: "StatusView") -> str:
        """What other commands take for the rollout."""
        among_many = self.all_namespaces and status.namespace is not None
        return f"{status.namespace}/{status.rollout}" if among_many else status.rollout

    @property
    def for_a_person(self) -> bool:
        """Whether both streams are a terminal, so that words beside the data disturb nobody."""
        return sys.stdout.isatty() and sys.stderr.isatty()

    @property
    def plain(self) -> bool:
        """Whether no terminal may be sent colours and cursor movements."""
        return bool(self.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")

    @property
    def fancy(self) -> bool:
        """Whether standard output is a terminal that may be sent them."""
        return not self.plain and sys.stdout.isatty()


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
