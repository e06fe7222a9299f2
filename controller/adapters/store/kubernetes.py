"""The store in a cluster: the status of ModelRollout objects.

**Invariant**: a commit is one write to one object, record and log together, conditional on the version that
was read and on our epoch. Reads come from the watched cache; a stale one only costs a `Conflict`, after which
the newest is there.

Rollouts are begun for objects that people, or discovery, made: `create` needs the object to exist. A retry is
the object's next attempt, under the id ``NAME.2``; what the attempt before recorded is replaced by it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.decisionlog import plain_request_id
from controller.adapters.kube.fencing import Leadership
from controller.adapters.kube.identity import attempt_of, key_of, key_of_rollout, next_attempt
from controller.adapters.kube.mirror import Mirror
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.reflector import Changed
from controller.adapters.kube.requestlog import entry_of, is_answered
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.rolloutstatus import Place, entries_from, status_of
from controller.adapters.store.kubernetes_index import Held, RolloutIndex, current_of, shown, slim, version_of
from controller.adapters.store.kubernetes_outbox import KubernetesOutbox
from controller.adapters.store.kubernetes_writing import Writer
from controller.adapters.store.numbering import check_numbers, check_same
from controller.domain.model import Entry, Rollout
from controller.domain.release import Release
from controller.domain.sharding import WHOLE, Shard
from controller.errors import Conflict, InvariantError, StoreUnavailable
from controller.ports import Stored

PERMISSIONS = (
    Permission(MODEL_ROLLOUTS, frozenset({"get", "list", "watch", "patch"}), Feature.CORE),
    Permission(MODEL_ROLLOUTS, frozenset({"patch"}), Feature.CORE, subresource="status"),
)

Overflow = Callable[[Rollout, Entry], None]
"""Told of each entry that an object's log no longer holds, with the rollout as it is then."""

_PATIENCE = timedelta(seconds=10)


def rollout_cache(client: KubeClient, namespaces: Sequence[str], changed: Changed) -> Mirror:
    """The cache that the store reads from; ``changed`` tells the store's index, and whoever else."""
    return Mirror(client, MODEL_ROLLOUTS, namespaces, changed=changed, keep=slim, every_version=True)


class KubernetesStore:
    """Implements `RolloutStore` and `RolloutHistory`. ``index`` hears of the changes of ``cache``.

    It reads of all models; what is told by its outbox is of those of the ``shard``.
    """

    def __init__(
        self,
        client: KubeClient,
        cache: Mirror,
        index: RolloutIndex,
        leadership: Leadership,
        *,
        shard: Shard = WHOLE,
        overflow: Overflow = lambda _rollout, _entry: None,
        patience: timedelta = _PATIENCE,
    ) -> None:
        self.writer = Writer(client, cache, leadership)
        self.outbox = KubernetesOutbox(self.writer, index, shard)
        self._cache = cache
        self._index = index
        self._overflow = overflow
        self._patience_seconds = patience.total_seconds()

    # for deciding

    async def open_rollouts(self, model: str) -> Sequence[Stored]:
        """The model's rollouts that are not over, oldest first."""
        found = []
        for held in await self._settled(model):
            if held.is_over:
                continue
            rollout = held.rollout()
            if rollout is not None:
                found.append(Stored(rollout, version_of(held.obj)))
        return found

    async def serving(self, model: str) -> Release | None:
        """The release that the model's last succeeded rollout promoted."""
        for held in reversed(await self._settled(model)):
            if held.succeeded:
                outcome = held.outcome()
                return outcome.release if outcome else None
        return None

    async def stored(self, rollout_id: str) -> Stored | None:
        """The rollout of that id, over or not, as a commit must name it."""
        held = await self._named(rollout_id)
        if held is not None and await self.writer.settle([held.key]):
            held = await self._named(rollout_id)
        rollout = held.rollout() if held else None
        return Stored(rollout, version_of(held.obj)) if held and rollout else None

    async def create(self, rollout: Rollout, entry: Entry) -> Stored:
        """Begin the rollout of the object that its id names. Raises `Conflict` if the id exists."""
        held = await self._held(rollout)
        if held is None:
            raise Conflict(f"There is no ModelRollout {key_of_rollout(rollout)}.")
        return await self.begin(held.obj, rollout, entry)

    async def begin(self, obj: Obj, rollout: Rollout, entry: Entry) -> Stored:
        """As `create`, on the object as it was read."""
        check_numbers(rollout, entry, last_seq=0)
        if key_of(obj) != key_of_rollout(rollout):
            raise InvariantError(f"Rollout {rollout.id} cannot begin in ModelRollout {key_of(obj)}.")
        held = Held(obj)
        if held.is_deleting:
            raise Conflict(f"ModelRollout {held.key} is being deleted.")
        self._check_attempt(held, rollout)
        base = await self.writer.base(obj)
        claimed = await self.writer.claimed(base, finalizer=True)
        place = Place(self.writer.epoch, self._index.next_ordinal(rollout.model), attempt_of(rollout.id)[1])
        return await self._write(claimed, rollout, entry, place)

    async def commit(self, read: Stored, rollout: Rollout, entry: Entry) -> Stored:
        """Replace the record and append the entry, in one write.

        Raises `Conflict` when the record is no longer at ``read.version``, or the object answered the entry's
        request already, and `InvariantError` when the entry's number does not follow the last.
        """
        check_numbers(rollout, entry, last_seq=read.rollout.seq)
        check_same(read.rollout, rollout)
        held = await self._held(rollout)
        now = held.rollout() if held else None
        if held is None or now is None or now.id != rollout.id:
            raise Conflict(f"ModelRollout {key_of_rollout(rollout)} no longer holds rollout {rollout.id}.")
        if version_of(held.obj) != read.version:
            self.writer.doubt(held.key)
            raise Conflict(f"Rollout {rollout.id} is no longer at version {read.version}.")
        check_numbers(rollout, entry, last_seq=now.seq)
        if entry.command and is_answered(held.obj, plain_request_id(entry.command.request_id)):
            raise Conflict(f"Request {entry.command.request_id} was followed before.")
        base = await self.writer.base(held.obj)
        claimed = await self.writer.claimed(base, finalizer=False)
        place = Place(self.writer.epoch, held.ordinal, attempt_of(rollout.id)[1])
        return await self._write(claimed, rollout, entry, place)

    # for people

    async def models(self) -> Sequence[str]:
        """The models with any record, sorted."""
        await self._synced()
        return [model for model in self._index.models() if any(h.has_record for h in self._index.of(model))]

    async def rollouts(self, model: str | None, limit: int) -> Sequence[Rollout]:
        """The newest rollouts, newest first; of all models when ``model`` is None.

        A record that cannot be read fails its own model only, and only while its rollout may not be over.
        """
        await self._synced()
        if model is not None:
            return _first(reversed(shown(self._index.of(model))), limit)
        every = (held for name in self._index.models() for held in self._index.of(name))
        return _first(sorted((h for h in every if not h.unreadable), key=_accepted, reverse=True), limit)

    async def current(self, models: Collection[str]) -> Sequence[Rollout]:
        """Each model's newest rollout and its older ones that are not over: by model, newest first."""
        await self._synced()
        return [each for model in sorted(models) for each in current_of(self._index.of(model))]

    async def named(self, rollout_id: str) -> Rollout | None:
        """The rollout of that id."""
        held = await self._named(rollout_id)
        return held.rollout() if held else None

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> Sequence[Entry]:
        """Entries with a number above ``after_seq``, in order; those that the object still holds."""
        held = await self._named(rollout_id)
        if held is None:
            return []
        obj = await self.writer.read(held.key) if held.is_over else held.obj
        return [entry for entry in entries_from(obj or {}) if entry.seq > after_seq][:limit]

    async def request(self, request_id: str) -> tuple[str, Entry] | None:
        """The rollout id and entry that a person's request led to, if it was handled before.

        An id that bears an object's name (`scoped_request_id`) is looked for in that object only.
        """
        await self._synced()
        scope = request_id.rpartition("/")[0]
        for held, answer in self._index.asked(plain_request_id(request_id)):
            elsewhere = scope and scope != str(held.key)
            rollout = None if elsewhere or held.unreadable else held.rollout()
            if rollout is not None and answer.get("outcome") == "Followed":
                return rollout.id, entry_of(answer, rollout, entries_from(held.obj))
        return None

    @staticmethod
    def next_id(model: str, newest: Rollout | None, ended: Rollout | None) -> str:
        """The id of the object's next attempt; a release is begun by making an object."""
        del newest
        if ended is None:
            raise InvariantError(f"a release of {model} begins with an object")
        return next_attempt(ended.id)

    # inside

    async def _write(self, obj: Obj, rollout: Rollout, entry: Entry, place: Place) -> Stored:
        written = status_of(obj, rollout, entry, place)
        after = await self.writer.status(obj, self.outbox.applied(obj, rollout.id, written.status))
        self.outbox.written(after, rollout.id)
        for fallen in written.fallen:
            self._overflow(rollout, fallen)
        return Stored(rollout, version_of(after))

    def _check_attempt(self, held: Held, rollout: Rollout) -> None:
        """An id is used once: the first attempt where there is none, else the one after the last."""
        last = held.outcome()
        _, attempt = attempt_of(rollout.id)
        follows = last is not None and last.phase.terminal and attempt == attempt_of(last.id)[1] + 1
        if last is not None and not follows:
            raise Conflict(f"A rollout {rollout.id} exists already.")

    async def _settled(self, model: str) -> list[Held]:
        await self._synced()
        found = self._index.of(model)
        anew = await self.writer.settle(held.key for held in found)
        return self._index.of(model) if anew else found

    async def _held(self, rollout: Rollout) -> Held | None:
        await self._synced()
        return self._index.get(key_of_rollout(rollout))

    async def _named(self, wanted: str) -> Held | None:
        await self._synced()
        for held in self._index.named(attempt_of(wanted)[0]):
            outcome = None if held.unreadable else held.outcome()
            if outcome is not None and outcome.id == wanted:
                return held
        return None

    async def _synced(self) -> None:
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._cache.synced()
        except TimeoutError as error:
            why = f": {self._cache.failure}" if self._cache.failure else ""
            raise StoreUnavailable(f"ModelRollouts could not be listed yet{why}") from error


def _accepted(held: Held) -> tuple[datetime, int, str]:
    """For the order of rollouts of several models."""
    outcome = held.outcome()
    at = outcome.created_at if outcome else datetime.min.replace(tzinfo=UTC)
    return at, held.ordinal, held.key.name


def _first(helds: Iterable[Held], limit: int) -> list[Rollout]:
    found = (rollout for held in helds if (rollout := held.rollout()) is not None)
    return list(islice(found, limit))
