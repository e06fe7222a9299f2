"""What pages show of a rollout is read no further than is new."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.control.errors import NotFound
from controller.control.library import Nothing
from controller.control.record_view import RecordView
from controller.control.views import EntryList, EntryView
from controller.dashboard.reports import Reports
from tests.fakes import EPOCH
from tests.unit.control.stage import progressing
from tests.unit.report.scenes import Log


class LogReadings(Nothing):
    """One rollout; ``asked`` are the numbers that entries were asked for after."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.asked: list[int] = []

    async def record(self, target: str) -> RecordView:
        if target != self.log.rollout.id:
            raise NotFound(f"no rollout is called {target}")
        return self.log.record

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> EntryList:
        assert rollout_id == self.log.rollout.id
        self.asked.append(after_seq)
        found: Sequence[EntryView] = [entry for entry in self.log.entries if entry.seq > after_seq]
        return EntryList(items=tuple(found[:limit]))


def a_log(count: int, name: str = "fraud-1") -> Log:
    log = Log(replace(progressing(), id=name))
    for _ in range(count):
        log.add("observed", permille=50)
    return log


async def test_a_log_is_read_once_and_then_only_what_is_new() -> None:
    readings, reports = LogReadings(a_log(1200)), Reports()
    first = await reports.of(readings, "fraud-1", EPOCH, "serinus 0")
    assert readings.asked == [0, 500, 1000]
    assert (first.report.entries, len(first.log), first.log[0].seq) == (1200, 40, 1200)
    readings.asked.clear()
    again = await reports.of(readings, "fraud-1", EPOCH, "serinus 0")
    assert (readings.asked, again.report.entries) == ([], 1200)
    readings.log.add("step_advanced", permille=250)
    later = await reports.of(readings, "fraud-1", EPOCH, "serinus 0")
    assert readings.asked == [1200]
    assert (later.report.entries, later.log[0].event) == (1201, "step_advanced")
    assert later.record.status.seq == 1201
    assert later.report == await _anew(readings.log)


async def test_a_rollout_that_was_made_anew_is_another() -> None:
    readings, reports = LogReadings(a_log(3)), Reports()
    await reports.of(readings, "fraud-1", EPOCH, "serinus 0")
    anew = a_log(2)
    anew.rollout = replace(anew.rollout, created_at=EPOCH + timedelta(days=1))
    readings.log = anew
    assert (await reports.of(readings, "fraud-1", EPOCH, "serinus 0")).report.entries == 2


async def test_what_is_kept_is_bounded_and_helps_nobody_who_may_not_see_it() -> None:
    reports = Reports()
    for number in range(100):
        await reports.of(LogReadings(a_log(1, f"m-{number}")), f"m-{number}", EPOCH, "serinus 0")
    assert len(reports._kept) <= 32
    with pytest.raises(NotFound):
        await reports.of(Nothing(), "m-99", EPOCH, "serinus 0")


async def _anew(log: Log) -> object:
    return (await Reports().of(LogReadings(log), log.rollout.id, EPOCH, "serinus 0")).report
