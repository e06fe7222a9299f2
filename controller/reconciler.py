"""One pass over one model: read, plan, observe, decide, commit, act.

Commit before act, always, but for one thing: when the store cannot be written, a rollback still reaches the
gateway (`TrafficRouter.roll_back_unrecorded`), and the record follows when the store is back.
"""

import asyncio
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import structlog

from controller.domain.machine import decide
from controller.domain.mirroring import refused_write
from controller.domain.model import Decision, Rollout
from controller.domain.observation import Observation
from controller.domain.planning import plan
from controller.domain.vocabulary import Phase, Reason
from controller.errors import InvariantError, PermissionDenied, StoreUnavailable, TargetError
from controller.observer import World, observe
from controller.ports import Stored
from controller.runtime.waking import Wake, soonest

log = structlog.get_logger(__name__)

_AT_ONCE = Wake(timedelta(0))


class Reconciler:
    """Runs passes. Everything is read anew each time.

    Only while the store cannot be written is there a state here: the record as it would be by now.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._unrecorded: dict[str, tuple[int | str, Rollout]] = {}

    async def reconcile(self, model: str, interrupt: asyncio.Event) -> Wake | None:
        """One pass over each open rollout of the model, oldest first; returns when the next is due.

        ``interrupt`` makes the pass give up its observation: somebody has an urgent word for this model.
        """
        with self._world.tracing.span("pass", model=model):
            return await self._pass(model, interrupt)

    async def _pass(self, model: str, interrupt: asyncio.Event) -> Wake | None:
        began = time.monotonic()
        stored = list(await self._world.store.open_rollouts(model))
        self._world.telemetry.found(model, [each.rollout for each in stored])
        wakes: list[Wake | None] = []
        for index, each in enumerate(stored):
            predecessor = stored[index - 1].rollout.id if index else None
            successor = stored[-1].rollout.id if index < len(stored) - 1 else None
            seen = await self._seen(each.rollout, predecessor, successor, interrupt)
            if seen is None:
                return _AT_ONCE
            wakes.append(await self._advance_in_turn(each, seen))
        self._world.telemetry.pass_took(time.monotonic() - began)
        return soonest(wakes)

    async def _advance_in_turn(self, read: Stored, seen: Observation) -> Wake | None:
        """With what the fleet says; what a start takes of its limits is committed before another looks."""
        rollout, fleet = read.rollout, self._world.fleet
        if not plan(rollout).fleet:
            return await self._advance(read, seen)
        gateways = seen.survey.gateways if seen.survey else None
        async with fleet.turn if rollout.phase is Phase.PENDING else nullcontext():
            return await self._advance(read, replace(seen, fleet=fleet.seen(rollout, gateways)))

    async def _advance(self, read: Stored, seen: Observation) -> Wake | None:
        decision = decide(read.rollout, seen)
        if decision.entry is None:
            return _wake(decision)
        stored = await self._commit(read, decision)
        try:
            await self._act(decision)
        except TargetError as error:
            if decision.rollout.phase is Phase.ROLLING_BACK:
                raise  # nothing to freeze: the rollback is tried again until the gateway takes it
            return await self._advance(stored, self._rejected(stored.rollout, error))
        ended = decision.rollout.phase.terminal
        return _AT_ONCE if ended else _wake(decision)

    async def _commit(self, read: Stored, decision: Decision) -> Stored:
        entry = decision.entry
        if entry is None:
            error = "a decision without an entry is not committed"
            raise InvariantError(error)
        facts = {"rollout": decision.rollout.id, "event": entry.event, "phase": entry.phase.value}
        try:
            with self._world.tracing.span("commit", **facts):
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
            decision = decide(shadow, await observe(self._world, shadow, plan(shadow)))
        after = decision.rollout
        if after.phase is Phase.ROLLING_BACK and decision.actions:
            reason = after.cause or Reason.CHECK_FAILED
            await self._world.router(after).roll_back_unrecorded(after.routed, reason)
            log.error("rolled_back_unrecorded", model=after.model, rollout=after.id, reason=reason)
        elif after.route.intended == read.rollout.route.intended:
            self._unrecorded[after.id] = read.version, after

    async def _act(self, decision: Decision) -> None:
        rollout = decision.rollout
        for action in decision.actions:
            with self._world.tracing.span("act", rollout=rollout.id, split=str(action.split.weight_permille)):
                await self._world.router(rollout).apply(rollout.routed, action.split, action.expected)
            log.info("weight_set", model=rollout.model, weight_percent=action.split.weight_permille / 10)

    def _rejected(self, rollout: Rollout, error: TargetError) -> Observation:
        """The gateway's refusal of a write, as something that was seen."""
        denied = isinstance(error, PermissionDenied)
        problem = Reason.PERMISSION_LOST if denied else Reason.ROUTE_REJECTED
        seen = refused_write(rollout.route, problem, str(error))
        return Observation(at=self._world.clock.now(), tick=self._world.clock.tick(), route=seen)

    async def _observe(self, rollout: Rollout) -> Observation:
        with self._world.tracing.span("observe", rollout=rollout.id, phase=rollout.phase.value):
            return await observe(self._world, rollout, plan(rollout))

    async def _seen(
        self, rollout: Rollout, predecessor: str | None, successor: str | None, interrupt: asyncio.Event
    ) -> Observation | None:
        """What the plan asks for, or None when an urgent matter came between."""
        observing = asyncio.create_task(self._observe(rollout))
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


def _wake(decision: Decision) -> Wake | None:
    return None if decision.wake_after is None else Wake(decision.wake_after, tick=decision.measures)
