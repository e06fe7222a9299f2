"""A metric source whose readers hold no worker's place while they wait for it."""

from datetime import timedelta
from typing import Protocol

from controller.domain.judge.calibration import PodHistory
from controller.domain.model import Rollout
from controller.domain.observation import InFlight, Measure, NoReading, Reading
from controller.domain.release import Release
from controller.ports import MetricSource, RunningRequests
from controller.runtime.queue import KeyedQueue


class Source(MetricSource, RunningRequests, Protocol):
    """Counts what was answered, and what is not yet."""


class MeasuredAside:
    """`MetricSource` and `RunningRequests` over another.

    A tick's models all ask before any is answered, however few may work.
    """

    def __init__(self, source: Source, queue: KeyedQueue) -> None:
        self._source = source
        self._queue = queue

    async def read(self, rollout: Rollout, measure: Measure) -> Reading | NoReading:
        """As the other does."""
        async with self._queue.aside():
            return await self._source.read(rollout, measure)

    async def history(self, rollout: Rollout) -> PodHistory | NoReading:
        """As the other does."""
        async with self._queue.aside():
            return await self._source.history(rollout)

    async def in_flight(self, rollout: Rollout, release: Release, since: timedelta) -> InFlight:
        """As the other does."""
        async with self._queue.aside():
            return await self._source.in_flight(rollout, release, since)
