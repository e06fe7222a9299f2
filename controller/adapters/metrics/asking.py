"""Sends queries to Prometheus: a few at a time, off the event loop, one question for many rollouts.

A query for many that the server refuses is halved until the one that breaks it stands alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from controller.adapters.metrics.client import Answer, PrometheusAccess, PrometheusClient, QueryError
from controller.domain.vocabulary import Reason

T = TypeVar("T")
One = TypeVar("One")
_MOST_SPLITS = 64
_SHORTEST_SECONDS = 0.1


class Asker:
    """Bounded concurrency and time for everybody's queries."""

    def __init__(self, url: str, access: PrometheusAccess, query_took: Callable[[float], None]) -> None:
        self._query_took = query_took
        self._client = PrometheusClient(url, access)
        self._timeout_seconds = access.timeout.total_seconds()
        self._turns = asyncio.Semaphore(access.threads)
        self._threads = ThreadPoolExecutor(access.threads, thread_name_prefix="prometheus")

    def close(self) -> None:
        """Let go of threads and connections; queries under way end by their own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def ask(
        self, query: str, read: Callable[[Answer], T], at_seconds: float | None, deadline: float
    ) -> T:
        """Evaluate a query at an instant, or now, and read its answer, which happens off the event loop too.

        ``deadline`` is on the loop's clock. Raises `QueryError`.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        params = {} if at_seconds is None else {"time": f"{at_seconds:.3f}"}
        try:
            async with asyncio.timeout_at(deadline), self._turns:
                seconds = min(self._timeout_seconds, max(_SHORTEST_SECONDS, deadline - loop.time()))
                return await loop.run_in_executor(
                    self._threads, lambda: read(self._client.custom_query(query, params, seconds))
                )
        except TimeoutError as error:
            raise QueryError(Reason.METRICS_UNAVAILABLE, "Prometheus did not answer in time") from error
        finally:
            self._query_took(loop.time() - began)


class Halving:
    """Asks one question for many, in smaller and smaller groups where the server refuses.

    At most `_MOST_SPLITS` extra queries are spent, so that a server that refuses everything is not flooded.
    """

    def __init__(self) -> None:
        self._left = _MOST_SPLITS

    async def put(
        self, many: Sequence[One], question: Callable[[Sequence[One]], Awaitable[T]]
    ) -> list[tuple[Sequence[One], T | QueryError]]:
        """The answer for each group that got one, or why it got none."""
        try:
            return [(many, await question(many))]
        except QueryError as error:
            if not error.divisible or len(many) == 1 or self._left == 0:
                return [(many, error)]
        self._left -= 1
        middle = len(many) // 2
        return [*await self.put(many[:middle], question), *await self.put(many[middle:], question)]
