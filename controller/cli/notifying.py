"""The commands about notifications: notify test."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.session import ExitCode

if TYPE_CHECKING:
    from controller.adapters.notify.destination import Destination, Failure, Taken
    from controller.ports import Posting

notify = typer.Typer(
    help="Notifications: try out where they go.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@notify.callback()
def _group() -> None:
    """Keep the group's name: with a single command, typer would drop it."""


@notify.command("test")
def try_out(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A destination of the daemon's settings.")],
    settings: Annotated[
        Path | None,
        typer.Option(envvar="SERINUS_SETTINGS", metavar="FILE", help="The daemon's settings, where it runs."),
    ] = None,
) -> None:
    """Send a sample to a destination, and say how the other side answered.

    Reads the settings as the daemon does, so run it where the daemon runs. Exits with 1 if it was not taken.
    """
    import asyncio  # noqa: PLC0415 - slow to import

    from controller.adapters.notify.destination import Failure  # noqa: PLC0415 - lazy
    from controller.cli.output import write  # noqa: PLC0415 - lazy
    from controller.errors import TargetError  # noqa: PLC0415 - lazy

    outcome = asyncio.run(_sent(_destination(name, settings), name))
    if isinstance(outcome, Failure):
        repeated = "would not be tried again" if outcome.final else "would be tried again"
        message = f"{name} did not take the sample: {outcome.message}; it {repeated}"
        raise TargetError(message)
    write(f"{name} took the sample: {outcome.answer}\n")
    raise typer.Exit(ExitCode.OK)


def _destination(name: str, file: Path | None) -> "Destination":
    from controller.adapters.registry import destinations  # noqa: PLC0415 - lazy
    from controller.cli.examining import known_settings  # noqa: PLC0415 - lazy
    from controller.errors import TargetError  # noqa: PLC0415 - lazy
    from controller.policy.catalogue import did_you_mean  # noqa: PLC0415 - lazy

    found = known_settings(file)
    if found is None:
        message = "there are no settings of a daemon here: run it where the daemon runs, or give --settings"
        raise TargetError(message)
    if name not in found.destinations:
        known = frozenset(found.destinations)
        hint = did_you_mean(name, known) if known else "there are none"
        message = f"the settings have no destination {name}; {hint}"
        raise TargetError(message)
    return destinations({name: found.destinations[name]})[0].destination


async def _sent(destination: "Destination", name: str) -> "Taken | Failure":
    try:
        return await destination.deliver([_sample(name)], "")
    finally:
        await destination.close()


def _sample(name: str) -> "Posting":
    """An entry that nobody can take for a real one."""
    from controller.domain.judge.base import Assessment  # noqa: PLC0415 - lazy
    from controller.domain.model import Entry, Rollout  # noqa: PLC0415 - lazy
    from controller.domain.policy import Policy, RouteRef  # noqa: PLC0415 - lazy
    from controller.domain.release import Release  # noqa: PLC0415 - lazy
    from controller.domain.vocabulary import Phase, Reason, Verdict  # noqa: PLC0415 - lazy
    from controller.ports import Posting  # noqa: PLC0415 - lazy

    now = datetime.now(UTC)
    policy = Policy("sample", "default", RouteRef("envoy", "/sample"), "envoy", (), (), notify=(name,))
    rollout = Rollout(f"sample-{now:%Y%m%d%H%M%S}", "sample", Release("sample", ()), policy, now, "serinus")
    entry = Entry(
        seq=1,
        at=now,
        actor="serinus notify test",
        event="created",
        phase_before=Phase.PENDING,
        phase=Phase.PENDING,
        reason=Reason.CREATED,
        message=f"This is a test of the destination {name}. No model is concerned.",
        step=None,
        weight_permille=0,
        assessment=Assessment(Verdict.UNKNOWN),
        notable=True,
    )
    return Posting(rollout, entry, name)
