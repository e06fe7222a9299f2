"""Live changes as server-sent events: the newest state of each rollout that the caller may see.

    event: rollout      data: as `serinus status -o json`
    event: gone         data: {"rollout", "model", "namespace"}: its record was deleted
    event: ready        what is so far was told; from here on come changes

**Invariant**: who may follow is asked again every minute, and whoever may no longer is let go. A stream holds
a cursor and nothing else: who reads slowly skips states, and who does not read at all loses the connection to
the listener's clock. **Source**: HTML, server-sent events; a stream goes on after ``Last-Event-ID``.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from controller.control.board import Board, Change
from controller.control.library import Key
from controller.errors import ControllerError
from controller.ports import Clock
from controller.web.listing import statuses
from controller.web.memory import Monotonic
from controller.web.parts import Sight
from controller.web.problems import Refusal, too_many

MOST_STREAMS = 64
MOST_OF_ONE = 8
LONGEST = timedelta(hours=1)
_FEW_SECONDS = 5.0
_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Beats:
    """Seconds: between two signs of life, and between two questions whether the caller may still follow."""

    alive: float = 15.0
    allowed: float = 60.0
    monotonic: Monotonic = time.monotonic


@dataclass(frozen=True, slots=True)
class Wanted:
    """``model`` and ``namespace`` None are all. ``last`` is the id of the last event that was heard."""

    model: str | None = None
    namespace: str | None = None
    last: str | None = None

    def fits(self, model: str, namespace: str) -> bool:
        """Whether it is asked for."""
        return self.model in (None, model) and self.namespace in (None, namespace)


Again = Callable[[], Awaitable[Sight]]
"""What the caller may see now. Raises `Refusal` or `ControlError` for who may see nothing any more."""


class Streams:
    """How many follow, in all and of each person."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def enter(self, name: str) -> None:
        """Raises `Refusal` when there are too many."""
        if self._of.total() >= MOST_STREAMS or self._of[name] >= MOST_OF_ONE:
            raise too_many(_FEW_SECONDS, f"too many streams: {MOST_OF_ONE} for each, {MOST_STREAMS} in all")
        self._of[name] += 1

    def leave(self, name: str) -> None:
        """One less."""
        self._of[name] -= 1
        if not self._of[name]:
            del self._of[name]


class EventStream(Response):
    """An answer that goes on until the caller hangs up, may no longer follow, or an hour is over."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, name: str, events: AsyncGenerator[bytes, None]) -> None:
        streams.enter(name)
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._name = name
        self._events = events

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send events as they come."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            tasks = {asyncio.create_task(self._write(send)), asyncio.create_task(_gone(receive))}
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._streams.leave(self._name)

    async def _write(self, send: Send) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST.total_seconds()), aclosing(self._events) as events:
                async for event in events:
                    await send({"type": "http.response.body", "body": event, "more_body": True})


async def follow(
    board: Board, clock: Clock, wanted: Wanted, again: Again, beats: Beats
) -> AsyncGenerator[bytes, None]:
    """The events, from where the caller last was if that is known, else from the present state on."""
    yield b"retry: 2000\n\n"
    sight, due = await again(), beats.monotonic() + beats.allowed
    cursor = _cursor(wanted.last, board)
    while not board.closed:
        if cursor is None or (changes := board.since(cursor)) is None:
            cursor = board.number
            async for event in _present(sight, wanted):
                yield event
            yield _event("ready", "{}", f"{board.run}-{cursor}")
            continue
        for change in changes:
            cursor = change.number
            if change.namespace in sight.namespaces and wanted.fits(change.model, change.namespace):
                yield _changed(change, clock, board.run)
        if (left := due - beats.monotonic()) <= 0:
            try:
                sight, due = await again(), beats.monotonic() + beats.allowed
            except (Refusal, ControllerError):
                return  # who cannot be known to be allowed may come again and ask
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, beats.alive)):
                await board.news(cursor)
                continue
        yield b": alive\n\n"


async def _present(sight: Sight, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    keys: list[Key] = [key for key in await sight.readings.models() if wanted.fits(*key)]
    async for _, rollouts in statuses(sight.readings, keys):
        for status in rollouts:
            yield _event("rollout", status.model_dump_json())


def _changed(change: Change, clock: Clock, run: str) -> bytes:
    number = f"{run}-{change.number}"
    if change.show is None:
        gone = {"rollout": change.rollout, "model": change.model, "namespace": change.namespace or None}
        return _event("gone", json.dumps(gone), number)
    return _event("rollout", change.show(clock.now()).model_dump_json(), number)


def _cursor(last: str | None, board: Board) -> int | None:
    """What an id of ours says; None for one of another process, or of nobody."""
    run, _, number = (last or "").partition("-")
    if run != board.run or not _NUMBER.fullmatch(number):
        return None
    return int(number)


def _event(kind: str, data: str, number: str = "") -> bytes:
    """One event; ``data`` is JSON on one line."""
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {kind}\ndata: {data}\n\n".encode()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
