"""What a viewer may be offered to say to a rollout, and what a confirmation says of it. Pure.

What is offered makes sense in the rollout's phase; whether it can be followed the rollout says itself.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from controller.control.views import StatusView
from controller.domain.model import CommandKind
from controller.domain.table import TABLE, Trigger
from controller.domain.vocabulary import Phase
from controller.domain.wording import given


@dataclass(frozen=True, slots=True)
class Offer:
    """A button: its label, what will happen, and whether the viewer must say why."""

    kind: CommandKind
    label: str
    happens: str
    reason: Literal["required", ""] = ""
    asking: int | None = None


def offers(status: StatusView, may: Collection[CommandKind]) -> list[Offer]:
    """The buttons for a viewer who may say those words, the one that is waited for first."""
    return [offer for offer in _sensible(status) if offer.kind in may]


def _sensible(status: StatusView) -> Iterator[Offer]:
    canary, stable = f"{status.canary} of {status.model}", status.stable or "nothing"
    weight = given(round(status.weight * 10), round(status.mirror * 10))
    if status.terminal:
        if status.phase is not Phase.SUCCEEDED:
            yield Offer(
                CommandKind.RETRY, "Retry", f"A new rollout of {canary} begins, under today's policy."
            )
        return
    yield from _answers(status)
    if status.phase is Phase.HALTED:
        yield Offer(CommandKind.RETRY, "Retry", f"{canary} is judged anew while it serves everyone.")
    if status.phase in TABLE[Trigger.RESUME]:
        over = ", over what somebody else wrote at the gateway" if status.phase is Phase.FROZEN else ""
        yield Offer(CommandKind.RESUME, "Resume", f"The rollout of {canary} goes on at {weight}{over}.")
    if status.phase in TABLE[Trigger.PAUSE]:
        watched = "Checks go on, and a bad version is still rolled back."
        yield Offer(CommandKind.PAUSE, "Pause", f"{canary} stays at {weight}. {watched}")
    if status.phase in (Phase.PROGRESSING, Phase.PAUSED, Phase.BAKING):
        yield Offer(
            CommandKind.PROMOTE, "Promote", f"{canary} serves everyone at once; the steps left are skipped."
        )
    if status.phase is not Phase.ROLLING_BACK:
        yield Offer(
            CommandKind.ABORT, "Abort", f"All requests go to {stable} again, and the rollout is over."
        )


def _answers(status: StatusView) -> Iterator[Offer]:
    asked = status.approval
    if asked is None or status.phase is Phase.FROZEN:
        return
    if asked.missing:
        yield Offer(CommandKind.APPROVE, "Approve", f"You say yes to {asked.what}.", asking=asked.number)
    end = "the rollout ends" if asked.on_deny == "rollback" else "it pauses until somebody says resume"
    yield Offer(CommandKind.DENY, "Deny", f"You say no to {asked.what}: {end}.", "required", asked.number)
