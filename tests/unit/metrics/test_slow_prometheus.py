"""A Prometheus that is slow, silent or partly broken: how long readers wait, and what it is asked meanwhile.

Queries are answered by a fake asker in virtual time: hours take milliseconds.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from controller.adapters.metrics.asking import Turns
from controller.adapters.metrics.client import Answer, PrometheusAccess, QueryError
from controller.adapters.metrics.doubts import Doubts
from controller.adapters.metrics.lane import Lane, Wanted
from controller.adapters.metrics.packs import built_in_packs
from controller.domain.observation import NoReading, Reading
from controller.domain.vocabulary import Reason
from tests import virtual_time
from tests.unit.metrics.test_prometheus_source import NOW, at, rollout

T = TypeVar("T")
ACCESS = PrometheusAccess()
TIMEOUT = ACCESS.timeout.total_seconds()
LONGEST = 2 * TIMEOUT + ACCESS.gather_longest.total_seconds() + 0.001
SILENT = QueryError(Reason.METRICS_UNAVAILABLE, "Prometheus gave no answer within 10 s")
REFUSED = QueryError(Reason.METRICS_INVALID, "Prometheus refused the query (HTTP 422)", divisible=True)


@dataclass
class FakeAsker:
    """As `Asker`: ``plays`` says how many seconds a query takes, or how it fails."""

    plays: Callable[[str], float | QueryError] = lambda _: 0.01
    queries: list[str] = field(default_factory=list)
    turns: Turns = field(default_factory=lambda: Turns(4))
    at_work: int = 0
    most: int = 0

    async def ask(
        self, query: str, read: Callable[[Answer], T], at_seconds: float | None, deadline: float
    ) -> T:
        sent = False
        try:
            async with asyncio.timeout_at(deadline), self.turns.turn():
                sent = True
                return await self._answer(query, read)
        except TimeoutError:
            raise QueryError(Reason.METRICS_UNAVAILABLE, "not in time", sent=sent) from None

    async def _answer(self, query: str, read: Callable[[Answer], T]) -> T:
        self.queries.append(query)
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            outcome = self.plays(query)
            if isinstance(outcome, QueryError):
                await asyncio.sleep(TIMEOUT if outcome is SILENT else 0.01)
                self.turns.took(long=outcome is SILENT)
                raise outcome
            await asyncio.sleep(outcome)
            self.turns.took(long=outcome > TIMEOUT / 2)
        finally:
            self.at_work -= 1
        if query == "time()":
            now = NOW + asyncio.get_running_loop().time()
            return read(Answer("scalar", [now, str(now)], complete=True))
        return read(Answer("matrix", list(self._rows(query)), complete=True))

    def _rows(self, query: str) -> Sequence[Any]:
        now = NOW + asyncio.get_running_loop().time()
        if "rq_total{" not in query:
            return ()
        names = query.split('envoy_cluster_name=~"')[1].split('"', maxsplit=1)[0].split("|")
        values = [[now - back, "5"] for back in range(60, -1, -5)]
        label = "envoy_cluster_upstream_rq_total"
        return [
            {"metric": {"__name__": label, "envoy_cluster_name": name}, "values": values} for name in names
        ]

    def close(self) -> None: ...


class World:
    """A hundred rollouts over one lane. ``apart`` is that of the doubted, as in `PrometheusSource`."""

    def __init__(self, models: int = 100) -> None:
        self.models = [f"m{number:03}x" for number in range(models)]
        self.doubts = Doubts()
        self.main, self.second = FakeAsker(), FakeAsker(turns=Turns(1))
        self.lanes = [Lane(asker, ACCESS, self.doubts) for asker in (self.main, self.second)]  # type: ignore[arg-type]
        self.pack = built_in_packs()["envoy"]

    def plays(self, how: Callable[[str], float | QueryError]) -> None:
        self.main.plays = self.second.plays = how

    async def read(self, model: str, after: float = 0.0) -> tuple[Reading | NoReading, float]:
        """The reading, and how many seconds it took."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(after)
        began, what = loop.time(), rollout(model=model)
        lane = self.lanes[self.doubts.largest(what.id) is not None]
        found = await lane.read(Wanted(what, self.pack, at(loop.time() - 21)))
        return found, loop.time() - began

    async def tick(self, spread: float = 0.003) -> dict[str, tuple[Reading | NoReading, float]]:
        reads = [self.read(model, number * spread) for number, model in enumerate(self.models)]
        return dict(zip(self.models, await asyncio.gather(*reads), strict=True))

    def asked(self) -> int:
        return len(self.main.queries) + len(self.second.queries)


def blind(found: dict[str, tuple[Reading | NoReading, float]]) -> set[str]:
    return {model for model, (outcome, _) in found.items() if isinstance(outcome, NoReading)}


def longest(found: dict[str, tuple[Reading | NoReading, float]]) -> float:
    return max(seconds for _, seconds in found.values())


def test_a_tick_of_a_hundred_models_takes_three_queries() -> None:
    async def scenario() -> None:
        world = World()
        assert not blind(await world.tick())
        assert world.asked() == 3

    virtual_time.run(scenario())


def test_a_prometheus_that_answers_nothing_is_asked_for_its_time_alone() -> None:
    async def scenario() -> None:
        world = World()
        world.plays(lambda _: SILENT)
        first = await world.tick()
        assert longest(first) <= TIMEOUT + 1
        for _ in range(10):
            await asyncio.sleep(15)
            later = await world.tick()
            assert blind(later) == set(world.models)
            assert longest(later) <= 2
        assert set(world.main.queries) == {"time()"}
        assert world.asked() <= 12
        assert world.main.most == 1
        outcome, _ = later["m000x"]
        assert isinstance(outcome, NoReading)
        assert outcome.reason is Reason.METRICS_UNAVAILABLE
        assert outcome.message.startswith("Prometheus gave no answer within 10 s (for ")
        world.plays(lambda _: 0.01)
        await asyncio.sleep(15)
        assert not blind(await world.tick()), "it answers again, and everybody is measured at once"

    virtual_time.run(scenario())


def test_readers_that_come_while_a_silent_prometheus_is_asked_are_told_at_once() -> None:
    async def scenario() -> None:
        world = World()
        world.plays(lambda _: SILENT)
        await world.tick()
        probing = asyncio.create_task(world.read("m000x"))
        found, seconds = await world.read("m001x", after=3)
        assert isinstance(found, NoReading)
        assert seconds == 0
        await probing

    virtual_time.run(scenario())


def test_every_query_takes_long_and_no_reading_takes_longer_than_its_bound() -> None:
    async def scenario() -> None:
        for seconds in (4.0, 6.0, 9.5, 10.0):
            world = World()
            world.plays(lambda _, seconds=seconds: seconds)  # type: ignore[misc]
            for _ in range(5):
                found = await world.tick(spread=0.2)
                assert longest(found) <= LONGEST
                await asyncio.sleep(5)
            assert world.main.most <= 4
            world.plays(lambda _: 0.01)
            await asyncio.sleep(30)
            await world.tick()
            assert not blind(await world.tick()), seconds

    virtual_time.run(scenario())


def test_readings_that_take_long_are_made_together_and_not_at_once() -> None:
    async def scenario() -> None:
        world = World()
        world.plays(lambda _: 3.0)
        found = await world.tick(spread=0.09)
        assert not blind(found)
        assert world.main.queries.count("time()") <= 2

    virtual_time.run(scenario())


def test_the_one_of_a_thousand_that_breaks_a_query_stands_alone_and_blinds_no_other() -> None:
    async def scenario() -> None:
        world = World(models=1000)
        world.plays(lambda query: REFUSED if "m637x@" in query else 0.01)
        assert blind(await world.tick(spread=0.0)) == {"m637x"}
        chunks = 4
        assert world.asked() <= 1 + 2 * chunks + 2 * 8
        before = world.asked()
        await asyncio.sleep(15)
        assert blind(await world.tick(spread=0.0)) == {"m637x"}
        assert world.asked() - before <= 1 + 2 * chunks + 2, "it is known by then, and asked alone"
        world.plays(lambda _: 0.01)
        await asyncio.sleep(15)
        assert not blind(await world.tick(spread=0.0))
        before = world.asked()
        assert not blind(await world.tick(spread=0.0))
        assert world.asked() - before == 1 + 2 * chunks, "nobody is doubted any more"

    virtual_time.run(scenario())


def test_many_that_break_queries_blind_others_for_a_few_rounds_at_most() -> None:
    async def scenario() -> None:
        world = World(models=1000)
        bad = {model for number, model in enumerate(world.models) if number % 25 == 7}
        world.plays(lambda query: REFUSED if any(f"{model}@" in query for model in bad) else 0.01)
        most = []
        for _ in range(6):
            before = world.asked()
            found = blind(await world.tick(spread=0.0))
            most.append(world.asked() - before)
            await asyncio.sleep(15)
        assert found == bad
        assert max(most) <= 160
        assert most[-1] <= 1 + 2 * 4 + 1 + 2 * len(bad)

    virtual_time.run(scenario())


def test_one_whose_series_take_too_long_is_found_in_smaller_and_smaller_groups() -> None:
    async def scenario() -> None:
        world = World()
        world.plays(lambda query: SILENT if "m042x@" in query else 0.01)
        blinded = []
        for _ in range(9):
            found = await world.tick()
            assert longest(found) <= LONGEST
            blinded.append(len(blind(found)))
            await asyncio.sleep(15)
        assert blinded == sorted(blinded, reverse=True)
        assert blinded[-1] == 1
        slow = found.pop("m042x")
        assert isinstance(slow[0], NoReading)
        assert longest(found) <= 1, "nobody waits for it any more"

    virtual_time.run(scenario())


def test_the_bound_of_a_reading_follows_the_time_out() -> None:
    async def scenario() -> None:
        access = replace(ACCESS, timeout=timedelta(seconds=2))
        asker = FakeAsker(plays=lambda _: 1.9)
        lane = Lane(asker, access, Doubts())  # type: ignore[arg-type]
        pack, loop = built_in_packs()["envoy"], asyncio.get_running_loop()

        async def read(number: int) -> float:
            await asyncio.sleep(0.1 * number)
            began = loop.time()
            await lane.read(Wanted(rollout(model=f"m{number}"), pack, at(loop.time() - 21)))
            return loop.time() - began

        assert max(await asyncio.gather(*map(read, range(60)))) <= 2 * 2 + 1.001

    virtual_time.run(scenario())
