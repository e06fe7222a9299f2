"""Looks after the workloads of rollouts that are over: fewer copies, and in the end none and nothing.

What is due is decided in `controller.domain.aftercare`; here it is done, by level and again after a restart,
until the workload says that nothing is left to do. What serves, or takes part in a rollout, is never touched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from controller.domain.aftercare import Care, aftercare, in_use
from controller.domain.model import ZERO, Release, Rollout
from controller.domain.policy import Policy
from controller.domain.vocabulary import Phase
from controller.errors import TargetError
from controller.ports import Clock, RolloutHistory, RolloutStore

log = structlog.get_logger(__name__)

_MOST_ROLLOUTS = 100
"""Of one model, the newest, are looked after; older ones were over long ago."""
_LOOK_AGAIN = timedelta(seconds=15)
_REFUSED_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Created:
    """A workload that Serinus created, by the backend before it; ``copies`` is what it is asked to have."""

    release: Release
    created_at: str
    copies: int


class Retirable(Protocol):
    """What a workload adapter does for versions that serve nobody any more."""

    async def retire(self, namespace: str, release: Release, *, delete: bool) -> bool:
        """Take all copies away, or delete what Serinus created; whether nothing is left to do."""
        ...

    async def settle(self, namespace: str, release: Release) -> None:
        """Let the autoscaler of a promoted version have its own way again."""
        ...

    async def created(self, namespace: str, model: str) -> Sequence[Created]:
        """What Serinus created for a model, and is still there."""
        ...


class Aftercare:
    """See the module. One pass over a model is `tend`."""

    def __init__(
        self,
        store: RolloutStore,
        history: RolloutHistory,
        workload: Retirable,
        policies: Callable[[], Mapping[str, Policy]],
        clock: Clock,
    ) -> None:
        self._store = store
        self._history = history
        self._workload = workload
        self._policies = policies
        self._clock = clock
        self._done: set[str] = set()

    async def tend(self, model: str) -> timedelta | None:
        """Do what is due; how soon something else is, None when nothing is left."""
        rollouts = await self._history.rollouts(model, _MOST_ROLLOUTS)
        serving = await self._store.serving(model)
        waits: list[timedelta] = []
        for rollout in rollouts:
            if rollout.phase.terminal and rollout.id not in self._done:
                wait = await self._tend_one(rollout, rollouts, serving)
                if wait is None:
                    self._done.add(rollout.id)
                else:
                    waits.append(wait)
        waits += await self._forget_oldest(model, rollouts, serving)
        return min(waits, default=None)

    async def clean(self, rollout: Rollout) -> timedelta | None:
        """Remove at once, but for the drain, what was created for a rollout whose record goes.

        A version that was promoted outlives its record.
        """
        rollouts = await self._history.rollouts(rollout.model, _MOST_ROLLOUTS)
        serving = await self._store.serving(rollout.model)
        for due in aftercare(rollout, self._clock.now()):
            if due.care is Care.SCALE_DOWN and due.wait > ZERO:
                return due.wait
            if due.release == rollout.release and not self._spared(due.release, rollouts, serving):
                done = await self._retire(
                    rollout.policy.namespace, due.release, delete=due.care is Care.DELETE
                )
                if not done:
                    return _LOOK_AGAIN
        return None

    async def _tend_one(
        self, rollout: Rollout, rollouts: Sequence[Rollout], serving: Release | None
    ) -> timedelta | None:
        if rollout.phase is Phase.SUCCEEDED and rollout.scaled and rollout.release == serving:
            await self._settle(rollout)
        for due in aftercare(rollout, self._clock.now()):
            if self._spared(due.release, rollouts, serving):
                return None  # it came to be used again: whichever rollout takes it out of use looks after it
            if due.wait > ZERO:
                return due.wait
            done = await self._retire(rollout.policy.namespace, due.release, delete=due.care is Care.DELETE)
            if done is None:
                return _REFUSED_AGAIN
            if not done:
                return _LOOK_AGAIN
        return None

    async def _forget_oldest(
        self, model: str, rollouts: Sequence[Rollout], serving: Release | None
    ) -> list[timedelta]:
        """Delete what is idle beyond the policy's history limit, the oldest first."""
        policy = self._policies().get(model)
        if policy is None or not any(rollout.release.image for rollout in rollouts):
            return []
        found = await self._workload.created(policy.namespace, model)
        idle = [
            each for each in found if each.copies == 0 and not self._spared(each.release, rollouts, serving)
        ]
        idle.sort(key=lambda each: each.created_at, reverse=True)
        waits = []
        for each in idle[policy.workload.history :]:
            done = await self._retire(policy.namespace, each.release, delete=True)
            if not done:
                waits.append(_REFUSED_AGAIN if done is None else _LOOK_AGAIN)
        return waits

    async def _settle(self, rollout: Rollout) -> None:
        try:
            await self._workload.settle(rollout.policy.namespace, rollout.release)
        except TargetError as error:
            log.warning("workload_not_settled", version=rollout.release.version, error=str(error))

    async def _retire(self, namespace: str, release: Release, *, delete: bool) -> bool | None:
        """Whether it is done; None when it is refused, which is told."""
        try:
            return await self._workload.retire(namespace, release, delete=delete)
        except TargetError as error:
            log.warning("workload_not_retired", version=release.version, delete=delete, error=str(error))
            return None

    def _spared(self, release: Release, rollouts: Sequence[Rollout], serving: Release | None) -> bool:
        return release.backend is not None and in_use(release.backend, rollouts, serving)
