"""Notable entries as JSON to webhooks; a Slack incoming webhook shows their ``text``.

**Invariant**: telling returns at once and never raises; each destination has its own bounded queue and its
own task, so that a slow one delays no rollout and no other destination. What cannot be delivered is counted
and logged, never silently lost. No address and no secret reaches a log.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx2
import structlog

from controller.adapters.exchange import tls_client
from controller.adapters.notify.delivery import Delivery, Note
from controller.adapters.notify.message import message_body, message_id
from controller.domain.model import Entry, Rollout
from controller.errors import TargetError

_LOG = structlog.get_logger(__name__)

_QUEUE_LENGTH = 256
_DRAIN = timedelta(seconds=2)
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class WebhookDestination:
    """Where one name leads. The address itself may be a secret, as Slack's are.

    ``secret_file`` holds the keys that deliveries are signed with (`signature.read_secrets`).
    """

    name: str
    url: str = field(repr=False)
    secret_file: Path | None = None


class WebhookNotifier:
    """Implements `Notifier`. Raises `TargetError` when a destination's address is none.

    ``count`` is told the result of each message: ``sent``, ``failed`` or ``dropped``; ``counts`` holds the
    same by destination and result. ``back_off`` is the wait before the first repeat.
    """

    def __init__(
        self,
        destinations: Sequence[WebhookDestination],
        *,
        count: Callable[[str], None] = lambda _: None,
        timeout: timedelta = timedelta(seconds=5),
        back_off: timedelta = timedelta(seconds=1),
    ) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._count = count
        self._unknown: set[str] = set()
        self._client = tls_client()
        self._channels: dict[str, _Channel] = {}
        for destination in destinations:
            url = _checked(destination)
            delivery = Delivery(self._client, url, destination.secret_file, timeout, back_off)
            self._channels[destination.name] = _Channel(destination.name, delivery, self._counted)

    def tell(self, rollout: Rollout, entry: Entry) -> None:
        """Queue a notable entry for the destinations that the rollout's policy names. Call it on the loop."""
        if not entry.notable or not rollout.policy.notify:
            return
        note = Note(message_id(rollout, entry), message_body(rollout, entry))
        for name in dict.fromkeys(rollout.policy.notify):
            if name in self._channels:
                self._channels[name].put(note)
            elif name not in self._unknown:
                self._unknown.add(name)
                _LOG.warning("notification_destination_unknown", destination=name, model=rollout.model)

    async def close(self) -> None:
        """Deliver what is queued for at most 2 s; the rest is dropped, counted and logged."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        await self._client.aclose()

    def _counted(self, name: str, result: str) -> None:
        self.counts[name, result] += 1
        self._count(result)


class _Channel:
    """The queue and the task of one destination."""

    def __init__(self, name: str, delivery: Delivery, counted: Callable[[str, str], None]) -> None:
        self._name = name
        self._delivery = delivery
        self._counted = counted
        self._queue: deque[Note] = deque()
        self._in_hand: Note | None = None
        self._changed = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def put(self, note: Note) -> None:
        """Queue a message; the oldest goes when the queue is full, for the newest says how things stand."""
        if self._closing:
            self._drop(note)
            return
        if len(self._queue) == _QUEUE_LENGTH:
            self._drop(self._queue.popleft())
        self._queue.append(note)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"notify-{self._name}")

    async def close(self) -> None:
        """Give the task its last two seconds, then drop what is left."""
        self._closing = True
        self._changed.set()
        if self._task is not None:
            _, unfinished = await asyncio.wait([self._task], timeout=_DRAIN.total_seconds())
            for task in unfinished:
                task.cancel()
                await asyncio.wait([task])
        for note in ([self._in_hand] if self._in_hand else []) + list(self._queue):
            self._drop(note)

    async def _run(self) -> None:
        while True:
            while self._queue:
                self._in_hand = self._queue.popleft()
                self._settle(self._in_hand, await self._delivery.deliver(self._in_hand))
                self._in_hand = None
            if self._closing:
                return
            self._changed.clear()
            await self._changed.wait()

    def _settle(self, note: Note, failure: str | None) -> None:
        if failure is None:
            self._counted(self._name, "sent")
        else:
            self._counted(self._name, "failed")
            _LOG.error("notification_failed", destination=self._name, notification=note.id, failure=failure)

    def _drop(self, note: Note) -> None:
        self._counted(self._name, "dropped")
        _LOG.warning("notification_dropped", destination=self._name, notification=note.id)


def _checked(destination: WebhookDestination) -> httpx2.URL:
    try:
        url = httpx2.URL(destination.url)
    except httpx2.InvalidURL as error:
        raise TargetError(f"The address of destination {destination.name} is not a URL.") from error
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > _HIGHEST_PORT:
        raise TargetError(f"The address of destination {destination.name} is not an http or https URL.")
    return url
