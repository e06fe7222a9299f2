"""The command that compares two rollouts: diff."""

from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.names import live_names
from controller.cli.session import Format, Output, Target, session_of

if TYPE_CHECKING:
    from controller.control.interface import Control
    from controller.control.views import StatusView

_LOOKED_THROUGH = 1000
"""Entries of consequence among which a model's rollout before one is looked for."""

Other = Annotated[
    str | None,
    typer.Argument(
        metavar="OTHER",
        autocompletion=live_names,
        show_default=False,
        help="What it is compared with; by default MODEL with the rollout before it.",
    ),
]


def diff(context: typer.Context, target: Target, other: Other = None, output: Output = Format.TABLE) -> None:
    """Show what differs between two rollouts.

    Version, policy (field by field, as its file has them), outcome, and what the checks measured. With MODEL
    alone, its last two rollouts; with two, from the first to the second. Exits with 0 whether or not they
    differ. -o wide also names what is the same.
    """
    from controller.cli import tables  # noqa: PLC0415 - lazy
    from controller.cli.output import emit, say  # noqa: PLC0415 - lazy
    from controller.control.diff_view import diff_view  # noqa: PLC0415 - lazy

    session = session_of(context)
    client = session.client()
    if other is None:
        after = client.record(target)
        name = rollout_before(client, after.status, session.name_of(after.status))
        before = client.record(name)
    else:
        before, after = client.record(target), client.record(other)
    found = diff_view(before, after)
    emit(
        session,
        output,
        found,
        names=[session.name_of(each.status) for each in (before, after)],
        table=lambda wide: tables.diff(found, wide=wide),
    )
    for note in found.notes:
        say(f"note: {note}")


def rollout_before(client: "Control", status: "StatusView", name: str) -> str:
    """What other commands call the model's rollout before this one, which they call ``name``.

    Raises `NotFound` when there is none whose log is kept.
    """
    from controller.control.errors import NotFound  # noqa: PLC0415 - lazy

    place = name.removesuffix(status.rollout)  # a namespace, where there are several
    log = client.history(f"{place}{status.model}", _LOOKED_THROUGH, every=False).items
    rollouts = list(dict.fromkeys(entry.rollout for entry in log))
    older = rollouts[: rollouts.index(status.rollout)] if status.rollout in rollouts else rollouts
    if not older:
        raise NotFound(
            f"{status.model} has no rollout before {status.rollout} to compare it with",
            f"serinus diff {name} OTHER",
        )
    return f"{place}{older[-1]}"
