"""A trial of golden requests: the same ones, drawn by chance, to copies of both versions, past the gateway.

The draw is ours and follows from the trial's name, so that a crash repeats it and no model can know it. What
it says is of the file: its share of failures is what any number of trials comes to. Requests without any
answer failed; a version that answered none of them says nothing, for it may only be out of reach.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random

from controller.adapters.exchange import Answer
from controller.adapters.golden_sending import GoldenSender, fault_of
from controller.domain.model import Rollout
from controller.domain.release import Release
from controller.domain.trials import Pairs, Sampling, Score, Trial, TrialSeen
from controller.policy.golden import GoldenFile, GoldenRequest
from controller.ports import Workload

_AT_ONCE = 4
"""Requests in flight to one version."""
_TRIALS_AT_ONCE = 8
_LONGEST_EXAMPLE = 300


@dataclass(frozen=True, slots=True)
class _Asked:
    """What became of each request, in order: None passed. ``answered`` says whether there was any answer."""

    faults: tuple[str | None, ...]
    answered: bool
    problem: str = ""

    @property
    def score(self) -> Score | None:
        if not self.answered:
            return None
        return Score(len(self.faults), sum(fault is not None for fault in self.faults))


class GoldenTrials:
    """Sends what is drawn."""

    def __init__(self, sender: GoldenSender) -> None:
        self._sender = sender
        self._turns = asyncio.Semaphore(_TRIALS_AT_ONCE)

    async def close(self) -> None:
        """Let go of connections."""
        await self._sender.close()

    async def take(self, rollout: Rollout, trial: Trial, sampling: Sampling, workload: Workload) -> TrialSeen:
        """One trial, within the time that its requests have."""
        golden = await asyncio.to_thread(self._sender.golden, sampling.golden, rollout.model)
        if isinstance(golden, str):
            return TrialSeen(trial.check, trial.number, problem=golden)
        chance = Random(f"{rollout.id}/{trial.check}/{trial.number}")  # noqa: S311 - no secret
        drawn = chance.sample(golden.requests, min(sampling.requests, len(golden.requests)))
        versions = [rollout.release, *([rollout.stable] if rollout.stable else [])]
        async with self._turns:
            found = await asyncio.gather(
                *(self._asked(rollout, release, golden, drawn, workload) for release in versions)
            )
        canary, stable = found[0], found[1] if len(found) > 1 else None
        both = stable is not None and canary.answered and stable.answered
        problems = [each.problem for each in found if each.problem]
        return TrialSeen(
            trial.check,
            trial.number,
            canary=canary.score,
            stable=stable.score if stable else None,
            pairs=_pairs(canary, stable) if both and stable else None,
            problem=problems[0] if problems else "",
            example=_example(canary, drawn),
        )

    async def _asked(
        self,
        rollout: Rollout,
        release: Release,
        golden: GoldenFile,
        drawn: Sequence[GoldenRequest],
        workload: Workload,
    ) -> _Asked:
        seen = await workload.readiness(rollout, release)
        if not seen.endpoints:
            return _Asked((), answered=False, problem=f"{release.version} has no copy to ask")
        slots, answers = asyncio.Semaphore(_AT_ONCE), 0

        async def one(request: GoldenRequest, endpoint: str) -> str | None:
            nonlocal answers
            async with slots:
                answer = await self._sender.ask(endpoint, golden, request, release)
                answers += isinstance(answer, Answer)
                return await fault_of(request, answer)

        asking = zip(drawn, cycle(seen.endpoints), strict=False)
        faults = await asyncio.gather(*(one(request, endpoint) for request, endpoint in asking))
        if not answers:
            return _Asked((), answered=False, problem=f"{release.version} answered none: {faults[0]}")
        return _Asked(tuple(faults), answered=True)


def _pairs(canary: _Asked, stable: _Asked) -> Pairs:
    both = list(zip(canary.faults, stable.faults, strict=True))
    return Pairs(
        len(both),
        only_canary=sum(mine is not None and other is None for mine, other in both),
        only_stable=sum(mine is None and other is not None for mine, other in both),
    )


def _example(canary: _Asked, drawn: Sequence[GoldenRequest]) -> str:
    failed = ((request.name, fault) for request, fault in zip(drawn, canary.faults, strict=False) if fault)
    return next((f"golden request {name}: {fault}"[:_LONGEST_EXAMPLE] for name, fault in failed), "")
