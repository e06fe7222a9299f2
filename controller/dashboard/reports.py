"""What pages of rollouts show, read no further than is new since they were last looked at.

**Invariant**: whoever asks has been shown the record by their own readings before anything kept is used.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controller.control.library import Readings
from controller.control.record_view import RecordView
from controller.control.views import EntryView
from controller.report.collecting import pages_after
from controller.report.gathering import Gatherer
from controller.report.views import ReportView

_MOST_KEPT = 32
_LOG = 40
"""Entries that a page shows."""

_Key = tuple[str | None, str, datetime]


@dataclass(slots=True)
class _Kept:
    """A rollout's log, folded up to an entry."""

    gatherer: Gatherer
    last: int = 0
    log: deque[EntryView] = field(default_factory=lambda: deque(maxlen=_LOG))
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Shown:
    """A rollout as it stands; ``log`` are its last entries, newest first."""

    record: RecordView
    report: ReportView
    log: Sequence[EntryView]


class Reports:
    """Of the rollouts that were looked at last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()

    async def of(self, readings: Readings, target: str, now: datetime, made_by: str) -> Shown:
        """The model's newest rollout, or the one that was named. Raises as `Readings` does."""
        record = await readings.record(target)
        kept = self._of(record)
        async with kept.turn:
            if record.status.seq >= kept.last:
                kept.gatherer.renew(record)
                async for page in pages_after(readings, record.status, kept.last):
                    kept.gatherer.add(page)
                    kept.log.extend(page)
                    kept.last = page[-1].seq
            report = kept.gatherer.report(now, made_by)
            return Shown(record, report, tuple(reversed(kept.log)))

    def _of(self, record: RecordView) -> _Kept:
        status = record.status
        key = (status.namespace, status.rollout, status.created_at)
        kept = self._kept.setdefault(key, _Kept(Gatherer(record)))
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return kept
