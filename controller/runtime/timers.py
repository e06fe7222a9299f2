"""Wake-ups: "put this key on the queue in so many seconds", by APScheduler.

APScheduler counts on the wall clock, so a clock that is set back would silence every timer for as long. One
watch compares the wall clock with the monotonic one each second; when they part, every key that has a timer
is put on the queue at once. A pass too many is harmless, a pass too late is not.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

_STEP_SECONDS = 0.5
_WATCH_SECONDS = 1.0
_BEAT_SECONDS = 1.0

log = structlog.get_logger(__name__)


def _on_beat(now: float, wait: float) -> float:
    return now + wait if wait < _BEAT_SECONDS else round((now + wait) / _BEAT_SECONDS) * _BEAT_SECONDS


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

    def arm(self, key: str, after: timedelta) -> None:
        """Wake the key after about so long; at once when that is 0 or less.

        Waits of a second and more end on the beat of a second that all keys share, up to half of one early or
        late: who wakes together is measured by the same queries.
        """
        now = time.monotonic()
        if after <= timedelta(0):
            self._wake(key, now)
            return
        due = _on_beat(now, after.total_seconds())
        self._scheduler.add_job(
            self._ring,
            DateTrigger(datetime.now(UTC) + timedelta(seconds=due - now), timezone=UTC),
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
