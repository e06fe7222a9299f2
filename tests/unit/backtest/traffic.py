"""Made-up pasts of a model, for tests of the backtest."""

from datetime import UTC, datetime, timedelta
from random import Random

from controller.domain.backtest.dealing import binomial, scattered
from controller.domain.backtest.past import Known, Past
from controller.domain.judge.calibration import PodHistory, PodMinute, calibrate
from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.policy import Check, CheckKind, Policy, RouteRef, Step

SECOND = timedelta(seconds=1)
INTERVAL = 15 * SECOND
HOUR = timedelta(hours=1)
T = datetime(2026, 1, 1, tzinfo=UTC)
ERRORS = Check("errors", CheckKind.RATIO, max=0.03)
LATENCY = Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99)
QUEUE = Check("queue", CheckKind.GAUGE, max=10, query="queue")
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0)
SHARES = (0.3, 0.5, 0.15, 0.047, 0.002, 0.001)


def policy(*checks: Check, judge: str = "threshold") -> Policy:
    steps = tuple(Step(weight, 60 * SECOND, 500, HOUR) for weight in (50, 500))
    return Policy(
        "fraud",
        "ml",
        RouteRef("envoy", "/fraud"),
        "envoy",
        steps,
        checks or (ERRORS, LATENCY),
        interval=INTERVAL,
        bake=120 * SECOND,
        judge=judge,
    )


def block(number: int, requests: int, bad: int, chance: Random) -> Block:
    buckets = tuple(scattered(requests, SHARES, chance))
    counts = (
        CheckCounts("errors", Tally(), Tally(requests, bad)),
        CheckCounts("latency_p99", Tally(), Tally(requests, bounds=BOUNDS, buckets=buckets)),
    )
    return Block(T + number * INTERVAL, T + (number + 1) * INTERVAL, 0, requests, counts)


def past(hours: float = 6, per_block: int = 3000, bad_ratio: float = 0.001, seed: int = 1) -> Past:
    chance = Random(seed)
    blocks = [
        block(number, per_block, binomial(per_block, bad_ratio, chance), chance)
        for number in range(int(hours * 240))
    ]
    first = block(0, per_block, 0, chance)
    minutes = [PodMinute(counts.check, "pod", 0, counts.stable) for counts in first.checks]
    calibration = calibrate(PodHistory(HOUR, minutes, 240 * per_block), (ERRORS, LATENCY))
    known = [Known(T + hour * HOUR, calibration) for hour in range(1, int(hours) + 1)]
    return Past("v1", INTERVAL, blocks, known)
