"""Asks gates beside the passes: a slow or dead gate delays no pass, and no other gate.

**Invariant**: a question is put only for an asking that stands in the record, so a crash loses nothing: the
next process puts it again, under the same id. What is remembered here is only what spares repeats.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from controller.adapters.errands import Errand, Errands
from controller.adapters.gates.question import GateQuestion, question_id, question_of
from controller.adapters.gates.webhook import Answered
from controller.adapters.notify.destination import Failure
from controller.adapters.notify.repeating import LONGEST_ASKED, wait_after
from controller.domain.model import Rollout
from controller.domain.observation import GateSeen, GateWord

_LOG = structlog.get_logger(__name__)

ATTEMPTS = 3
"""Failures in a row before a gate is said to give no word."""
_FIRST_WAIT = timedelta(seconds=1)
_MOST_AT_A_TIME = 4


class Gate(Protocol):
    """Where one name of the settings leads."""

    @property
    def name(self) -> str:
        """As policies call it."""
        ...

    async def ask(self, question: GateQuestion) -> Answered | Failure:
        """Put the question once, in bounded time."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(slots=True)
class _Pending(Errand):
    """One question: the gate's word so far, and when it may be put again, by the loop's clock."""

    word: GateSeen | None = None
    due: float = 0.0
    failures: int = 0

    @property
    def settled(self) -> bool:
        return self.word is not None and self.word.word is not GateWord.ERROR


class GateKeeper:
    """Implements `Gates` for those of the settings. ``wake`` is told the model whose gate has answered."""

    def __init__(
        self, gates: Sequence[Gate], wake: Callable[[str], None], first_wait: timedelta = _FIRST_WAIT
    ) -> None:
        self._gates = {gate.name: gate for gate in gates}
        self._turns = {gate.name: asyncio.Semaphore(_MOST_AT_A_TIME) for gate in gates}
        self._wake = wake
        self._first_wait = first_wait
        self._pending = Errands(_Pending)

    def word(self, rollout: Rollout, name: str) -> GateSeen | None:
        """As `Gates` says. Call it on the loop."""
        gate, asking = self._gates.get(name), rollout.asking
        if asking is None:
            return None
        if gate is None:
            return GateSeen(name, GateWord.ERROR, "the settings have no gate of that name")
        pending = self._pending.of(question_id(rollout, asking, name))
        if not pending.settled and not pending.running and pending.due <= _now():
            put = self._put(gate, question_of(rollout, asking, name), pending, rollout)
            pending.task = asyncio.create_task(put, name=f"gate-{name}")
        return pending.word

    async def close(self) -> None:
        """Give up the questions in hand; they are put again by the next process."""
        await self._pending.give_up()
        await asyncio.gather(*(gate.close() for gate in self._gates.values()))

    async def _put(self, gate: Gate, question: GateQuestion, pending: _Pending, rollout: Rollout) -> None:
        """Ask until there is a word, or it failed several times in a row."""
        while True:
            answer = await self._attempt(gate, question)
            if isinstance(answer, Answered):
                return self._answered(answer, pending, rollout, gate.name)
            pending.failures += 1
            wait = wait_after(pending.failures - 1, self._first_wait, answer.retry_after).total_seconds()
            if pending.failures >= ATTEMPTS:
                return self._failed(answer, pending, rollout, gate.name, wait)
            await asyncio.sleep(wait)

    async def _attempt(self, gate: Gate, question: GateQuestion) -> Answered | Failure:
        try:
            async with self._turns[gate.name]:
                return await gate.ask(question)
        except Exception as error:  # noqa: BLE001 - a defect of one kind of gate must not go unsaid
            _LOG.exception("gate_defect", gate=gate.name, question=question.id)
            return Failure(f"a defect ({type(error).__name__})")

    def _answered(self, answer: Answered, pending: _Pending, rollout: Rollout, name: str) -> None:
        pending.failures = 0
        if answer.decision == "wait":
            again = min(answer.retry_after or rollout.policy.interval, LONGEST_ASKED)
            pending.word, pending.due = None, _now() + again.total_seconds()
            return
        pending.word = GateSeen(name, GateWord(answer.decision))
        self._wake(rollout.model)

    def _failed(
        self, failure: Failure, pending: _Pending, rollout: Rollout, name: str, wait_seconds: float
    ) -> None:
        news = pending.word is None
        pending.word = GateSeen(name, GateWord.ERROR, failure.message)
        pending.due = _now() + wait_seconds
        if news:
            _LOG.warning("gate_gives_no_word", gate=name, model=rollout.model, failure=failure.message)
            self._wake(rollout.model)


def _now() -> float:
    return asyncio.get_running_loop().time()
