"""Removes clusters that no route has named for a while.

Not at once: requests in flight, and a release that comes right back, keep their cluster and its counters.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from controller.errors import ControllerError

log = structlog.get_logger(__name__)


class ClusterSweeper:
    """One task while there is something to remove, none otherwise."""

    def __init__(
        self,
        grace: timedelta,
        unused: Callable[[], Awaitable[frozenset[str]]],
        remove: Callable[[frozenset[str]], Awaitable[None]],
    ) -> None:
        self._grace_seconds = grace.total_seconds()
        self._unused = unused
        self._remove = remove
        self._unused_since: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Look for unused clusters, now and until there are none."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Stop; what was not removed is found again at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                unused = await self._unused()
                now = loop.time()
                self._unused_since = {name: self._unused_since.get(name, now) for name in unused}
                due = now - self._grace_seconds
                ripe = frozenset(name for name, since in self._unused_since.items() if since <= due)
                if ripe:
                    await self._remove(ripe)
            except ControllerError as error:
                log.warning("clusters_not_removed", error=str(error))
            if not self._unused_since:
                return
            await asyncio.sleep(self._grace_seconds)
