"""What every outbox promises: an entry is in it from its commit on until it is settled, and not after."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase
from controller.errors import Conflict
from controller.ports import Outbox, Posting, Stored
from tests.contract.store_stages import Stage, outbox_of, stage_of
from tests.store_records import entry, rollout

TEAMS = ("ml", "ops")


@pytest.fixture(params=["sqlite", "kubernetes"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_of(request.param, tmp_path) as opened:
        yield opened


def told(name: str, model: str = "fraud") -> Rollout:
    record = rollout(name, model)
    return replace(record, policy=replace(record.policy, notify=TEAMS))


async def begin(stage: Stage, record: Rollout, *, notable: bool = True) -> Stored:
    await stage.place(record)
    return await stage.store.create(record, replace(entry(record), notable=notable))


async def go_on(
    stage: Stage, read: Stored, phase: Phase = Phase.PROGRESSING, *, notable: bool = True
) -> Stored:
    following = replace(read.rollout, phase=phase, seq=read.rollout.seq + 1)
    return await stage.store.commit(read, following, replace(entry(following), notable=notable))


async def everything(outbox: Outbox) -> list[Posting]:
    return [posting for name in TEAMS for posting in await outbox.postings(name, 100)]


async def waiting(outbox: Outbox) -> list[tuple[str, str]]:
    assert sorted(await outbox.destinations()) == sorted(
        {each.destination for each in await everything(outbox)}
    )
    return sorted((posting.id, posting.destination) for posting in await everything(outbox))


async def settle(outbox: Outbox, postings: Sequence[Posting], memo: str = "") -> None:
    for posting in postings:
        await outbox.settle(posting, memo)


async def test_a_notable_entry_waits_for_each_destination_from_its_commit_on(stage: Stage) -> None:
    read = await go_on(stage, await begin(stage, told("a")), notable=False)
    await go_on(stage, read)
    outbox = outbox_of(stage.store)
    wanted = [("a-1", "ml"), ("a-1", "ops"), ("a-3", "ml"), ("a-3", "ops")]
    assert await waiting(outbox) == wanted
    found = await outbox.postings("ml", 100)
    assert [posting.entry.seq for posting in found] == [1, 3]
    assert {posting.rollout.seq for posting in found} == {3}
    assert await waiting(outbox_of(await stage.another())) == wanted


async def test_who_names_no_destination_leaves_nothing_to_tell(stage: Stage) -> None:
    await begin(stage, rollout("a"))
    assert await waiting(outbox_of(stage.store)) == []


async def test_a_commit_that_lost_its_race_leaves_nothing_to_tell(stage: Stage) -> None:
    read = await begin(stage, told("a"), notable=False)
    await go_on(stage, read, notable=False)
    with pytest.raises(Conflict):
        await go_on(stage, read)
    assert await waiting(outbox_of(stage.store)) == []


async def test_what_is_settled_does_not_come_back(stage: Stage) -> None:
    read = await begin(stage, told("a"))
    outbox = outbox_of(stage.store)
    await settle(outbox, await outbox.postings("ml", 100))
    assert await waiting(outbox) == [("a-1", "ops")]
    await go_on(stage, read, notable=False)
    assert await waiting(outbox_of(await stage.another())) == [("a-1", "ops")]


async def test_settling_twice_is_harmless_and_so_is_what_is_gone(stage: Stage) -> None:
    await begin(stage, told("a"))
    outbox = outbox_of(stage.store)
    found = await everything(outbox)
    await settle(outbox, [*found, *found])
    await outbox.settle(replace(found[0], rollout=told("gone", "other")), "memo")
    assert await waiting(outbox) == []


async def test_the_last_word_on_an_attempt_settles_nothing_of_the_next(stage: Stage) -> None:
    await go_on(stage, await begin(stage, told("a")), Phase.ROLLED_BACK)
    outbox = outbox_of(stage.store)
    earlier = await everything(outbox)
    await begin(stage, told("a.2"))
    await settle(outbox, earlier, "of the first")
    assert await waiting(outbox) == [("a.2-1", "ml"), ("a.2-1", "ops")]
    assert await outbox.memo("a.2", "ml") == ""
    assert await waiting(outbox_of(await stage.another())) == [("a.2-1", "ml"), ("a.2-1", "ops")]


async def test_of_a_rollout_that_is_over_nothing_comes_back_after_a_crash(stage: Stage) -> None:
    await go_on(stage, await begin(stage, told("a")), Phase.SUCCEEDED)
    outbox = outbox_of(stage.store)
    await settle(outbox, await everything(outbox))
    assert await waiting(outbox_of(await stage.another())) == []


async def test_what_a_destination_leaves_is_its_own_and_outlives_the_process(stage: Stage) -> None:
    read = await begin(stage, told("a"))
    outbox = outbox_of(stage.store)
    assert await outbox.memo("a", "ml") == ""
    ml, ops = await everything(outbox)
    await outbox.settle(ml, "1712.0007")
    await outbox.settle(ops, "")
    assert (await outbox.memo("a", "ml"), await outbox.memo("a", "ops")) == ("1712.0007", "")
    await go_on(stage, read, Phase.SUCCEEDED)
    later = outbox_of(await stage.another())
    assert (await later.memo("a", "ml"), await later.memo("a", "ops"), await later.memo("b", "ml")) == (
        "1712.0007",
        "",
        "",
    )


async def test_no_more_are_read_than_were_asked_for_the_oldest_first(stage: Stage) -> None:
    read = await begin(stage, told("a"))
    for _ in range(3):
        read = await go_on(stage, read)
    assert [posting.entry.seq for posting in await outbox_of(stage.store).postings("ml", 3)] == [1, 2, 3]
