"""Writes an object that splits traffic: fenced, conditional on the version that was read, and latched.

Every write is one JSON Patch that tests the version of the object that it was made for, and the leader's
epoch on it where the object may bear one (`controller.adapters.traffic.dialect.Unstamped`).
"""

from collections.abc import Callable, Sequence

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.fencing import Leadership, fence, latch_of, same_version, stamp, take_over
from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Dialect, Unstamped
from controller.domain.vocabulary import Reason
from controller.errors import Conflict

Change = Callable[[Obj], list[Obj]]
"""The operations that make of an object, as it was read, what it shall be; empty if it is that."""
Expect = Callable[[Sequence[Obj]], None]
"""Raises `Conflict` when the objects that are to be written are not what was expected."""


class ObjectWriter:
    """For the objects that ``dialect`` understands; ``mark`` is the annotation that bears our epoch."""

    def __init__(self, client: KubeClient, dialect: Dialect, leadership: Leadership, mark: str) -> None:
        self._client = client
        self._dialect = dialect
        self._leadership = leadership
        self._mark = mark

    async def patch_all(self, routes: Sequence[Obj], change: Change) -> list[Obj]:
        """Write each in turn; those that were written, as they are then. Raises `Conflict`.

        The owner of several writes into the status of one what it found in another: so one that was changed
        by nobody else but its owner is read again.
        """
        written: list[Obj] = []
        for route in routes:
            try:
                now = await self._patch(route, change)
            except Conflict:
                if not written:
                    raise
                where = route["metadata"]["namespace"], route["metadata"]["name"]
                found = await self._client.get(self._dialect.resource, *where)
                if found is None or found.get("spec") != route.get("spec"):
                    raise
                now = await self._patch(found, change)
            written += [] if now is None else [now]
        return written

    async def _patch(self, route: Obj, change: Change) -> Obj | None:
        changes, resource = change(route), self._dialect.resource
        if not changes:
            return None
        if isinstance(self._dialect, Unstamped):
            self._leadership.check()
            operations = [same_version(route), *changes]
        else:
            epoch = self._leadership.epoch
            ours = await take_over(self._client, resource, route, epoch, self._mark)
            operations = [*fence(ours, epoch, self._mark), *change(ours)]
        where = route["metadata"]["namespace"], route["metadata"]["name"]
        return await self._client.json_patch(resource, *where, operations)

    def unlatching(self, route: Obj) -> list[Obj]:
        """What undoes a latch; empty without one."""
        if isinstance(self._dialect, Unstamped):
            return self._dialect.latch(route, None)
        latched = latch_of(route, self._mark)
        return stamp(route, self._leadership.epoch, None, self._mark) if latched else []

    def latching(self, route: Obj, reason: Reason, *, moves: bool) -> list[Obj]:
        """What latches it; ``moves`` says that the same patch changes the split: the reason is new."""
        if isinstance(self._dialect, Unstamped):
            return self._dialect.latch(route, reason)
        if not moves and latch_of(route, self._mark) is not None:
            return []
        return stamp(route, self._leadership.epoch, reason, self._mark)
