"""What the store says and keeps when the disk, the file or the process fails."""

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from threading import Event

import pytest

from controller.adapters.store.sqlite import SqliteStore
from controller.domain.judge.base import Assessment
from controller.domain.model import Entry, Rollout
from controller.domain.policy import Policy, RouteRef
from controller.domain.release import Release
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.errors import InvariantError, StoreUnavailable
from controller.ports import Stored

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def rollout(name: str = "a") -> Rollout:
    policy = Policy("fraud", "ml", RouteRef("envoy", "/fraud"), "envoy", steps=(), checks=())
    return Rollout(name, "fraud", Release("v2", ()), policy, created_at=NOW, created_by="ann", seq=1)


def entry(record: Rollout, message: str = "") -> Entry:
    phases = (Phase.PENDING, record.phase)
    return Entry(
        record.seq,
        NOW,
        "serinus",
        "tick",
        *phases,
        Reason.CREATED,
        message,
        None,
        0,
        Assessment(Verdict.PASS),
    )


async def begin(store: SqliteStore, record: Rollout | None = None) -> Stored:
    record = record or rollout()
    return await store.create(record, entry(record))


async def go_on(store: SqliteStore, read: Stored, size: int = 0) -> Stored:
    following = replace(read.rollout, seq=read.rollout.seq + 1)
    return await store.commit(read, following, entry(following, "x" * size))


async def in_connection(store: SqliteStore, statement: str) -> None:
    """Change the very connection that commits: limits and modes of SQLite belong to one."""
    await store._writer.run(lambda connection: connection.execute(statement).close())


async def test_a_full_disk_is_said_so_and_commits_go_on_once_there_is_space(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    read = await begin(store)
    await in_connection(store, "PRAGMA max_page_count = 20")
    with pytest.raises(
        StoreUnavailable, match=r"No space to write .*state\.db \(\d+ MiB free\)\. Free 64 MiB"
    ):
        await go_on(store, read, size=200_000)
    assert await store.open_rollouts("fraud") == [read]
    assert len(await store.entries("a", 0, 10)) == 1

    await in_connection(store, "PRAGMA max_page_count = 100000")
    await go_on(store, read, size=200_000)
    assert len(await store.entries("a", 0, 10)) == 2
    await store.close()


async def test_a_read_only_file_is_said_so_and_the_store_heals(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    read = await begin(store)
    await in_connection(store, "PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match=r"is read-only\. Make it and its folder writable"):
        await go_on(store, read)
    assert (await go_on(store, read)).version == 2  # opened anew, as after a remount
    await store.close()


async def test_a_file_locked_by_another_process_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(path, busy_timeout=timedelta(milliseconds=50))
    read = await begin(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            await go_on(store, read)
        assert await store.open_rollouts("fraud") == [read]
        assert len(await store.rollouts(None, 10)) == 1
    assert (await go_on(store, read)).version == 2
    await store.close()


def remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink()


async def filled(path: Path) -> None:
    store = SqliteStore(path)
    read = await begin(store)
    for _ in range(30):
        read = await go_on(store, read, size=3000)
    await store.close()


@pytest.mark.parametrize("page", [1, 2, 5, 15])
async def test_a_corrupt_file_is_refused_when_opened_and_says_what_to_do(tmp_path: Path, page: int) -> None:
    path = tmp_path / "state.db"
    await filled(path)
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(Random(page).randbytes(4096))

    store = SqliteStore(path)
    with pytest.raises(
        StoreUnavailable, match=r"is corrupt\. Stop Serinus and restore the file from a backup"
    ):
        await store.open()
    with pytest.raises(StoreUnavailable, match="is corrupt"):
        await begin(store, rollout("b"))
    await store.close()


async def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await filled(path)
    os.truncate(path, path.stat().st_size // 2)
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable, match="is corrupt"):
        await store.open()
    await store.close()


async def test_a_restored_backup_is_taken_up_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await filled(path)
    good = path.read_bytes()
    path.write_bytes(b"\0garbage" * 1000)
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable, match="is corrupt"):
        await store.open()
    path.write_bytes(good)
    assert len(await store.entries("a", 0, 100)) == 31
    await store.close()


async def test_a_file_deleted_under_the_store_is_never_written_on_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    read = await begin(store)
    remove(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="was removed while Serinus ran"):
            await go_on(store, read)
    assert not path.exists()
    await store.close()


async def test_one_torn_record_is_an_error_that_names_the_place_and_not_another_record(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await begin(store)
    with closing(sqlite3.connect(path)) as shell, shell:
        shell.execute("""UPDATE rollout SET record = CAST('{"schema_version": 1, "record": {}}' AS BLOB)""")
    with pytest.raises(StoreUnavailable, match=r"cannot be read at record\.id: Field required"):
        await store.open_rollouts("fraud")
    with closing(sqlite3.connect(path)) as shell, shell:
        shell.execute("""UPDATE rollout SET record = CAST('{"schema_version": 2, "record": {}}' AS BLOB)""")
    with pytest.raises(StoreUnavailable, match="has schema 2; this Serinus reads up to 1"):
        await store.open_rollouts("fraud")
    await store.close()


async def test_a_cancelled_commit_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    read = await begin(store)
    for turns in range(8):
        task = asyncio.create_task(go_on(store, read, size=50_000))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        [read] = await store.open_rollouts("fraud")
        assert len(await store.entries("a", 0, 100)) == read.rollout.seq
    await store.close()


async def test_a_slow_read_of_the_history_does_not_delay_a_commit(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    read = await begin(store)
    release = asyncio.Event()
    reading = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(timeout=30)

    history = asyncio.create_task(store._reader.run(slow))
    await reading.wait()
    assert (await go_on(store, read)).version == 2
    assert not history.done()
    release.set()
    await history
    await store.close()


async def test_a_commit_on_a_hanging_disk_is_given_up_and_a_later_read_tells_what_became_of_it(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "state.db", call_timeout=timedelta(milliseconds=300))
    read = await begin(store)
    begun, healed = Event(), Event()

    def hang(_: sqlite3.Connection) -> None:
        begun.set()
        healed.wait(timeout=30)

    hanging = asyncio.create_task(store._writer.run(hang))
    assert await asyncio.to_thread(begun.wait, 30)
    with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.3 s\. Check the disk"):
        await go_on(store, read)
    with pytest.raises(StoreUnavailable):
        await hanging
    healed.set()
    assert await store.open_rollouts("fraud") == [read]  # it was still in line, and was taken out
    await store.close()


async def test_a_defect_is_not_taken_for_a_failing_disk(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    await begin(store)
    with pytest.raises(InvariantError, match="append-only"):
        await in_connection(store, "DELETE FROM entry")
    await store.close()
