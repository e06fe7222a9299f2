"""Several Prometheus servers: each model is measured by the one that its policy names.

**Invariant**: servers share nothing, so one that is dead or slow blinds only its own models.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from controller.adapters.metrics.prometheus import PrometheusSource
from controller.domain.judge.calibration import PodHistory
from controller.domain.model import Rollout
from controller.domain.observation import InFlight, Measure, NoReading, Reading
from controller.domain.release import Release
from controller.domain.vocabulary import Reason
from controller.prometheus_settings import no_server

T = TypeVar("T")


class PrometheusServers:
    """`MetricSource` over several; ``default`` is for policies that name none."""

    def __init__(self, default: PrometheusSource, named: Mapping[str, PrometheusSource]) -> None:
        self._default = default
        self._named = named

    async def close(self) -> None:
        """Drop the readers that still wait, let go of threads and connections."""
        await asyncio.gather(self._default.close(), *(each.close() for each in self._named.values()))

    async def read(self, rollout: Rollout, measure: Measure) -> Reading | NoReading:
        """As `PrometheusSource.read`; a `NoReading` names the server where it is not the default."""
        source = self._of(rollout)
        if isinstance(source, NoReading):
            return source
        return _named(rollout, await source.read(rollout, measure))

    async def history(self, rollout: Rollout) -> PodHistory | NoReading:
        """As `PrometheusSource.history`."""
        source = self._of(rollout)
        if isinstance(source, NoReading):
            return source
        return _named(rollout, await source.history(rollout))

    async def in_flight(self, rollout: Rollout, release: Release, since: timedelta) -> InFlight:
        """As `PrometheusSource.in_flight`."""
        source = self._of(rollout)
        if isinstance(source, NoReading):
            return InFlight(None, source.message)
        return await source.in_flight(rollout, release, since)

    def _of(self, rollout: Rollout) -> PrometheusSource | NoReading:
        name = rollout.policy.prometheus
        source = self._named.get(name) if name else self._default
        if source is None:
            return NoReading(Reason.METRICS_UNAVAILABLE, no_server(name))
        return source


def _named(rollout: Rollout, answer: T | NoReading) -> T | NoReading:
    name = rollout.policy.prometheus
    if name and isinstance(answer, NoReading):
        return replace(answer, message=f"{answer.message} (server {name})")
    return answer
