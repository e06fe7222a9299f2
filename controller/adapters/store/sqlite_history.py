"""What people read of the state file of one machine: `RolloutHistory`, each question on a connection."""

import json
import sqlite3
from collections.abc import Collection, Sequence

from controller.adapters.store.codec import decode_entry, decode_rollout
from controller.domain.model import Entry, Rollout

_CURRENT = """
SELECT record FROM rollout WHERE ordinal IN (
  SELECT (SELECT max(ordinal) FROM rollout WHERE model = wanted.value) FROM json_each(?1) AS wanted
  UNION
  SELECT ordinal FROM rollout JOIN json_each(?1) AS wanted ON model = wanted.value WHERE terminal = 0
) ORDER BY model, ordinal DESC
"""
"""Of the models in a JSON list the newest rollout, and the older ones that are not over; all by an index."""


def models(connection: sqlite3.Connection) -> Sequence[str]:
    """The models with any record, sorted."""
    return [model for (model,) in connection.execute("SELECT DISTINCT model FROM rollout ORDER BY model")]


def rollouts(connection: sqlite3.Connection, model: str | None, limit: int) -> Sequence[Rollout]:
    """The newest, newest first; of all models when ``model`` is None."""
    if model is None:
        rows = connection.execute("SELECT record FROM rollout ORDER BY ordinal DESC LIMIT ?", (limit,))
    else:
        rows = connection.execute(
            "SELECT record FROM rollout WHERE model = ? ORDER BY ordinal DESC LIMIT ?", (model, limit)
        )
    return [decode_rollout(record) for (record,) in rows]


def current(connection: sqlite3.Connection, wanted: Collection[str]) -> Sequence[Rollout]:
    """Each model's newest rollout and its older ones that are not over: by model, newest first."""
    rows = connection.execute(_CURRENT, (json.dumps([*wanted]),))
    return [decode_rollout(record) for (record,) in rows]


def named(connection: sqlite3.Connection, rollout_id: str) -> Rollout | None:
    """The rollout of that id."""
    row = connection.execute("SELECT record FROM rollout WHERE id = ?", (rollout_id,)).fetchone()
    return decode_rollout(row[0]) if row else None


def entries(connection: sqlite3.Connection, rollout_id: str, after_seq: int, limit: int) -> Sequence[Entry]:
    """Entries with a number above ``after_seq``, in order."""
    rows = connection.execute(
        "SELECT record FROM entry WHERE rollout_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        (rollout_id, after_seq, limit),
    )
    return [decode_entry(record) for (record,) in rows]


def request(connection: sqlite3.Connection, request_id: str) -> tuple[str, Entry] | None:
    """The rollout id and entry that a person's request led to, if it was handled before."""
    row = connection.execute(
        "SELECT rollout_id, record FROM entry WHERE request_id = ? ORDER BY rowid LIMIT 1", (request_id,)
    ).fetchone()
    return (row[0], decode_entry(row[1])) if row else None
