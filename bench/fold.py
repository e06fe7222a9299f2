"""How long the sequential judge takes for 10,000 blocks, two days of them, and how large it grows."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.random import Generator, default_rng

from bench.judge.lane import CLIENT_BOUNDS
from bench.judge.policies import Limits, policy_for
from controller.domain.judge import judge_of
from controller.domain.judge.base import Terms
from controller.domain.judge.counts import Block, CheckCounts, Tally

BLOCKS = 10_000
REQUESTS = 1500
"""Of both versions in a block."""
SHARES = (0.1, 0.5)
"""The canary's."""
ERRORS = 0.001
BLOCK = timedelta(seconds=15)
START = datetime(2026, 1, 1, tzinfo=UTC)


def _latency(chance: Generator, requests: int) -> Tally:
    seconds = chance.lognormal(np.log(0.12), 0.5, requests)
    buckets = np.bincount(np.searchsorted(CLIENT_BOUNDS, seconds), minlength=len(CLIENT_BOUNDS) + 1)
    return Tally(requests, bounds=CLIENT_BOUNDS, buckets=tuple(buckets.tolist()))


def _blocks(share: float) -> list[Block]:
    chance = default_rng(1)
    blocks = []
    for number in range(BLOCKS):
        canary, stable = (int(chance.poisson(REQUESTS * part)) for part in (share, 1 - share))
        failed = [Tally(count, int(chance.binomial(count, ERRORS))) for count in (canary, stable)]
        took = [_latency(chance, count) for count in (canary, stable)]
        checks = (CheckCounts("errors", *failed), CheckCounts("latency_p99", *took))
        start = START + number * BLOCK
        blocks.append(Block(start, start + BLOCK, canary, stable, checks))
    return blocks


def _measure(blocks: Sequence[Block], share: float, checks: int) -> str:
    policy = policy_for("sequential", Limits())
    judge = judge_of(replace(policy, checks=policy.checks[:checks]))
    terms = Terms(min_requests=0, compare=True, share=share)
    early = len(judge.fold(judge.begin(), blocks[:100], (), terms))
    began = time.perf_counter()
    state = judge.fold(judge.begin(), blocks, (), terms)
    took = time.perf_counter() - began
    return f"{took:.2f} s; its state after 100 blocks {early:,} bytes, after all {len(state):,}"


def main() -> None:
    """Print the time for each share of the canary, for errors alone and with a latency check."""
    for share in SHARES:
        blocks = _blocks(share)
        for checks, what in ((1, "errors"), (2, "errors and latency_p99")):
            figures = _measure(blocks, share, checks)
            print(f"{BLOCKS:,} blocks of {REQUESTS:,} requests, {share:.0%} canary, {what}: {figures}")


if __name__ == "__main__":
    main()
