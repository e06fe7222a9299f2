"""The tables, and the steps that bring an older file to them.

**Invariant**: the decision log is append-only and gapless because the schema itself refuses anything else,
whoever writes. A log goes only as a whole, with the record of a rollout that is over.

A step that was released is never edited: what must change is a further step. ``PRAGMA user_version`` counts
the steps that a file has been through.
"""

import sqlite3
from collections.abc import Sequence

from controller.adapters.store import sqlite_fleet, sqlite_outbox
from controller.adapters.store.transaction import transaction
from controller.errors import StoreUnavailable

Migration = Sequence[str]
"""Statements that bring a file from one version to the next, in one transaction."""

APPLICATION_ID = 0x53455249
"""The letters "SERI": SQLite keeps it in the file's header, so that a foreign file is known as one."""

_TABLES: Migration = (
    """
    CREATE TABLE rollout (
      ordinal  INTEGER PRIMARY KEY AUTOINCREMENT,
      id       TEXT NOT NULL UNIQUE,
      model    TEXT NOT NULL,
      phase    TEXT NOT NULL,
      terminal INTEGER NOT NULL CHECK (terminal IN (0, 1)),
      version  INTEGER NOT NULL,
      record   BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX rollout_by_model ON rollout (model, ordinal)",
    "CREATE INDEX rollout_open ON rollout (model, ordinal) WHERE terminal = 0",
    """
    CREATE TABLE entry (
      rollout_id TEXT NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
      seq        INTEGER NOT NULL,
      request_id TEXT,
      record     BLOB NOT NULL,
      PRIMARY KEY (rollout_id, seq)
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX entry_by_request ON entry (request_id, rollout_id) WHERE request_id IS NOT NULL
    """,
    """
    CREATE TRIGGER entry_follows_the_last BEFORE INSERT ON entry
    WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM entry WHERE rollout_id = NEW.rollout_id), 0)
    BEGIN SELECT raise(ABORT, 'the entry does not follow the last of its log'); END
    """,
    """
    CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
    BEGIN SELECT raise(ABORT, 'the log is append-only'); END
    """,
    """
    CREATE TRIGGER entry_goes_with_its_rollout BEFORE DELETE ON entry
    WHEN EXISTS (SELECT 1 FROM rollout WHERE id = OLD.rollout_id)
    BEGIN SELECT raise(ABORT, 'the log is append-only'); END
    """,
    """
    CREATE TRIGGER rollout_goes_when_over BEFORE DELETE ON rollout WHEN OLD.terminal = 0
    BEGIN SELECT raise(ABORT, 'the rollout is not over'); END
    """,
)

MIGRATIONS: Sequence[Migration] = (_TABLES, sqlite_outbox.TABLES, sqlite_fleet.TABLES)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the newest version; a step that fails leaves the version before it.

    Raises `StoreUnavailable` when the file is not a Serinus store or was written by a newer one.
    """
    version = _version(connection)
    if version > len(migrations):
        raise StoreUnavailable(
            f"The state file has version {version}; this Serinus knows up to {len(migrations)}. "
            "Run the newer version that wrote it."
        )
    if version == 0:
        _refuse_foreign(connection)
    while version < len(migrations):
        version = _step(connection, migrations)


def _step(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> int:
    with transaction(connection):
        version = _version(connection)  # another process may have been here first
        if version < len(migrations):
            for statement in migrations[version]:
                connection.execute(statement)
            version += 1
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version}")
    return version


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_foreign(connection: sqlite3.Connection) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if tables and application != APPLICATION_ID:
        raise StoreUnavailable(
            "The state file is an SQLite database of another program. Set another path for the state."
        )
