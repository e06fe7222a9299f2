"""Flagger's rule: one number a minute against a limit, and a counter of failed checks that never falls.

**Source**: Flagger 1.44 as read in `reference/peers.md` (1a, 1b, 2 and 4) and `reference/judge.md` (1a):
`pkg/controller/scheduler.go`, `scheduler_metrics.go`, `pkg/metrics/observers`; numbers of the istio tutorial
(1m / threshold 5 / maxWeight 50 / stepWeight 10). The queries are over the canary alone.
"""

from dataclasses import dataclass
from math import isnan

from bench.judge.lane import Lane
from bench.judge.queries import Growth, rate
from bench.judge.rules import End, Ended

WINDOW_SECONDS = 60.0
"""The built-in queries' range, whatever the interval."""


@dataclass(slots=True)
class Flagger:
    """One canary. ``failed_checks`` counts over the whole rollout and is never reset by a pass."""

    interval_seconds: float = 60.0
    threshold: int = 5
    max_weight: int = 50
    step_weight: int = 10
    min_success: float = 0.99
    max_p99_seconds: float = 0.5
    weight: int = 0
    failed_checks: int = 0
    last_failure: str = ""

    def begin(self, lane: Lane) -> float:
        """The first tick that finds weight 0 checks nothing and gives the first step."""
        self._step(lane)
        return lane.now + self.interval_seconds

    def look(self, lane: Lane) -> float | End:
        """A tick: roll back if the counter is full, else check, else rise; at the last weight promote."""
        if self.failed_checks >= self.threshold:
            return End(Ended.ROLLED_BACK, self.last_failure)
        self.last_failure = self.failure(rate(lane.canary, lane.now, WINDOW_SECONDS), lane.scene.bounds)
        if self.last_failure:
            self.failed_checks += 1
        elif self.weight >= self.max_weight:
            return End(Ended.PROMOTED)
        else:
            self._step(lane)
        return lane.now + self.interval_seconds

    def failure(self, growth: Growth | None, bounds: tuple[float, ...]) -> str:
        """The first check that fails; no data and NaN fail it like a bad number does."""
        success = growth.success if growth else float("nan")
        if isnan(success):
            return "no values found for request-success-rate"
        if success < self.min_success:
            return "request-success-rate"
        assert growth is not None
        return "request-duration" if growth.quantile(0.99, bounds) > self.max_p99_seconds else ""

    def _step(self, lane: Lane) -> None:
        self.weight = min(self.weight + self.step_weight, 100)
        lane.give(10 * self.weight)
