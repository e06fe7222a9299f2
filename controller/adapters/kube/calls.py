"""Sends one call to the API server, with every bound that it needs.

**Invariant**: a call ends within its time and holds no more of the answer than was allowed. A write is sent
only right after ``before_write`` allowed it. Nothing is tried again here; below, the library sends a GET or a
DELETE anew when a connection that was kept open turns out to be dead.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from controller.adapters.kube.answers import Call, refusal
from controller.adapters.kube.reading import lines, whole
from controller.adapters.kube.transport import ApiAnswer, ApiRequest, Transport
from controller.errors import TransientError

_NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What calls may cost.

    ``list_timeout`` is for all pages of a list together; a page has ``page`` objects. ``silence`` is how long
    a watch is still read after the server should have ended it. ``in_flight`` calls run at once, watches
    apart. ``largest_answer_bytes`` is for a page, an object or an event.
    """

    timeout: timedelta = timedelta(seconds=5)
    list_timeout: timedelta = timedelta(seconds=30)
    silence: timedelta = timedelta(seconds=3)
    in_flight: int = 16
    largest_answer_bytes: int = 64 * 1024 * 1024
    page: int = 250


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytearray


class Caller:
    """The way to one API server, with so many calls in flight."""

    def __init__(
        self,
        transport: Transport,
        before_write: Callable[[], None],
        count: Callable[[str, int], None],
        limits: CallLimits,
    ) -> None:
        self._transport = transport
        self._before_write = before_write
        self._count = count
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.in_flight)

    async def ask(self, call: Call, request: ApiRequest) -> Reply:
        """Send the request and read the answer; without a time limit, for which there is `within`."""
        async with self._slots:
            if call.writes:
                self._before_write()
            status = _NO_ANSWER
            try:
                async with self._transport.send(request) as answer:
                    body = await whole(answer.chunks, self._limits.largest_answer_bytes)
                    status = answer.status
                    return Reply(status, answer.headers, body)
            finally:
                self._count(call.verb, status)

    async def follow(
        self, call: Call, request: ApiRequest, seconds: float
    ) -> AsyncGenerator[bytearray, None]:
        """Send the request and yield the lines of its answer as they come.

        Raises what a refusal stands for, and `TransientError` when the answer is not over in time.
        """
        async with AsyncExitStack() as stack:
            async with within(call, self._limits.timeout):
                answer = await self._opened(stack, call, request)
            most_seconds = seconds + self._limits.silence.total_seconds()
            deadline = asyncio.get_running_loop().time() + most_seconds
            body = lines(answer.chunks, self._limits.largest_answer_bytes, deadline)
            try:
                async for line in await stack.enter_async_context(aclosing(body)):
                    yield line
            except TimeoutError as error:
                raise TransientError(f"{call}: not ended within {most_seconds:g} s") from error

    async def _opened(self, stack: AsyncExitStack, call: Call, request: ApiRequest) -> ApiAnswer:
        status = _NO_ANSWER
        try:
            answer = await stack.enter_async_context(self._transport.send(request))
            status = answer.status
        finally:
            self._count(call.verb, status)
        if status != HTTPStatus.OK:
            body = await whole(answer.chunks, self._limits.largest_answer_bytes)
            raise refusal(call, status, answer.headers, body)
        return answer


@asynccontextmanager
async def within(call: Call, limit: timedelta) -> AsyncIterator[None]:
    """Give what is done in here so much time. Raises `TransientError` when that is over."""
    try:
        async with asyncio.timeout(limit.total_seconds()):
            yield
    except TimeoutError as error:
        doubt = "; it may have been done" if call.writes else ""
        raise TransientError(f"{call}: no answer within {limit.total_seconds():g} s{doubt}") from error
