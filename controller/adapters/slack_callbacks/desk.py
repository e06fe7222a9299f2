"""From a press to its answer: who it was, whether they may, what came of it.

**Invariant**: a press never raises and never waits on another; so many are served at a time, each for so
long.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import structlog

from controller.adapters.slack_callbacks.interaction import Press
from controller.control.errors import ControlError
from controller.control.steering import Errand, Person, Steering, Target
from controller.errors import ControllerError

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 32
_WITHIN = timedelta(seconds=30)
_CLOSING_SECONDS = 1.0
_VIA = "Slack"


class Answers(Protocol):
    """How whoever pressed is told."""

    async def tell(self, press: Press, text: str) -> None:
        """Never raises."""
        ...


class PressDesk:
    """``people`` are who the operator says that Slack's users are, by their ids."""

    def __init__(
        self,
        steering: Steering,
        people: Mapping[str, Person],
        answers: Answers,
        within: timedelta = _WITHIN,
    ) -> None:
        self._steering = steering
        self._people = people
        self._answers = answers
        self._within_seconds = within.total_seconds()
        self._served: set[asyncio.Task[None]] = set()

    def take(self, press: Press) -> bool:
        """Serve it in a task of its own; False when there are too many already. Call it on the loop."""
        if len(self._served) >= MOST_AT_ONCE:
            log.warning("slack_presses_too_many", count=len(self._served))
            return False
        task = asyncio.create_task(self._serve(press), name=f"press-{press.request_id}")
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        return True

    async def close(self) -> None:
        """Finish those in hand, for at most 1 s."""
        if self._served:
            _, late = await asyncio.wait(self._served, timeout=_CLOSING_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _serve(self, press: Press) -> None:
        person = self._people.get(press.user)
        if person is None:
            log.warning("slack_user_not_mapped", user=press.user, rollout=press.value.rollout)
            told = (
                f"Nothing was changed: your Slack user {press.user} is mapped to nobody. Ask the operator of "
                f"Serinus to add {press.user} to slack_callbacks.users."
            )
        else:
            told = await self._carried_out(press, person)
        await self._answers.tell(press, told)

    async def _carried_out(self, press: Press, person: Person) -> str:
        """What came of it, in words for whoever pressed."""
        value = press.value
        target = Target(value.rollout, value.namespace, value.created_at)
        errand = Errand(target, press.kind, person, press.request_id, _VIA)
        known = log.bind(rollout=value.rollout, word=press.kind, actor=errand.actor, user=press.user)
        try:
            async with asyncio.timeout(self._within_seconds):
                outcome = await self._steering.carry_out(errand)
        except ControlError as error:
            known.info("slack_press_refused", error=error.message)
            return f"{error.message}. To do: {error.hint}" if error.hint else error.message
        except (ControllerError, TimeoutError) as error:
            known.warning("slack_press_failed", error=str(error) or type(error).__name__)
            return (
                f"{value.rollout}: whether the {press.kind} was carried out is not known, for something did "
                f"not answer. See serinus status {value.rollout}; the daemon's log says what it was."
            )
        except Exception:  # noqa: BLE001 - a defect must not leave whoever pressed without an answer
            known.exception("slack_press_broke")
            return f"{value.rollout}: the {press.kind} failed by a defect of Serinus; its log says which."
        known.info("slack_press_followed", message=outcome.message)
        return f"{outcome.rollout}: {outcome.message}"
