"""ModelRollouts as objects: what people wrote into them, and the answers that are no rollout's record.

Implements `controller.adapters.kube.inbox.Objects` on the same index and the same writer as the store.
"""

from collections.abc import Sequence
from datetime import datetime

from controller.adapters.kube.modelrollout import RequestSpec
from controller.adapters.kube.requestlog import is_answered, status_in
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.rolloutstatus import marked, observed, refused, same_but_for_times
from controller.adapters.kube.succession import Estate
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.store.kubernetes import KubernetesStore
from controller.adapters.store.kubernetes_index import Held, RolloutIndex, claims_over
from controller.domain.model import Entry, Rollout
from controller.domain.sharding import WHOLE, Shard
from controller.domain.vocabulary import Phase, Reason
from controller.errors import InvariantError
from controller.ports import Clock


class RolloutObjects:
    """Readings come from the watched cache; writes raise what those of the store raise."""

    def __init__(
        self, store: KubernetesStore, index: RolloutIndex, clock: Clock, shard: Shard = WHOLE
    ) -> None:
        self._store = store
        self._index = index
        self._clock = clock
        self._shard = shard

    def estates(self) -> list[Estate]:
        """What a new leader of the shard takes over: every object that its predecessor may still write.

        That is all but those whose rollout is over, or was refused, and of which nobody wants anything.
        """
        own = filter(self._shard.owns, self._index.models())
        every = (held for model in own for held in self._index.of(model))
        return [
            Estate(MODEL_ROLLOUTS, held.key.namespace, held.key.name)
            for held in every
            if not claims_over(held.obj) or held.is_deleting or _asks(held)
        ]

    def unaccepted(self, model: str) -> Sequence[Obj]:
        """Those without a rollout, oldest first; not those that are being deleted."""
        return [held.obj for held in self._index.of(model) if not held.has_record and not held.is_deleting]

    def asking(self, model: str) -> Sequence[tuple[Obj, Rollout | None]]:
        """Those with a request that was not answered yet, and their rollout.

        Raises `StoreUnavailable` when the record of one cannot be read.
        """
        return [(held.obj, held.rollout()) for held in self._index.of(model) if _asks(held)]

    def deleting(self, model: str) -> Sequence[tuple[Obj, Rollout | None]]:
        """Those that wait for our finalizer, and their rollout.

        Raises `StoreUnavailable` when the record of one cannot be read.
        """
        return [
            (held.obj, held.rollout())
            for held in self._index.of(model)
            if held.is_deleting and held.bears_finalizer
        ]

    async def adopt(self, obj: Obj, rollout: Rollout, entry: Entry) -> None:
        """Begin the object's rollout."""
        await self._store.begin(obj, rollout, entry)

    async def mark(
        self, obj: Obj, *, phase: Phase, reason: Reason, message: str, policy_valid: bool | None
    ) -> None:
        """Say why there is no rollout. Writes nothing if that is said already."""
        if Held(obj).has_record:
            raise InvariantError("an object with a rollout is not marked")
        status = marked(
            obj,
            phase=phase,
            reason=reason,
            message=message,
            policy_valid=policy_valid,
            epoch=self._store.writer.epoch,
            at=self._now(),
        )
        if same_but_for_times(status, status_in(obj)):
            return
        claimed = await self._store.writer.claimed(obj, finalizer=False)
        await self._store.writer.status(claimed, status)

    async def refuse(self, obj: Obj, request: RequestSpec, message: str) -> None:
        """Answer a request that is not followed. Nothing else of the status changes."""
        if is_answered(obj, request.id):
            return
        base = await self._store.writer.base(obj)
        claimed = await self._store.writer.claimed(base, finalizer=False)
        await self._store.writer.status(claimed, refused(claimed, request, message, self._now()))

    async def observe(self, model: str) -> None:
        """Write to those whose spec changed without a new word that it was seen."""
        for held in self._index.of(model):
            if held.is_deleting or observed(held.obj) is None:
                continue
            base = await self._store.writer.base(held.obj)
            claimed = await self._store.writer.claimed(base, finalizer=False)
            await self._store.writer.status(claimed, observed(claimed) or status_in(claimed))

    async def release_finalizer(self, obj: Obj) -> None:
        """Let the object be deleted."""
        claimed = await self._store.writer.claimed(obj, finalizer=False)
        await self._store.writer.released(claimed)

    def _now(self) -> datetime:
        return self._clock.now()


def _asks(held: Held) -> bool:
    request = mapping(held.obj.get("spec")).get("request")
    return request is not None and not is_answered(held.obj, text(mapping(request).get("id")))
