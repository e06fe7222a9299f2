"""Timers on a real event loop: they ring once, can be moved, and survive a late loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from controller.runtime.timers import Timers


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
    timers.arm("fraud", timedelta(milliseconds=20))
    await bell.wait()
    assert bell.rung == ["fraud"]


async def test_no_wait_rings_at_once(timers: Timers, bell: Bell) -> None:
    timers.arm("fraud", timedelta(0))
    assert bell.rung == ["fraud"]


async def test_arming_again_moves_the_timer(timers: Timers, bell: Bell) -> None:
    timers.arm("fraud", timedelta(hours=1))
    timers.arm("fraud", timedelta(milliseconds=20))
    await bell.wait()
    assert bell.rung == ["fraud"]


async def test_a_loop_that_stalls_longer_than_the_librarys_grace_loses_no_timer(
    timers: Timers, bell: Bell
) -> None:
    timers.arm("fraud", timedelta(milliseconds=50))
    time.sleep(1.6)  # noqa: ASYNC251 - the stall that makes APScheduler's default drop the job
    await bell.wait()
    assert bell.rung == ["fraud"]
