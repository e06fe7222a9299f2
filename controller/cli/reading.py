"""The commands that change nothing: get, status, watch, why, history."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.choosing import Choice, Order, is_pattern
from controller.cli.names import live_names
from controller.cli.session import Format, Output, Session, Target, Timeout, Wait, session_of, timeout_of
from controller.cli.way import Way
from controller.domain.vocabulary import Phase

if TYPE_CHECKING:
    from controller.control.interface import Control

_LIVE_TIMEOUT = timedelta(seconds=5)
"""A picture that stands still for longer would look as if all were well. A cluster's list may take longer."""

OptionalTarget = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        autocompletion=live_names,
        show_default=False,
        help="A model, or the id of one of its rollouts.",
    ),
]


class StreamFormat(StrEnum):
    """How a stream of changes is printed."""

    TABLE = "table"
    JSON = "json"


def get(
    context: typer.Context,
    target: OptionalTarget = None,
    output: Output = Format.TABLE,
    phases: Annotated[
        list[Phase] | None,
        typer.Option(
            "--phase", metavar="PHASE", case_sensitive=False, help="Only rollouts in this phase. Repeatable."
        ),
    ] = None,
    needs_person: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--needs-person", help="Only rollouts that wait for a person.")
    ] = False,
    order: Annotated[
        Order, typer.Option("--sort-by", help="The youngest, heaviest or soonest first.")
    ] = Order.MODEL,
    following: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--watch", "-w", help="Follow them live, as the command watch does.")
    ] = False,
) -> None:
    """List each model's newest rollout.

    MODEL can be a shell's pattern: 'fraud-*'.
    """
    session, (target, choice) = session_of(context), _chosen(target, phases or (), order, needs_person)
    if following:
        if output not in {Format.TABLE, Format.JSON}:
            raise typer.BadParameter(f"--watch prints -o table or -o json, not {output}")
        _follow(session, target, choice, StreamFormat(output))
    else:
        _list(session, target, choice, output)


def _chosen(
    target: str | None,
    phases: Sequence[Phase],
    order: Order,
    needs_person: bool,  # noqa: FBT001 - a flag of the command line
) -> tuple[str | None, Choice]:
    """What is asked for, and what of it is wanted: a pattern is ours, the daemon knows names alone."""
    if target is not None and is_pattern(target):
        return None, Choice(target, tuple(phases), needs_person, order)
    return target, Choice(None, tuple(phases), needs_person, order)


def _list(session: Session, target: str | None, choice: Choice, output: Format) -> None:
    from controller.cli import tables  # noqa: PLC0415 - lazy
    from controller.cli.live.fleet import totals  # noqa: PLC0415 - lazy
    from controller.cli.output import emit, say  # noqa: PLC0415 - lazy

    client = session.client()
    all_there_are = client.get(target)
    found = choice.of(all_there_are)
    if not all_there_are.items:
        say(f"no rollouts yet; begin one with: {session.deployment}")
    elif not found.items:
        say(f"no rollout fits, of {totals(all_there_are.items)}")
    emit(
        session,
        output,
        found,
        names=[session.name_of(status) for status in found.items],
        table=lambda wide: tables.status_list(found, _now(), wide=wide, namespaces=session.all_namespaces),
    )
    if output in {Format.TABLE, Format.WIDE} and session.for_a_person:
        if len(found.items) > 1:
            say(totals(found.items))
        _say_if_paused(session, client)


def _say_if_paused(session: Session, client: "Control") -> None:
    from controller.cli.output import say  # noqa: PLC0415 - lazy
    from controller.control.errors import ControlError  # noqa: PLC0415 - lazy

    with suppress(ControlError):  # who may see the rollouts of a cluster may perhaps not see this
        fleet = client.fleet()
        if fleet.paused is not None:
            say(f"{fleet.message}; end it with: {session.as_called('serinus resume --all')}")


def status(
    context: typer.Context,
    target: Target,
    output: Output = Format.TABLE,
    wait: Wait = False,  # noqa: FBT002 - a flag of the command line
    timeout: Timeout = None,
) -> None:
    """Show one rollout and its checks, or wait for its end.

    With --wait, progress goes to standard error, and the exit code says how it ended.
    """
    from controller.cli.following import show_status, wait_and_show  # noqa: PLC0415 - lazy

    session, limit = session_of(context), timeout_of(timeout, wait=wait)
    found = session.client(limit).status(target)
    if wait:
        raise typer.Exit(wait_and_show(session, session.name_of(found), output, limit))
    show_status(session, output, found)


def watch(
    context: typer.Context,
    target: OptionalTarget = None,
    output: Annotated[
        StreamFormat, typer.Option("--output", "-o", help="How to print changes.")
    ] = StreamFormat.TABLE,
) -> None:
    """Follow rollouts live.

    A picture in a terminal, a line for each change in a pipe. With MODEL, until its rollout is over; without,
    or with a shell's pattern, what needs a person or moves comes first.
    """
    _follow(session_of(context), *_chosen(target, (), Order.MODEL, needs_person=False), output)


def _follow(session: Session, target: str | None, choice: Choice, output: StreamFormat) -> None:
    """The one way to follow: of ``get --watch`` too."""
    from controller.cli.polling import Pace  # noqa: PLC0415 - lazy

    if session.fancy and output is StreamFormat.TABLE:
        from controller.cli.live.feed import Feed  # noqa: PLC0415 - lazy
        from controller.cli.live.screen import watch_live  # noqa: PLC0415 - lazy

        client = session.client(_LIVE_TIMEOUT if session.way is Way.SOCKET else None)
        empty = f"no rollouts yet; begin one with: {session.deployment}"
        if not choice.everything:
            empty = "no rollout is what you ask for, at the moment"
        watch_live(session, Feed(client, target, choice.of, session.name_of), target, empty)
    else:
        from controller.cli.watching import POLL_SECONDS, watch_lines  # noqa: PLC0415 - lazy

        pace, as_records = Pace(poll_seconds=POLL_SECONDS), output is StreamFormat.JSON
        watch_lines(session, session.client(), target, pace, choice.of, as_records=as_records)


def why(context: typer.Context, target: Target, output: Output = Format.TABLE) -> None:
    """Explain where a rollout stands, what comes next, what to do."""
    from controller.cli import tables  # noqa: PLC0415 - lazy
    from controller.cli.output import emit  # noqa: PLC0415 - lazy

    session = session_of(context)
    found = session.client().why(target)
    emit(
        session,
        output,
        found,
        names=[found.rollout],
        table=lambda _: tables.why(found, _now(), session.as_called),
    )


def history(
    context: typer.Context,
    target: Target,
    output: Output = Format.TABLE,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many entries, the newest.")] = 50,
    every: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--all", help="Every check too, not only what changed something.")
    ] = False,
) -> None:
    """Show what was decided, why, and by whom."""
    from controller.cli import tables  # noqa: PLC0415 - lazy
    from controller.cli.output import emit  # noqa: PLC0415 - lazy

    session = session_of(context)
    found = session.client().history(target, limit, every=every)
    emit(
        session,
        output,
        found,
        names=[f"{entry.rollout}/{entry.seq}" for entry in found.items],
        table=lambda wide: tables.history(found, wide=wide),
    )


def _now() -> datetime:
    return datetime.now(UTC)
