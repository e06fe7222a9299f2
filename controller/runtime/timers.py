"""Wake-ups: "put this key on the queue in so many seconds", by APScheduler.

APScheduler counts on the wall clock, so a clock that is set back would silence every timer for as long. One
watch compares the wall clock with the monotonic one each second; when they part, every key that has a timer
is put on the queue at once. A pass too many is harmless, a pass too late is not.

What goes with the tick wakes at a multiple of its wait on the monotonic clock: all keys with the same wait at
once, and all whose waits are multiples of each other now and then. One that was woken in between falls back
on it. Where there are more than can be worked on in a moment, they are dealt out to several ticks in a wait.
What does not go with the tick is spread.
"""

import asyncio
import math
import random
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zlib import crc32

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from controller.runtime.waking import Wake

_STEP_SECONDS = 0.5
_WATCH_SECONDS = 1.0
_SHORT_SECONDS = 1.0
"""Shorter waits are kept as they are."""
_NEAR = 0.25
"""A tick that comes sooner than this share of the wait is left out: its own pass has only just been."""
_SPREAD = 0.2
"""What goes apart wakes up to this share of its wait later, never earlier: somebody may have asked for it."""

_TOGETHER = 128
"""As many keys with the same wait share a tick; of more, each tick gets a part, by their names."""

log = structlog.get_logger(__name__)


def due_at(now: float, wake: Wake, part: float = 0.0) -> float:
    """When to wake, on the clock of ``now``; ``part`` of the wait is how far the key's ticks are moved."""
    wait = max(wake.after.total_seconds(), 0.0)
    if wait < _SHORT_SECONDS:
        return now + wait
    if wake.tick:
        return (math.ceil(now / wait - part + _NEAR) + part) * wait
    return now + wait * random.uniform(1, 1 + _SPREAD)  # noqa: S311 - spreads load, guards nothing


class Timers:
    """At most one timer per key; arming it again moves it."""

    def __init__(self, wake: Callable[[str, float], None]) -> None:
        """``wake`` is called on the event loop with a key whose time has come, and that time (monotonic)."""
        self._wake = wake
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            # the library's own default of 1 s makes a late timer vanish
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._watch: asyncio.Task[None] | None = None
        self._ticking: dict[timedelta, dict[str, float]] = defaultdict(dict)
        """By wait, when each key that goes with its tick is due."""

    def start(self) -> None:
        """Begin to count; needs a running event loop."""
        self._scheduler.start()
        self._watch = asyncio.create_task(self._watch_clock())

    def arm(self, key: str, wake: Wake) -> None:
        """Wake the key after about so long, with the tick or apart from others; at once when that is 0."""
        now = time.monotonic()
        due = self.due(key, wake, now)
        if due <= now:
            self._wake(key, now)
            return
        self._scheduler.add_job(
            self._ring,
            DateTrigger(datetime.fromtimestamp(time.time() + due - now, UTC), timezone=UTC),
            args=(key, due),
            id=key,
            replace_existing=True,
        )

    def close(self) -> None:
        """Forget every timer."""
        if self._watch is not None:
            self._watch.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def due(self, key: str, wake: Wake, now: float) -> float:
        """When the key is to be woken, on the clock of ``now``; from then on it counts among its tick's."""
        if not wake.tick:
            return due_at(now, wake)
        due = self._ticking[wake.after][key] = due_at(now, wake, self._part(key, wake.after))
        return due

    def _part(self, key: str, wait: timedelta) -> float:
        """Which of the ticks in a wait is the key's, as a share of the wait: always the first of one."""
        ticks = math.ceil(len(self._ticking[wait].keys() | {key}) / _TOGETHER)
        return crc32(key.encode()) % ticks / ticks

    async def _ring(self, key: str, due: float) -> None:  # a coroutine: the library runs others in threads
        self._wake(key, due)

    async def _watch_clock(self) -> None:
        offset = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            self.forget_ended(time.monotonic())
            now = time.time() - time.monotonic()
            if abs(now - offset) > _STEP_SECONDS:
                log.warning("wall_clock_stepped", by_seconds=round(now - offset, 3))
                for job in self._scheduler.get_jobs():
                    self._wake(job.id, time.monotonic())
            offset = now

    def forget_ended(self, now: float) -> None:
        """Who was not armed again for long goes with no tick any more."""
        for wait, keys in list(self._ticking.items()):
            oldest = now - 2 * wait.total_seconds()
            for key in [key for key, due in keys.items() if due < oldest]:
                del keys[key]
            if not keys:
                del self._ticking[wait]
