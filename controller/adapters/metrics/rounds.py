"""Who asks at about the same time is answered in the same round, and there is one round at a time.

How it works: a round begins when nobody has come for a moment, and takes all who came. Who comes while one is
under way waits for the next. So a source that is slow is asked less often, and about more each time.

**Invariant**: every question ends, with an answer or an error, and its asker may leave at any time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_LOOKS = 5
"""How often it must be found quiet: a loop that was busy let nobody come, and looks once in that time."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, eq=False)
class Asked(Generic[Question, Answer]):
    """A question in a round. ``answer`` is done already when its asker has left."""

    question: Question
    answer: "asyncio.Future[Answer]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def give(self, answer: Answer) -> None:
        """Answer it, if anybody still waits."""
        if not self.answer.done():
            self.answer.set_result(answer)


class Rounds(Generic[Question, Answer]):
    """Collects questions. ``hold`` answers all of a round, each as soon as it can."""

    def __init__(
        self,
        hold: Callable[[Sequence[Asked[Question, Answer]]], Awaitable[None]],
        quiet_seconds: float,
        longest_seconds: float,
    ) -> None:
        """A round begins after a time without a new question, and at the latest ``longest_seconds`` on."""
        self._hold = hold
        self._quiet_seconds = quiet_seconds
        self._longest_seconds = longest_seconds
        self._waiting: list[Asked[Question, Answer]] = []
        self._running: asyncio.Task[None] | None = None

    def ask(self, question: Question) -> "asyncio.Future[Answer]":
        """Join the next round."""
        asked: Asked[Question, Answer] = Asked(question)
        self._waiting.append(asked)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return asked.answer

    async def close(self) -> None:
        """Drop who still waits."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        asked: Sequence[Asked[Question, Answer]] = ()
        try:
            while self._waiting:
                await self._gather()
                asked, self._waiting = [one for one in self._waiting if not one.answer.done()], []
                if asked:
                    await self._round(asked)
        finally:
            self._running = None
            for one in (*asked, *self._waiting):
                one.answer.cancel()

    async def _gather(self) -> None:
        loop = asyncio.get_running_loop()
        latest, looks = loop.time() + self._longest_seconds, 0
        while looks < _LOOKS and loop.time() < latest:
            known = len(self._waiting)
            await asyncio.sleep(self._quiet_seconds / _LOOKS)
            looks = looks + 1 if len(self._waiting) == known else 0

    async def _round(self, asked: Sequence[Asked[Question, Answer]]) -> None:
        try:
            await self._hold(asked)
        except Exception as error:  # noqa: BLE001 - it is the askers' to know
            for one in asked:
                if not one.answer.done():
                    one.answer.set_exception(error)
