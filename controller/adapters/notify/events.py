"""Notable entries as Kubernetes Events, for ``kubectl describe`` and whatever collects events.

**Invariant**: telling returns at once and never raises; an entry becomes one Event however often it is told,
because the Event's name is made of the rollout's id and the entry's number. Events are best effort: what
cannot be written within a few tries is counted and logged, and stands in the record all the same.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import EVENTS, MODEL_ROLLOUTS, Obj
from controller.adapters.notify.severity import Severity, severity_of
from controller.domain.model import Entry, Rollout
from controller.errors import Conflict, ControllerError, TransientError

log = structlog.get_logger(__name__)

PERMISSIONS = (Permission(EVENTS, frozenset({"create"}), Feature.CORE),)

CONTROLLER = "serinus.dev/controller"

_QUEUE_LENGTH = 1024
_TRIES = 3
_DRAIN_SECONDS = 2.0
_LONGEST_NOTE = 1024
_LONGEST_INSTANCE = 128


class EventNotifier:
    """Implements `Notifier`. ``find`` gives the ModelRollout object of a rollout, None if it is gone.

    ``count`` is told ``sent``, ``failed`` or ``dropped``; ``back_off`` is the wait before the first repeat.
    """

    def __init__(
        self,
        client: KubeClient,
        find: Callable[[Rollout], Obj | None],
        instance: str,
        *,
        count: Callable[[str], None] = lambda _: None,
        back_off: timedelta = timedelta(seconds=1),
    ) -> None:
        self._client = client
        self._find = find
        self._instance = instance[:_LONGEST_INSTANCE]
        self._count = count
        self._back_off_seconds = back_off.total_seconds()
        self._waiting: asyncio.Queue[Obj] = asyncio.Queue(_QUEUE_LENGTH)
        self._task: asyncio.Task[None] | None = None

    def tell(self, rollout: Rollout, entry: Entry) -> None:
        """Hand over a committed entry."""
        found = self._find(rollout)
        if found is None:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._write())
        try:
            self._waiting.put_nowait(event_of(rollout, entry, found, self._instance))
        except asyncio.QueueFull:
            self._count("dropped")
            log.warning("event_dropped", rollout=rollout.id, seq=entry.seq)

    async def close(self) -> None:
        """Give what waits a moment more, then stop."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._waiting.join()
        except TimeoutError:
            log.warning("events_left_unwritten", count=self._waiting.qsize())
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _write(self) -> None:
        while True:
            event = await self._waiting.get()
            try:
                await self._create(event)
            finally:
                self._waiting.task_done()

    async def _create(self, event: Obj) -> None:
        name = event["metadata"]["name"]
        for attempt in range(_TRIES):
            try:
                await self._client.create(EVENTS, event["metadata"]["namespace"], event)
            except Conflict:  # an earlier try, or an earlier leader, wrote it
                self._count("sent")
                return
            except TransientError as error:
                last: ControllerError = error
            except ControllerError as error:
                last = error
                break
            else:
                self._count("sent")
                return
            await asyncio.sleep(self._back_off_seconds * 2**attempt)
        self._count("failed")
        log.warning("event_not_written", event_name=name, error=str(last))


def event_of(rollout: Rollout, entry: Entry, regarding: Obj, instance: str) -> Obj:
    """The Event of an entry. **Source**: events.k8s.io/v1, Event; note is at most 1 KiB."""
    metadata = regarding["metadata"]
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": _name(rollout, entry, metadata), "namespace": metadata["namespace"]},
        "eventTime": _micro_time(entry.at),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "action": _camel(entry.event),
        "reason": entry.reason.value,
        "regarding": {
            "apiVersion": MODEL_ROLLOUTS.api_version,
            "kind": MODEL_ROLLOUTS.kind,
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
        },
        "note": _within(entry.message or entry.event, _LONGEST_NOTE),
        "type": "Normal" if severity_of(entry) is Severity.INFO else "Warning",
    }


def _name(rollout: Rollout, entry: Entry, metadata: Obj) -> str:
    """With a part of the object's uid: an object of the same name may have been there before."""
    return f"{rollout.id}.{str(metadata.get('uid', ''))[:8]}.{entry.seq:x}"


def _micro_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _camel(event: str) -> str:
    return "".join(word.capitalize() for word in event.split("_"))


def _within(text: str, most_bytes: int) -> str:
    raw = text.encode()
    return text if len(raw) <= most_bytes else raw[: most_bytes - 3].decode(errors="ignore") + "…"
