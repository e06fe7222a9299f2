"""What lies outside the core, in memory: a gateway, versions of a model, and a metric source.

Nothing moves by itself. The gateway knows what it was told and what it runs; the metric source counts by what
really ran and has a clock of its own.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from controller.domain.judge.counts import Block, CheckCounts, GaugeSample, Tally
from controller.domain.model import Rollout
from controller.domain.observation import Measure, NoReading, Reading, RouteSeen
from controller.domain.policy import Check, CheckKind, Policy
from controller.domain.probed import ProbeMark, ProbeRound, uncounted
from controller.domain.probes import PROBES
from controller.domain.release import Backend, BackendKind, Release, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TargetError

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BOUNDS_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

TESTERS_SHARE = 0.05
"""Of all requests, what testers send."""

Key = tuple[str, str, float]
"""What is counted: a version, a check or "" for all requests, and the seconds that they took or 0."""


def release(version: str) -> Release:
    return Release(version, (f"{version}.test:8080",), Backend(BackendKind.SERVICE, version, 8080))


_MOST_ROUNDS = 5


@dataclass
class Behaviour:
    """What a version is like: shares of bad requests, seconds and gauges by the check that measures them."""

    ready: bool = True
    warm: bool = True
    golden: bool = True
    bad: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    spread: dict[str, dict[float, float]] = field(default_factory=dict)
    """Of a drift: the share of requests at each value."""
    accuracy: float = 0.95
    """The share of a trial's cases that pass, unless ``scores`` has another for the check."""
    scores: dict[str, float] = field(default_factory=dict)


USUAL_SPREAD = {0.002: 0.2, 0.02: 0.5, 0.2: 0.3}


def usual(policy: Policy) -> Behaviour:
    """A good version: every check of the policy finds it well within its limit."""
    checks = policy.checks
    return Behaviour(
        bad={c.name: 0.0 for c in checks if c.kind is CheckKind.RATIO},
        seconds={c.name: (c.max or 1.0) / 10 for c in checks if c.kind is CheckKind.QUANTILE},
        gauges={c.name: (c.max or 1.0) / 2 for c in checks if c.kind is CheckKind.GAUGE},
        spread={c.name: USUAL_SPREAD for c in checks if c.kind is CheckKind.PSI},
    )


class Gateway:
    """Takes configuration, runs what it accepted. Unavailable, it runs on but confirms nothing."""

    def __init__(self) -> None:
        self.declared = Split()
        self.running = Split()
        self.available = True
        self.accepts = True
        self.rejects = False
        self.latched: Reason | None = None
        self.copies = True
        """Whether it can copy requests; else it refuses a route that asks for copies, and runs the last."""

    def settle(self) -> None:
        if self.available and self.accepts and (self.copies or not self.declared.mirror_permille):
            self.running = self.declared

    def observe(self) -> RouteSeen:
        self.settle()
        problem = None if self.available else Reason.GATEWAY_UNAVAILABLE
        accepted = self.available and self.running == self.declared
        message = "" if self.available else "the gateway does not answer"
        refused = self.declared.mirror_permille and not self.copies
        unmirrored = "the gateway knows no RequestMirror" if refused else ""
        return RouteSeen(self.declared, accepted, problem, message, self.latched, unmirrored=unmirrored)

    def apply(self, split: Split, expected: Split) -> None:
        if self.rejects:
            raise TargetError("the gateway rejected the route")
        if self.declared not in (split, expected):
            raise Conflict("the route is not as it was observed")
        self.declared, self.latched = split, None
        self.settle()

    def edit(self, split: Split) -> None:
        """Somebody else writes."""
        self.declared = split
        self.settle()

    def roll_back_unrecorded(self, reason: Reason) -> None:
        if self.declared.stable is not None:
            self.edit(Split(stable=self.declared.stable))
            self.latched = reason


class Probing:
    """Rounds of probes, which true splits deal out; a new process begins anew and has lost what it had."""

    def __init__(self) -> None:
        self._run = ""
        self._number = 0
        self._over: list[ProbeRound] = []
        self._sums: dict[tuple[str, str], float] = {}

    def rounds(
        self, rollout: Rollout, run: str, running: Split, versions: dict[str, Behaviour]
    ) -> tuple[ProbeRound, ...]:
        """What a pass is given; it begins a round, which is over by the next pass."""
        assert rollout.policy.probe is not None
        if run != self._run:
            self._run, self._number, self._over = run, 0, []
        over = self._over = list(uncounted(self._over, rollout.evidence.probed))
        if len(over) < _MOST_ROUNDS:
            self._number += 1
            weight = running.weight_permille / 1000
            shares = {running.stable: 1 - weight, running.canary: weight}
            dealt = {
                served.version: self._dealt(served.version, rollout.policy.probe.requests * share, versions)
                for served, share in shares.items()
                if served is not None
            }
            stable = rollout.stable.version if rollout.stable else ""
            canary, beside = (dealt.get(name, Tally()) for name in (rollout.release.version, stable))
            self._over = [*over, ProbeRound(ProbeMark(run, self._number), canary, beside)]
        return tuple(over)

    def _dealt(self, version: str, requests: float, versions: dict[str, Behaviour]) -> Tally:
        sent = self._whole((version, ""), requests)
        bad = self._whole((version, PROBES), sent * versions[version].bad.get(PROBES, 0.0))
        return Tally(sent, min(bad, sent))

    def _whole(self, key: tuple[str, str], more: float) -> int:
        before = self._sums.get(key, 0.0)
        self._sums[key] = before + more
        return math.floor(self._sums[key] + 1e-6) - math.floor(before + 1e-6)


class MetricSource:
    """Counts by true rates and true splits, on a clock of its own; a check's name picks its numbers."""

    def __init__(self) -> None:
        self.silence: NoReading | None = None
        self._offset = timedelta(0)
        self._stepped_at = 0.0
        self._times = [0.0]
        self._sums: list[dict[Key, float]] = [{}]

    def flow(self, seconds: float, rate: float, running: Split, versions: dict[str, Behaviour]) -> None:
        """Requests of a span in which nothing changed."""
        sums = dict(self._sums[-1])
        weight, copied = running.weight_permille / 1000, running.mirror_permille / 1000
        # beside a weight testers are counted apart, so they are left out here
        to_canary = TESTERS_SHARE if running.testers_only else weight
        for served, share in ((running.stable, 1 - to_canary), (running.canary, to_canary or copied)):
            if served is None or not share:
                continue
            requests, how = seconds * rate * share, versions[served.version]
            more = {(served.version, "", 0.0): requests}
            more |= {(served.version, check, 0.0): requests * bad for check, bad in how.bad.items()}
            more |= {(served.version, check, took): requests for check, took in how.seconds.items()}
            for check, shares in how.spread.items():
                more |= {(served.version, check, at): requests * part for at, part in shares.items()}
            for key, count in more.items():
                sums[key] = sums.get(key, 0.0) + count
        self._times.append(self._times[-1] + seconds)
        self._sums.append(sums)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._times[-1]) + self._offset

    def step_clock(self, by: timedelta) -> None:
        """The source's clock jumps: an instant from before says nothing any more."""
        self._offset += by
        self._stepped_at = self._times[-1]

    def read(self, rollout: Rollout, measure: Measure, versions: dict[str, Behaviour]) -> Reading | NoReading:
        if self.silence is not None:
            return self.silence
        now, blocks = self.now(), []
        gauges = [self._gauge(check, rollout, versions) for check in rollout.policy.checks]
        start = measure.since or now
        if not self._stepped_at <= self._true(start) <= self._times[-1] + 1e-3:
            return NoReading(Reason.CLOCK_STEPPED, "the metric source's clock jumped")
        while (end := start + rollout.policy.interval) <= now:
            blocks.append(self._block(rollout, start, end))
            start = end
        return Reading(now, tuple(blocks), tuple(sample for sample in gauges if sample is not None))

    def requests(self, version: str, since: float, until: float) -> int:
        """True requests of a version between two true instants."""
        return self._count((version, "", 0.0), since, until)

    def _true(self, at: datetime) -> float:
        return (at - self._offset - EPOCH).total_seconds()

    def _block(self, rollout: Rollout, start: datetime, end: datetime) -> Block:
        span = (self._true(start), self._true(end))
        canary = rollout.release.version
        stable = rollout.stable.version if rollout.stable else ""
        counts = tuple(
            CheckCounts(check.name, self._tally(check, canary, span), self._tally(check, stable, span))
            for check in rollout.policy.checks
            if check.kind.in_blocks and not check.of_probes
        )
        return Block(start, end, self.requests(canary, *span), self.requests(stable, *span), counts)

    def _tally(self, check: Check, version: str, span: tuple[float, float]) -> Tally:
        requests = self._count((version, "", 0.0), *span)
        if check.kind is CheckKind.RATIO:
            return Tally(requests, min(self._count((version, check.name, 0.0), *span), requests))
        slow = {took for v, name, took in self._sums[-1] if v == version and name == check.name}
        buckets = [0] * (len(BOUNDS_SECONDS) + 1)
        for took in slow:
            bucket = sum(bound < took for bound in BOUNDS_SECONDS)
            buckets[bucket] += self._count((version, check.name, took), *span)
        return Tally(sum(buckets), 0, BOUNDS_SECONDS, tuple(buckets))

    def _gauge(self, check: Check, rollout: Rollout, versions: dict[str, Behaviour]) -> GaugeSample | None:
        if check.kind is not CheckKind.GAUGE:
            return None
        stable = versions[rollout.stable.version].gauges.get(check.name) if rollout.stable else None
        return GaugeSample(check.name, versions[rollout.release.version].gauges.get(check.name), stable)

    def _count(self, key: Key, since: float, until: float) -> int:
        return math.floor(self._sum(key, until) + 1e-6) - math.floor(self._sum(key, since) + 1e-6)

    def _sum(self, key: Key, at: float) -> float:
        after = min(max(bisect_right(self._times, at), 1), len(self._times) - 1)
        if len(self._times) == 1:
            return 0.0
        low, high = self._times[after - 1], self._times[after]
        part = (min(max(at, low), high) - low) / (high - low) if high > low else 1.0
        before, later = (self._sums[index].get(key, 0.0) for index in (after - 1, after))
        return before + part * (later - before)
