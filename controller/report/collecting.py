"""Asks for a rollout's record and its log, and gathers the report: the one module here that does I/O."""

from collections.abc import AsyncIterator, Sequence
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
        gatherer.add(_known(page, status))
        last = page[-1].seq
    return gatherer.report(made_at, made_by)


async def collect_from(readings: Readings, target: str, made_at: datetime, made_by: str) -> ReportView:
    """As `collect`, of a rollout that is read on a loop."""
    record = await readings.record(target)
    gatherer = Gatherer(record)
    async for page in pages_after(readings, record.status, 0):
        gatherer.add(page)
    return gatherer.report(made_at, made_by)


async def pages_after(
    readings: Readings, status: StatusView, last: int
) -> AsyncIterator[Sequence[EntryView]]:
    """The log after the entry ``last``, up to the one that the status knows of, page after page."""
    while last < status.seq:
        page = (await readings.entries(_name(status), last, PAGE)).items
        if not page:
            return
        yield _known(page, status)
        last = page[-1].seq


def _name(status: StatusView) -> str:
    return f"{status.namespace}/{status.rollout}" if status.namespace is not None else status.rollout


def _known(page: Sequence[EntryView], status: StatusView) -> Sequence[EntryView]:
    """Without what was logged after the status was read."""
    return [entry for entry in page if entry.seq <= status.seq]
