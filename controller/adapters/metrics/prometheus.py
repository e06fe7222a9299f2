"""Prometheus as a source of counts and gauges: who asks at about the same moment is answered together.

**Invariant**: whatever Prometheus answers, or does not, a reader gets complete numbers or a `NoReading` that
says why not, within a bounded time. The local clock plays no part: all instants are Prometheus' own.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controller.adapters.metrics.answers import instant
from controller.adapters.metrics.asking import Asker
from controller.adapters.metrics.batch import Batch
from controller.adapters.metrics.cases import Case
from controller.adapters.metrics.client import PrometheusAccess, QueryError
from controller.adapters.metrics.gauges import Gauges
from controller.adapters.metrics.history import read_history
from controller.adapters.metrics.packs import Pack
from controller.adapters.metrics.readings import reading_of
from controller.domain.judge.calibration import PodHistory
from controller.domain.model import Rollout
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.vocabulary import Reason
from controller.errors import TargetError

_TIMEOUTS_PER_BATCH = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    rollout: Rollout
    pack: Pack
    since: datetime | None


_Answers = dict[_Ask, Reading | NoReading]


class PrometheusSource:
    """`MetricSource` over one Prometheus. ``packs`` are the metrics that a policy can name.

    ``query_took`` is told the seconds of each query, with the wait for its turn.
    """

    def __init__(
        self,
        url: str,
        packs: Mapping[str, Pack],
        access: PrometheusAccess | None = None,
        query_took: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._packs = packs
        self._access = access or PrometheusAccess()
        self._asker = Asker(url, self._access, query_took)
        self._gathering: tuple[list[_Ask], asyncio.Task[_Answers]] | None = None
        self._running: set[asyncio.Task[_Answers]] = set()

    async def close(self) -> None:
        """Drop the readers that still wait, let go of threads and connections."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._asker.close()

    async def read(self, rollout: Rollout, measure: Measure) -> Reading | NoReading:
        """The blocks that closed since ``measure.since``, and the gauges as they are now.

        Raises `TargetError` if the policy names a pack that is not there.
        """
        ask = _Ask(rollout, self._pack(rollout), measure.since)
        if self._gathering is None:
            asks: list[_Ask] = []
            task = asyncio.create_task(self._answer_soon(asks))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            self._gathering = asks, task
        asks, task = self._gathering
        asks.append(ask)
        return (await asyncio.shield(task))[ask]

    async def history(self, rollout: Rollout) -> PodHistory | NoReading:
        """Stable's last hour; empty where it was not recorded, or there is no stable.

        Raises `TargetError` if the policy names a pack that is not there.
        """
        return await read_history(self._asker, self._access, self._pack(rollout), rollout)

    def _pack(self, rollout: Rollout) -> Pack:
        pack = self._packs.get(rollout.policy.metrics)
        if pack is None:
            known = ", ".join(sorted(self._packs))
            raise TargetError(f"there is no metrics pack {rollout.policy.metrics!r}; known here: {known}")
        return pack

    async def _answer_soon(self, asks: Sequence[_Ask]) -> _Answers:
        await asyncio.sleep(self._access.gather.total_seconds())
        self._gathering = None
        timeout = self._access.timeout.total_seconds()
        deadline = asyncio.get_running_loop().time() + _TIMEOUTS_PER_BATCH * timeout
        try:
            seconds = await self._asker.ask("time()", instant, None, deadline)
        except QueryError as error:
            return dict.fromkeys(asks, NoReading(error.reason, error.message))
        server_time = datetime.fromtimestamp(seconds, UTC)
        cases, answers = self._cases(asks, server_time)
        batch = Batch(self._asker, self._access, server_time, deadline)
        windows = await batch.fill(tuple(cases.values()))
        for ask, case in cases.items():
            answers[ask] = case.problem or reading_of(case, windows[case])
            await asyncio.sleep(0)  # many rollouts take a while: let others run between them
        await self._add_gauges(answers, Gauges(self._asker, server_time, deadline))
        return answers

    def _cases(self, asks: Sequence[_Ask], server_time: datetime) -> tuple[dict[_Ask, Case], _Answers]:
        """What needs queries, and the answers that need none."""
        cases: dict[_Ask, Case] = {}
        answers: _Answers = {}
        for ask in asks:
            if ask.since is None:
                answers[ask] = Reading(server_time)
            elif server_time < ask.since:
                behind = (ask.since - server_time).total_seconds()
                message = f"Prometheus' clock is {behind:.1f} s behind what it was"
                answers[ask] = NoReading(Reason.CLOCK_STEPPED, message)
            else:
                cases[ask] = self._case(ask, ask.since, server_time)
        return cases, answers

    def _case(self, ask: _Ask, since: datetime, server_time: datetime) -> Case:
        oldest = server_time - self._access.longest_window
        case = Case(ask.rollout, ask.pack, max(since, oldest))
        if since < oldest:
            hours = self._access.longest_window.total_seconds() / 3600
            case.warnings.append(f"counts older than {hours:g} h were not read")
        case.check_names()
        return case

    async def _add_gauges(self, answers: _Answers, gauges: Gauges) -> None:
        counted = {
            ask: answer
            for ask, answer in answers.items()
            if isinstance(answer, Reading) and ask.since is not None
        }
        found = await asyncio.gather(*(gauges.read(ask.rollout) for ask in counted))
        for (ask, answer), (samples, warnings) in zip(counted.items(), found, strict=True):
            answers[ask] = replace(answer, gauges=samples, warnings=(*answer.warnings, *warnings))
