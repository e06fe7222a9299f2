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


async def test_what_happened_goes_before_what_is_due() -> None:
    bench = Bench(workers=1)
    bench.add(["a"])
    await bench.settle()
    for key in ("b", "c", "d"):
        bench.queue.add(key, due=0.0)
    bench.add(["e", "d"])
    bench.queue.add("e", due=0.0)
    await bench.finish()
    assert bench.begun == ["a", "e", "d", "b", "c"]


async def test_an_urgent_key_is_worked_on_though_every_place_is_taken() -> None:
    bench = Bench(workers=2)
    bench.add(["a", "b", "c"])
    await bench.settle()
    bench.queue.add("c", urgent=True)
    bench.queue.add("d", urgent=True)
    await bench.settle()
    assert bench.at_work == {"a", "b", "c", "d"}
    await bench.finish()


async def test_urgent_keys_are_not_worked_on_without_bound() -> None:
    bench = Bench(workers=1)
    for number in range(50):
        bench.queue.add(f"u{number}", urgent=True)
    await bench.settle()
    assert len(bench.at_work) <= 10
    await bench.finish()
    assert len(bench.begun) == 50


class Asides:
    """Work that waits for the outside, aside, until a test answers."""

    def __init__(self, workers: int) -> None:
        self.queue = KeyedQueue(lambda _: None)
        self.outside = asyncio.Event()
        self.held = asyncio.Event()
        self.asked: list[str] = []
        self.returned: list[str] = []
        self.ended: list[str] = []
        self.task = asyncio.create_task(self.queue.run(self.handle, workers))

    async def handle(self, key: str, interrupt: asyncio.Event) -> None:
        self.asked.append(key)
        waiting = asyncio.create_task(self._wait(key))
        stopped = asyncio.create_task(interrupt.wait())
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        stopped.cancel()
        if not interrupt.is_set():
            await self.held.wait()
        self.ended.append(key)

    async def _wait(self, key: str) -> None:
        async with self.queue.aside():
            await self.outside.wait()
        self.returned.append(key)

    async def settle(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.outside.set()
        self.held.set()
        await self.settle()
        self.queue.close()
        await asyncio.wait_for(self.task, timeout=2)


async def test_who_only_waits_for_the_outside_holds_no_place() -> None:
    bench = Asides(workers=2)
    for number in range(20):
        bench.queue.add(f"m{number}", due=0.0)
    await bench.settle()
    assert len(bench.asked) == 20
    bench.outside.set()
    await bench.settle()
    assert len(bench.returned) == 2, "no more than there are places go on at a time"
    bench.queue.add("late", due=0.0)
    bench.held.set()
    await bench.settle()
    assert sorted(bench.ended) == sorted([*(f"m{number}" for number in range(20)), "late"])
    await bench.close()


async def test_who_gives_up_waiting_goes_on_at_once_and_no_place_is_lost() -> None:
    bench = Asides(workers=1)
    bench.queue.add("a")
    bench.queue.add("b")
    await bench.settle()
    bench.queue.add("a", urgent=True)
    await bench.settle()
    assert "a" in bench.ended
    bench.outside.set()
    bench.held.set()
    await bench.settle()
    assert sorted(bench.ended) == ["a", "a", "b"]
    bench.queue.add("c")
    await bench.settle()
    assert bench.ended[-1] == "c"
    await bench.close()


async def test_who_gives_up_returning_goes_on_at_once_and_no_place_is_lost() -> None:
    bench = Asides(workers=1)
    for key in ("a", "b"):
        bench.queue.add(key)
    await bench.settle()
    bench.outside.set()
    await bench.settle()
    assert bench.returned == ["a"], "b waits for the place"
    bench.queue.add("b", urgent=True)
    await bench.settle()
    assert "b" in bench.ended
    bench.held.set()
    await bench.settle()
    bench.queue.add("c")
    await bench.settle()
    assert bench.ended[-1] == "c"
    await bench.close()


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
