"""Files of other versions: older ones are brought forward, newer and foreign ones refused."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapters.store.migrations import MIGRATIONS, migrate
from controller.adapters.store.sqlite import SqliteStore
from controller.errors import StoreUnavailable

NEXT = ("ALTER TABLE rollout ADD COLUMN note TEXT", "UPDATE rollout SET note = 'kept'")


@pytest.fixture
def older(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A file of the first version with a rollout in it."""
    connection = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    migrate(connection, MIGRATIONS[:1])
    connection.execute(
        "INSERT INTO rollout (id, model, phase, terminal, version, record)"
        " VALUES ('a', 'm', 'Pending', 0, 1, x'')"
    )
    yield connection
    connection.close()


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_file_goes_through_the_steps_that_it_misses(older: sqlite3.Connection) -> None:
    steps = [*MIGRATIONS[:1], NEXT, ("CREATE TABLE added (id TEXT)",)]
    migrate(older, steps)
    assert version(older) == 3
    assert older.execute("SELECT id, note FROM rollout").fetchall() == [("a", "kept")]
    migrate(older, steps)
    assert version(older) == 3


def test_a_step_that_fails_leaves_the_file_as_the_step_before_left_it(older: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        migrate(
            older, [*MIGRATIONS[:1], NEXT, ("CREATE TABLE added (id TEXT)", "INSERT INTO nowhere VALUES (1)")]
        )
    assert version(older) == 2
    assert older.execute("SELECT note FROM rollout").fetchall() == [("kept",)]
    assert older.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'added'").fetchone() == (0,)


async def test_a_file_of_a_newer_serinus_is_refused_and_left_alone(
    tmp_path: Path, older: sqlite3.Connection
) -> None:
    older.execute("PRAGMA user_version = 99")
    store = SqliteStore(tmp_path / "state.db")
    with pytest.raises(StoreUnavailable, match=r"version 99; this Serinus knows up to \d+\. Run the newer"):
        await store.open()
    await store.close()
    assert version(older) == 99


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    foreign.execute("CREATE TABLE theirs (id TEXT)")
    before = (tmp_path / "state.db").read_bytes()
    store = SqliteStore(tmp_path / "state.db")
    with pytest.raises(StoreUnavailable, match="of another program"):
        await store.open()
    await store.close()
    foreign.close()
    assert (tmp_path / "state.db").read_bytes() == before
