"""Looks after the workloads of rollouts that are over: fewer copies, and in the end none and nothing.

What is due is decided in `controller.domain.aftercare`; here it is done, by level and again after a restart,
until the workload says that nothing is left to do. What serves, or takes part in a rollout, is never touched.
Copies are not taken away before the requests that they still answer have ended, which is looked at in between
(`controller.domain.rules.draining`) and recorded before it is acted on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from controller.adapters.kube.retirable import Retirable
from controller.domain.aftercare import Care, Due, aftercare, backends_in_use, in_use, loser_of, since_end
from controller.domain.machine import decide
from controller.domain.model import ZERO, Entry, Rollout
from controller.domain.observation import Observation
from controller.domain.policy import Policy
from controller.domain.release import Backend, Release
from controller.domain.vocabulary import Phase, Reason
from controller.errors import TargetError
from controller.ports import Clock, RolloutHistory, RolloutStore, RunningRequests

log = structlog.get_logger(__name__)

_MOST_ROLLOUTS = 100
"""Of one model, the newest, are looked after; older ones were over long ago."""
_LOOK_AGAIN = timedelta(seconds=15)
_REFUSED_AGAIN = timedelta(minutes=5)
_SOONEST_COUNT, _LATEST_COUNT = timedelta(seconds=2), timedelta(seconds=30)
"""Running requests are counted again after a tenth of the time that they were waited for, within these."""


@dataclass(frozen=True, slots=True)
class _Use:
    """What must be left alone now."""

    serving: Release | None
    backends: tuple[Backend, ...]

    def spares(self, release: Release) -> bool:
        return release.backend is not None and in_use(release.backend, self.backends)


class Aftercare:
    """See the module. One pass over a model is `tend`.

    Remembers what is still to be done, because records of rollouts that are over are many and slow to read;
    after a restart it looks through them once.
    """

    def __init__(
        self,
        store: RolloutStore,
        history: RolloutHistory,
        workload: Retirable,
        running: RunningRequests,
        policies: Callable[[], Mapping[str, Policy]],
        clock: Clock,
        drained: Callable[[Rollout, Entry], None],
    ) -> None:
        self._store = store
        self._history = history
        self._workload = workload
        self._running = running
        self._policies = policies
        self._clock = clock
        self._drained = drained
        self._open: dict[str, frozenset[str]] = {}
        self._left: dict[str, dict[str, Rollout]] = {}

    async def tend(self, model: str) -> timedelta | None:
        """Do what is due; how soon something else is, None when nothing is left."""
        use = await self._look(model)
        left = self._left[model]
        if not left:
            return None
        waits: list[timedelta] = []
        lost: list[Backend] = []
        for rollout in sorted(left.values(), key=_age):
            backend = _loser(rollout)
            # whichever took a version out of use last looks after it: its requests may still run
            newer = backend is not None and in_use(backend, lost)
            wait = None if newer else await self._tend_one(rollout, use)
            if wait is None:
                del left[rollout.id]
            else:
                waits.append(wait)
                lost += [backend] if backend else []
        waits += await self._forget_oldest(model, use)
        return min(waits, default=None)

    async def clean(self, rollout: Rollout) -> timedelta | None:
        """Remove at once, but for the drain, what was created for a rollout whose record goes.

        A version that was promoted outlives its record.
        """
        use = await self._look(rollout.model)
        for due in aftercare(rollout, self._clock.now()):
            if due.care is not Care.DELETE and (wait := await self._wait(rollout, due)) is not None:
                return wait
            ours = due.release == rollout.release and not use.spares(due.release)
            if ours and not await self._settle_due(rollout, due, use):
                return _LOOK_AGAIN
        self._left[rollout.model].pop(rollout.id, None)
        return None

    async def _look(self, model: str) -> _Use:
        """Find what ended since the last look; what must be left alone now."""
        opened = [each.rollout for each in await self._store.open_rollouts(model)]
        serving = await self._store.serving(model)
        ids = frozenset(rollout.id for rollout in opened)
        left = self._left.setdefault(model, {})
        before = self._open.get(model)
        if before is None:
            recent = await self._history.rollouts(model, _MOST_ROLLOUTS)
        else:
            found = [await self._history.named(each) for each in before - ids]
            recent = [rollout for rollout in found if rollout is not None]
        left.update({rollout.id: rollout for rollout in recent if rollout.phase.terminal})
        self._open[model] = ids
        return _Use(serving, backends_in_use(opened, serving))

    async def _tend_one(self, rollout: Rollout, use: _Use) -> timedelta | None:
        if rollout.phase is Phase.SUCCEEDED and rollout.scaled and rollout.release == use.serving:
            await self._settle(rollout)
        for due in aftercare(rollout, self._clock.now()):
            if use.spares(due.release):
                return None  # it came to be used again: whichever rollout takes it out of use looks after it
            if (wait := await self._wait(rollout, due)) is not None:
                return wait
            done = await self._settle_due(rollout, due, use)
            if done is None:
                return _REFUSED_AGAIN
            if not done:
                return _LOOK_AGAIN
        return None

    async def _wait(self, rollout: Rollout, due: Due) -> timedelta | None:
        """How soon to look again; None once it may be done."""
        if due.care is Care.SCALE_DOWN:
            return await self._drain(rollout, due)
        return due.wait if due.wait > ZERO else None

    async def _drain(self, rollout: Rollout, due: Due) -> timedelta | None:
        """Wait for the requests in flight; how soon to look again, None once the copies may go.

        That is recorded first: after a crash they go without another wait.
        """
        namespace = rollout.policy.namespace
        if rollout.drain is not None or await self._is_idle(namespace, due.release):
            return None
        stored = await self._store.stored(rollout.id)
        if stored is None or stored.rollout.drain is not None:
            return due.wait if stored is None and due.wait > ZERO else None
        since = since_end(stored.rollout, self._clock.now())
        found = await self._running.in_flight(stored.rollout, due.release, since)
        seen = Observation(at=self._clock.now(), tick=self._clock.tick(), in_flight=found)
        decision = decide(stored.rollout, seen)
        if decision.entry is None:
            return min(due.wait, max(_SOONEST_COUNT, min(since / 10, _LATEST_COUNT)))
        after = (await self._store.commit(stored, decision.rollout, decision.entry)).rollout
        self._left.setdefault(after.model, {})[after.id] = after
        level = log.info if decision.entry.reason is Reason.DRAINED else log.warning
        level("drained", model=after.model, rollout=after.id, message=decision.entry.message)
        self._drained(after, decision.entry)
        return None

    async def _is_idle(self, namespace: str, release: Release) -> bool:
        try:
            return await self._workload.idle(namespace, release)
        except TargetError:
            return False  # taking copies away will be refused, which is told

    async def _forget_oldest(self, model: str, use: _Use) -> list[timedelta]:
        """Delete what is idle beyond the policy's history limit, the oldest first."""
        policy = self._policies().get(model)
        if policy is None:
            return []
        found = await self._workload.created(policy.namespace, model)
        idle = [each for each in found if each.copies == 0 and not use.spares(each.release)]
        idle.sort(key=lambda each: each.created_at, reverse=True)
        waits = []
        for each in idle[policy.workload.history :]:
            done = await self._retire(policy.namespace, Due(each.release, Care.DELETE, ZERO), use)
            if not done:
                waits.append(_REFUSED_AGAIN if done is None else _LOOK_AGAIN)
        return waits

    async def _settle(self, rollout: Rollout) -> None:
        try:
            await self._workload.settle(rollout.policy.namespace, rollout.release)
        except TargetError as error:
            log.warning("workload_not_settled", version=rollout.release.version, error=str(error))

    async def _settle_due(self, rollout: Rollout, due: Due, use: _Use) -> bool | None:
        """As `_retire`."""
        if due.care is not Care.TAKE_BACK:
            return await self._retire(rollout.policy.namespace, due, use)
        try:
            return await self._workload.take_back(rollout)
        except TargetError as error:
            log.warning("model_not_taken_back", version=due.release.version, error=str(error))
            return None

    async def _retire(self, namespace: str, due: Due, use: _Use) -> bool | None:
        """Whether it is done; None when it is refused, which is told."""
        delete = due.care is Care.DELETE
        try:
            return await self._workload.retire(namespace, due.release, delete=delete, in_use=use.backends)
        except TargetError as error:
            version = due.release.version
            log.warning("workload_not_retired", version=version, delete=delete, error=str(error))
            return None


def _loser(rollout: Rollout) -> Backend | None:
    loser = loser_of(rollout)
    return loser.backend if loser else None


def _age(rollout: Rollout) -> float:
    """The smaller the later it ended."""
    return -(rollout.updated_at or rollout.created_at).timestamp()
