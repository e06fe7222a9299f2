"""The pause of everything, in the state file of one machine: there is one or none."""

import sqlite3
from datetime import datetime

from controller.adapters.store.transaction import transaction
from controller.domain.fleet.facts import Pause

TABLES = (
    """
    CREATE TABLE fleet_pause (
      only   INTEGER PRIMARY KEY CHECK (only = 1),
      actor  TEXT NOT NULL,
      at     TEXT NOT NULL,
      note   TEXT NOT NULL
    ) STRICT
    """,
)
"""The step that brings a file to these tables."""


def paused(connection: sqlite3.Connection) -> Pause | None:
    """The pause in force."""
    row = connection.execute("SELECT actor, at, note FROM fleet_pause").fetchone()
    return None if row is None else Pause(row[0], datetime.fromisoformat(row[1]), row[2])


def pause(connection: sqlite3.Connection, wanted: Pause | None) -> None:
    """Put it in force, or end it."""
    with transaction(connection):
        connection.execute("DELETE FROM fleet_pause")
        if wanted is not None:
            row = (wanted.actor, wanted.at.isoformat(), wanted.note)
            connection.execute("INSERT INTO fleet_pause (only, actor, at, note) VALUES (1, ?, ?, ?)", row)
