"""The outbox in a cluster: a part of each ModelRollout's status, written with the record.

**Invariant**: what is settled while its rollout goes on is remembered here and written by the next commit: a
write of its own would make the pass in hand lose its race. After a crash in between it is told once more,
with the same id. Of a rollout that is over it is written at once.
"""

from collections import defaultdict
from collections.abc import Sequence

import structlog

from controller.adapters.kube.identity import Key, attempt_of, key_of, key_of_rollout
from controller.adapters.kube.outboxstatus import memos, settled, unsettled
from controller.adapters.kube.requestlog import status_in
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.rolloutstatus import entries_from
from controller.adapters.store.kubernetes_index import Held, RolloutIndex, claims_over
from controller.adapters.store.kubernetes_writing import Writer
from controller.domain.sharding import Shard
from controller.errors import Conflict, StoreUnavailable
from controller.ports import Posting

log = structlog.get_logger(__name__)

_TRIES = 5

_Attempt = tuple[Key, str]
"""An object and the rollout in it: each attempt numbers its entries from 1."""


class KubernetesOutbox:
    """Implements `Outbox` on the store's own index and writer, for the models of a shard."""

    def __init__(self, writer: Writer, index: RolloutIndex, shard: Shard) -> None:
        self._writer = writer
        self._index = index
        self._shard = shard
        self._marks: dict[_Attempt, dict[tuple[int, str], str]] = defaultdict(dict)

    async def destinations(self) -> Sequence[str]:
        """The names of those who are still to be told of something."""
        return sorted({name for held in self._readable() for _, name in self._open(held)})

    async def postings(self, destination: str, limit: int) -> Sequence[Posting]:
        """The oldest that are not settled, of one rollout in the order of its commits."""
        found: list[Posting] = []
        for held in self._readable():
            found += await self._of(held, destination)
        return sorted(found, key=lambda posting: posting.entry.at)[:limit]

    async def memo(self, rollout_id: str, destination: str) -> str:
        """What the destination left for itself at an earlier entry of the rollout; empty at first."""
        for held in self._index.named(attempt_of(rollout_id)[0]):
            if _rollout_in(held) == rollout_id:
                mine = self._marks.get((held.key, rollout_id), {})
                newest = max(
                    (seq for seq, name in mine if name == destination and mine[seq, name]), default=0
                )
                return mine.get((newest, destination)) or memos(status_in(held.obj)).get(destination, "")
        return ""

    async def settle(self, posting: Posting, memo: str) -> None:
        """The destination was told, or never will be."""
        key, rollout_id = key_of_rollout(posting.rollout), posting.rollout.id
        self._marks[key, rollout_id][posting.entry.seq, posting.destination] = memo
        for _ in range(_TRIES):
            held = self._index.get(key)
            if held is None or _rollout_in(held) != rollout_id:  # gone, and its outbox with it
                self._marks.pop((key, rollout_id), None)
                return
            if not held.is_over:
                return
            try:
                await self._write(held, rollout_id)
            except Conflict:
                continue
            return
        raise StoreUnavailable(f"ModelRollout {key} changes all the time")

    def applied(self, obj: Obj, rollout_id: str, status: Obj) -> Obj:
        """The rollout's status as it is about to be written, without what is settled by now."""
        marks = self._marks.get((key_of(obj), rollout_id))
        return settled(status, marks) if marks else status

    def written(self, obj: Obj, rollout_id: str) -> None:
        """The object is written: what it no longer asks for need not be remembered."""
        attempt, open_ = (key_of(obj), rollout_id), set(unsettled(status_in(obj)))
        kept = {mark: memo for mark, memo in self._marks.get(attempt, {}).items() if mark in open_}
        if kept:
            self._marks[attempt] = kept
        else:
            self._marks.pop(attempt, None)

    def _readable(self) -> list[Held]:
        own = filter(self._shard.owns, self._index.models())
        every = (held for model in own for held in self._index.of(model))
        return [held for held in every if not held.unreadable]

    def _open(self, held: Held) -> Sequence[tuple[int, str]]:
        marks = self._marks.get((held.key, _rollout_in(held)), {})
        return [each for each in unsettled(status_in(held.obj)) if each not in marks]

    async def _of(self, held: Held, destination: str) -> Sequence[Posting]:
        wanted = [each for each in self._open(held) if each[1] == destination]
        rollout = held.rollout() if wanted else None
        if rollout is None:
            return []
        whole = (await self._writer.read(held.key) or {}) if claims_over(held.obj) else held.obj
        entries = {entry.seq: entry for entry in entries_from(whole)}
        for seq, name in wanted:
            if seq not in entries:  # the log had no room for it any more
                log.error("notification_lost", rollout=rollout.id, seq=seq, destination=name)
                self._marks[held.key, rollout.id][seq, name] = ""
        return [Posting(rollout, entries[seq], name) for seq, name in wanted if seq in entries]

    async def _write(self, held: Held, rollout_id: str) -> None:
        base = await self._writer.base(held.obj)
        claimed = await self._writer.claimed(base, finalizer=False)
        status = self.applied(claimed, rollout_id, status_in(claimed))
        self.written(await self._writer.status(claimed, status), rollout_id)


def _rollout_in(held: Held) -> str:
    """The id of the rollout that the object holds; empty if none can be read."""
    outcome = None if held.unreadable else held.outcome()
    return outcome.id if outcome else ""
