"""Prometheus as a source of counts and gauges: who asks at about the same moment is answered together.

Readers whose queries failed have a lane of their own, which keeps nobody else waiting.

**Invariant**: whatever Prometheus answers, or does not, a reader gets complete numbers or a `NoReading` that
says why not, within a bounded time. The local clock plays no part in what is counted: all instants are
Prometheus' own.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from controller.adapters.metrics.asking import Asker
from controller.adapters.metrics.client import PrometheusAccess
from controller.adapters.metrics.doubts import Doubts
from controller.adapters.metrics.history import NO_HISTORY, read_history
from controller.adapters.metrics.lane import Lane, Wanted
from controller.adapters.metrics.packs import Pack
from controller.adapters.metrics.running import running
from controller.domain.judge.calibration import PodHistory
from controller.domain.model import Rollout
from controller.domain.observation import InFlight, Measure, NoReading, Reading
from controller.domain.recognition import pack_of
from controller.domain.release import Release
from controller.errors import TargetError

_THREADS_APART = 1


class PrometheusSource:
    """`MetricSource` over one Prometheus. ``packs`` are the metrics that a policy can name.

    ``query_took`` is told the seconds of each query, with the wait for its turn.
    """

    def __init__(
        self,
        url: str,
        packs: Mapping[str, Pack],
        access: PrometheusAccess | None = None,
        query_took: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._packs = packs
        self._access = access or PrometheusAccess()
        self._doubts = Doubts()
        self._asker = Asker(url, self._access, query_took)
        self._lane = Lane(self._asker, self._access, self._doubts)
        apart = replace(self._access, threads=_THREADS_APART)
        self._apart = Lane(Asker(url, apart, query_took), apart, self._doubts)

    async def close(self) -> None:
        """Drop the readers that still wait, let go of threads and connections."""
        await asyncio.gather(self._lane.close(), self._apart.close())

    async def read(self, rollout: Rollout, measure: Measure) -> Reading | NoReading:
        """The blocks that closed since ``measure.since``, and the gauges as they are now.

        Raises `TargetError` if the policy names a pack that is not there.
        """
        wanted = Wanted(rollout, self._pack(rollout), measure.since)
        doubted = self._doubts.largest(rollout.id) is not None
        return await (self._apart if doubted else self._lane).read(wanted)

    async def history(self, rollout: Rollout) -> PodHistory | NoReading:
        """Stable's last hour; empty where it was not recorded, or there is no stable.

        Raises `TargetError` if the policy names a pack that is not there.
        """
        if rollout.stable is None:
            return NO_HISTORY
        now = await self.read(rollout, Measure(None))
        if isinstance(now, NoReading):
            return now
        pack, at = self._pack(rollout), now.server_time
        return await read_history(self._asker, self._access, pack, rollout, rollout.stable, at)

    async def in_flight(self, rollout: Rollout, release: Release, since: timedelta) -> InFlight:
        """The requests that one of the rollout's versions has in hand, by whichever pack counts them."""
        return await running(self._asker, self._packs, rollout, release, since)

    def _pack(self, rollout: Rollout) -> Pack:
        name = pack_of(rollout)
        pack = self._packs.get(name)
        if pack is None:
            known = ", ".join(sorted(self._packs))
            raise TargetError(f"there is no metrics pack {name!r}; known here: {known}")
        return pack
