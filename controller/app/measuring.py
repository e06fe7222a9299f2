"""A metric source whose readers hold no worker's place while they wait for it."""

from controller.domain.judge.calibration import PodHistory
from controller.domain.model import Rollout
from controller.domain.observation import Measure, NoReading, Reading
from controller.ports import MetricSource
from controller.runtime.queue import KeyedQueue


class MeasuredAside:
    """`MetricSource` over another. A tick's models all ask before any is answered, however few may work."""

    def __init__(self, source: MetricSource, queue: KeyedQueue) -> None:
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
