"""From the outbox to the destinations: at least once, in order, one never in another's way."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from structlog.testing import capture_logs

from controller.adapters.notify.courier import GIVE_UP_AFTER, Courier, Office
from controller.adapters.notify.destination import Failure, Subscription, Taken
from controller.adapters.notify.links import links_at
from controller.adapters.notify.severity import Severity
from controller.domain.vocabulary import Reason
from controller.ports import Clock, Posting
from tests.unit.notify.scenes import HandClock, Shelf, entry, posting, rollout

Script = Callable[[Posting], Taken | Failure | None]
DOWN = Failure("connection refused")


class Scripted:
    """A destination that does as it is told; None never answers."""

    def __init__(self, name: str = "team", script: Script = lambda _: Taken()) -> None:
        self.name = name
        self.script = script
        self.asked: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        self.closed = False
        self.at_once = 1
        self.batches: list[int] = []

    async def deliver(self, postings: Sequence[Posting], memo: str) -> Taken | Failure:
        self.asked += [(posting.id, memo) for posting in postings]
        self.batches.append(len(postings))
        self.changed.set()
        outcome = self.script(postings[0])
        if outcome is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return cast("Taken | Failure", outcome)

    async def close(self) -> None:
        self.closed = True

    async def reach(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.asked) < number:
                self.changed.clear()
                await self.changed.wait()

    @property
    def ids(self) -> list[str]:
        return [asked for asked, _ in self.asked]


class Counts(list[str]):
    def __call__(self, result: str) -> None:
        self.append(result)


def courier(shelf: Shelf, *destinations: Scripted, clock: HandClock | None = None, **more: Any) -> Courier:
    office = Office(shelf, cast("Clock", clock or HandClock()), first_wait=timedelta(milliseconds=1), **more)
    return Courier(office, [Subscription(each) for each in destinations])


def tell(under_test: Courier, shelf: Shelf, seq: int, *names: str, notable: bool = True) -> None:
    """As the reconciler does: commit, then tell."""
    told = rollout(*names), entry(seq, notable=notable)
    shelf.commit(*told)
    under_test.tell(*told)


async def test_each_named_destination_is_told_each_notable_entry_once_and_in_order() -> None:
    shelf, team, ops, counts = Shelf(), Scripted("team"), Scripted("ops"), Counts()
    under_test = courier(shelf, team, ops, count=counts)
    under_test.start()
    for seq in (1, 2, 3):
        tell(under_test, shelf, seq, "team", notable=seq != 2)
    tell(under_test, shelf, 4, "team", "ops", "team")
    await shelf.reach(4)
    assert (team.ids, ops.ids) == (["r-1-1", "r-1-3", "r-1-4"], ["r-1-4"])
    assert counts == ["sent"] * 4
    assert shelf.waiting == []
    await under_test.close()
    assert team.closed


async def test_what_an_earlier_process_left_is_told_before_what_is_new() -> None:
    shelf, team = Shelf(posting(1), posting(2)), Scripted()
    under_test = courier(shelf, team)
    tell(under_test, shelf, 3, "team")
    under_test.start()
    await shelf.reach(3)
    assert team.ids == ["r-1-1", "r-1-2", "r-1-3"]
    await under_test.close()


async def test_what_is_read_from_the_outbox_before_it_is_told_is_sent_once() -> None:
    shelf, team = Shelf(), Scripted()
    under_test = courier(shelf, team)
    told = rollout("team"), entry(1)
    shelf.commit(*told)
    under_test.start()
    await shelf.reach(1)
    under_test.tell(*told)
    tell(under_test, shelf, 2, "team")
    await shelf.reach(2)
    assert team.ids == ["r-1-1", "r-1-2"]
    await under_test.close()


async def test_a_crash_between_sending_and_settling_repeats_the_same_id() -> None:
    shelf, team = Shelf(posting(1)), Scripted()
    first = courier(shelf, team)

    def taken_then_dead(_: Posting) -> Taken:
        shelf.down = 1_000_000  # the medium is gone before it can be settled
        return Taken(memo="ts-1")

    team.script = taken_then_dead
    first.start()
    await team.reach(1)
    await first.close()
    assert [each.id for each in shelf.waiting] == ["r-1-1"]
    shelf.down, team.script = 0, lambda _: Taken()
    second = courier(shelf, team)
    second.start()
    await shelf.reach(1)
    assert team.ids == ["r-1-1", "r-1-1"]
    await second.close()


async def test_a_failure_is_repeated_until_the_message_is_taken() -> None:
    shelf = Shelf()
    outcomes: list[Taken | Failure] = [DOWN, Failure("busy", retry_after=timedelta(0)), Taken()]
    team = Scripted(script=lambda _: outcomes.pop(0))
    under_test = courier(shelf, team)
    tell(under_test, shelf, 7, "team")
    await shelf.reach(1)
    assert team.ids == ["r-1-7"] * 3
    await under_test.close()


async def test_a_refusal_is_given_up_at_once_counted_and_logged() -> None:
    shelf, counts = Shelf(), Counts()
    team = Scripted(
        script=lambda each: Failure("answered 403", final=True) if each.entry.seq == 1 else Taken()
    )
    under_test = courier(shelf, team, count=counts)
    with capture_logs() as logs:
        tell(under_test, shelf, 1, "team")
        tell(under_test, shelf, 2, "team")
        await shelf.reach(2)
    assert counts == ["dead", "sent"]
    (log,) = logs
    assert (log["event"], log["notification"], log["failure"], log["attempts"]) == (
        "notification_given_up",
        "r-1-1",
        "answered 403",
        1,
    )
    await under_test.close()


async def test_an_hour_of_outage_loses_nothing_and_a_day_is_given_up() -> None:
    shelf, clock, counts = Shelf(), HandClock(), Counts()
    down = True
    team = Scripted(script=lambda _: DOWN if down else Taken())
    under_test = courier(shelf, team, clock=clock, count=counts)
    tell(under_test, shelf, 1, "team")
    await team.reach(3)
    clock.advance(timedelta(hours=1))
    down = False
    assert await shelf.reach(1) == [("r-1-1", "team")]
    assert counts == ["sent"]
    down = True
    tell(under_test, shelf, 2, "team")
    clock.advance(GIVE_UP_AFTER)
    await shelf.reach(2)
    assert counts == ["sent", "dead"]
    await under_test.close()


async def test_a_dead_destination_delays_no_other_and_no_commit() -> None:
    shelf, dead, quick = Shelf(), Scripted("dead", lambda _: None), Scripted("quick")
    under_test = courier(shelf, dead, quick)
    for seq in range(1, 51):
        tell(under_test, shelf, seq, "dead", "quick")
    await shelf.reach(50)
    assert quick.ids == [f"r-1-{seq}" for seq in range(1, 51)]
    assert dead.ids == ["r-1-1"]
    assert under_test.pending == {"dead": 50, "quick": 0}
    await under_test.close()
    assert len(shelf.waiting) == 50, "what a stopped process did not deliver is left for the next"


async def test_a_long_outage_is_worked_off_in_order_and_in_bounded_memory() -> None:
    shelf, down = Shelf(), True
    team = Scripted(script=lambda _: DOWN if down else Taken())
    under_test = courier(shelf, team)
    under_test.start()
    for seq in range(1, 2501):
        tell(under_test, shelf, seq, "team")
        if seq % 100 == 0:
            await asyncio.sleep(0)
    assert under_test.pending["team"] <= 1000
    down = False
    await shelf.reach(2500)
    firsts = list(dict.fromkeys(team.ids))
    assert firsts == [f"r-1-{seq}" for seq in range(1, 2501)]
    await under_test.close()


async def test_who_waits_to_repeat_is_stopped_at_once() -> None:
    shelf, team = Shelf(), Scripted(script=lambda _: Failure("busy", retry_after=timedelta(minutes=5)))
    under_test = courier(shelf, team)
    tell(under_test, shelf, 1, "team")
    await team.reach(1)
    async with asyncio.timeout(1):
        await under_test.close()
    assert [each.id for each in shelf.waiting] == ["r-1-1"]
    assert team.closed


async def test_a_name_that_the_settings_do_not_have_is_given_up_and_stops_nobody() -> None:
    shelf, team = Shelf(posting(1, to="gone")), Scripted()
    under_test = courier(shelf, team)
    with capture_logs() as logs:
        under_test.start()
        tell(under_test, shelf, 2, "nobody", "team")
        await shelf.reach(3)
    given_up = {log["destination"] for log in logs if log["event"] == "notification_given_up"}
    assert given_up == {"gone", "nobody"}
    assert team.ids == ["r-1-2"]
    await under_test.close()


async def test_an_outbox_that_cannot_be_reached_is_tried_again() -> None:
    shelf, team = Shelf(posting(1)), Scripted()
    shelf.down = 3
    under_test = courier(shelf, team)
    under_test.start()
    await shelf.reach(1)
    assert team.ids == ["r-1-1"]
    await under_test.close()


async def test_what_a_destination_leaves_it_gets_back_at_the_rollout_s_next_entry() -> None:
    shelf, team = Shelf(), Scripted(script=lambda each: Taken(memo=f"after {each.entry.seq}"))
    under_test = courier(shelf, team)
    for seq in (1, 2):
        tell(under_test, shelf, seq, "team")
    await shelf.reach(2)
    assert team.asked == [("r-1-1", ""), ("r-1-2", "after 1")]
    await under_test.close()


async def test_a_defect_of_one_kind_is_logged_and_tried_again() -> None:
    shelf, outcomes = Shelf(), ["broken", "fine"]

    def script(_: Posting) -> Taken:
        if outcomes.pop(0) == "broken":
            raise ZeroDivisionError
        return Taken()

    team = Scripted(script=script)
    under_test = courier(shelf, team)
    with capture_logs() as logs:
        tell(under_test, shelf, 1, "team")
        await shelf.reach(1)
    assert [log["event"] for log in logs] == ["notification_defect"]
    await under_test.close()


async def test_what_came_in_a_burst_is_told_at_once_to_whom_can_take_it() -> None:
    shelf, team = Shelf(*(posting(seq) for seq in range(1, 8))), Scripted(script=lambda _: Taken(memo="ts"))
    team.at_once = 3
    under_test = courier(shelf, team, count=(counts := Counts()))
    under_test.start()
    await shelf.reach(7)
    assert team.batches == [1, 3, 3], "the first alone: the others need what it leaves"
    assert team.ids == [f"r-1-{seq}" for seq in range(1, 8)]
    assert counts == ["sent"] * 7
    await under_test.close()


async def test_entries_of_two_rollouts_are_never_told_together() -> None:
    first, second = posting(1), posting(2)
    other = replace(posting(5), rollout=replace(rollout("team"), id="r-2"))
    shelf, team = Shelf(first, other, second), Scripted(script=lambda _: Taken(memo="ts"))
    team.at_once = 10
    under_test = courier(shelf, team)
    under_test.start()
    await shelf.reach(3)
    assert team.batches == [1, 1, 1]
    await under_test.close()


async def test_of_a_burst_that_is_never_taken_only_the_first_is_given_up() -> None:
    shelf, counts = Shelf(*(posting(seq) for seq in range(1, 4))), Counts()
    shelf.memos["r-1", "team"] = "ts"
    outcomes: list[Taken | Failure] = [Failure("invalid_blocks", final=True), Taken(memo="ts")]
    team = Scripted(script=lambda _: outcomes.pop(0))
    team.at_once = 3
    under_test = courier(shelf, team, count=counts)
    under_test.start()
    await shelf.reach(3)
    assert team.batches == [3, 2]
    assert counts == ["dead", "sent", "sent"]
    assert shelf.memos == {("r-1", "team"): "ts"}
    await under_test.close()


async def test_what_a_destination_does_not_want_is_settled_without_it() -> None:
    shelf, team, counts = Shelf(), Scripted(), Counts()
    office = Office(shelf, cast("Clock", HandClock()), count=counts)
    under_test = Courier(office, [Subscription(team, Severity.ERROR)])
    under_test.start()
    for seq, reason in enumerate((Reason.ABORTED_BY_PERSON, Reason.CHECK_FAILED), 1):
        told = rollout("team"), replace(entry(seq), reason=reason)
        shelf.commit(*told)
        under_test.tell(*told)
    await shelf.reach(2)
    assert (team.ids, shelf.waiting) == (["r-1-2"], [])
    assert counts == ["skipped", "sent"]
    await under_test.close()


async def test_who_is_told_is_told_where_to_read_more() -> None:
    shelf, told = Shelf(posting(1)), []

    def look(each: Posting) -> Taken:
        told.append((each.page, each.report))
        return Taken()

    team = Scripted(script=look)
    links = links_at("https://serinus.test", namespaced=True)
    under_test = Courier(Office(shelf, cast("Clock", HandClock()), links=links), [Subscription(team)])
    under_test.start()
    await shelf.reach(1)
    assert told == [
        (
            "https://serinus.test/rollouts/r-1?namespace=ml",
            "https://serinus.test/api/v1/rollouts/r-1/report?form=html&namespace=ml",
        )
    ]
    await under_test.close()
