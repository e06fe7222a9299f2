"""The commands that change nothing: get, status, watch, why, history."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from controller.cli.names import live_names
from controller.cli.session import Format, Output, Target, Timeout, Wait, session_of, timeout_of

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


def get(context: typer.Context, target: OptionalTarget = None, output: Output = Format.TABLE) -> None:
    """List each model's newest rollout."""
    from controller.cli import tables  # noqa: PLC0415 - lazy
    from controller.cli.output import emit, say  # noqa: PLC0415 - lazy

    session = session_of(context)
    found = session.client().get(target)
    if not found.items:
        say(f"no rollouts yet; begin one with: {session.deployment}")
    emit(
        session,
        output,
        found,
        names=[session.name_of(status) for status in found.items],
        table=lambda wide: tables.status_list(found, _now(), wide=wide, namespaces=session.all_namespaces),
    )


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

    A picture in a terminal, a line for each change in a pipe. With MODEL, until its rollout is over.
    """
    from controller.cli.polling import Pace  # noqa: PLC0415 - lazy
    from controller.cli.watching import POLL_SECONDS, watch_lines, watch_live  # noqa: PLC0415 - lazy

    session, pace = session_of(context), Pace(poll_seconds=POLL_SECONDS)
    if session.fancy and output is StreamFormat.TABLE:
        watch_live(session, session.client(), target, pace)
    else:
        watch_lines(session, session.client(), target, pace, as_records=output is StreamFormat.JSON)


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
