"""The commands that change something: deploy, and a person's word to a rollout."""

from typing import TYPE_CHECKING, Annotated, TypeGuard

import typer

from controller.cli.names import live_names
from controller.cli.session import (
    Format,
    Output,
    Session,
    Target,
    Timeout,
    Wait,
    session_of,
    timeout_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.control.fleet import FleetView
    from controller.control.interface import Control
    from controller.control.views import OutcomeView


def deploy(  # noqa: PLR0913, PLR0917 - options of the command line
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model, as its policy names it.")],
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A name for this version; each is used once.")
    ],
    endpoint: Annotated[
        list[str] | None,
        typer.Option(
            "--endpoint",
            metavar="HOST:PORT",
            help="On one machine: where a copy answers. Give one for each copy.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="In a cluster: run this container beside the stable version's."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="With --image: a variable that differs. Repeatable."),
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="With --image: an argument; all replace the container's own."),
    ] = None,
    container: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --image: which container gets it.")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            metavar="[KIND/]NAME[@SUBSET][:PORT]",
            help="In a cluster: the Service, or other object, of what runs, found by labels if absent; "
            "lora/NAME for an adapter.",
        ),
    ] = None,
    storage_uri: Annotated[
        str | None,
        typer.Option(
            "--storage-uri",
            metavar="URI",
            help="In a cluster: the files, such as gs://BUCKET/PATH, that the InferenceService shall load.",
        ),
    ] = None,
    output: Output = Format.TABLE,
    wait: Wait = False,  # noqa: FBT002 - a flag of the command line
    timeout: Timeout = None,
) -> None:
    """Roll a version out, step by step, under its model's policy."""
    from controller.control.interface import Order  # noqa: PLC0415 - lazy

    session, limit = session_of(context), timeout_of(timeout, wait=wait)
    order = Order(
        model, version, endpoint or (), backend, image, arg or None, env or (), container, storage_uri
    )
    outcome = session.client().deploy(order)
    assert outcome.rollout is not None, "a deployment begins a rollout"
    if not wait:
        _show(session, output, outcome, f"serinus watch {model}")
        return
    from controller.cli.following import wait_and_show  # noqa: PLC0415 - lazy

    raise typer.Exit(wait_and_show(session, outcome.rollout, output, limit))


def promote(context: typer.Context, target: Target, output: Output = Format.TABLE) -> None:
    """Skip the steps that are left: everyone to the canary."""
    _command(context, "promote", target, output)


def abort(context: typer.Context, target: Target, output: Output = Format.TABLE) -> None:
    """Send everyone back to stable and end the rollout."""
    _command(context, "abort", target, output)


TargetUnlessAll = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        autocompletion=live_names,
        show_default=False,
        help="A model, or the id of one of its rollouts.",
    ),
]


def pause(
    context: typer.Context,
    target: TargetUnlessAll = None,
    everything: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--all", help="All models: nothing starts or steps up until resume --all.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; people who wait for it read it.")
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """Hold the weight; failing checks still roll back."""
    if _names_one(target, everything=everything):
        _command(context, "pause", target, output, reason)
    else:
        _show_fleet(context, output, lambda client: client.pause_all(reason))


def resume(
    context: typer.Context,
    target: TargetUnlessAll = None,
    everything: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--all", help="All models: take pause --all back.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Go on after a pause, after somebody changed the route, or in spite of a model that comes first."""
    if _names_one(target, everything=everything):
        _command(context, "resume", target, output)
    else:
        _show_fleet(context, output, lambda client: client.resume_all())


def _names_one(target: str | None, *, everything: bool) -> TypeGuard[str]:
    """Whether one model is meant. Raises `typer.BadParameter` for neither and for both."""
    if (target is None) is not everything:
        raise typer.BadParameter("give a MODEL, or --all for every model")
    return target is not None


def _show_fleet(context: typer.Context, output: Format, ask: "Callable[[Control], FleetView]") -> None:
    from rich.text import Text  # noqa: PLC0415 - lazy

    from controller.cli.output import emit, say  # noqa: PLC0415 - lazy
    from controller.domain.wording import printable  # noqa: PLC0415 - lazy

    session = session_of(context)
    fleet = ask(session.client())
    emit(session, output, fleet, names=["fleet"], table=lambda _: Text(printable(fleet.message)))
    if fleet.paused is not None:
        say(f"checks and rollbacks go on; end it with: {session.as_called('serinus resume --all')}")


def retry(context: typer.Context, target: Target, output: Output = Format.TABLE) -> None:
    """Begin again what ended, or judge anew what was halted."""
    _command(context, "retry", target, output)


Asking = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER", min=1, help="Only if this is what it asks: approval.number of status -o json."
    ),
]


def approve(
    context: typer.Context, target: Target, asking: Asking = None, output: Output = Format.TABLE
) -> None:
    """Say yes to what a rollout asks people.

    It may ask before its start, a step or its promotion, as its policy says. Give the rollout's id instead of
    the model to be sure which one is meant. The same person counts once; of several that a policy asks for,
    none may be who deployed the version.
    """
    _command(context, "approve", target, output, asking=asking)


def deny(
    context: typer.Context,
    target: Target,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the log and is told to people.")
    ],
    asking: Asking = None,
    output: Output = Format.TABLE,
) -> None:
    """Say no to what a rollout asks people.

    One no decides: it rolls back, or pauses if its policy says so.
    """
    _command(context, "deny", target, output, reason, asking)


def _command(
    context: typer.Context,
    kind: str,
    target: str,
    output: Format,
    note: str = "",
    asking: int | None = None,
) -> None:
    from controller.domain.model import CommandKind  # noqa: PLC0415 - lazy

    session = session_of(context)
    outcome = session.client().command(target, CommandKind(kind), note, asking)
    _show(session, output, outcome, f"serinus status {outcome.rollout or target}")


def _show(session: Session, output: Format, outcome: "OutcomeView", following: str) -> None:
    from rich.text import Text  # noqa: PLC0415 - lazy

    from controller.cli.output import emit, say  # noqa: PLC0415 - lazy
    from controller.domain.wording import printable  # noqa: PLC0415 - lazy

    name = outcome.rollout or "-"
    phase = f" ({outcome.phase})" if outcome.phase else ""
    emit(
        session,
        output,
        outcome,
        names=[name],
        table=lambda _: Text(printable(f"{name}: {outcome.message}{phase}")),
    )
    say(f"follow it with: {session.as_called(following)}")
