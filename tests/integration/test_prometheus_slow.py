"""A hundred rollouts and a Prometheus that is slow, then silent, then well again: real HTTP, real threads.

What is asserted is what was decided and what was asked, and the bound that readings have by the settings.
"""

import asyncio
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

from controller.adapters.metrics.client import PrometheusAccess
from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.app.measuring import MeasuredAside
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.vocabulary import Reason
from controller.runtime.queue import KeyedQueue
from tests.unit.metrics.test_prometheus_source import Form, Prometheus, at, envoy, rollout, serving

MODELS = [f"model-{number}" for number in range(100)]
ACCESS = PrometheusAccess(
    timeout=timedelta(seconds=1), patience=timedelta(seconds=0.2), gather_longest=timedelta(seconds=0.5)
)

LONGEST = 2 * 1 + 0.5 + 5
"""The bound of a reading by these settings, and what a busy machine may add."""


class Slow:
    """A Prometheus that first waits; ``most`` is how many queries waited at a time."""

    def __init__(self) -> None:
        self.holds: Prometheus = Prometheus()
        for model in MODELS:
            envoy(self.holds, "v1", 9, model)
            envoy(self.holds, "v2", 1, model)
        self.seconds = 0.0
        self.most = 0
        self._at_work = 0
        self._lock = threading.Lock()

    def __call__(self, handler: BaseHTTPRequestHandler, form: Form) -> None:
        with self._lock:
            self._at_work += 1
            self.most = max(self.most, self._at_work)
        if self.seconds:
            self.holds.queries.append(form["query"])
            time.sleep(self.seconds)
        else:
            self.holds(handler, form)
        with self._lock:
            self._at_work -= 1


class Daemon:
    """The queue with few places, and passes that only measure."""

    def __init__(self, url: str) -> None:
        self.queue = KeyedQueue(lambda _: None)
        self.asked: list[float] = []
        self.source = PrometheusSource(url, built_in_packs(), ACCESS, self.asked.append)
        self.metrics = MeasuredAside(self.source, self.queue)
        self.found: dict[str, Reading | NoReading] = {}
        self.seconds: dict[str, float] = {}
        self.urgent = asyncio.Event()
        self.done = asyncio.Event()
        self.task = asyncio.create_task(self.queue.run(self.handle, workers=4))

    async def handle(self, key: str, interrupt: asyncio.Event) -> None:
        if key == "abort":
            self.urgent.set()
            return
        began = asyncio.get_running_loop().time()
        self.found[key] = await self.metrics.read(rollout(model=key), Measure(at(-21)))
        self.seconds[key] = asyncio.get_running_loop().time() - began
        if len(self.found) == len(MODELS):
            self.done.set()

    async def tick(self) -> None:
        self.found, self.seconds = {}, {}
        self.done.clear()
        for model in MODELS:
            self.queue.add(model, due=time.monotonic())
        await asyncio.wait_for(self.done.wait(), timeout=60)

    async def close(self) -> None:
        self.queue.close()
        await self.task
        await self.source.close()

    def longest(self) -> float:
        return max(self.seconds.values())

    def blind(self) -> int:
        return sum(isinstance(each, NoReading) for each in self.found.values())


async def test_a_hundred_rollouts_outlast_a_prometheus_that_does_not_answer() -> None:
    slow = Slow()
    with serving(slow) as url:
        daemon = Daemon(url)
        await daemon.tick()
        assert daemon.blind() == 0
        assert len(slow.holds.queries) <= 2 * 3

        slow.seconds, slow.holds.queries, slow.most = 3.0, [], 0
        ticking = asyncio.create_task(daemon.tick())
        daemon.queue.add("abort", urgent=True)
        await asyncio.wait_for(daemon.urgent.wait(), timeout=10)
        assert not daemon.done.is_set(), "an urgent word does not wait for those that measure"
        await ticking
        assert daemon.longest() < LONGEST
        for _ in range(2):
            await daemon.tick()
            assert daemon.blind() == 100
            assert {each.reason for each in daemon.found.values() if isinstance(each, NoReading)} == {
                Reason.METRICS_UNAVAILABLE
            }
        assert set(slow.holds.queries) == {"time()"}
        assert len(slow.holds.queries) <= 5

        slow.seconds, slow.holds.queries = 0.0, []
        async with asyncio.timeout(30):
            while daemon.blind():  # the last of its slow answers may still be awaited
                await daemon.tick()
        assert daemon.blind() == 0
        await daemon.close()


async def test_a_prometheus_that_fails_is_asked_once_for_all() -> None:
    daemon = Daemon("http://127.0.0.1:9")
    for _ in range(3):
        await daemon.tick()
        assert daemon.blind() == 100
    assert len(daemon.asked) <= 2 * 3
    await daemon.close()
