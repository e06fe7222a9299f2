"""From the outcome of a pass to the next wake-up: the one place that catches everything.

The exception's type says what to do: `TransientError` is tried again with a growing wait, `TargetError` and
defects too, but slowly and loudly. Nothing is dropped: a key that failed always has a timer.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from controller.errors import Conflict, TransientError
from controller.runtime.timers import Timers
from controller.runtime.waking import Wake

Pass = Callable[[str, asyncio.Event], Awaitable[Wake | None]]
"""One pass over one key; returns when the key wants the next, None for never."""

_FIRST_WAIT_SECONDS = 0.25
_LONGEST_TRANSIENT_SECONDS = 10.0
_LONGEST_DEFECT_SECONDS = 120.0

log = structlog.get_logger(__name__)


class Worker:
    """Runs passes and arms the timer that each outcome asks for."""

    def __init__(self, run_pass: Pass, timers: Timers, count: Callable[[str], None]) -> None:
        """``count`` is told each outcome: ``ok``, ``conflict``, ``transient`` or ``defect``."""
        self._run_pass = run_pass
        self._timers = timers
        self._count = count
        self._failures: dict[str, int] = {}

    async def handle(self, key: str, interrupt: asyncio.Event) -> None:
        """One pass, and what follows from it."""
        try:
            wake = await self._run_pass(key, interrupt)
        except Conflict as error:
            log.info("pass_lost_race", key=key, error=str(error))
            self._retry(key, "conflict", _LONGEST_TRANSIENT_SECONDS, None)
        except TransientError as error:
            log.warning("pass_failed", key=key, error=str(error), attempt=self._failures.get(key, 0) + 1)
            self._retry(key, "transient", _LONGEST_TRANSIENT_SECONDS, error.retry_after)
        except Exception:
            log.exception("pass_broke", key=key, attempt=self._failures.get(key, 0) + 1)
            self._retry(key, "defect", _LONGEST_DEFECT_SECONDS, None)
        else:
            self._failures.pop(key, None)
            self._count("ok")
            if wake is not None:
                self._timers.arm(key, wake)

    def _retry(self, key: str, outcome: str, longest_seconds: float, asked: timedelta | None) -> None:
        self._count(outcome)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = min(_FIRST_WAIT_SECONDS * 2 ** min(failures - 1, 16), longest_seconds)
        wait *= random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, guards nothing
        seconds = max(wait, min(asked.total_seconds(), longest_seconds)) if asked else wait
        self._timers.arm(key, Wake(timedelta(seconds=seconds)))
