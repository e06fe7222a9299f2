"""The classic rule: each check's value since the weight was seen in force, against its limits.

A measurement PASSes only with ``min_requests`` behind it. It FAILs earlier only when nothing can mend it:
when the bad requests so far would break the limit even if every request still missing to ``min_requests``
were good. In between it is UNKNOWN. A check FAILs after ``budget`` failing measurements in a row; UNKNOWN
measurements neither count nor interrupt the row.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from controller.domain.judge.base import Assessment, CheckResult, Terms
from controller.domain.judge.counts import Block, CheckCounts, GaugeSample, Tally
from controller.domain.policy import Check, CheckKind
from controller.domain.trials import TrialSeen
from controller.domain.vocabulary import Reason, Verdict

_NOTHING = Tally()


@dataclass(frozen=True, slots=True)
class _Memory:
    """What one check remembers: counts at this weight, or the gauge now, and its row of failures."""

    canary: Tally = _NOTHING
    stable: Tally = _NOTHING
    canary_gauge: float | None = None
    stable_gauge: float | None = None
    failures: int = 0


class ThresholdJudge:
    """`Judge` by fixed limits. Blocks are judged one by one, so polling them together changes nothing."""

    remembers = False

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = tuple(checks)

    def begin(self) -> str:
        """No counts, no failures."""
        return _dump({check.name: _Memory() for check in self._checks})

    def at_new_weight(self, state: str) -> str:
        """Counts and rows of failures start anew at each weight."""
        del state
        return self.begin()

    def after_testers(self, state: str) -> str:
        """As at any new weight."""
        return self.at_new_weight(state)

    def fold(self, state: str, blocks: Sequence[Block], gauges: Sequence[GaugeSample], terms: Terms) -> str:
        """Add each block and measure after it; gauges are measured once."""
        memories = _load(state)
        for block in blocks:
            for counts in block.checks:
                self._add(memories, counts, terms)
        for sample in gauges:
            self._sense(memories, sample, terms)
        return _dump(memories)

    def tried(self, state: str, outcomes: Sequence[TrialSeen]) -> str:
        """No policy with the classic rule has trials."""
        del outcomes
        return state

    def assess(self, state: str, terms: Terms) -> Assessment:
        """FAIL if any check used up its budget; PASS if every check that counts passes; else UNKNOWN."""
        memories = _load(state)
        results = tuple(measure(check, memories.get(check.name, _Memory()), terms) for check in self._checks)
        deciding = [r for r in results if not r.report_only]
        if any(r.failures >= r.budget for r in deciding):
            return Assessment(Verdict.FAIL, results)
        if all(r.verdict in (Verdict.PASS, Verdict.SKIPPED) for r in deciding):
            return Assessment(Verdict.PASS, results)
        return Assessment(Verdict.UNKNOWN, results)

    def _add(self, memories: dict[str, _Memory], counts: CheckCounts, terms: Terms) -> None:
        memory = memories.get(counts.check, _Memory())
        added = replace(
            memory, canary=memory.canary.plus(counts.canary), stable=memory.stable.plus(counts.stable)
        )
        self._count(memories, counts.check, added, terms)

    def _sense(self, memories: dict[str, _Memory], sample: GaugeSample, terms: Terms) -> None:
        memory = memories.get(sample.check, _Memory())
        sensed = replace(memory, canary_gauge=_finite(sample.canary), stable_gauge=_finite(sample.stable))
        self._count(memories, sample.check, sensed, terms)

    def _count(self, memories: dict[str, _Memory], name: str, memory: _Memory, terms: Terms) -> None:
        check = next((c for c in self._checks if c.name == name), None)
        if check is None:
            return
        verdict = measure(check, memory, terms).verdict
        if verdict is Verdict.FAIL:
            memory = replace(memory, failures=memory.failures + 1)
        elif verdict is Verdict.PASS:
            memory = replace(memory, failures=0)
        memories[name] = memory


def measure(check: Check, memory: _Memory, terms: Terms) -> CheckResult:
    """One check's measurement: the stricter of its two limits decides."""
    value, stable_value = _values(check, memory)
    result = CheckResult(
        name=check.name,
        verdict=Verdict.UNKNOWN,
        reason=Reason.NO_VALUE,
        value=value,
        stable_value=stable_value,
        requests=memory.canary.requests,
        stable_requests=memory.stable.requests,
        failures=memory.failures,
        budget=check.budget,
        report_only=check.report_only,
    )
    relative = _relative_limit(check, stable_value) if terms.compare else None
    limits = [limit for limit in (check.max, relative) if limit is not None]
    unseen = check.of_probes and (terms.testers or terms.copies)  # Serinus' own requests do not reach it
    if unseen or (not limits and (not check.relative or not terms.compare)):
        return replace(result, verdict=Verdict.SKIPPED, reason=Reason.NO_STABLE_TRAFFIC)
    result = replace(result, limit=min(limits, default=None))
    compares = check.relative and terms.compare
    missing_stable = compares and (relative is None or not _stable_suffices(check, memory, terms))
    found = [
        (*_against(check, memory, limit, terms, breach), limit)
        for limit, breach in (
            (check.max, Reason.ABOVE_LIMIT),
            (None if missing_stable else relative, Reason.WORSE_THAN_STABLE),
        )
        if limit is not None
    ]
    # a breach of either limit stands, whatever the other one still waits for
    for decided in (Verdict.FAIL, Verdict.UNKNOWN):
        for verdict, why, limit in found:
            if verdict is decided:
                return replace(result, verdict=verdict, reason=why, limit=limit)
    if missing_stable:
        return replace(result, reason=Reason.NO_STABLE_TRAFFIC)
    return replace(result, verdict=Verdict.PASS, reason=Reason.WITHIN_LIMIT)


def _values(check: Check, memory: _Memory) -> tuple[float | None, float | None]:
    match check.kind:
        case CheckKind.RATIO:
            return _ratio(memory.canary), _ratio(memory.stable)
        case CheckKind.QUANTILE:
            q = check.quantile or 0.0
            return memory.canary.quantile(q), memory.stable.quantile(q)
        case _:
            return memory.canary_gauge, memory.stable_gauge


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _ratio(tally: Tally) -> float | None:
    return tally.bad / tally.requests if tally.requests else None


def _relative_limit(check: Check, stable_value: float | None) -> float | None:
    if stable_value is None:
        return None
    if check.worse_by_points is not None:
        return stable_value + check.worse_by_points
    if check.worse_by_ratio is not None:
        return stable_value + abs(stable_value) * check.worse_by_ratio
    return None


def _stable_suffices(check: Check, memory: _Memory, terms: Terms) -> bool:
    if check.kind is CheckKind.GAUGE:
        return memory.stable_gauge is not None
    return memory.stable.requests >= max(terms.min_requests, 1)


def _against(
    check: Check, memory: _Memory, limit: float, terms: Terms, breach: Reason
) -> tuple[Verdict, Reason]:
    """One limit: how many requests may be bad, and how many are."""
    if check.kind is CheckKind.GAUGE:
        value = memory.canary_gauge
        if value is None:
            return Verdict.UNKNOWN, Reason.NO_VALUE
        return (Verdict.FAIL, breach) if value > limit else (Verdict.PASS, Reason.WITHIN_LIMIT)
    tally, needed = memory.canary, max(terms.min_requests, 1)
    if check.kind is CheckKind.QUANTILE:
        if tally.requests and not tally.measures(limit):
            return Verdict.UNKNOWN, Reason.LIMIT_OUTSIDE_BUCKETS
        bad, allowed = tally.above(limit), 1 - (check.quantile or 0.0)
    else:
        bad, allowed = float(tally.bad), limit
    if _exceeds(bad, allowed * max(tally.requests, needed)):
        return Verdict.FAIL, breach
    if tally.requests < needed:
        return Verdict.UNKNOWN, Reason.TOO_FEW_REQUESTS
    return Verdict.PASS, Reason.WITHIN_LIMIT


def _exceeds(bad: float, allowed: float) -> bool:
    """Whether more requests are bad than allowed; a rounding error of the product is not a bad request."""
    return bad > allowed + 1e-9 * max(1.0, allowed)


def _dump(memories: dict[str, _Memory]) -> str:
    return json.dumps(
        {
            name: [
                [m.canary.requests, m.canary.bad, m.canary.bounds, m.canary.buckets],
                [m.stable.requests, m.stable.bad, m.stable.bounds, m.stable.buckets],
                m.canary_gauge,
                m.stable_gauge,
                m.failures,
            ]
            for name, m in memories.items()
        },
        separators=(",", ":"),
    )


def _load(state: str) -> dict[str, _Memory]:
    return {
        name: _Memory(_tally(canary), _tally(stable), canary_gauge, stable_gauge, failures)
        for name, (canary, stable, canary_gauge, stable_gauge, failures) in json.loads(state).items()
    }


def _tally(row: Sequence[object]) -> Tally:
    requests, bad, bounds, buckets = row
    assert isinstance(requests, int)
    assert isinstance(bad, int)
    assert isinstance(bounds, list)
    assert isinstance(buckets, list)
    return Tally(requests, bad, tuple(bounds), tuple(buckets))
