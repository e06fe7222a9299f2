"""Argo Rollouts' rule: weights by the clock; a background analysis of its own counts failed measurements.

**Source**: Argo Rollouts (August 2026) as read in `reference/peers.md` (1b, 2 and 4) and `reference/judge.md`
(1b): `analysis/analysis.go`, `metricproviders/prometheus`, `utils/evaluate`; numbers of the documents'
example: 20, 40, 60, 80 % for 10 minutes each, every 5 minutes ``irate(...[5m])`` >= 0.95, failureLimit 3,
startingStep 2.
"""

from dataclasses import dataclass, field
from math import inf

from bench.judge.lane import Lane
from bench.judge.queries import Growth, irate
from bench.judge.rules import End, Ended

WINDOW_SECONDS = 300.0


@dataclass(slots=True)
class Argo:
    """One rollout with a background analysis. ``failed`` counts all failures, in a row or not.

    A step of the documents' list is a weight or a pause, so weight number i (from 0) is their step 2 i.
    """

    weights: tuple[int, ...] = (20, 40, 60, 80)
    pause_seconds: float = 600.0
    interval_seconds: float = 300.0
    min_success: float = 0.95
    failure_limit: int = 3
    consecutive_error_limit: int = 4
    error_retry_seconds: float = 10.0
    starting_step: int = 2
    failed: int = 0
    errors_in_row: int = 0
    weights_set: int = 0
    next_weight_at: float = field(default=inf)
    next_measurement_at: float = field(default=inf)

    def begin(self, lane: Lane) -> float:
        """The first weight."""
        self._rise(lane)
        return self._next()

    def look(self, lane: Lane) -> float | End:
        """Whatever is due: the analysis first, then the clock of the weights, which knows nothing of it."""
        if lane.now >= self.next_measurement_at:
            wait = self.measure(irate(lane.canary, lane.now, WINDOW_SECONDS))
            if self.failed > self.failure_limit:
                return End(Ended.ROLLED_BACK, "success-rate: failed > failureLimit")
            if self.errors_in_row > self.consecutive_error_limit:
                return End(Ended.ROLLED_BACK, "success-rate: consecutiveErrors > consecutiveErrorLimit")
            self.next_measurement_at = lane.now + wait
        if lane.now >= self.next_weight_at:
            if self.weights_set == len(self.weights):
                return End(Ended.PROMOTED)
            self._rise(lane)
        return self._next()

    def measure(self, growth: Growth | None) -> float:
        """Count one measurement; seconds to the next. An empty answer is an error, NaN a failure."""
        if growth is None:
            self.errors_in_row += 1
            return self.error_retry_seconds
        self.errors_in_row = 0
        if not growth.success >= self.min_success:
            self.failed += 1
        return self.interval_seconds

    def _rise(self, lane: Lane) -> None:
        lane.give(10 * self.weights[self.weights_set])
        if 2 * self.weights_set >= self.starting_step and self.next_measurement_at == inf:
            self.next_measurement_at = lane.now
        self.weights_set += 1
        self.next_weight_at = lane.now + self.pause_seconds

    def _next(self) -> float:
        return min(self.next_weight_at, self.next_measurement_at)
