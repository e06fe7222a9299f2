"""The keyed queue: each key once, one worker per key, urgent first."""

import asyncio
from collections.abc import Iterable

from controller.runtime.queue import KeyedQueue


class Bench:
    """A queue with workers that record what they do and can be held up."""

    def __init__(self, workers: int = 2) -> None:
        self.lateness: list[float] = []
        self.queue = KeyedQueue(self.lateness.append)
        self.begun: list[str] = []
        self.at_work: set[str] = set()
        self.overlapped = False
        self.gate = asyncio.Event()
        self.interrupted: list[str] = []
        self.task = asyncio.create_task(self.queue.run(self.handle, workers))

    async def handle(self, key: str, interrupt: asyncio.Event) -> None:
        self.overlapped = self.overlapped or key in self.at_work
        self.at_work.add(key)
        self.begun.append(key)
        await self.gate.wait()
        if interrupt.is_set():
            self.interrupted.append(key)
        self.at_work.discard(key)

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def finish(self) -> None:
        self.gate.set()
        await self.settle()
        self.queue.close()
        await asyncio.wait_for(self.task, timeout=2)

    def add(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.queue.add(key)


async def test_a_key_added_twice_is_worked_on_once() -> None:
    bench = Bench()
    bench.add(["a", "a", "a"])
    await bench.finish()
    assert bench.begun == ["a"]


async def test_a_key_added_during_its_work_is_worked_on_once_more_and_never_twice_at_once() -> None:
    bench = Bench()
    bench.add(["a"])
    await bench.settle()
    bench.add(["a", "a"])
    await bench.finish()
    assert bench.begun == ["a", "a"]
    assert not bench.overlapped


async def test_keys_are_worked_on_at_the_same_time_up_to_the_number_of_workers() -> None:
    bench = Bench(workers=2)
    bench.add(["a", "b", "c"])
    await bench.settle()
    assert bench.at_work == {"a", "b"}
    assert len(bench.queue) == 1
    await bench.finish()
    assert sorted(bench.begun) == ["a", "b", "c"]


async def test_an_urgent_key_goes_first() -> None:
    bench = Bench(workers=1)
    bench.add(["a"])
    await bench.settle()
    bench.add(["b", "c"])
    bench.queue.add("c", urgent=True)
    await bench.finish()
    assert bench.begun == ["a", "c", "b"]


async def test_an_urgent_word_interrupts_the_work_in_hand() -> None:
    bench = Bench()
    bench.add(["a"])
    await bench.settle()
    bench.queue.add("a")
    bench.queue.add("a", urgent=True)
    await bench.finish()
    assert bench.interrupted == ["a"]
    assert bench.begun == ["a", "a"]


async def test_closing_finishes_the_work_in_hand_and_starts_no_more() -> None:
    bench = Bench(workers=1)
    bench.add(["a", "b"])
    await bench.settle()
    bench.queue.close()
    bench.queue.add("c")
    bench.gate.set()
    await asyncio.wait_for(bench.task, timeout=2)
    assert bench.begun == ["a"]
    assert bench.at_work == set()


async def test_every_wait_for_a_worker_is_measured() -> None:
    bench = Bench()
    bench.add(["a", "b"])
    await bench.finish()
    assert len(bench.lateness) == 2
    assert all(wait >= 0 for wait in bench.lateness)
