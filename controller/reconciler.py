"""One pass over one model: read, plan, observe, decide, commit, act.

Commit before act, always, but for one thing: when the store cannot be written, a rollback still reaches the
gateway (`TrafficRouter.roll_back_unrecorded`), and the record follows when the store is back.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from controller.domain.machine import decide, plan
from controller.domain.model import (
    Decision,
    Measure,
    NoReading,
    Observation,
    Plan,
    Readiness,
    Reading,
    Release,
    Rollout,
    RouteSeen,
    ValidationReport,
    WarmUpReport,
)
from controller.domain.vocabulary import Phase, Reason
from controller.domain.wording import duration
from controller.errors import InvariantError, StoreUnavailable, TargetError
from controller.ports import (
    Clock,
    MetricSource,
    Notifier,
    RolloutStore,
    Stored,
    Telemetry,
    TrafficRouter,
    Validator,
    Workload,
)

log = structlog.get_logger(__name__)

_AT_ONCE = timedelta(0)
_PATIENCE_SECONDS = 0.5
"""How long a pass that found the canary not ready still waits for metrics."""


@dataclass(frozen=True, slots=True)
class World:
    """The adapters through which a pass sees and acts."""

    store: RolloutStore
    routers: Mapping[str, TrafficRouter]
    metrics: MetricSource
    workload: Workload
    validator: Validator
    notifier: Notifier
    telemetry: Telemetry
    clock: Clock


class Reconciler:
    """Runs passes. Everything is read anew each time.

    Only while the store cannot be written is there a state here: the record as it would be by now.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._unrecorded: dict[str, tuple[int, Rollout]] = {}

    async def reconcile(self, model: str, interrupt: asyncio.Event) -> timedelta | None:
        """One pass over each open rollout of the model, oldest first; returns when the next is due.

        ``interrupt`` makes the pass give up its observation: somebody has an urgent word for this model.
        """
        began = time.monotonic()
        stored = list(await self._world.store.open_rollouts(model))
        waits: list[timedelta] = []
        for index, each in enumerate(stored):
            predecessor = stored[index - 1].rollout.id if index else None
            successor = stored[-1].rollout.id if index < len(stored) - 1 else None
            seen = await self._seen(each.rollout, predecessor, successor, interrupt)
            if seen is None:
                return _AT_ONCE
            wait = await self._advance(each, seen)
            if wait is not None:
                waits.append(wait)
        self._world.telemetry.pass_took(time.monotonic() - began)
        return min(waits, default=None)

    async def _advance(self, read: Stored, seen: Observation) -> timedelta | None:
        decision = decide(read.rollout, seen)
        if decision.entry is None:
            return decision.wake_after
        stored = await self._commit(read, decision)
        try:
            await self._act(decision)
        except TargetError as error:
            if decision.rollout.phase is Phase.ROLLING_BACK:
                raise  # nothing to freeze: the rollback is tried again until the gateway takes it
            return await self._advance(stored, self._rejected(stored.rollout, error))
        ended = decision.rollout.phase.terminal
        return _AT_ONCE if ended else decision.wake_after

    async def _commit(self, read: Stored, decision: Decision) -> Stored:
        entry = decision.entry
        if entry is None:
            error = "a decision without an entry is not committed"
            raise InvariantError(error)
        try:
            stored = await self._world.store.commit(read, decision.rollout, entry)
        except StoreUnavailable:
            await self._guard_unrecorded(read, decision)
            raise
        self._unrecorded.pop(decision.rollout.id, None)
        level = log.info if entry.notable else log.debug
        level(
            entry.event,
            model=decision.rollout.model,
            rollout=decision.rollout.id,
            phase=entry.phase,
            reason=entry.reason,
            weight_percent=entry.weight_permille / 10,
            message=entry.message,
        )
        self._world.telemetry.committed(decision.rollout, entry)
        if entry.notable:
            self._world.notifier.tell(decision.rollout, entry)
        return stored

    async def _guard_unrecorded(self, read: Stored, decision: Decision) -> None:
        """Go on looking for harm: what is seen meanwhile is remembered here, and only harm is acted on."""
        version, shadow = self._unrecorded.get(read.rollout.id, (None, read.rollout))
        if version == read.version and decision.rollout.phase is not Phase.ROLLING_BACK:
            decision = decide(shadow, await self._observe(shadow, plan(shadow)))
        after = decision.rollout
        if after.phase is Phase.ROLLING_BACK and decision.actions:
            reason = after.cause or Reason.CHECK_FAILED
            await self._router(after).roll_back_unrecorded(after.model, reason)
            log.error("rolled_back_unrecorded", model=after.model, rollout=after.id, reason=reason)
        elif after.route.intended == read.rollout.route.intended:
            self._unrecorded[after.id] = read.version, after

    async def _act(self, decision: Decision) -> None:
        rollout = decision.rollout
        for action in decision.actions:
            began = time.monotonic()
            await self._router(rollout).apply(
                rollout.model, rollout.policy.route, action.split, action.expected
            )
            log.info("weight_set", model=rollout.model, weight_percent=action.split.weight_permille / 10)
            if rollout.phase is Phase.ROLLING_BACK:
                self._world.telemetry.rolled_back(time.monotonic() - began)

    def _rejected(self, rollout: Rollout, error: TargetError) -> Observation:
        """The gateway's refusal of a write, as something that was seen."""
        seen = RouteSeen(
            split=rollout.route.previous, accepted=False, problem=Reason.ROUTE_REJECTED, message=str(error)
        )
        return Observation(at=self._world.clock.now(), tick=self._world.clock.tick(), route=seen)

    def _router(self, rollout: Rollout) -> TrafficRouter:
        kind = rollout.policy.route.kind
        if kind not in self._world.routers:
            raise TargetError(f"no traffic adapter for route kind {kind}")
        return self._world.routers[kind]

    async def _seen(
        self, rollout: Rollout, predecessor: str | None, successor: str | None, interrupt: asyncio.Event
    ) -> Observation | None:
        """What the plan asks for, or None when an urgent matter came between."""
        observing = asyncio.create_task(self._observe(rollout, plan(rollout)))
        waiting = asyncio.create_task(interrupt.wait())
        try:
            await asyncio.wait({observing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not observing.done():
                return None
            seen = await observing
        finally:
            observing.cancel()
            waiting.cancel()
        return replace(seen, predecessor=predecessor, successor=successor)

    async def _observe(self, rollout: Rollout, wanted: Plan) -> Observation:
        world = self._world
        # the route first: counts begin at the metric source's now, which must lie after the weight was seen
        route = (
            await self._router(rollout).observe(rollout.model, rollout.policy.route) if wanted.route else None
        )
        reading = asyncio.create_task(self._reading(rollout, wanted.measure))
        try:
            canary, stable = await asyncio.gather(
                self._readiness(rollout, rollout.release if wanted.canary else None),
                self._readiness(rollout, rollout.stable if wanted.stable else None),
            )
            if canary is not None and not canary.ready:
                # a dead canary is taken back whatever the metrics say, so they must not delay it
                await asyncio.wait({reading}, timeout=_PATIENCE_SECONDS)
                measured = reading.result() if reading.done() else None
            else:
                measured = await reading
        finally:
            reading.cancel()
        warm_up = None
        if wanted.warm_up and canary is not None and canary.ready:
            warm_up = await self._warm_up(rollout)
        validation = await self._validate(rollout) if wanted.validate else None
        pending = rollout.phase is Phase.PENDING
        return Observation(
            at=world.clock.now(),
            tick=world.clock.tick(),
            route=route,
            canary=canary,
            stable=stable,
            warm_up=warm_up,
            validation=validation,
            reading=measured,
            serving=await world.store.serving(rollout.model) if pending else None,
        )

    async def _reading(self, rollout: Rollout, measure: Measure | None) -> Reading | NoReading | None:
        return None if measure is None else await self._world.metrics.read(rollout, measure)

    async def _readiness(self, rollout: Rollout, release: Release | None) -> Readiness | None:
        return None if release is None else await self._world.workload.readiness(rollout, release)

    async def _warm_up(self, rollout: Rollout) -> WarmUpReport:
        left = rollout.policy.ready_deadline - rollout.clocks.in_phase
        try:
            async with asyncio.timeout(max(left.total_seconds(), 1)):
                return await self._world.validator.warm_up(rollout)
        except TimeoutError:
            return WarmUpReport(ok=False, message="the warm-up requests took longer than the ready deadline")

    async def _validate(self, rollout: Rollout) -> ValidationReport | None:
        if rollout.policy.validation is None:
            return None
        deadline = rollout.policy.validation.deadline
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                return await self._world.validator.validate(rollout)
        except TimeoutError:
            message = f"the golden requests were not all answered within {duration(deadline)}"
            return ValidationReport(ok=False, passed=0, failed=0, message=message)
