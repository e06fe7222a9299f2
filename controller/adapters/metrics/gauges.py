"""Evaluates the packs' levels and the policies' own queries, for each version by itself.

**Invariant**: a gauge that cannot be read has no value and a warning; it never spoils the counts.
"""

import asyncio
from datetime import datetime

from controller.adapters.metrics.answers import number
from controller.adapters.metrics.asking import Asker
from controller.adapters.metrics.cases import selector
from controller.adapters.metrics.client import QueryError
from controller.adapters.metrics.packs import Pack, of_testers
from controller.adapters.metrics.queries import filled_query, level_query
from controller.domain.judge.counts import GaugeSample
from controller.domain.judge.series import Arm
from controller.domain.measures import Level
from controller.domain.model import Rollout
from controller.domain.policy import Check, CheckKind
from controller.domain.release import Release


class Gauges:
    """The gauges of one instant: a query that several ask for is sent once."""

    def __init__(self, asker: Asker, server_time: datetime, deadline: float) -> None:
        self._asker = asker
        self._at_seconds = server_time.timestamp()
        self._deadline = deadline
        self._asked: dict[str, asyncio.Task[float | None]] = {}

    async def read(self, rollout: Rollout, pack: Pack) -> tuple[tuple[GaugeSample, ...], tuple[str, ...]]:
        """The rollout's gauges in the order of its checks, and a warning for each that could not be read."""
        checks = [check for check in rollout.policy.checks if check.kind is CheckKind.GAUGE]
        sides = [
            self._value(check, arm, _query(check, rollout, pack, release))
            for check in checks
            for arm, release in ((Arm.CANARY, rollout.release), (Arm.STABLE, rollout.stable))
        ]
        values = await asyncio.gather(*sides)
        pairs = zip(values[::2], values[1::2], strict=True)
        samples = tuple(
            GaugeSample(check.name, canary, stable)
            for check, ((canary, _), (stable, _)) in zip(checks, pairs, strict=True)
        )
        return samples, tuple(warning for _, warning in values if warning)

    async def _value(self, check: Check, arm: Arm, query: str | ValueError) -> tuple[float | None, str]:
        if isinstance(query, ValueError):
            return None, f"{check.name} of {arm}: {query}"
        try:
            return await self._number(query) if query else None, ""
        except QueryError as error:
            return None, f"{check.name} of {arm}: {error.message} ({error.reason})"

    async def _number(self, query: str) -> float | None:
        task = self._asked.get(query)
        if task is None:
            ask = self._asker.ask(query, number, self._at_seconds, self._deadline)
            task = self._asked[query] = asyncio.create_task(ask)
        return await task


def _query(check: Check, rollout: Rollout, pack: Pack, release: Release | None) -> str | ValueError:
    """What asks for the check's number of one version; empty if there is nothing to ask for."""
    if release is None:
        return ""
    try:
        if check.query is not None:
            backend = of_testers(rollout.model, release, rollout.route.series)
            return filled_query(check.query, rollout.model, release, backend)
    except ValueError as error:
        return error
    gauge = pack.levels.get(Level(check.measure)) if check.measure in pack.levels else None
    own = selector(pack.versions, rollout, release)
    if own.empty:
        return ValueError("nothing tells which series are its own")
    return level_query(gauge, own) if gauge is not None else ""
