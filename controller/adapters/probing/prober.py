"""Sends probes beside the passes, round by round, and keeps what came back until the record holds it.

**Invariant**: a slow or dead gateway delays no pass. What is sent is bounded: a round of so many requests,
one round of a model at a time, a few requests at once over all models, and no new round while several wait to
be counted. What a crash loses was never counted.
"""

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2
import structlog

from controller.adapters.errands import Errand, Errands
from controller.adapters.exchange import tls_client
from controller.adapters.probing.asking import Probed, ProbeGateway, probe
from controller.domain.judge.counts import Tally
from controller.domain.model import Rollout
from controller.domain.probed import ProbeMark, ProbeRound, uncounted
from controller.domain.probes import ProbeRules

_LOG = structlog.get_logger(__name__)

MOST_WAITING = 5
"""Rounds that nobody counted, from which on no further one is sent: without metrics nothing is counted."""
_AT_ONCE = 16
_AT_ONCE_FOR_A_MODEL = 4
_MOST_FAULTS = 5

Ask = Callable[[ProbeGateway, ProbeRules], Awaitable[Probed]]


@dataclass(slots=True)
class _Course(Errand):
    """One rollout's rounds. ``due`` is when the next may begin, by the loop's clock."""

    due: float = 0.0
    number: int = 0
    over: deque[ProbeRound] = field(default_factory=deque)


class Prober:
    """Implements `Probes` for the gateways of the settings, by the names that policies use."""

    def __init__(self, gateways: Mapping[str, ProbeGateway], ask: Ask | None = None) -> None:
        self._gateways = gateways
        self._client: httpx2.AsyncClient | None = None
        self._ask = ask or self._through_http
        self._run = uuid.uuid4().hex[:12]
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._courses = Errands(_Course)

    def rounds(self, rollout: Rollout) -> Sequence[ProbeRound]:
        """As `Probes` says. Call it on the loop."""
        rules = rollout.policy.probe
        if rules is None:
            return ()
        course = self._courses.of(rollout.id)
        left = uncounted(course.over, rollout.evidence.probed)
        course.over = deque(left)
        now = asyncio.get_running_loop().time()
        if not course.running and course.due <= now and len(left) < MOST_WAITING:
            course.due = now + rules.every.total_seconds()
            course.task = asyncio.create_task(
                self._round(rollout, rules, course), name=f"probe-{rollout.model}"
            )
        return left

    async def close(self) -> None:
        """Give up the rounds that are under way."""
        await self._courses.give_up()
        if self._client is not None:
            await self._client.aclose()

    async def _round(self, rollout: Rollout, rules: ProbeRules, course: _Course) -> None:
        try:
            found = await self._answers(rules)
        except Exception as error:  # noqa: BLE001 - a defect here must not go unsaid, nor end anything else
            _LOG.exception("probe_defect", model=rollout.model)
            found = [Probed(fault=f"a defect of the probe ({type(error).__name__})", refused=True)]
        course.number += 1
        course.over.append(round_of(ProbeMark(self._run, course.number), rollout, found))

    async def _answers(self, rules: ProbeRules) -> Sequence[Probed]:
        gateway = self._gateways.get(rules.gateway)
        if gateway is None:
            fault = f"not sent: the settings have no probe_gateways.{rules.gateway}"
            return [Probed(fault=fault, refused=True)]
        own = asyncio.Semaphore(_AT_ONCE_FOR_A_MODEL)

        async def one() -> Probed:
            async with own, self._turns:
                return await self._ask(gateway, rules)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(rules.requests)]
        return [task.result() for task in tasks]

    async def _through_http(self, gateway: ProbeGateway, rules: ProbeRules) -> Probed:
        if self._client is None:  # most daemons never send a probe: loading the authorities takes time
            self._client = await asyncio.to_thread(tls_client)
        return await probe(self._client, gateway, rules)


def round_of(mark: ProbeMark, rollout: Rollout, found: Sequence[Probed]) -> ProbeRound:
    """The counts of a round, each for the version that gave the answer."""
    versions = {rollout.release.version: "canary"}
    if rollout.stable is not None:
        versions.setdefault(rollout.stable.version, "stable")
    counted: dict[str, list[Probed]] = {"canary": [], "stable": []}
    faults: Counter[str] = Counter()
    for one in found:
        arm = versions.get(one.version)
        if one.refused:
            faults[f"probes refused, which count for no version: {one.fault}"] += 1
        elif arm is None:
            why = f": {one.fault}" if one.fault else ""
            faults[f"probes whose answer names neither version{why}"] += 1
        else:
            counted[arm].append(one)
            if one.fault:
                faults[f"probes of {arm} {one.version}: {one.fault}"] += 1
    told = tuple(f"{times} {fault}" for fault, times in faults.most_common(_MOST_FAULTS))
    return ProbeRound(mark, _tally(counted["canary"]), _tally(counted["stable"]), told)


def _tally(found: Sequence[Probed]) -> Tally:
    return Tally(len(found), sum(bool(one.fault) for one in found))
