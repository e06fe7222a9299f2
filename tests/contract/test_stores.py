"""What every store promises: compare-and-swap, gapless numbers, order, requests that are followed once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.domain.drain import Drain, Drained
from controller.domain.model import CommandKind, Rollout
from controller.domain.vocabulary import Phase
from controller.errors import Conflict, InvariantError
from controller.ports import Stored
from tests.contract.store_stages import Stage, stage_of
from tests.store_records import entry, rollout, word


@pytest.fixture(params=["sqlite", "kubernetes"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_of(request.param, tmp_path) as opened:
        yield opened


async def begin(stage: Stage, record: Rollout) -> Stored:
    await stage.place(record)
    return await stage.store.create(record, entry(record))


async def go_on(stage: Stage, read: Stored, phase: Phase = Phase.PROGRESSING) -> Stored:
    following = replace(read.rollout, phase=phase, seq=read.rollout.seq + 1)
    return await stage.store.commit(read, following, entry(following))


async def test_what_was_committed_is_read_back_by_another_process_to_come(stage: Stage) -> None:
    committed = await go_on(stage, await begin(stage, rollout("a")))
    again = await stage.another()
    assert await again.open_rollouts("fraud") == [committed]
    assert await again.entries("a", 0, 10) == [entry(rollout("a")), entry(committed.rollout)]


async def test_what_was_committed_is_read_back_at_once(stage: Stage) -> None:
    committed = await go_on(stage, await begin(stage, rollout("a")))
    assert await stage.store.open_rollouts("fraud") == [committed]
    assert await stage.store.named("a") == committed.rollout


async def test_a_commit_on_an_old_version_is_a_conflict_and_writes_nothing(stage: Stage) -> None:
    read = await begin(stage, rollout("a"))
    won = await go_on(stage, read)
    with pytest.raises(Conflict, match="no longer at version"):
        await go_on(stage, read, Phase.PAUSED)
    assert await stage.store.open_rollouts("fraud") == [won]
    assert [line.seq for line in await stage.store.entries("a", 0, 10)] == [1, 2]


async def test_what_is_over_can_be_committed_to_once_more(stage: Stage) -> None:
    ended = await go_on(stage, await begin(stage, rollout("a")), Phase.ROLLED_BACK)
    assert await stage.store.stored("a") == ended
    drain = Drain(Drained.EMPTY, "v2", timedelta(seconds=4), "0 running")
    noted = replace(ended.rollout, drain=drain, seq=ended.rollout.seq + 1)
    after = await stage.store.commit(ended, noted, entry(noted))
    assert await (await stage.another()).stored("a") == after
    with pytest.raises(Conflict):
        await stage.store.commit(ended, noted, entry(noted))
    assert await stage.store.open_rollouts("fraud") == []
    assert len(await stage.store.entries("a", 0, 10)) == 3


async def test_a_rollout_that_nobody_knows_is_not_stored(stage: Stage) -> None:
    await begin(stage, rollout("a"))
    assert await stage.store.stored("b") is None


async def test_of_many_commits_at_once_exactly_one_wins(stage: Stage) -> None:
    read = await begin(stage, rollout("a"))
    outcomes = await asyncio.gather(*(go_on(stage, read) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(outcome, Stored) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 19


async def test_who_lost_a_race_reads_the_newest(stage: Stage) -> None:
    read = await begin(stage, rollout("a"))
    other = await stage.another()
    (theirs,) = await other.open_rollouts("fraud")
    won = await go_on(stage, read)
    late = replace(read.rollout, phase=Phase.PAUSED, seq=2)
    with pytest.raises(Conflict):
        await other.commit(theirs, late, entry(late))
    assert await other.open_rollouts("fraud") == [won]


async def test_an_id_is_used_once(stage: Stage) -> None:
    await begin(stage, rollout("a"))
    with pytest.raises(Conflict, match="exists already"):
        await begin(stage, rollout("a", model="other"))
    assert await stage.store.models() == ["fraud"]


@pytest.mark.parametrize("seq", [1, 3, 0, -1])
async def test_an_entry_that_does_not_follow_the_last_is_a_defect(stage: Stage, seq: int) -> None:
    read = await begin(stage, rollout("a"))
    wrong = replace(read.rollout, seq=seq)
    with pytest.raises(InvariantError, match="does not follow 1"):
        await stage.store.commit(read, wrong, entry(wrong))
    assert await stage.store.open_rollouts("fraud") == [read]


@pytest.mark.parametrize("seq", [0, 2])
async def test_a_rollout_begins_with_its_first_entry(stage: Stage, seq: int) -> None:
    with pytest.raises(InvariantError, match="does not follow 0"):
        await begin(stage, replace(rollout("a"), seq=seq))
    assert await stage.store.models() == []


async def test_a_record_that_claims_another_number_than_its_log_is_a_defect(stage: Stage) -> None:
    read = await begin(stage, rollout("a"))
    forged = Stored(replace(read.rollout, seq=5), read.version)
    with pytest.raises(InvariantError, match="does not follow"):
        await go_on(stage, forged)
    assert await stage.store.open_rollouts("fraud") == [read]


async def test_a_commit_cannot_write_another_rollout(stage: Stage) -> None:
    read = await begin(stage, rollout("a"))
    other = replace(read.rollout, id="b", seq=2)
    with pytest.raises(InvariantError, match="cannot write b"):
        await stage.store.commit(read, other, entry(other))


async def test_text_that_no_medium_can_hold_is_a_defect_and_stops_nothing(stage: Stage) -> None:
    read = await begin(stage, rollout("a"))
    torn = replace(read.rollout, seq=2, message="\ud800")
    with pytest.raises(InvariantError, match="text"):
        await stage.store.commit(read, torn, entry(torn))
    assert (await go_on(stage, read)).rollout.seq == 2


async def test_open_rollouts_come_oldest_first_and_finished_ones_not_at_all(stage: Stage) -> None:
    older = await begin(stage, rollout("z-older"))
    newer = await begin(stage, rollout("a-newer"))
    await begin(stage, rollout("b", model="other"))
    assert await stage.store.open_rollouts("fraud") == [older, newer]
    await go_on(stage, older, Phase.SUPERSEDED)
    assert await stage.store.open_rollouts("fraud") == [newer]
    assert await stage.store.open_rollouts("unheard-of") == []


async def test_the_serving_release_is_that_of_the_last_success(stage: Stage) -> None:
    assert await stage.store.serving("fraud") is None
    for name, version, phase in [
        ("4", "v1", Phase.SUCCEEDED),
        ("3", "v2", Phase.SUCCEEDED),
        ("2", "v3", Phase.ROLLED_BACK),
        ("1", "v4", Phase.PROGRESSING),
    ]:
        await go_on(stage, await begin(stage, rollout(name, version=version)), phase)
    serving = await stage.store.serving("fraud")
    assert serving is not None
    assert serving.version == "v2"


async def test_history_is_newest_first_and_bounded(stage: Stage) -> None:
    for name, model in [("1", "fraud"), ("2", "churn"), ("3", "fraud")]:
        await begin(stage, rollout(name, model=model))
    assert await stage.store.models() == ["churn", "fraud"]
    assert [r.id for r in await stage.store.rollouts(None, 2)] == ["3", "2"]
    assert [r.id for r in await stage.store.rollouts("fraud", 10)] == ["3", "1"]


async def test_history_of_an_empty_medium_is_empty(stage: Stage) -> None:
    assert await stage.store.rollouts(None, 10) == []
    assert await stage.store.models() == []
    assert await stage.store.named("a") is None
    assert await stage.store.entries("a", 0, 10) == []


async def test_a_rollout_is_found_by_its_id_whether_it_is_over_or_not(stage: Stage) -> None:
    open_, over = await begin(stage, rollout("a")), await begin(stage, rollout("b-7"))
    over = await go_on(stage, over, Phase.ABORTED)
    assert await stage.store.named("a") == open_.rollout
    assert await stage.store.named("b-7") == over.rollout
    assert await stage.store.named("b") is None
    assert [line.seq for line in await stage.store.entries("b-7", 0, 10)] == [1, 2]


async def test_entries_are_read_on_from_a_number(stage: Stage) -> None:
    read = await begin(stage, rollout("a"))
    for _ in range(4):
        read = await go_on(stage, read)
    assert [line.seq for line in await stage.store.entries("a", 2, 2)] == [3, 4]
    assert await stage.store.entries("a", 5, 10) == []


async def test_a_request_is_found_by_its_id_and_followed_once(stage: Stage) -> None:
    read = await begin(stage, rollout("a"))
    paused = replace(read.rollout, phase=Phase.PAUSED, seq=2)
    line = entry(paused, word("request-1"))
    read = await stage.store.commit(read, paused, line)
    assert await stage.store.request("request-1") == ("a", line)
    assert await stage.store.request("request-2") is None

    again = replace(paused, seq=3)
    with pytest.raises(Conflict, match="request-1 was followed before"):
        await stage.store.commit(read, again, entry(again, word("request-1")))
    assert await stage.store.open_rollouts("fraud") == [read]


async def test_a_request_that_began_a_rollout_is_found_too(stage: Stage) -> None:
    record = rollout("a")
    await stage.place(record)
    line = entry(record, replace(word("request-1"), kind=CommandKind.DEPLOY))
    await stage.store.create(record, line)
    assert await stage.store.request("request-1") == ("a", line)


async def test_of_each_model_the_newest_and_what_is_not_over_is_current(stage: Stage) -> None:
    old = await begin(stage, rollout("a"))
    await go_on(stage, old, Phase.ROLLED_BACK)
    running = await go_on(stage, await begin(stage, rollout("b")))
    newest = await go_on(stage, await begin(stage, rollout("c")), Phase.SUCCEEDED)
    other = await begin(stage, rollout("d", model="other"))
    ended = await go_on(stage, await begin(stage, rollout("e", model="third")), Phase.ABORTED)
    found = await stage.store.current(["third", "other", "fraud", "nothing"])
    assert found == [newest.rollout, running.rollout, other.rollout, ended.rollout]
    assert await stage.store.current(["other"]) == [other.rollout]
    assert await stage.store.current([]) == []
