"""Readings of one Prometheus, round by round: what is asked in a round, and what is said when it is silent.

How it works: readers are collected into rounds, one at a time. A round asks for the time; when that is not
answered, Prometheus counts as silent, and until it answers again a round asks for nothing else and its
readers are told so soon: one cheap query is under way, not one for each model.

**Invariant**: a reader gets complete numbers or a `NoReading` that says why not, within two time-outs and the
time to gather.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controller.adapters.metrics.answers import instant
from controller.adapters.metrics.asking import Asker
from controller.adapters.metrics.batch import Batch
from controller.adapters.metrics.cases import Case
from controller.adapters.metrics.client import PrometheusAccess, QueryError
from controller.adapters.metrics.doubts import Doubts
from controller.adapters.metrics.gauges import Gauges
from controller.adapters.metrics.packs import Pack
from controller.adapters.metrics.readings import reading_of
from controller.adapters.metrics.rounds import Asked, Rounds
from controller.domain.judge.series import Window
from controller.domain.model import Rollout
from controller.domain.observation import NoReading, Reading
from controller.domain.policy import CheckKind
from controller.domain.vocabulary import Reason
from controller.errors import InvariantError

_TIMEOUTS = 2
"""How many of them a reading may take, besides the time to gather: its first query may need nearly one."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What a reader wants: the counts of a rollout after ``since``, or the time alone if that is None."""

    rollout: Rollout
    pack: Pack
    since: datetime | None


_Ask = Asked[Wanted, Reading | NoReading]


@dataclass(frozen=True, slots=True)
class _Silence:
    """Since when Prometheus does not answer, by the loop's clock, and how."""

    since: float
    message: str


class Lane:
    """Rounds of readers, one at a time."""

    def __init__(self, asker: Asker, access: PrometheusAccess, doubts: Doubts) -> None:
        self._asker = asker
        self._access = access
        self._doubts = doubts
        self._silence: _Silence | None = None
        self._out_of_patience = False
        gather, longest = access.gather.total_seconds(), access.gather_longest.total_seconds()
        self._rounds: Rounds[Wanted, Reading | NoReading] = Rounds(self._round, gather, longest)
        self._longest_seconds = _TIMEOUTS * access.timeout.total_seconds() + longest

    async def close(self) -> None:
        """Drop the readers that still wait, let go of threads and connections."""
        await self._rounds.close()
        self._asker.close()

    async def read(self, wanted: Wanted) -> Reading | NoReading:
        """Join a round; at once while Prometheus is silent and everybody's patience is over."""
        if self._silence is not None and self._out_of_patience:
            return self._silent(self._silence)
        try:
            async with asyncio.timeout(self._longest_seconds):
                return await self._rounds.ask(wanted)
        except TimeoutError:
            message = f"Prometheus is slow: no reading within {self._longest_seconds:g} s"
            return NoReading(Reason.METRICS_UNAVAILABLE, message)

    async def _round(self, asks: Sequence[_Ask]) -> None:
        deadline = asyncio.get_running_loop().time() + _TIMEOUTS * self._access.timeout.total_seconds()
        server_time = await self._server_time(asks, deadline)
        if isinstance(server_time, NoReading):
            for ask in asks:
                ask.give(server_time)
            return
        cases = self._cases([ask for ask in asks if not ask.answer.done()], server_time)
        batch = Batch(self._asker, self._access, server_time, deadline, self._doubts)
        gauges = Gauges(self._asker, server_time, deadline)
        async with asyncio.TaskGroup() as late:
            async for windows in batch.filled(tuple(cases)):
                for case, window in windows.items():
                    answer = _answer(case, window)
                    if isinstance(answer, Reading) and _has_gauges(case.rollout):
                        late.create_task(_with_gauges(cases[case], answer, gauges))
                    else:
                        cases[case].give(answer)
                    await asyncio.sleep(0)  # many rollouts take a while: let others run between them

    async def _server_time(self, asks: Sequence[_Ask], deadline: float) -> datetime | NoReading:
        """Prometheus' now; while it is silent its readers are told before it is known."""
        asking = asyncio.create_task(self._asker.ask("time()", instant, None, deadline))
        try:
            if self._silence is not None:
                await asyncio.wait({asking}, timeout=self._access.patience.total_seconds())
                self._out_of_patience = not asking.done()
            if self._silence is not None and self._out_of_patience:
                for ask in asks:
                    ask.give(self._silent(self._silence))
            seconds = await asking
        except QueryError as error:
            return self._unanswered(error)
        finally:
            self._out_of_patience = False
            asking.cancel()
        self._silence = None
        return datetime.fromtimestamp(seconds, UTC)

    def _unanswered(self, error: QueryError) -> NoReading:
        if error.reason is not Reason.METRICS_UNAVAILABLE:
            return NoReading(error.reason, error.message)
        if self._silence is None:
            self._silence = _Silence(asyncio.get_running_loop().time(), error.message)
            return NoReading(error.reason, error.message)
        self._silence = replace(self._silence, message=error.message)
        return self._silent(self._silence)

    def _silent(self, silence: _Silence) -> NoReading:
        seconds = asyncio.get_running_loop().time() - silence.since
        message = f"{silence.message} (for {seconds:.0f} s now; it is asked again)"
        return NoReading(Reason.METRICS_UNAVAILABLE, message)

    def _cases(self, asks: Sequence[_Ask], server_time: datetime) -> dict[Case, _Ask]:
        """What needs queries; who needs none is answered."""
        cases: dict[Case, _Ask] = {}
        for ask in asks:
            since = ask.question.since
            if since is None:
                ask.give(Reading(server_time))
            elif server_time < since:
                behind = (since - server_time).total_seconds()
                message = f"Prometheus' clock is {behind:.1f} s behind what it was"
                ask.give(NoReading(Reason.CLOCK_STEPPED, message))
            else:
                case = self._case(ask.question, since, server_time)
                if case.problem is not None:
                    ask.give(case.problem)
                else:
                    cases[case] = ask
        return cases

    def _case(self, wanted: Wanted, since: datetime, server_time: datetime) -> Case:
        oldest = server_time - self._access.longest_window
        case = Case(wanted.rollout, wanted.pack, max(since, oldest))
        if since < oldest:
            hours = self._access.longest_window.total_seconds() / 3600
            case.warnings.append(f"counts older than {hours:g} h were not read")
        case.check_names()
        return case


def _answer(case: Case, window: Window | None) -> Reading | NoReading:
    if case.problem is not None:
        return case.problem
    if window is None:
        error = "a case without a problem has a window"
        raise InvariantError(error)
    return reading_of(case, window)


def _has_gauges(rollout: Rollout) -> bool:
    return any(check.kind is CheckKind.GAUGE for check in rollout.policy.checks)


async def _with_gauges(ask: _Ask, counted: Reading, gauges: Gauges) -> None:
    samples, warnings = await gauges.read(ask.question.rollout, ask.question.pack)
    ask.give(replace(counted, gauges=samples, warnings=(*counted.warnings, *warnings)))
