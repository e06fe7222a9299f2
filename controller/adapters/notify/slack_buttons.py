"""The buttons below a rollout's root message: the words that make sense in its phase. Pure.

**Invariant**: a button names its rollout by all that tells it from a later one, so an old message never
steers another; each asks for a confirmation that says what will happen. Action ids and values stay as they
are: there are messages that have them.

**Source**: Slack, Block Kit reference: button (value 2000 characters), confirmation dialog (text 300).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from slack_sdk.models.blocks import ActionsBlock, Block, ButtonElement, ConfirmObject, PlainTextObject

from controller.domain.answers import unapproved_promotion
from controller.domain.model import CommandKind, Rollout
from controller.domain.table import TABLE, Trigger
from controller.domain.vocabulary import Phase
from controller.domain.wording import given

ACTION_PREFIX = "serinus_"
BUTTONS = (CommandKind.PROMOTE, CommandKind.PAUSE, CommandKind.RESUME, CommandKind.ABORT)
"""In the order in which they are shown."""
_LONGEST_TEXT = 300
_LONGEST_VERSION = 60


class ButtonValue(BaseModel):
    """Which rollout a button is for, and whose bot posted it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rollout: str = Field(min_length=1, max_length=128)
    namespace: str = Field(min_length=1, max_length=63)
    created_at: AwareDatetime
    destination: str = Field(max_length=128)


@dataclass(frozen=True, slots=True)
class _Look:
    """How a button is shown, and what its confirmation says."""

    label: str
    happens: Callable[[Rollout], str]
    style: Literal["primary", "danger"] | None = None


def buttons(rollout: Rollout, destination: str) -> Sequence[Block]:
    """One block of buttons; none where nothing can be said. ``destination`` is whose bot posts them."""
    value = ButtonValue(
        rollout=rollout.id,
        namespace=rollout.policy.namespace,
        created_at=rollout.created_at,
        destination=destination,
    ).model_dump_json()
    found = [_button(rollout, kind, value) for kind in kinds_for(rollout)]
    return [ActionsBlock(elements=found)] if found else []


def kinds_for(rollout: Rollout) -> Iterator[CommandKind]:
    """The words that make sense now. What changes by the second, as the gateway's yes, is not looked at."""
    phase = rollout.phase
    if phase.terminal or phase is Phase.ROLLING_BACK:
        return
    runs = rollout.resume_to if phase is Phase.PAUSED else phase
    if runs is Phase.PROGRESSING and unapproved_promotion(rollout) is None:
        yield CommandKind.PROMOTE
    if phase in TABLE[Trigger.PAUSE]:
        yield CommandKind.PAUSE
    if phase in TABLE[Trigger.RESUME] and rollout.resume_to is not None:
        yield CommandKind.RESUME
    yield CommandKind.ABORT


def _button(rollout: Rollout, kind: CommandKind, value: str) -> ButtonElement:
    look = _LOOKS[kind]
    confirm = ConfirmObject(
        title=PlainTextObject(text=f"{look.label}?"),
        text=PlainTextObject(text=look.happens(rollout)[:_LONGEST_TEXT], emoji=False),
        confirm=PlainTextObject(text=look.label),
        deny=PlainTextObject(text="Cancel"),
        style=look.style,
    )
    return ButtonElement(
        text=PlainTextObject(text=look.label),
        action_id=f"{ACTION_PREFIX}{kind}",
        value=value,
        style=look.style,
        confirm=confirm,
    )


def _promoted(rollout: Rollout) -> str:
    return f"{_canary(rollout)} serves everyone at once. The steps that are left are skipped."


def _paused(rollout: Rollout) -> str:
    weight = given(rollout.weight_permille, rollout.mirror_permille)
    return f"{_canary(rollout)} stays at {weight}. Checks go on, and a rollback still happens by itself."


def _resumed(rollout: Rollout) -> str:
    weight = given(rollout.weight_permille, rollout.mirror_permille)
    if rollout.phase is Phase.FROZEN:
        return (
            f"The route is set to what Serinus recorded ({weight} canary), over "
            f"what somebody else wrote, and the rollout of {_canary(rollout)} goes on."
        )
    return f"The rollout of {_canary(rollout)} goes on at {weight}."


def _aborted(rollout: Rollout) -> str:
    stable = rollout.stable.version[:_LONGEST_VERSION] if rollout.stable else "nothing"
    return f"All requests go to {stable} again, and the rollout of {_canary(rollout)} is over."


def _canary(rollout: Rollout) -> str:
    return f"{rollout.release.version[:_LONGEST_VERSION]} of {rollout.model[:_LONGEST_VERSION]}"


_LOOKS = {
    CommandKind.PROMOTE: _Look("Promote", _promoted, "primary"),
    CommandKind.PAUSE: _Look("Pause", _paused),
    CommandKind.RESUME: _Look("Resume", _resumed),
    CommandKind.ABORT: _Look("Abort", _aborted, "danger"),
}
