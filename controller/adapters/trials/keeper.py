"""Takes trials beside the passes: a slow copy, or a slow evaluation, delays no pass and no other model.

**Invariant**: only what stands in the record is asked for, so a crash loses nothing: the next process takes
the trial again, under the same name. What is remembered here is only what spares repeats.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from controller.adapters.errands import Errand, Errands
from controller.domain.model import Rollout
from controller.domain.trials import Sampling, Trial, TrialSeen
from controller.errors import ControllerError
from controller.ports import Workload

_LOG = structlog.get_logger(__name__)


class Taker(Protocol):
    """One way to take a trial, in bounded time."""

    async def take(self, rollout: Rollout, trial: Trial, sampling: Sampling, workload: Workload) -> TrialSeen:
        """What the trial brings."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(slots=True)
class _Pending(Errand):
    outcome: TrialSeen | None = None


class TrialKeeper:
    """Implements `Trials`. ``wake`` is told the model whose trial has brought something."""

    def __init__(self, golden: Taker, evaluation: Taker, wake: Callable[[str], None]) -> None:
        self._golden = golden
        self._evaluation = evaluation
        self._wake = wake
        self._pending = Errands(_Pending)

    def outcome(self, rollout: Rollout, trial: Trial, workload: Workload) -> TrialSeen | None:
        """As `Trials` says. Call it on the loop."""
        check = next((each for each in rollout.policy.checks if each.name == trial.check), None)
        if check is None or check.sampling is None:
            return None
        pending = self._pending.of(f"{rollout.id}/{trial.check}/{trial.number}")
        if pending.task is None:
            taken = self._take(rollout, trial, check.sampling, workload, pending)
            pending.task = asyncio.create_task(taken, name=f"trial-{trial.check}")
        return pending.outcome

    async def close(self) -> None:
        """Give up the trials in hand; they are taken again by the next process."""
        await self._pending.give_up()
        await asyncio.gather(self._golden.close(), self._evaluation.close())

    async def _take(
        self, rollout: Rollout, trial: Trial, sampling: Sampling, workload: Workload, pending: _Pending
    ) -> None:
        taker = self._golden if sampling.golden else self._evaluation
        try:
            outcome = await taker.take(rollout, trial, sampling, workload)
        except ControllerError as error:
            outcome = TrialSeen(trial.check, trial.number, problem=str(error))
        except Exception as error:  # noqa: BLE001 - a defect of one kind of trial must not go unsaid
            _LOG.exception("trial_defect", model=rollout.model, check=trial.check)
            problem = f"a defect ({type(error).__name__})"
            outcome = TrialSeen(trial.check, trial.number, problem=problem)
        pending.outcome = outcome
        if outcome.problem:
            _LOG.warning("trial_problem", model=rollout.model, check=trial.check, problem=outcome.problem)
        self._wake(rollout.model)
