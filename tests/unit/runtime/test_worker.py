"""What follows from each outcome of a pass: nothing is ever dropped."""

import asyncio
from datetime import timedelta

import pytest

from controller.errors import Conflict, InvariantError, TargetError, TransientError
from controller.runtime.timers import Timers
from controller.runtime.waking import Wake
from controller.runtime.worker import Worker


class RecordingTimers(Timers):
    """Keeps what was armed instead of counting it down."""

    def __init__(self) -> None:
        self.armed: list[tuple[str, Wake]] = []

    def arm(self, key: str, wake: Wake) -> None:
        self.armed.append((key, wake))


class Bench:
    def __init__(self, *outcomes: Exception | timedelta | None) -> None:
        self.outcomes = list(outcomes)
        self.timers = RecordingTimers()
        self.counted: list[str] = []
        self.worker = Worker(self.run_pass, self.timers, self.counted.append)

    async def run_pass(self, key: str, interrupt: asyncio.Event) -> Wake | None:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return None if outcome is None else Wake(outcome, tick=True)

    async def run(self) -> list[float]:
        while self.outcomes:
            await self.worker.handle("fraud", asyncio.Event())
        return [wake.after.total_seconds() for _, wake in self.timers.armed]


async def test_a_pass_that_asks_for_another_gets_a_timer() -> None:
    bench = Bench(timedelta(seconds=15))
    assert await bench.run() == [15]
    assert bench.counted == ["ok"]


async def test_a_pass_that_asks_for_nothing_gets_no_timer() -> None:
    bench = Bench(None)
    assert await bench.run() == []


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TransientError("no answer"), "transient"),
        (Conflict("lost"), "conflict"),
        (TargetError("refused"), "defect"),
        (InvariantError("broken"), "defect"),
        (ZeroDivisionError(), "defect"),
    ],
)
async def test_every_failure_is_counted_and_tried_again(error: Exception, outcome: str) -> None:
    bench = Bench(error)
    assert len(await bench.run()) == 1
    assert bench.counted == [outcome]


async def test_waits_grow_up_to_a_bound_and_start_anew_after_a_success() -> None:
    waits = await Bench(*[TransientError("no answer")] * 30).run()
    assert waits[0] < 0.5
    assert waits[3] > waits[0]
    assert max(waits) <= 10 * 1.25
    again = await Bench(*[TransientError("no")] * 8, timedelta(1), TransientError("no")).run()
    assert again[-1] < 0.5


async def test_the_wait_that_the_other_side_asked_for_is_honoured_within_the_bound() -> None:
    waits = await Bench(TransientError("slow down", retry_after=timedelta(seconds=7))).run()
    assert waits == [7]
    waits = await Bench(TransientError("slow down", retry_after=timedelta(days=1))).run()
    assert waits == [10]
