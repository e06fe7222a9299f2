"""How long one `decide()` takes, by judge: a Progressing rollout, four checks, one new block of counts."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bench.machine import quantile
from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.machine import decide
from controller.domain.model import Evidence, Rollout, Route
from controller.domain.observation import Observation, Readiness, Reading, RouteSeen, Tick
from controller.domain.policy import Check, CheckKind, Policy, RouteRef, Step
from controller.domain.release import Release, Split
from controller.domain.vocabulary import Phase

PASSES = 3000
JUDGES = ("sequential", "threshold")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOUNDS = tuple(0.001 * 1.6**power for power in range(20))


def _rollout(judge: str) -> Rollout:
    step = Step(50, timedelta(hours=100), 100, timedelta(hours=200))
    quantiles = [Check(f"latency_p{n}", CheckKind.QUANTILE, max=0.5, quantile=n / 100) for n in (50, 95, 99)]
    checks = (Check("errors", CheckKind.RATIO, max=0.01, worse_by_points=0.005), *quantiles)
    route = RouteRef("envoy", "/v2/models/fraud")
    policy = Policy("fraud", "ml", route, "envoy", (step,), checks, judge=judge)
    split = Split(Release("v1", ("10.0.0.1:80",)), Release("v2", ("10.0.0.2:80",)), 50)
    rollout = Rollout("fraud-1", "fraud", Release("v2", ("10.0.0.2:80",)), policy, NOW, "bench")
    return replace(
        rollout,
        phase=Phase.PROGRESSING,
        step=0,
        stable=split.stable,
        route=Route(split, split, in_force=True),
        evidence=Evidence(cursor=NOW),
    )


def _observation(rollout: Rollout, number: int) -> Observation:
    start = NOW + number * timedelta(seconds=15)
    end = start + timedelta(seconds=15)
    filled = [3 + (bucket * number) % 5 for bucket in range(8)]  # up to 43 ms, well within every limit
    buckets = (*filled, *[0] * (len(BOUNDS) + 1 - len(filled)))
    latency = Tally(sum(buckets), 0, BOUNDS, buckets)
    counts = [CheckCounts("errors", Tally(75, 0), Tally(1425, 1))]
    counts += [CheckCounts(f"latency_p{n}", latency, latency) for n in (50, 95, 99)]
    return Observation(
        at=end,
        tick=Tick("bench", 15.0 * number),
        route=RouteSeen(rollout.route.intended, accepted=True),
        canary=Readiness(ready=True),
        reading=Reading(end, (Block(start, end, 75, 1425, tuple(counts)),)),
    )


def _measure(judge: str) -> None:
    rollout = _rollout(judge)
    took: list[float] = []
    for number in range(PASSES):
        seen = _observation(rollout, number)
        began = time.perf_counter()
        rollout = decide(rollout, seen).rollout
        took.append((time.perf_counter() - began) * 1e6)
    assert rollout.phase is Phase.PROGRESSING
    figures = f"p50 {quantile(took, 0.5):.0f} us, p99 {quantile(took, 0.99):.0f} us"
    print(f"decide(), {judge} judge, 4 checks of 21 buckets, 1 block: {figures} ({PASSES} passes)")


def main() -> None:
    """Print the distribution over `PASSES` decisions in a row, for each judge."""
    for judge in JUDGES:
        _measure(judge)


if __name__ == "__main__":
    main()
