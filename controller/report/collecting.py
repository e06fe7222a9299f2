"""Asks for a rollout's record and its log, and gathers the report: the one module here that does I/O."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from controller.control.interface import Control
from controller.control.record_view import RecordView
from controller.control.views import EntryList, EntryView, StatusView
from controller.report.gathering import Gatherer
from controller.report.views import ReportView

PAGE = 500
"""Entries in one answer: some hundred kilobytes."""


class Readings(Protocol):
    """What a report is gathered from, asked from a loop."""

    async def record(self, target: str) -> RecordView:
        """The model's newest rollout, or the one that was named."""
        ...

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> EntryList:
        """A rollout's log after an entry, in order."""
        ...


def collect(control: Control, target: str, made_at: datetime, made_by: str) -> ReportView:
    """The report of a model's newest rollout, or of the one that was named.

    What is logged after the record was read is left for the next report. Raises a `ControlError`.
    """
    record = control.record(target)
    gatherer, status = Gatherer(record), record.status
    last = 0
    while last < status.seq:
        page = control.entries(_name(status), last, PAGE).items
        if not page:
            break
        last = _added(gatherer, page, status.seq)
    return gatherer.report(made_at, made_by)


async def collect_from(readings: Readings, target: str, made_at: datetime, made_by: str) -> ReportView:
    """As `collect`, of a rollout that is read on a loop."""
    record = await readings.record(target)
    gatherer, status = Gatherer(record), record.status
    last = 0
    while last < status.seq:
        page = (await readings.entries(_name(status), last, PAGE)).items
        if not page:
            break
        last = _added(gatherer, page, status.seq)
    return gatherer.report(made_at, made_by)


def _name(status: StatusView) -> str:
    return f"{status.namespace}/{status.rollout}" if status.namespace is not None else status.rollout


def _added(gatherer: Gatherer, page: Sequence[EntryView], last_seq: int) -> int:
    """The number of the page's last entry."""
    gatherer.add(entry for entry in page if entry.seq <= last_seq)
    return page[-1].seq
