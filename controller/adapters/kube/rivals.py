"""Sees to it that models are dealt out in one way at a time: by one number of shards.

**Invariant**: whoever is about to lead looks at the Leases of every other number of shards, before it takes
its own and once more afterwards, and does not lead while one is held. Two that begin at the same instant have
both written before either looks again, so at least one of them sees the other and gives its own back.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import key_of
from controller.adapters.kube.lease import LeaseTiming, Patience, record_of
from controller.adapters.kube.resources import LEASES, Obj
from controller.adapters.kube.sharding import count_in
from controller.domain.sharding import Shard

log = structlog.get_logger(__name__)


class Rivals:
    """The Leases of ``name`` of other shardings."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        shard: Shard,
        timing: LeaseTiming,
        monotonic: Callable[[], float],
    ) -> None:
        self.waits_for: Sequence[str] = ()
        """Those that keep us from leading, as far as we looked: for people."""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._count = shard.count
        self._timing = timing
        self._monotonic = monotonic
        self._patience: dict[str, Patience] = {}

    async def lead(self) -> bool:
        """Whether somebody holds one of them, or could still hold it.

        One that its holder left behind is not waited for once it was seen to stand still for its duration.
        Raises what the client raises, and TimeoutError.
        """
        async with asyncio.timeout(self._timing.call_seconds):
            found, _ = await self._client.list(LEASES, self._namespace)
        at = self._monotonic()
        held = sorted(said for obj in found if (said := self._held(obj, at)))
        if held and held != self.waits_for:
            log.warning("other_sharding_leads", waits_for=held)
        self.waits_for = held
        return bool(held)

    def _held(self, obj: Obj, at: float) -> str:
        """``serinus-1-of-2, held by a-pod``; empty for a Lease that is nobody's, or no rival's."""
        name = key_of(obj).name
        if count_in(name, self._name) in (None, self._count):
            return ""
        patience = self._patience.setdefault(name, Patience("", self._timing.lease))
        return (
            ""
            if patience.is_free(record_of(obj), at, stamped=False)
            else f"{name}, held by {patience.holder}"
        )
