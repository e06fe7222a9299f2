"""Kayenta's rule (NetflixACAJudge): one point per minute and version, a rank test over the points.

**Source**: Kayenta as read in `reference/judge.md` (1c) and `kayenta-judge/.../MannWhitneyClassifier.scala`,
`kayenta-mannwhitney/.../MannWhitney.scala`: 98 % confidence interval of the shift between the versions, High
if its low end is above a quarter of the absolute Hodges-Lehmann estimate, equal samples pass. The interval is
the asymptotic one of R's ``wilcox.test`` with its corrections for continuity and for ties within a version,
as the order statistics of the pairwise differences: Lehmann, "Nonparametrics" (1975), chapter 2.

How it is run is ours, where its documents leave it open: the canary at 10 % with stable as its baseline, 50
points, judged every 10 minutes over all points so far; a score under marginal ends it, the last one must
pass. A minute without any request gives no point.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from bench.judge.arrivals import Floats
from bench.judge.lane import Copy, Lane
from bench.judge.queries import rate
from bench.judge.rules import End, Ended

CONFIDENCE = 0.98
FRACTION = 0.25


class Shift(NamedTuple):
    """How far the canary's points lie above the baseline's: an interval and an estimate (Hodges, Lehmann)."""

    low: float
    high: float
    estimate: float


def shift(canary: Floats, baseline: Floats) -> Shift:
    """The shift between two samples by the rank test. **Shape**: neither is empty."""
    differences = np.sort(np.subtract.outer(canary, baseline), axis=None)
    n, m, pairs = len(canary), len(baseline), len(differences)
    ties = sum(int(c) ** 3 - int(c) for arm in (canary, baseline) for c in np.unique_counts(arm).counts)
    total = n + m
    deviation = (pairs / 12 * (total + 1 - ties / (total * (total - 1)))) ** 0.5
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation + 0.5
    rank = min(max(int(pairs / 2 - reach), 0), (pairs - 1) // 2)
    middle = float(np.median(differences))
    return Shift(float(differences[rank]), float(differences[pairs - 1 - rank]), middle)


def is_high(canary: Sequence[float], baseline: Sequence[float]) -> bool:
    """Whether a metric is classified High: the only class that a metric with direction ``increase`` fails."""
    if not canary or not baseline or list(canary) == list(baseline):
        return False
    found = shift(np.asarray(canary), np.asarray(baseline))
    return found.low > FRACTION * abs(found.estimate)


@dataclass(slots=True)
class Points:
    """One metric's points of both versions."""

    canary: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Kayenta:
    """One canary analysis with two metrics of equal weight: the share of errors and the 99th percentile."""

    weight: int = 10
    step_seconds: float = 60.0
    interval_seconds: float = 600.0
    points: int = 50
    score_pass: float = 95.0
    score_marginal: float = 75.0
    taken: int = 0
    metrics: dict[str, Points] = field(
        default_factory=lambda: {"error ratio": Points(), "latency p99": Points()}
    )

    def begin(self, lane: Lane) -> float:
        """The one weight that it has."""
        lane.give(10 * self.weight)
        return lane.now + self.step_seconds

    def look(self, lane: Lane) -> float | End:
        """Take a point of each metric; judge when an interval is over."""
        self.taken += 1
        for copies, of_canary in ((lane.canary, True), (lane.stable, False)):
            self._take(copies, lane, of_canary=of_canary)
        if self.taken % round(self.interval_seconds / self.step_seconds) == 0 or self.taken == self.points:
            high = self.high()
            score = self.score(high)
            if score < self.score_marginal or (self.taken == self.points and score < self.score_pass):
                return End(Ended.ROLLED_BACK, ", ".join(f"{name} High" for name in high))
            if self.taken == self.points:
                return End(Ended.PROMOTED)
        return lane.now + self.step_seconds

    def high(self) -> list[str]:
        """The metrics that are classified High."""
        return [name for name, points in self.metrics.items() if is_high(points.canary, points.baseline)]

    def score(self, high: Sequence[str]) -> float:
        """The percentage of metrics that pass."""
        return 100 * (1 - len(high) / len(self.metrics))

    def _take(self, copies: Sequence[Copy], lane: Lane, *, of_canary: bool) -> None:
        growth = rate(copies, lane.now, self.step_seconds)
        if growth is None or not growth.good + growth.bad:
            return
        values = {"error ratio": 1 - growth.success, "latency p99": growth.quantile(0.99, lane.scene.bounds)}
        for name, value in values.items():
            points = self.metrics[name]
            (points.canary if of_canary else points.baseline).append(value)
