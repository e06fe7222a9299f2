"""A queue of keys: each key once, one worker per key at a time, many keys at once.

Timers, watches, policy edits and people all do the same thing: put a key here. A key that is added while it
is being worked on is worked on once more afterwards. An urgent key goes first, and interrupts the worker that
has it, so that a person's abort does not wait for a slow observation.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Handler = Callable[[str, asyncio.Event], Awaitable[None]]
"""Works on one key; must not raise. The event is set when the work should make way for an urgent matter."""


@dataclass(slots=True)
class _Job:
    interrupt: asyncio.Event = field(default_factory=asyncio.Event)
    again: bool = False
    urgent: bool = False


class KeyedQueue:
    """Keys waiting and keys in work. Belongs to one event loop."""

    def __init__(self, on_lateness: Callable[[float], None]) -> None:
        """``on_lateness`` is told, in seconds, how long after it was due each key found a worker."""
        self._waiting: OrderedDict[str, float] = OrderedDict()
        self._in_work: dict[str, _Job] = {}
        self._arrival = asyncio.Event()
        self._closed = False
        self._on_lateness = on_lateness

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: str, due: float | None = None, *, urgent: bool = False) -> None:
        """Ask for work on a key. Adding a key that waits already changes nothing but its urgency.

        ``due`` is when the work should have begun, by ``time.monotonic``; now, when it is not given.
        """
        if self._closed:
            return
        job = self._in_work.get(key)
        if job is not None:
            job.again = True
            job.urgent = job.urgent or urgent
            if urgent:
                job.interrupt.set()
            return
        self._waiting.setdefault(key, time.monotonic() if due is None else due)
        if urgent:
            self._waiting.move_to_end(key, last=False)
        self._arrival.set()

    async def run(self, handle: Handler, workers: int) -> None:
        """Work until `close`; returns when the last key in hand is done."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(handle))

    def close(self) -> None:
        """Take no more keys and start no more work; what is in hand makes way, or finishes."""
        self._closed = True
        for job in self._in_work.values():
            job.interrupt.set()
        self._waiting.clear()
        self._arrival.set()

    async def _work(self, handle: Handler) -> None:
        while not self._closed:
            if not self._waiting:
                self._arrival.clear()
                await self._arrival.wait()
                continue
            key, due = self._waiting.popitem(last=False)
            self._on_lateness(time.monotonic() - due)
            job = self._in_work[key] = _Job()
            try:
                await handle(key, job.interrupt)
            finally:
                del self._in_work[key]
            if job.again:
                self.add(key, urgent=job.urgent)
