"""The outbox's rows in the state file: made by the commit itself, gone when they are settled."""

import sqlite3
from collections.abc import Sequence

from controller.adapters.store.codec import decode_entry, decode_rollout
from controller.adapters.store.transaction import transaction
from controller.domain.model import Entry, Rollout
from controller.ports import Posting

TABLES = (
    """
    CREATE TABLE posting (
      ordinal     INTEGER PRIMARY KEY AUTOINCREMENT,
      rollout_id  TEXT NOT NULL,
      seq         INTEGER NOT NULL,
      destination TEXT NOT NULL,
      UNIQUE (rollout_id, seq, destination),
      FOREIGN KEY (rollout_id, seq) REFERENCES entry (rollout_id, seq) ON DELETE CASCADE
    ) STRICT
    """,
    "CREATE INDEX posting_by_destination ON posting (destination, ordinal)",
    """
    CREATE TABLE memo (
      rollout_id  TEXT NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
      destination TEXT NOT NULL,
      memo        TEXT NOT NULL,
      PRIMARY KEY (rollout_id, destination)
    ) STRICT
    """,
)


def post(connection: sqlite3.Connection, rollout: Rollout, entry: Entry) -> None:
    """One row for each destination that is to be told. In the transaction of the commit."""
    if entry.notable:
        connection.executemany(
            "INSERT INTO posting (rollout_id, seq, destination) VALUES (?, ?, ?)",
            [(rollout.id, entry.seq, name) for name in dict.fromkeys(rollout.policy.notify)],
        )


def destinations(connection: sqlite3.Connection) -> Sequence[str]:
    """Who is still to be told of something."""
    return [str(name) for (name,) in connection.execute("SELECT DISTINCT destination FROM posting")]


def postings(connection: sqlite3.Connection, destination: str, limit: int) -> Sequence[Posting]:
    """The oldest rows of one destination."""
    rows = connection.execute(
        "SELECT rollout.record, entry.record, destination FROM posting"
        " JOIN entry USING (rollout_id, seq) JOIN rollout ON rollout.id = posting.rollout_id"
        " WHERE destination = ? ORDER BY posting.ordinal LIMIT ?",
        (destination, limit),
    )
    return [Posting(decode_rollout(record), decode_entry(line), name) for record, line, name in rows]


def memo(connection: sqlite3.Connection, rollout_id: str, destination: str) -> str:
    """What the destination left; empty if nothing."""
    row = connection.execute(
        "SELECT memo FROM memo WHERE rollout_id = ? AND destination = ?", (rollout_id, destination)
    ).fetchone()
    return str(row[0]) if row else ""


def settle(connection: sqlite3.Connection, posting: Posting, left: str) -> None:
    """Remove the row, and keep what the destination leaves, in one transaction."""
    rollout_id, destination = posting.rollout.id, posting.destination
    with transaction(connection):
        connection.execute(
            "DELETE FROM posting WHERE rollout_id = ? AND seq = ? AND destination = ?",
            (rollout_id, posting.entry.seq, destination),
        )
        if left:
            connection.execute(
                "INSERT INTO memo (rollout_id, destination, memo)"
                " SELECT id, ?, ? FROM rollout WHERE id = ?"
                " ON CONFLICT (rollout_id, destination) DO UPDATE SET memo = excluded.memo",
                (destination, left, rollout_id),
            )
