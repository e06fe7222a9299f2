"""The store's promises: compare-and-swap, gapless logs, order, retention."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.adapters.store.sqlite import SqliteStore
from controller.domain.judge.base import Assessment
from controller.domain.model import Command, CommandKind, Entry, Release, Rollout
from controller.domain.policy import Policy, RouteRef, Step
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.errors import Conflict, InvariantError, StoreUnavailable
from controller.ports import Stored

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def rollout(name: str, model: str = "fraud", version: str = "v2") -> Rollout:
    step = Step(weight_permille=50, hold=timedelta(minutes=1), min_requests=10, deadline=timedelta(hours=1))
    policy = Policy(model, "ml", RouteRef("envoy", f"/{model}"), "envoy", steps=(step,), checks=())
    release = Release(version, ("127.0.0.1:9000",))
    return Rollout(name, model, release, policy, created_at=NOW, created_by="ann", seq=1)


def entry(record: Rollout, command: Command | None = None) -> Entry:
    return Entry(
        seq=record.seq,
        at=NOW,
        actor="serinus",
        event="step_advanced",
        phase_before=Phase.PENDING,
        phase=record.phase,
        reason=Reason.STEP_RUNNING,
        message="5 % to v2",
        step=0,
        weight_permille=50,
        assessment=Assessment(Verdict.PASS),
        command=command,
    )


def word(request_id: str) -> Command:
    return Command(CommandKind.PAUSE, request_id, "ann", NOW)


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


async def test_what_was_committed_is_read_back_by_another_process_to_come(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    committed = await go_on(store, await begin(store, rollout("a")))
    await store.close()

    again = SqliteStore(tmp_path / "state.db")
    assert await again.open_rollouts("fraud") == [committed]
    assert await again.entries("a", 0, 10) == [entry(rollout("a")), entry(committed.rollout)]
    await again.close()


async def test_a_commit_on_an_old_version_is_a_conflict_and_writes_nothing(store: SqliteStore) -> None:
    read = await begin(store, rollout("a"))
    won = await go_on(store, read)
    with pytest.raises(Conflict, match="no longer at version 1"):
        await go_on(store, read, Phase.PAUSED)
    assert await store.open_rollouts("fraud") == [won]
    assert [line.seq for line in await store.entries("a", 0, 10)] == [1, 2]


async def test_of_many_commits_at_once_exactly_one_wins(store: SqliteStore) -> None:
    read = await begin(store, rollout("a"))
    outcomes = await asyncio.gather(*(go_on(store, read) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(outcome, Stored) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 19


async def test_an_id_is_used_once(store: SqliteStore) -> None:
    await begin(store, rollout("a"))
    with pytest.raises(Conflict, match="exists already"):
        await begin(store, rollout("a", model="other"))
    assert await store.models() == ["fraud"]


@pytest.mark.parametrize("seq", [1, 3, 0, -1])
async def test_an_entry_that_does_not_follow_the_last_is_a_defect(store: SqliteStore, seq: int) -> None:
    read = await begin(store, rollout("a"))
    wrong = replace(read.rollout, seq=seq)
    with pytest.raises(InvariantError, match="does not follow 1"):
        await store.commit(read, wrong, entry(wrong))
    assert await store.open_rollouts("fraud") == [read]


async def test_a_record_that_claims_another_number_than_its_log_is_a_defect(store: SqliteStore) -> None:
    read = await begin(store, rollout("a"))
    forged = Stored(replace(read.rollout, seq=5), read.version)
    with pytest.raises(InvariantError, match="does not follow the last"):
        await go_on(store, forged)
    assert await store.open_rollouts("fraud") == [read]


async def test_a_commit_cannot_write_another_rollout(store: SqliteStore) -> None:
    read = await begin(store, rollout("a"))
    other = replace(read.rollout, id="b", seq=2)
    with pytest.raises(InvariantError, match="cannot write b"):
        await store.commit(read, other, entry(other))


async def test_text_that_no_file_can_hold_is_a_defect_and_opens_no_transaction(store: SqliteStore) -> None:
    read = await begin(store, rollout("a"))
    torn = replace(read.rollout, seq=2, message="\ud800")
    with pytest.raises(InvariantError, match="text"):
        await store.commit(read, torn, entry(torn))
    assert (await go_on(store, read)).version == 2


async def test_open_rollouts_come_oldest_first_and_finished_ones_not_at_all(store: SqliteStore) -> None:
    older = await begin(store, rollout("z-older"))
    newer = await begin(store, rollout("a-newer"))
    await begin(store, rollout("b", model="other"))
    assert await store.open_rollouts("fraud") == [older, newer]
    await go_on(store, older, Phase.SUPERSEDED)
    assert await store.open_rollouts("fraud") == [newer]
    assert await store.open_rollouts("unheard-of") == []


async def test_the_serving_release_is_that_of_the_last_success(store: SqliteStore) -> None:
    assert await store.serving("fraud") is None
    for name, version, phase in [
        ("1", "v1", Phase.SUCCEEDED),
        ("2", "v2", Phase.SUCCEEDED),
        ("3", "v3", Phase.ROLLED_BACK),
        ("4", "v4", Phase.PROGRESSING),
    ]:
        await go_on(store, await begin(store, rollout(name, version=version)), phase)
    serving = await store.serving("fraud")
    assert serving is not None
    assert serving.version == "v2"


async def test_history_is_newest_first_and_bounded(store: SqliteStore) -> None:
    for name, model in [("1", "fraud"), ("2", "churn"), ("3", "fraud")]:
        await begin(store, rollout(name, model=model))
    assert await store.models() == ["churn", "fraud"]
    assert [r.id for r in await store.rollouts(None, 2)] == ["3", "2"]
    assert [r.id for r in await store.rollouts("fraud", 10)] == ["3", "1"]


async def test_entries_are_read_on_from_a_number(store: SqliteStore) -> None:
    read = await begin(store, rollout("a"))
    for _ in range(4):
        read = await go_on(store, read)
    assert [line.seq for line in await store.entries("a", 2, 2)] == [3, 4]
    assert await store.entries("a", 5, 10) == []


async def test_history_of_a_file_that_does_not_exist_yet_is_empty(store: SqliteStore) -> None:
    assert await store.rollouts(None, 10) == []


async def test_a_request_is_found_by_its_id_and_followed_once(store: SqliteStore) -> None:
    read = await begin(store, rollout("a"))
    paused = replace(read.rollout, phase=Phase.PAUSED, seq=2)
    line = entry(paused, word("r-1"))
    read = await store.commit(read, paused, line)
    assert await store.request("r-1") == ("a", line)
    assert await store.request("r-2") is None

    again = replace(paused, seq=3)
    with pytest.raises(Conflict, match="r-1 was followed before"):
        await store.commit(read, again, entry(again, word("r-1")))
    assert await store.open_rollouts("fraud") == [read]


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
