"""Timers on a real event loop: they ring once, can be moved, and survive a late loop."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from controller.runtime.timers import Timers, due_at
from controller.runtime.waking import Wake, apart, soonest


class Bell:
    def __init__(self) -> None:
        self.rung: list[str] = []
        self.heard = asyncio.Event()

    def ring(self, key: str, due: float) -> None:
        self.rung.append(key)
        self.heard.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self.heard.wait(), timeout=5)
        self.heard.clear()


@pytest.fixture
async def bell() -> Bell:
    return Bell()


@pytest.fixture
async def timers(bell: Bell) -> AsyncIterator[Timers]:
    timers = Timers(bell.ring)
    timers.start()
    yield timers
    timers.close()


async def test_a_timer_rings_once(timers: Timers, bell: Bell) -> None:
    timers.arm("fraud", Wake(timedelta(milliseconds=20)))
    await bell.wait()
    assert bell.rung == ["fraud"]


async def test_no_wait_rings_at_once(timers: Timers, bell: Bell) -> None:
    timers.arm("fraud", Wake(timedelta(0)))
    assert bell.rung == ["fraud"]


async def test_arming_again_moves_the_timer(timers: Timers, bell: Bell) -> None:
    timers.arm("fraud", Wake(timedelta(hours=1)))
    timers.arm("fraud", Wake(timedelta(milliseconds=20)))
    await bell.wait()
    assert bell.rung == ["fraud"]


async def test_a_loop_that_stalls_longer_than_the_librarys_grace_loses_no_timer(
    timers: Timers, bell: Bell
) -> None:
    timers.arm("fraud", Wake(timedelta(milliseconds=50)))
    time.sleep(1.6)  # noqa: ASYNC251 - the stall that makes APScheduler's default drop the job
    await bell.wait()
    assert bell.rung == ["fraud"]


INTERVAL = timedelta(seconds=15)


@pytest.mark.parametrize("now", [1500.0, 1500.4, 1507.0, 1511.2])
def test_what_goes_with_the_tick_wakes_together_however_it_began(now: float) -> None:
    assert due_at(now, Wake(INTERVAL, tick=True)) == 1515.0


def test_a_tick_that_is_near_is_left_out() -> None:
    assert due_at(1514.9, Wake(INTERVAL, tick=True)) == 1530.0


def test_closer_looks_share_every_third_tick_with_the_others() -> None:
    looks = Wake(INTERVAL / 3, tick=True)
    times = [1500.3]
    for _ in range(4):
        times.append(due_at(times[-1] + 0.2, looks))
    assert times[1:] == [1505.0, 1510.0, 1515.0, 1520.0]


def test_what_goes_apart_is_spread_and_never_earlier_than_asked() -> None:
    waits = [due_at(1500.0, Wake(INTERVAL)) - 1500.0 for _ in range(200)]
    assert 15 <= min(waits) < max(waits) <= 18
    assert len(set(waits)) > 100


@pytest.mark.parametrize("tick", [True, False])
def test_short_waits_are_kept(tick: bool) -> None:
    assert due_at(10.25, Wake(timedelta(milliseconds=500), tick=tick)) == 10.75


def test_the_soonest_wake_up_counts() -> None:
    assert soonest([None, Wake(INTERVAL, tick=True), apart(timedelta(seconds=2))]) == Wake(
        timedelta(seconds=2)
    )
    assert soonest([None, apart(None)]) is None


def ticks_of(count: int) -> list[float]:
    """When so many keys with a wait of 15 s are due, within an interval."""
    timers = Timers(lambda key, due: None)
    found: dict[str, float] = {}
    wake = Wake(timedelta(seconds=15), tick=True)
    for _ in range(2):  # the first round does not know yet how many there are
        found = {f"model-{number}": timers.due(f"model-{number}", wake, 1000.0) for number in range(count)}
    return [due % 15 for due in found.values()]


def test_as_many_as_can_be_worked_on_at_once_share_one_tick() -> None:
    assert set(ticks_of(128)) == {0.0}


def test_more_are_dealt_out_to_ticks_of_about_the_same_size() -> None:
    counts = Counter(round(due, 6) for due in ticks_of(1000))
    assert sorted(counts) == [round(15 * part / 8, 6) for part in range(8)]
    assert max(counts.values()) < 170


def test_who_is_not_armed_any_more_counts_no_longer() -> None:
    timers = Timers(lambda key, due: None)
    wake = Wake(timedelta(seconds=15), tick=True)
    for number in range(1000):
        timers.due(f"model-{number}", wake, 1000.0)
    timers.forget_ended(1014.0)
    assert timers.due("model-1", wake, 1014.0) % 15 != 0
    timers.forget_ended(1100.0)
    assert timers.due("model-1", wake, 1100.0) % 15 == 0
