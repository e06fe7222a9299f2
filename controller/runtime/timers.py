"""Wake-ups: "put this key on the queue in so many seconds", by APScheduler.

APScheduler counts on the wall clock, so a clock that is set back would silence every timer for as long. One
watch compares the wall clock with the monotonic one each second; when they part, every key that has a timer
is put on the queue at once. A pass too many is harmless, a pass too late is not.

What goes with the tick wakes at a multiple of its wait on the monotonic clock: all keys with the same wait at
once, and all whose waits are multiples of each other now and then. One that was woken in between falls back
on it. What does not is spread.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

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

log = structlog.get_logger(__name__)


def due_at(now: float, wake: Wake) -> float:
    """When to wake, on the clock of ``now``."""
    wait = max(wake.after.total_seconds(), 0.0)
    if wait < _SHORT_SECONDS:
        return now + wait
    if wake.tick:
        return math.ceil(now / wait + _NEAR) * wait
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

    def start(self) -> None:
        """Begin to count; needs a running event loop."""
        self._scheduler.start()
        self._watch = asyncio.create_task(self._watch_clock())

    def arm(self, key: str, wake: Wake) -> None:
        """Wake the key after about so long, with the tick or apart from others; at once when that is 0."""
        now = time.monotonic()
        due = due_at(now, wake)
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

    async def _ring(self, key: str, due: float) -> None:  # a coroutine: the library runs others in threads
        self._wake(key, due)

    async def _watch_clock(self) -> None:
        offset = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = time.time() - time.monotonic()
            if abs(now - offset) > _STEP_SECONDS:
                log.warning("wall_clock_stepped", by_seconds=round(now - offset, 3))
                for job in self._scheduler.get_jobs():
                    self._wake(job.id, time.monotonic())
            offset = now
