"""Asks for a rollout's record and its log, and gathers the report: the one module here that does I/O."""

from datetime import datetime

from controller.control.interface import Control
from controller.report.gathering import Gatherer
from controller.report.views import ReportView

PAGE = 500
"""Entries in one answer: some hundred kilobytes."""


def collect(control: Control, target: str, made_at: datetime, made_by: str) -> ReportView:
    """The report of a model's newest rollout, or of the one that was named.

    What is logged after the record was read is left for the next report. Raises a `ControlError`.
    """
    record = control.record(target)
    gatherer = Gatherer(record)
    status = record.status
    name = f"{status.namespace}/{status.rollout}" if status.namespace is not None else status.rollout
    last = 0
    while last < status.seq:
        page = control.entries(name, last, PAGE).items
        if not page:
            break
        gatherer.add(entry for entry in page if entry.seq <= status.seq)
        last = page[-1].seq
    return gatherer.report(made_at, made_by)
