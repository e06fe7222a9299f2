"""The store of one machine: an SQLite file.

**Invariant**: a commit is durable (flushed to the disk) when it returns, and touches the record and its log
together. Deciding reads and writes go through one connection in one thread; people's reads, and those of the
outbox, go through another, so that a slow one never delays a commit.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from controller.adapters.store import sqlite_fleet, sqlite_history, sqlite_outbox
from controller.adapters.store.codec import decode_rollout, encode_entry, encode_rollout
from controller.adapters.store.lane import Lane
from controller.adapters.store.numbering import check_numbers, check_same
from controller.adapters.store.transaction import transaction
from controller.domain.fleet.facts import Pause
from controller.domain.model import Entry, Rollout
from controller.domain.release import Release
from controller.domain.vocabulary import Phase
from controller.errors import Conflict
from controller.ports import Posting, Stored

T = TypeVar("T")

_BUSY_TIMEOUT = timedelta(seconds=5)
_CALL_TIMEOUT = timedelta(seconds=10)

_PRUNE = """
DELETE FROM rollout WHERE ordinal IN (
  SELECT ordinal FROM (
    SELECT ordinal, row_number() OVER (PARTITION BY model ORDER BY ordinal DESC) AS place
    FROM rollout WHERE terminal = 1
  ) WHERE place > :keep
) AND ordinal NOT IN (SELECT max(ordinal) FROM rollout WHERE phase = :succeeded GROUP BY model)
  AND id NOT IN (SELECT rollout_id FROM posting)
"""
"""What is over, without the newest ``:keep`` of each model and what must stay longer."""


class SqliteStore:
    """Implements `RolloutStore`, `Outbox`, `RolloutHistory`, `FleetPauses`. Does no I/O until the first call.

    ``busy_timeout`` is the longest wait for another process that holds the file's lock, ``call_timeout`` the
    longest for any call. A commit that ran out of time may still happen: read again.
    """

    def __init__(
        self, path: Path, *, busy_timeout: timedelta = _BUSY_TIMEOUT, call_timeout: timedelta = _CALL_TIMEOUT
    ) -> None:
        self._writer = Lane(path, writes=True, busy_timeout=busy_timeout, call_timeout=call_timeout)
        self._reader = Lane(path, writes=False, busy_timeout=busy_timeout, call_timeout=call_timeout)
        self._opened = False

    async def open(self) -> None:
        """Check the file's integrity and bring it to the newest version, or create it.

        Every other call does so too when it must; raises `StoreUnavailable`, and may be called again.
        """
        await self._writer.run(_nothing)
        self._opened = True

    async def close(self) -> None:
        """Finish what is in hand and close the file. The store cannot be used again."""
        await self._reader.close()
        await self._writer.close()

    async def open_rollouts(self, model: str) -> Sequence[Stored]:
        """The model's rollouts that are not over, oldest first."""

        def work(connection: sqlite3.Connection) -> Sequence[Stored]:
            rows = connection.execute(
                "SELECT record, version FROM rollout WHERE model = ? AND terminal = 0 ORDER BY ordinal",
                (model,),
            )
            return [Stored(decode_rollout(record), version) for record, version in rows]

        return await self._writer.run(work)

    async def serving(self, model: str) -> Release | None:
        """The release that the model's last succeeded rollout promoted."""

        def work(connection: sqlite3.Connection) -> Release | None:
            row = connection.execute(
                "SELECT record FROM rollout WHERE model = ? AND phase = ? ORDER BY ordinal DESC LIMIT 1",
                (model, Phase.SUCCEEDED.value),
            ).fetchone()
            return decode_rollout(row[0]).release if row else None

        return await self._writer.run(work)

    async def stored(self, rollout_id: str) -> Stored | None:
        """The rollout of that id, over or not, as a commit must name it."""

        def work(connection: sqlite3.Connection) -> Stored | None:
            row = connection.execute(
                "SELECT record, version FROM rollout WHERE id = ?", (rollout_id,)
            ).fetchone()
            return Stored(decode_rollout(row[0]), row[1]) if row else None

        return await self._writer.run(work)

    async def create(self, rollout: Rollout, entry: Entry) -> Stored:
        """A new record and its first log entry. Raises `Conflict` if the id exists."""
        check_numbers(rollout, entry, last_seq=0)
        record, line = encode_rollout(rollout), encode_entry(entry)

        def work(connection: sqlite3.Connection) -> Stored:
            with transaction(connection):
                added = connection.execute(
                    "INSERT INTO rollout (id, model, phase, terminal, version, record)"
                    " VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (id) DO NOTHING",
                    (rollout.id, rollout.model, rollout.phase.value, rollout.phase.terminal, record),
                )
                if not added.rowcount:
                    raise Conflict(f"A rollout {rollout.id} exists already.")
                _append(connection, rollout, entry, line)
            return Stored(rollout, 1)

        return await self._writer.run(work)

    async def commit(self, read: Stored, rollout: Rollout, entry: Entry) -> Stored:
        """Replace the record and append the entry, in one transaction.

        Raises `Conflict` when the record is no longer at ``read.version``, or the log holds the entry's
        request already, and `InvariantError` when the entry's number does not follow the last.
        """
        check_numbers(rollout, entry, last_seq=read.rollout.seq)
        check_same(read.rollout, rollout)
        record, line = encode_rollout(rollout), encode_entry(entry)

        def work(connection: sqlite3.Connection) -> Stored:
            with transaction(connection):
                replaced = connection.execute(
                    "UPDATE rollout SET phase = ?, terminal = ?, version = version + 1, record = ?"
                    " WHERE id = ? AND version = ?",
                    (rollout.phase.value, rollout.phase.terminal, record, rollout.id, read.version),
                )
                if not replaced.rowcount:
                    raise Conflict(f"Rollout {rollout.id} is no longer at version {read.version}.")
                _append(connection, rollout, entry, line)
            return Stored(rollout, int(read.version) + 1)

        return await self._writer.run(work)

    async def destinations(self) -> Sequence[str]:
        """The names of those who are still to be told of something."""
        return await self._read(sqlite_outbox.destinations)

    async def postings(self, destination: str, limit: int) -> Sequence[Posting]:
        """The oldest that are not settled, in the order of their commits."""
        return await self._read(lambda connection: sqlite_outbox.postings(connection, destination, limit))

    async def memo(self, rollout_id: str, destination: str) -> str:
        """What the destination left for itself at an earlier entry of the rollout; empty at first."""
        return await self._read(lambda connection: sqlite_outbox.memo(connection, rollout_id, destination))

    async def settle(self, posting: Posting, memo: str) -> None:
        """The destination was told, or never will be."""
        await self._writer.run(lambda connection: sqlite_outbox.settle(connection, posting, memo))

    async def paused(self) -> Pause | None:
        """The pause of everything, if there is one."""
        return await self._read(sqlite_fleet.paused)

    async def pause(self, pause: Pause | None) -> None:
        """Put one in force, or end it."""
        await self._writer.run(lambda connection: sqlite_fleet.pause(connection, pause))

    async def prune(self, keep: int = 50) -> int:
        """Remove finished rollouts with their logs; returns how many went.

        Each model keeps its newest ``keep`` finished rollouts, and always the last that succeeded: it says
        what is being served. What somebody is still to be told of stays as well.
        """

        def work(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                gone = connection.execute(_PRUNE, {"keep": keep, "succeeded": Phase.SUCCEEDED.value})
            return gone.rowcount

        return await self._writer.run(work)

    async def models(self) -> Sequence[str]:
        """The models with any record, sorted."""
        return await self._read(sqlite_history.models)

    async def rollouts(self, model: str | None, limit: int) -> Sequence[Rollout]:
        """The newest rollouts, newest first; of all models when ``model`` is None."""
        return await self._read(lambda connection: sqlite_history.rollouts(connection, model, limit))

    async def current(self, models: Collection[str]) -> Sequence[Rollout]:
        """Each model's newest rollout and its older ones that are not over: by model, newest first."""
        return await self._read(lambda connection: sqlite_history.current(connection, models))

    async def named(self, rollout_id: str) -> Rollout | None:
        """The rollout of that id."""
        return await self._read(lambda connection: sqlite_history.named(connection, rollout_id))

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> Sequence[Entry]:
        """Entries with a number above ``after_seq``, in order."""
        return await self._read(
            lambda connection: sqlite_history.entries(connection, rollout_id, after_seq, limit)
        )

    async def request(self, request_id: str) -> tuple[str, Entry] | None:
        """The rollout id and entry that a person's request led to, if it was handled before."""
        return await self._read(lambda connection: sqlite_history.request(connection, request_id))

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if not self._opened:  # a file that does not exist yet cannot be opened for reading
            await self.open()
        return await self._reader.run(work)


def _nothing(_: sqlite3.Connection) -> None:
    """The lane opened the file already."""


def _append(connection: sqlite3.Connection, rollout: Rollout, entry: Entry, line: bytes) -> None:
    request_id = entry.command.request_id if entry.command else None
    if (
        request_id is not None
        and connection.execute(
            "SELECT 1 FROM entry WHERE request_id = ? AND rollout_id = ?", (request_id, rollout.id)
        ).fetchone()
    ):
        raise Conflict(f"Request {request_id} was followed before.")
    connection.execute(
        "INSERT INTO entry (rollout_id, seq, request_id, record) VALUES (?, ?, ?, ?)",
        (rollout.id, entry.seq, request_id, line),
    )
    sqlite_outbox.post(connection, rollout, entry)
