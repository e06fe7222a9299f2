"""What one pass looks at: the plan's questions, put to the adapters, each within a bounded time.

Before it looks at the canary's copies it makes those that the record asks for: that was committed already.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.domain.judge.calibration import Calibration, calibrate
from controller.domain.model import Rollout
from controller.domain.observation import (
    GateSeen,
    Measure,
    NoReading,
    Observation,
    Plan,
    Readiness,
    Reading,
    Survey,
    ValidationReport,
    WarmUpReport,
)
from controller.domain.release import Release
from controller.domain.trials import Trial, TrialSeen
from controller.domain.vocabulary import Reason
from controller.domain.wording import duration
from controller.errors import TargetError, TransientError
from controller.ports import (
    Clock,
    Engines,
    Fleet,
    Gates,
    MetricSource,
    Notifier,
    Probes,
    RolloutStore,
    Telemetry,
    Tracing,
    TrafficRouter,
    Trials,
    Validator,
    Workload,
)

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
    gates: Gates
    trials: Trials
    fleet: Fleet
    engines: Engines
    probes: Probes
    notifier: Notifier
    telemetry: Telemetry
    tracing: Tracing
    clock: Clock

    def router(self, rollout: Rollout) -> TrafficRouter:
        """The adapter of the rollout's gateway. Raises `TargetError` when there is none."""
        kind = rollout.policy.route.kind
        if kind not in self.routers:
            raise TargetError(f"no traffic adapter for route kind {kind}")
        return self.routers[kind]


async def observe(world: World, rollout: Rollout, wanted: Plan) -> Observation:
    """Look at what the plan asks for: nothing else is seen, and nothing is decided."""
    survey, recorded = await _survey(world, rollout) if wanted.survey else (None, None)
    refused = await _supply(world, rollout, wanted.supply_permille)
    # the route first: counts begin at the metric source's now, which must lie after the weight was seen
    route = await world.router(rollout).observe(rollout.routed) if wanted.route else None
    reading = asyncio.create_task(_reading(world, rollout, wanted.measure))
    try:
        canary, stable = await asyncio.gather(
            _readiness(world, rollout, rollout.release if wanted.canary else None),
            _readiness(world, rollout, rollout.stable if wanted.stable else None),
        )
        if refused is not None and (canary is None or not canary.ready):
            canary = refused
        if canary is not None and not canary.ready:
            # a dead canary is taken back whatever the metrics say, so they must not delay it
            await asyncio.wait({reading}, timeout=_PATIENCE_SECONDS)
            measured = reading.result() if reading.done() else None
        else:
            measured = await reading
    finally:
        reading.cancel()
    calibration = await _calibration(world, rollout) if wanted.calibrate else None
    pack = None
    if wanted.recognise and canary is not None and canary.ready:
        pack = await world.engines.recognise(rollout, canary.endpoints)
    warm_up = None
    if wanted.warm_up and canary is not None and canary.ready:
        warm_up = await _warm_up(world, rollout, canary.endpoints)
    validation = None
    if wanted.validate and canary is not None and canary.ready:
        validation = await _validate(world, rollout, canary.endpoints)
    return Observation(
        at=world.clock.now(),
        tick=world.clock.tick(),
        survey=survey,
        route=route,
        canary=canary,
        stable=stable,
        warm_up=warm_up,
        validation=validation,
        reading=measured,
        calibration=calibration,
        pack=pack,
        probes=tuple(world.probes.rounds(rollout)) if wanted.probe else (),
        gates=_words(world, rollout, wanted.gates),
        trials=_outcomes(world, rollout, wanted.trials),
        serving=recorded,
    )


def _words(world: World, rollout: Rollout, names: Sequence[str]) -> tuple[GateSeen, ...]:
    words = (world.gates.word(rollout, name) for name in names)
    return tuple(word for word in words if word is not None)


def _outcomes(world: World, rollout: Rollout, wanted: Sequence[Trial]) -> tuple[TrialSeen, ...]:
    found = (world.trials.outcome(rollout, trial, world.workload) for trial in wanted)
    return tuple(outcome for outcome in found if outcome is not None)


async def _reading(world: World, rollout: Rollout, measure: Measure | None) -> Reading | NoReading | None:
    return None if measure is None else await world.metrics.read(rollout, measure)


async def _calibration(world: World, rollout: Rollout) -> Calibration | NoReading:
    history = await world.metrics.history(rollout)
    return history if isinstance(history, NoReading) else calibrate(history, rollout.policy.checks)


async def _readiness(world: World, rollout: Rollout, release: Release | None) -> Readiness | None:
    return None if release is None else await world.workload.readiness(rollout, release)


async def _survey(world: World, rollout: Rollout) -> tuple[Survey, Release | None]:
    """What stands at the gateway, and what the record holds to be serving."""
    recorded = await world.store.serving(rollout.model)
    return await world.router(rollout).survey(rollout.routed, recorded), recorded


async def _supply(world: World, rollout: Rollout, share_permille: int | None) -> Readiness | None:
    """Make the copies that the record asks for; a refusal is something that was seen."""
    if share_permille is None:
        return None
    try:
        await world.workload.supply(rollout, share_permille)
    except TargetError as error:
        problem = Reason.WORKLOAD_REFUSED
        return Readiness(ready=False, message=str(error), problem=problem, hopeless=True)
    except TransientError as error:  # the next pass tries again; this one still looks for harm
        return Readiness(ready=False, message=str(error))
    return None


async def _warm_up(world: World, rollout: Rollout, endpoints: Sequence[str]) -> WarmUpReport:
    left = rollout.policy.ready_deadline - rollout.clocks.in_phase
    try:
        async with asyncio.timeout(max(left.total_seconds(), 1)):
            return await world.validator.warm_up(rollout, endpoints)
    except TimeoutError:
        return WarmUpReport(ok=False, message="the warm-up requests took longer than the ready deadline")


async def _validate(world: World, rollout: Rollout, endpoints: Sequence[str]) -> ValidationReport | None:
    if rollout.policy.validation is None:
        return None
    deadline = rollout.policy.validation.deadline
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            return await world.validator.validate(rollout, endpoints)
    except TimeoutError:
        message = f"the golden requests were not all answered within {duration(deadline)}"
        return ValidationReport(ok=False, passed=0, failed=0, message=message)
