"""The Lease of one election in the API: read, taken, and patched while it is ours."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import NotFound
from controller.adapters.kube.lease import LeaseRecord, record_of, replacing
from controller.adapters.kube.resources import LEASES, Obj
from controller.errors import Conflict

_TRIES = 2


@dataclass(frozen=True, slots=True)
class LeaseRef:
    """Which Lease, and under which name it is held: the pod's."""

    namespace: str
    name: str
    identity: str


class LeaseObject:
    """Every method raises the client's errors, and TimeoutError after ``call_seconds``."""

    def __init__(self, client: KubeClient, ref: LeaseRef, call_seconds: float) -> None:
        self._client = client
        self._ref = ref
        self._call_seconds = call_seconds

    def __str__(self) -> str:
        return f"lease {self._ref.namespace}/{self._ref.name}"

    async def read(self) -> LeaseRecord | None:
        """The lease now; None when there is none."""
        async with asyncio.timeout(self._call_seconds):
            found = await self._client.get(LEASES, self._ref.namespace, self._ref.name)
        return None if found is None else record_of(found)

    async def write(self, read: LeaseRecord | None, spec: Obj) -> LeaseRecord:
        """Make the lease, or replace it. Raises `Conflict` when it is not as it was ``read``."""
        if read is not None:
            return await self._patch(replacing(read, spec))
        metadata = {"name": self._ref.name, "namespace": self._ref.namespace}
        body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
        async with asyncio.timeout(self._call_seconds):
            return record_of(await self._client.create(LEASES, self._ref.namespace, body))

    async def patch_while(
        self, ours: LeaseRecord, operations: Callable[[LeaseRecord], list[Obj]]
    ) -> LeaseRecord | None:
        """Patch the lease of our holder and epoch, by the ``operations`` for it as it is.

        None when it is not ours any more. Raises `Conflict` when it is, but changes faster than it can be
        written.
        """
        last = ours
        for _ in range(_TRIES):
            with suppress(Conflict, NotFound):
                return await self._patch(operations(last))
            # Perhaps an earlier patch of ours did arrive, and only its answer got lost.
            now = await self.read()
            if now is None or (now.holder, now.epoch) != (ours.holder, ours.epoch):
                return None
            last = now
        raise Conflict(f"{self} changes faster than it can be written")

    async def _patch(self, operations: list[Obj]) -> LeaseRecord:
        ref = self._ref
        async with asyncio.timeout(self._call_seconds):
            return record_of(await self._client.json_patch(LEASES, ref.namespace, ref.name, operations))
