"""A queue of keys: each key once, one worker per key at a time, many keys at once.

Timers, watches, policy edits and people all do the same thing: put a key here. A key that is added while it
is being worked on is worked on once more afterwards. What happened goes before what is merely due, so that a
tick of many keys delays no news. An urgent key goes first, needs no place of its own, and interrupts the
worker that has it, so that a person's abort waits neither for a slow observation nor for a full tick.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Handler = Callable[[str, asyncio.Event], Awaitable[None]]
"""Works on one key; must not raise. The event is set when the work should make way for an urgent matter."""

_URGENT_PLACES = 8
"""How many urgent keys are worked on beside all others."""


@dataclass(slots=True)
class _Job:
    interrupt: asyncio.Event = field(default_factory=asyncio.Event)
    again: bool = False
    urgent: bool = False


class KeyedQueue:
    """Keys waiting and keys in work. Belongs to one event loop."""

    def __init__(self, on_lateness: Callable[[float], None]) -> None:
        """``on_lateness`` is told, in seconds, how long after it was due each key found a worker."""
        self._urgent: OrderedDict[str, float] = OrderedDict()
        self._news: OrderedDict[str, float] = OrderedDict()
        self._due: OrderedDict[str, float] = OrderedDict()
        self._in_work: dict[str, _Job] = {}
        self._places = 0
        self._urgent_places = _URGENT_PLACES
        self._returning: deque[asyncio.Future[None]] = deque()
        self._change = asyncio.Event()
        self._closed = False
        self._on_lateness = on_lateness

    def __len__(self) -> int:
        return sum(map(len, self._lanes))

    @property
    def _lanes(self) -> tuple[OrderedDict[str, float], ...]:
        return self._urgent, self._news, self._due

    def add(self, key: str, due: float | None = None, *, urgent: bool = False) -> None:
        """Ask for work on a key. Adding a key that waits already can only move it forward.

        ``due`` is when the work should have begun, by ``time.monotonic``; without it something has happened,
        now.
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
        wanted = 0 if urgent else 1 if due is None else 2
        since = time.monotonic() if due is None else due
        for number, lane in enumerate(self._lanes):
            if key in lane:
                if number <= wanted:
                    return
                since = min(since, lane.pop(key))
        self._lanes[wanted][key] = since
        self._change.set()

    async def run(self, handle: Handler, workers: int) -> None:
        """Work until `close`; returns when the last key in hand is done."""
        self._places = workers
        async with asyncio.TaskGroup() as group:
            while not self._closed:
                if not self._start(handle, group):
                    self._change.clear()
                    await self._change.wait()

    def close(self) -> None:
        """Take no more keys and start no more work; what is in hand makes way, or finishes."""
        self._closed = True
        for job in self._in_work.values():
            job.interrupt.set()
        for lane in self._lanes:
            lane.clear()
        self._change.set()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Lets others have the place of work that only waits for the outside.

        Who returns goes before whoever has not begun; who gives up waiting goes on at once.
        """
        self._leave()
        try:
            yield
        except BaseException:
            self._places -= 1  # may fall below 0: then nobody begins until somebody is done
            raise
        await self._return()

    async def _return(self) -> None:
        if self._places > 0:
            self._places -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._returning.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():  # nobody had given it a place yet
                self._places -= 1
            raise

    def _leave(self) -> None:
        while self._returning and self._places >= 0:
            turn = self._returning.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._places += 1
        self._change.set()

    def _start(self, handle: Handler, group: asyncio.TaskGroup) -> bool:
        """Begin with the next key, if there is one and a place for it."""
        beside = bool(self._urgent) and self._urgent_places > 0
        if not beside and self._places <= 0:
            return False
        lane = next((lane for lane in self._lanes if lane), None)
        if lane is None:
            return False
        key, due = lane.popitem(last=False)
        self._on_lateness(time.monotonic() - due)
        if beside:
            self._urgent_places -= 1
        else:
            self._places -= 1
        job = self._in_work[key] = _Job()
        group.create_task(self._work(key, job, handle, beside=beside))
        return True

    async def _work(self, key: str, job: _Job, handle: Handler, *, beside: bool) -> None:
        try:
            await handle(key, job.interrupt)
        finally:
            del self._in_work[key]
            if beside:
                self._urgent_places += 1
                self._change.set()
            else:
                self._leave()
        if job.again:
            self.add(key, urgent=job.urgent)
