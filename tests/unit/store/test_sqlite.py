"""What the file of one machine promises besides: retention, and a log that nobody rewrites."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.adapters.store.sqlite import SqliteStore
from controller.domain.fleet.facts import Pause
from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase
from controller.errors import Conflict, StoreUnavailable
from controller.ports import Stored
from tests.fakes import EPOCH
from tests.store_records import entry, rollout


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "state.db")
    yield opened
    await opened.close()


async def begin(store: SqliteStore, record: Rollout) -> Stored:
    return await store.create(record, entry(record))


async def go_on(store: SqliteStore, read: Stored, phase: Phase = Phase.PROGRESSING) -> Stored:
    following = replace(read.rollout, phase=phase, seq=read.rollout.seq + 1)
    return await store.commit(read, following, entry(following))


async def test_pruning_keeps_the_newest_and_what_is_being_served(store: SqliteStore) -> None:
    await go_on(store, await begin(store, rollout("open")))
    for name, phase in [
        ("served-before", Phase.SUCCEEDED),
        ("served", Phase.SUCCEEDED),
        ("bad-1", Phase.ROLLED_BACK),
        ("bad-2", Phase.NOT_DEPLOYED),
        ("bad-3", Phase.ABORTED),
    ]:
        await go_on(store, await begin(store, rollout(name)), phase)
    assert await store.prune(keep=2) == 2
    assert [r.id for r in await store.rollouts(None, 10)] == ["bad-3", "bad-2", "served", "open"]
    assert await store.entries("bad-1", 0, 10) == []
    assert len(await store.entries("served", 0, 10)) == 2
    assert await store.prune(keep=2) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entry WHERE seq = 2",
        "UPDATE entry SET record = x'00'",
        "INSERT INTO entry (rollout_id, seq, record) VALUES ('a', 4, x'00')",
        "INSERT INTO entry (rollout_id, seq, record) VALUES ('nobody', 1, x'00')",
        "INSERT OR REPLACE INTO entry (rollout_id, seq, record) VALUES ('a', 2, x'00')",
        "DELETE FROM rollout",
    ],
)
async def test_the_file_itself_refuses_to_rewrite_the_log(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await go_on(store, await begin(store, rollout("a")))
    await store.close()

    shell = sqlite3.connect(path)
    shell.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError):
        shell.execute(statement)
    shell.close()


async def test_a_second_opening_of_the_same_file_sees_the_first_ones_commits(tmp_path: Path) -> None:
    one, two = SqliteStore(tmp_path / "state.db"), SqliteStore(tmp_path / "state.db")
    read = await begin(one, rollout("a"))
    assert await two.open_rollouts("fraud") == [read]
    await go_on(two, read)
    with pytest.raises(Conflict):
        await go_on(one, read)
    await one.close()
    await two.close()


async def test_a_path_in_a_missing_folder_is_unavailable_until_the_folder_is_there(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "later" / "state.db")
    with pytest.raises(StoreUnavailable, match="Check that its folder exists"):
        await store.open_rollouts("fraud")
    (tmp_path / "later").mkdir()
    assert await store.open_rollouts("fraud") == []
    await store.close()


async def test_a_pause_of_everything_outlives_the_process_and_there_is_one_at_most(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "state.sqlite")
    assert await first.paused() is None
    await first.pause(Pause("ann", EPOCH, "an incident"))
    await first.pause(Pause("ben", EPOCH))
    await first.close()
    second = SqliteStore(tmp_path / "state.sqlite")
    assert await second.paused() == Pause("ben", EPOCH)
    await second.pause(None)
    assert await second.paused() is None
    await second.close()
