"""Folds a rollout's log, page after page, into its report. Pure, and in bounded memory."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from controller.control.check_views import CheckView
from controller.control.record_view import RecordView
from controller.control.views import EntryView
from controller.control.why import CheckWhy
from controller.domain.table import Trigger
from controller.domain.vocabulary import Phase, Verdict
from controller.report.evidence import details_of
from controller.report.texts import clipped
from controller.report.thinning import Ends, Thinned
from controller.report.views import (
    Actor,
    CheckEvidence,
    CheckPoint,
    CheckSeries,
    DecisionView,
    Moment,
    PhaseSpan,
    ReportView,
    WeightPoint,
)

MOST_POINTS = 300
MOST_MOMENTS = 200
MOST_CHECKS = 24
_MOST_PHASES = 60
_MOST_ACTORS = 40
_MOST_EVENTS = 12
_OTHERS = "others"

_DECIDING = frozenset(
    {Trigger.REFUSE, Trigger.PROMOTE, Trigger.FAIL, Trigger.SUPERSEDE, Trigger.ABORT, Trigger.RETRY}
)


class Gatherer:
    """Takes the entries in order of ``seq``, up to the record's own, and then tells the whole."""

    def __init__(self, record: RecordView) -> None:
        self._record = record
        self._last_at = record.status.created_at
        self._weights: Thinned[WeightPoint] = Thinned(
            MOST_POINTS, lambda p: p.at, lambda p: (p.weight, p.mirror)
        )
        self._weight: tuple[float, float] | None = None
        shown = record.status.checks[:MOST_CHECKS]
        self._series = {check.name: _series() for check in shown}
        self._phases: Ends[PhaseSpan] = Ends(_MOST_PHASES)
        self._phase = (Phase.PENDING, record.status.created_at)
        self._timeline: Ends[Moment] = Ends(MOST_MOMENTS)
        self._actors: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._decision: DecisionView | None = None
        self._entries = 0

    def renew(self, record: RecordView) -> None:
        """Take a later record of the same rollout, before its further entries."""
        self._record = record

    def add(self, entries: Iterable[EntryView]) -> None:
        """The next entries."""
        for entry in entries:
            self._add(entry)

    def report(self, made_at: datetime, made_by: str) -> ReportView:
        """All that was added; ``made_by`` is the program that says so."""
        status, why = self._record.status, self._record.why
        end = self._last_at if status.terminal else max(made_at, self._last_at)
        begun = WeightPoint(at=status.created_at, weight=status.weight, mirror=status.mirror)
        weights = self._weights.points() or (begun,)
        last = {check.name: check for check in why.checks}
        return ReportView(
            model=clipped(status.model),
            rollout=clipped(status.rollout),
            namespace=status.namespace,
            retry_of=clipped(status.retry_of) if status.retry_of is not None else None,
            stable=clipped(status.stable) if status.stable is not None else None,
            canary=clipped(status.canary),
            phase=status.phase,
            reason=status.reason,
            message=clipped(status.message),
            meaning=why.meaning,
            remedy=clipped(why.remedy),
            terminal=status.terminal,
            begun_at=status.created_at,
            last_at=end,
            made_at=made_at,
            made_by=made_by,
            created_by=clipped(status.created_by),
            decision=self._decision,
            last_checks=tuple(_evidence(each, last.get(each.name)) for each in status.checks[:MOST_CHECKS]),
            warnings=tuple(clipped(each) for each in why.warnings),
            weights=(*weights, weights[-1].model_copy(update={"at": end})),
            checks=tuple(self._check_series(each) for each in status.checks[:MOST_CHECKS]),
            unshown=max(len(status.checks) - MOST_CHECKS, 0),
            phases=(*self._phases.items(), PhaseSpan(phase=self._phase[0], begin=self._phase[1], end=end)),
            timeline=self._timeline.items(),
            untold=self._timeline.left_out,
            actors=tuple(Actor(name=n, entries=c, events=e) for n, (c, e) in self._actors.items()),
            policy=self._record.policy,
            entries=self._entries,
            missing=max(status.seq - self._entries, 0),
        )

    def _add(self, entry: EntryView) -> None:
        self._entries += 1
        if entry.phase.terminal and entry.phase is self._phase[0]:  # noted afterwards: the end stays
            self._count(entry)
            return
        at = self._last_at = max(entry.at, self._last_at)  # whatever clocks do, a line goes to the right
        self._count(entry)
        if (entry.weight, entry.mirror) != self._weight:
            self._weight = entry.weight, entry.mirror
            self._weights.add(WeightPoint(at=at, weight=entry.weight, mirror=entry.mirror))
        if entry.phase is not self._phase[0]:
            if at > self._phase[1]:
                self._phases.add(PhaseSpan(phase=self._phase[0], begin=self._phase[1], end=at))
            self._phase = entry.phase, at
        for check in entry.checks:
            if (series := self._series.get(check.name)) is not None:
                series.add(_point(check, at))
        if entry.notable:
            moment = _moment(entry, at)
            self._timeline.add(moment)
            if _decides(entry):
                checks = tuple(_evidence(each, None) for each in entry.checks[:MOST_CHECKS])
                self._decision = DecisionView(moment=moment, checks=checks)

    def _count(self, entry: EntryView) -> None:
        name = clipped(entry.actor)
        if name not in self._actors and len(self._actors) >= _MOST_ACTORS:
            name = _OTHERS
        count, events = self._actors.get(name, (0, ()))
        new = entry.notable and entry.event not in events and len(events) < _MOST_EVENTS
        self._actors[name] = count + 1, (*events, clipped(entry.event)) if new else events

    def _check_series(self, check: CheckView) -> CheckSeries:
        points = self._series[check.name].points()
        return CheckSeries(
            name=clipped(check.name), unit=check.unit, report_only=check.report_only, points=points
        )


def _series() -> Thinned[CheckPoint]:
    def values(point: CheckPoint) -> tuple[float | None, ...]:
        return point.canary, point.stable, float(point.verdict is Verdict.FAIL)

    return Thinned(MOST_POINTS, lambda point: point.at, values)


def _point(check: CheckView, at: datetime) -> CheckPoint:
    return CheckPoint(
        at=at,
        canary=check.value,
        stable=check.stable_value,
        limit=check.limit,
        verdict=check.verdict,
        requests=check.requests,
        low=_surely(check, 0),
        high=_surely(check, 1),
    )


def _surely(check: CheckView, end: Literal[0, 1]) -> float | None:
    """An end of what the canary's share surely is: stable's, and the difference that the counts allow.

    Of a score and a drift, an end of the value's own interval.
    """
    if check.evidence is not None and check.evidence.interval is not None:
        return check.evidence.interval[end]
    known = check.evidence.difference if check.evidence is not None and check.unit == "ratio" else None
    if known is None or check.stable_value is None:
        return None
    return min(max(check.stable_value + known[end], 0.0), 1.0)


def _moment(entry: EntryView, at: datetime) -> Moment:
    return Moment(
        seq=entry.seq,
        at=at,
        actor=clipped(entry.actor),
        event=clipped(entry.event),
        phase=entry.phase,
        reason=entry.reason,
        weight=entry.weight,
        message=clipped(entry.message),
        mirror=entry.mirror,
    )


def _decides(entry: EntryView) -> bool:
    """Whether the end follows from it, unless a later one decides otherwise."""
    first_version = entry.event == Trigger.VALID and entry.phase is Phase.PROMOTING
    return entry.event in _DECIDING or first_version


def _evidence(check: CheckView, why: CheckWhy | None) -> CheckEvidence:
    """With the words of `serinus why`, where that speaks of the same evidence."""
    return CheckEvidence(
        name=clipped(check.name),
        verdict=check.verdict,
        reason=check.reason,
        unit=check.unit,
        canary=check.value,
        stable=check.stable_value,
        limit=check.limit,
        requests=check.requests,
        report_only=check.report_only,
        sentence=clipped(why.sentence if why else check.text),
        details=why.details if why else details_of(check),
    )
