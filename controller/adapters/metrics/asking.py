"""Sends queries to Prometheus: a few at a time, off the event loop, one question for many rollouts.

A query for many that the server refuses is halved until the one that breaks it stands alone. The slower the
answers, the fewer queries are under way at a time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from controller.adapters.metrics.client import Answer, PrometheusAccess, PrometheusClient, QueryError
from controller.domain.vocabulary import Reason

T = TypeVar("T")
One = TypeVar("One")
_MOST_SPLITS = 64
_SHORTEST_SECONDS = 0.1
_LONG = 0.5
"""An answer that took more than this share of the time-out is a slow one."""


class Turns:
    """How many may ask at a time: half as many after a slow answer, one more after each quick one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.limit = most

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it."""
        if self._busy >= self.limit or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._done()
                raise
        else:
            self._busy += 1
        try:
            yield
        finally:
            self._done()

    def took(self, *, long: bool) -> None:
        """Learn from an answer, or from one that did not come."""
        self.limit = max(1, self.limit // 2) if long else min(self._most, self.limit + 1)

    def _done(self) -> None:
        self._busy -= 1
        while self._waiting and self._busy < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._busy += 1
                turn.set_result(None)


class Asker:
    """Bounded concurrency and time for everybody's queries."""

    def __init__(self, url: str, access: PrometheusAccess, query_took: Callable[[float], None]) -> None:
        self._query_took = query_took
        self._client = PrometheusClient(url, access)
        self._timeout_seconds = access.timeout.total_seconds()
        self._turns = Turns(access.threads)
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
        began, sent = loop.time(), False
        params = {} if at_seconds is None else {"time": f"{at_seconds:.3f}"}
        try:
            async with asyncio.timeout_at(deadline), self._turns.turn():
                sent = True
                return await self._in_turn(query, read, params, deadline)
        except TimeoutError as error:
            message = "Prometheus did not answer in time"
            raise QueryError(Reason.METRICS_UNAVAILABLE, message, sent=sent) from error
        finally:
            self._query_took(loop.time() - began)

    async def _in_turn(
        self, query: str, read: Callable[[Answer], T], params: Mapping[str, str], deadline: float
    ) -> T:
        loop = asyncio.get_running_loop()
        began, long = loop.time(), True
        seconds = min(self._timeout_seconds, max(_SHORTEST_SECONDS, deadline - began))
        try:
            found = await loop.run_in_executor(
                self._threads, lambda: read(self._client.custom_query(query, params, seconds))
            )
            long = loop.time() - began > self._timeout_seconds * _LONG
        except QueryError as error:
            long = error.reason is Reason.METRICS_UNAVAILABLE
            raise
        finally:
            self._turns.took(long=long)
        return found


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
