"""Brings what is in the outbox to its destinations.

**Invariant**: telling returns at once and never raises. Each destination has its own task, so that a slow or
dead one delays no rollout and no other destination. An entry is settled in the outbox only after it was
taken, or given up with a log line and a count; so whatever happens in between, a crash too, it is told at
least once, each time with the same id.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import islice, takewhile
from typing import TypeVar

import structlog

from controller.adapters.notify.destination import Failure, Nobody, Subscription, Taken
from controller.adapters.notify.links import Links, no_links
from controller.adapters.notify.repeating import wait_after
from controller.domain.model import Entry, Rollout
from controller.errors import TransientError
from controller.ports import Clock, Outbox, Posting

_LOG = structlog.get_logger(__name__)

GIVE_UP_AFTER = timedelta(hours=24)
_MOST_IN_MEMORY = 1000
_PAGE = 200
_CLOSING = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Office:
    """What all channels share. ``first_wait`` precedes a repeat.

    ``count`` is told of each entry what became of it: ``sent``, ``skipped`` or ``dead``.
    """

    outbox: Outbox
    clock: Clock
    count: Callable[[str], None] = lambda _: None
    first_wait: timedelta = timedelta(seconds=1)
    links: Links = no_links


class Courier:
    """Implements `Notifier` for the destinations of the settings."""

    def __init__(self, office: Office, subscriptions: Sequence[Subscription]) -> None:
        self._office = office
        self._channels = {each.destination.name: _Channel(each, office) for each in subscriptions}
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
            self._channels[name] = _Channel(Subscription(Nobody(name)), self._office)
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
    ``read`` are the ids that the outbox gave last: an entry may be read between its commit and its telling.
    """

    def __init__(self, subscription: Subscription, office: Office) -> None:
        self._subscription = subscription
        self._destination = subscription.destination
        self._name = subscription.destination.name
        self._office = office
        self._queue: deque[Posting] = deque()
        self._behind = True
        self._read: AbstractSet[str] = frozenset()
        self._closing = False
        self._ending = asyncio.Event()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        return len(self._queue)

    def put(self, posting: Posting) -> None:
        """Queue it, unless it was read from the outbox, or must be in its turn."""
        if posting.id in self._read:
            return
        if self._behind or len(self._queue) >= _MOST_IN_MEMORY:
            self._behind = True
        else:
            self._queue.append(posting)
        self.wake()

    def wake(self) -> None:
        """Have the task look for work."""
        self._changed.set()
        if not self._closing and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name=f"notify-{self._name}")

    async def close(self) -> None:
        self._closing = True
        self._ending.set()
        self._changed.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSING.total_seconds())
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._queue:
            _LOG.info("notifications_left_for_later", destination=self._name, count=len(self._queue))
        await self._destination.close()

    async def _run(self) -> None:
        while not self._closing:
            self._changed.clear()
            if not self._queue and self._behind:
                await self._refill()
            if self._queue:
                await self._through()
            elif not self._behind:
                await self._changed.wait()

    async def _refill(self) -> None:
        """Read the oldest; what was queued meanwhile comes after them, or is read in its turn."""
        self._behind = False
        found = await _patiently(self._office, partial(self._office.outbox.postings, self._name, _PAGE))
        self._behind = self._behind or len(found) == _PAGE
        self._read = {posting.id for posting in found}
        newer = [] if self._behind else [posting for posting in self._queue if posting.id not in self._read]
        self._queue = deque([*found, *newer])

    def _next(self) -> list[Posting]:
        """The oldest, and what follows of the same rollout, as far as it can be told at once."""
        most, oldest = self._destination.at_once, self._queue[0]
        following = takewhile(lambda each: each.rollout.id == oldest.rollout.id, self._queue)
        return list(islice(following, most))

    async def _through(self) -> None:
        """Attempt the next until it is taken, or given up; then settle it."""
        attempt, office = 0, self._office
        while True:
            batch = self._next()
            memo = await _patiently(office, partial(office.outbox.memo, batch[0].rollout.id, self._name))
            if not memo:
                del batch[1:]  # what the first leaves must be kept before the others need it
            wanted = [each for each in batch if self._subscription.wants(each.entry)]
            if not wanted:
                return await self._settle(batch, "skipped", memo)
            outcome = await self._attempt(wanted, memo)
            if isinstance(outcome, Taken):
                return await self._settle(batch, "sent", outcome.memo)
            too_old = office.clock.now() - batch[0].entry.at >= GIVE_UP_AFTER
            if outcome.final or too_old:
                return await self._give_up(wanted[0], outcome, attempt + 1, memo)
            wait = wait_after(attempt, office.first_wait, outcome.retry_after)
            await self._pause(wait)
            if self._closing:
                return None
            attempt += 1

    async def _pause(self, wait: timedelta) -> None:
        """Wait; not after the end has come: nothing is in hand then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await self._ending.wait()

    async def _attempt(self, postings: Sequence[Posting], memo: str) -> Taken | Failure:
        try:
            return await self._destination.deliver([self._linked(each) for each in postings], memo)
        except Exception as error:  # noqa: BLE001 - a defect of one kind of destination must not end the task
            _LOG.exception("notification_defect", destination=self._name, notification=postings[0].id)
            return Failure(f"a defect ({type(error).__name__})")

    def _linked(self, posting: Posting) -> Posting:
        page, report = self._office.links(posting.rollout)
        return replace(posting, page=page, report=report)

    async def _give_up(self, posting: Posting, failure: Failure, attempts: int, memo: str) -> None:
        _LOG.error(
            "notification_given_up",
            destination=self._name,
            notification=posting.id,
            failure=failure.message,
            attempts=attempts,
        )
        await self._settle([posting], "dead", memo)

    async def _settle(self, batch: Sequence[Posting], result: str, memo: str) -> None:
        """Repeated until it is written: else it would be told again after the next start."""
        for posting in batch:
            wants = self._subscription.wants(posting.entry)
            self._office.count(result if wants else "skipped")
            await _patiently(self._office, partial(self._office.outbox.settle, posting, memo))
            self._queue.remove(posting)
