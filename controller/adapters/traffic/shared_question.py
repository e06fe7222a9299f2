"""One request for many who ask the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedQuestion(Generic[T]):
    """Asks ``put`` once for all who wait.

    **Invariant**: an answer was asked for after its reader's call, so it is never older than what the reader
    did before. Whoever comes while a request is under way waits for the next one.
    """

    def __init__(self, put: Callable[[], Awaitable[T]]) -> None:
        self._put = put
        self._current: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def ask(self) -> T:
        """The answer to a request that starts now or later. Raises what ``put`` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._follow(self._current))
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = {task for task in (self._current, self._next) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait({before})
        self._current, self._next = self._next, None
        return await self._put()
