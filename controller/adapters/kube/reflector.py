"""Follows a collection of objects: lists it, watches it, and lists it again before a minute is over.

**Invariant**: after at most ``resync`` with an API server that answers, the cache is as the server is,
whatever events were lost, repeated or late: a watch makes it faster and nothing depends on it. A server that
fails, or ends watches at once, is asked less and less often. The library's own watch is not used: it never
backs off and does not list again after 410.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

import structlog

from controller.adapters.kube.cache import Cache, Change
from controller.adapters.kube.client import KubeClient, WatchEvent
from controller.adapters.kube.resources import Obj, Resource
from controller.errors import ControllerError, TransientError

log = structlog.get_logger(__name__)

_STANDS_SECONDS = 2.0
"""A watch that lasted so long has worked, however it ends."""

Changed = Callable[[Obj | None, Obj | None], None]
"""Told each real change once: the object before and after, None for none. Must not change them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to ask.

    A watch is ended, and the collection listed anew, within ``resync``. Failures wait from ``first_wait`` to
    ``longest_wait``, doubled each time.
    """

    resync: timedelta = timedelta(seconds=60)
    first_wait: timedelta = timedelta(seconds=0.5)
    longest_wait: timedelta = timedelta(seconds=10)


def whole(obj: Obj) -> Obj:
    """The object as it is, with the record of who set which field."""
    return obj


def without_managed_fields(obj: Obj) -> Obj:
    """The object without that record, which is often longer than the rest."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


class Reflector:
    """One resource, in one namespace or in all, in memory."""

    def __init__(  # noqa: PLR0913 - what to follow, and how
        self,
        client: KubeClient,
        resource: Resource,
        namespace: str | None,
        *,
        changed: Changed,
        keep: Callable[[Obj], Obj] = without_managed_fields,
        every_version: bool = False,
        name: str = "",
        pace: Pace = Pace(),
    ) -> None:
        """``name`` is the only object that is followed; all of them if it is empty.

        ``keep`` slims an object to what is needed of it; `whole` keeps it as it is.

        It must leave name, namespace, uid and resourceVersion, and not change the object that it gets. A
        difference in what is not kept is no change, unless ``every_version`` is to be told.
        """
        self.resource = resource
        self.namespace = namespace
        self.failure: ControllerError | None = None
        """Why the last attempt failed; None when it did not."""
        self._client = client
        self._changed = changed
        self._name = name
        self._keep = keep
        self._pace = pace
        self._cache = Cache(every_version=every_version)
        self._first = asyncio.Event()
        self._confirmed: float | None = None
        self._failures = 0
        self._went_back = False

    # for readers

    def get(self, namespace: str, name: str) -> Obj | None:
        """The object, shared: not to be changed. An empty ``namespace`` for a resource without."""
        return self._cache.get(namespace, name)

    def all(self, namespace: str | None = None) -> list[Obj]:
        """The objects, of one namespace or all that are followed, in no order; shared."""
        return self._cache.all(namespace)

    @property
    def age(self) -> timedelta:
        """How long ago the server last said what there is; `timedelta.max` before the first time.

        A quiet and healthy watch lets it grow to about ``resync``.
        """
        return timedelta.max if self._confirmed is None else timedelta(seconds=_now() - self._confirmed)

    async def synced(self) -> None:
        """Wait for the first list."""
        await self._first.wait()

    # for writers

    def put(self, obj: Obj) -> None:
        """Take the answer to a write of our own, so that it is read at once. Told as any change."""
        self._tell(self._cache.offer(self._keep(obj)))

    def drop(self, namespace: str, name: str) -> None:
        """Forget an object that we deleted, until something newer is heard of it."""
        self._tell(self._cache.drop(namespace, name))

    # the work

    async def run(self) -> None:
        """Follow the collection for ever. Only defects end it."""
        while True:
            try:
                await self._follow(await self._list())
            except ControllerError as error:
                await asyncio.sleep(self._failed(error).total_seconds())
            else:
                self._failures = 0

    async def _list(self) -> str:
        """Bring the cache up to date; the version that it has then."""
        begun = _now()
        found, version = await self._client.list(
            self.resource, self.namespace, name=self._name, keep=self._keep
        )
        if not self._cache.is_older(version):
            changes = self._cache.replace(found, version)
        elif self._went_back:
            log.warning("server_went_back", resource=str(self.resource), version=version)
            changes = self._cache.restart(found, version)
        else:
            # A replayed answer, or a restored server: the next list tells.
            self._went_back = True
            raise TransientError(f"list {self.resource}: the answer is older than the last")
        self._went_back = False
        self._confirmed, self.failure = begun, None
        self._first.set()
        self._tell(changes)
        return version

    async def _follow(self, version: str) -> None:
        """Watch until the next list is due. Raises `TransientError` for a watch that ended early."""
        resync = self._pace.resync.total_seconds()
        seconds = resync * random.uniform(0.75, 0.9)  # noqa: S311 - spreads the lists of many reflectors
        begun = _now()
        events = self._client.watch(
            self.resource, self.namespace, resource_version=version, seconds=seconds, name=self._name
        )
        try:
            async with aclosing(events):
                async for event in events:
                    self._confirmed = _now()
                    self._take(event)
        finally:
            if _now() - begun > _STANDS_SECONDS:
                self._failures = 0
        if _now() - begun < seconds / 2:
            raise TransientError(f"watch {self.resource}: ended early")

    def _take(self, event: WatchEvent) -> None:
        match event.type:
            case "ADDED" | "MODIFIED":
                self._tell(self._cache.offer(self._keep(event.object)))
            case "DELETED":
                self._tell(self._cache.remove(self._keep(event.object)))

    def _tell(self, changes: list[Change]) -> None:
        for change in changes:
            try:
                self._changed(change.old, change.new)
            except Exception:
                # A defect of the listener, about one object: the others must still be followed.
                log.exception("change_listener_broke", resource=str(self.resource))

    def _failed(self, error: ControllerError) -> timedelta:
        """Note the failure; how long to wait before the next attempt."""
        self.failure = error
        self._failures += 1
        if self._failures > 1:  # the first may be a lost connection, which is nobody's business
            log.warning(
                "reflector_failed", resource=str(self.resource), error=str(error), attempt=self._failures
            )
        most = min(self._pace.first_wait * 2 ** min(self._failures - 1, 16), self._pace.longest_wait)
        wait: timedelta = most * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
        asked = error.retry_after if isinstance(error, TransientError) else None
        return max(wait, min(asked, self._pace.resync)) if asked else wait


def _now() -> float:
    return asyncio.get_running_loop().time()
