"""Rounds of readers, and turns of queries: who waits for whom, in virtual time."""

import asyncio
from collections.abc import Sequence

import pytest

from controller.adapters.metrics.asking import Turns
from controller.adapters.metrics.rounds import Asked, Rounds
from tests import virtual_time


class Source:
    """Answers each round with its number, after ``seconds``."""

    def __init__(self, seconds: float = 0.0, longest: float = 1.0) -> None:
        self.seconds = seconds
        self.held: list[list[str]] = []
        self.at_work = 0
        self.most = 0
        self.broken = False
        self.rounds: Rounds[str, int] = Rounds(self.hold, 0.05, longest)

    async def hold(self, asked: Sequence[Asked[str, int]]) -> None:
        self.held.append([one.question for one in asked])
        number = len(self.held)
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        await asyncio.sleep(self.seconds)
        self.at_work -= 1
        if self.broken:
            raise ZeroDivisionError
        for one in asked:
            one.give(number)

    async def ask(self, name: str, after: float = 0.0) -> int:
        await asyncio.sleep(after)
        return await self.rounds.ask(name)


def test_who_comes_one_after_the_other_is_answered_together() -> None:
    async def scenario() -> None:
        source = Source()
        found = await asyncio.gather(*(source.ask(f"m{number}", number * 0.003) for number in range(100)))
        assert set(found) == {1}

    virtual_time.run(scenario())


def test_a_crowd_that_never_ends_is_not_waited_for() -> None:
    async def scenario() -> None:
        source = Source()
        found = await asyncio.gather(*(source.ask(f"m{number}", number * 0.01) for number in range(250)))
        assert set(found) == {1, 2, 3}

    virtual_time.run(scenario())


def test_who_comes_during_a_round_waits_for_the_next_and_no_two_are_held_at_once() -> None:
    async def scenario() -> None:
        source = Source(seconds=8)
        asks = [source.ask(f"m{number}", number * 0.1) for number in range(1, 60)]
        found = await asyncio.gather(source.ask("first"), *asks)
        assert source.held[0] == ["first"]
        assert found[0] == 1
        assert set(found[1:]) == {2}
        assert source.most == 1

    virtual_time.run(scenario())


def test_who_leaves_takes_nothing_from_the_others_and_is_not_asked_for() -> None:
    async def scenario() -> None:
        source = Source(seconds=1)
        first = asyncio.create_task(source.ask("first"))
        await asyncio.sleep(0.5)
        gone, stays = asyncio.create_task(source.ask("gone")), asyncio.create_task(source.ask("stays"))
        await asyncio.sleep(0.1)
        gone.cancel()
        first.cancel()
        assert await stays == 2
        assert source.held == [["first"], ["stays"]]

    virtual_time.run(scenario())


def test_a_defect_is_told_to_those_of_its_round_and_the_next_is_held() -> None:
    async def scenario() -> None:
        source = Source()
        source.broken = True
        with pytest.raises(ZeroDivisionError):
            await source.ask("first")
        source.broken = False
        assert await source.ask("second") == 2

    virtual_time.run(scenario())


def test_closing_leaves_nobody_waiting() -> None:
    async def scenario() -> None:
        source = Source(seconds=60)
        asked = [asyncio.create_task(source.ask(name, after)) for name, after in (("a", 0.0), ("b", 1.0))]
        await asyncio.sleep(2)
        await source.rounds.close()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in found] == [asyncio.CancelledError] * 2

    virtual_time.run(scenario())


class Queries:
    def __init__(self, most: int) -> None:
        self.turns = Turns(most)
        self.at_work = 0
        self.most = 0

    async def one(self, *, long: bool) -> None:
        async with self.turns.turn():
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            await asyncio.sleep(1)
            self.at_work -= 1
            self.turns.took(long=long)

    async def many(self, number: int, *, long: bool) -> int:
        """How many were under way at most."""
        self.most = 0
        await asyncio.gather(*(self.one(long=long) for _ in range(number)))
        return self.most


def test_slow_answers_leave_one_query_at_a_time_and_quick_ones_bring_all_back() -> None:
    async def scenario() -> None:
        queries = Queries(most=8)
        assert await queries.many(20, long=True) == 8
        assert await queries.many(5, long=True) == 1
        assert await queries.many(20, long=False) > 2
        assert await queries.many(20, long=False) == 8

    virtual_time.run(scenario())


def test_who_gives_up_waiting_for_a_turn_holds_nobody_up() -> None:
    async def scenario() -> None:
        queries = Queries(most=1)
        first, second, third = (asyncio.create_task(queries.one(long=True)) for _ in range(3))
        await asyncio.sleep(0.5)
        second.cancel()
        await asyncio.gather(first, third)
        assert await queries.many(2, long=False) == 1

    virtual_time.run(scenario())
