"""Brings what is in the outbox to its destinations.

**Invariant**: telling returns at once and never raises. Each destination has its own task, so that a slow or
dead one delays no rollout and no other destination. An entry is settled in the outbox only after it was
taken, or given up with a log line and a count; so whatever happens in between, a crash too, it is told at
least once, each time with the same id.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog

from controller.adapters.notify.destination import Destination, Failure, Taken
from controller.adapters.notify.repeating import wait_after
from controller.domain.model import Entry, Rollout
from controller.errors import ControllerError, TransientError
from controller.ports import Clock, Outbox, Posting

_LOG = structlog.get_logger(__name__)

GIVE_UP_AFTER = timedelta(hours=24)
_MOST_IN_MEMORY = 1000
_PAGE = 200
_CLOSING = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Office:
    """What all channels share. ``count`` is told ``sent`` or ``dead``; ``first_wait`` precedes a repeat."""

    outbox: Outbox
    clock: Clock
    count: Callable[[str], None] = lambda _: None
    first_wait: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Nobody:
    """Where a name leads that the settings do not have."""

    name: str

    async def deliver(self, posting: Posting, memo: str) -> Failure:
        del posting, memo
        return Failure("the settings have no destination of that name", final=True)

    async def close(self) -> None:
        pass


class Courier:
    """Implements `Notifier` for the destinations of the settings."""

    def __init__(self, office: Office, destinations: Sequence[Destination]) -> None:
        self._office = office
        self._channels = {each.name: _Channel(each, office) for each in destinations}
        self._reader: asyncio.Task[None] | None = None

    @property
    def pending(self) -> Mapping[str, int]:
        """How many messages each destination has in memory; more may be in the outbox."""
        return {name: channel.pending for name, channel in self._channels.items()}

    def start(self) -> None:
        """Take up what an earlier process left, as soon as the outbox can be read. Call it on the loop."""
        if self._reader is None:
            self._reader = asyncio.create_task(self._take_up(), name="outbox")

    def tell(self, rollout: Rollout, entry: Entry) -> None:
        """Take up a committed entry. Call it on the loop."""
        if entry.notable:
            for name in dict.fromkeys(rollout.policy.notify):
                self._channel(name).put(Posting(rollout, entry, name))

    async def close(self) -> None:
        """Finish the attempts in hand, for at most 2 s. What is left stays in the outbox."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    def _channel(self, name: str) -> "_Channel":
        if name not in self._channels:
            self._channels[name] = _Channel(_Nobody(name), self._office)
        return self._channels[name]

    async def _take_up(self) -> None:
        for name in await _patiently(self._office, self._office.outbox.destinations):
            self._channel(name).wake()


_T = TypeVar("_T")


async def _patiently(office: Office, act: Callable[[], Awaitable[_T]]) -> _T:
    """What the outbox answers once it can be reached."""
    attempt = 0
    while True:
        try:
            return await act()
        except TransientError as error:
            _LOG.warning("outbox_unavailable", error=str(error))
            await asyncio.sleep(wait_after(attempt, office.first_wait, error.retry_after).total_seconds())
            attempt += 1


class _Channel:
    """The queue and the task of one destination: in order, one at a time.

    ``behind`` says that the outbox has more than the queue. While it does, nothing is queued that is newer.
    """

    def __init__(self, destination: Destination, office: Office) -> None:
        self._destination = destination
        self._office = office
        self._queue: deque[Posting] = deque()
        self._behind = True
        self._closing = False
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        return len(self._queue)

    def put(self, posting: Posting) -> None:
        """Queue it, unless it must be read from the outbox in its turn."""
        if self._behind or len(self._queue) >= _MOST_IN_MEMORY:
            self._behind = True
        else:
            self._queue.append(posting)
        self.wake()

    def wake(self) -> None:
        """Have the task look for work."""
        self._changed.set()
        if not self._closing and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name=f"notify-{self._destination.name}")

    async def close(self) -> None:
        self._closing = True
        self._changed.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSING.total_seconds())
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._queue:
            name = self._destination.name
            _LOG.info("notifications_left_for_later", destination=name, count=len(self._queue))
        await self._destination.close()

    async def _run(self) -> None:
        while not self._closing:
            self._changed.clear()
            if not self._queue and self._behind:
                await self._refill()
            if self._queue:
                await self._through(self._queue[0])
                self._queue.popleft()
            elif not self._behind:
                await self._changed.wait()

    async def _refill(self) -> None:
        """Read the oldest; what was queued meanwhile comes after them, or is read in its turn."""
        self._behind = False
        name = self._destination.name
        found = await _patiently(self._office, lambda: self._office.outbox.postings(name, _PAGE))
        self._behind = self._behind or len(found) == _PAGE
        known = {posting.id for posting in found}
        newer = [] if self._behind else [posting for posting in self._queue if posting.id not in known]
        self._queue = deque([*found, *newer])

    async def _through(self, posting: Posting) -> None:
        """Attempt it until it is taken, or given up; then settle it."""
        attempt, office = 0, self._office
        while True:
            outcome = await self._attempt(posting)
            if isinstance(outcome, Taken):
                return await self._settle(posting, "sent", outcome.memo)
            too_old = office.clock.now() - posting.entry.at >= GIVE_UP_AFTER
            if outcome.final or too_old:
                _LOG.error(
                    "notification_given_up",
                    destination=posting.destination,
                    notification=posting.id,
                    failure=outcome.message,
                    attempts=attempt + 1,
                )
                return await self._settle(posting, "dead", "")
            wait = wait_after(attempt, office.first_wait, outcome.retry_after)
            await asyncio.sleep(wait.total_seconds())
            attempt += 1

    async def _attempt(self, posting: Posting) -> Taken | Failure:
        try:
            memo = await self._office.outbox.memo(posting.rollout.id, posting.destination)
            return await self._destination.deliver(posting, memo)
        except ControllerError as error:
            return Failure(f"the outbox cannot be read ({type(error).__name__})")
        except Exception as error:  # noqa: BLE001 - a defect of one kind of destination must not end the task
            _LOG.exception("notification_defect", destination=posting.destination, notification=posting.id)
            return Failure(f"a defect ({type(error).__name__})")

    async def _settle(self, posting: Posting, result: str, memo: str) -> None:
        """Repeated until it is written: else it would be told again after the next start."""
        self._office.count(result)
        await _patiently(self._office, lambda: self._office.outbox.settle(posting, memo))
