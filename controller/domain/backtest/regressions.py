"""Makes a canary worse than stable by so much as a person names. Pure and seeded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from random import Random

from controller.domain.backtest.dealing import binomial, scattered
from controller.domain.backtest.past import Usual
from controller.domain.judge.counts import Block, CheckCounts, Tally


@dataclass(frozen=True, slots=True)
class Regression:
    """What is worse about the canary. ``name`` is how the person wrote it.

    ``checks`` are those that it shows in. The share of bad requests is ``factor`` times the usual one and
    ``points`` more; durations are ``factor`` times what they were and ``seconds`` longer.
    """

    name: str
    checks: frozenset[str]
    factor: float = 1.0
    points: float = 0.0
    seconds: float = 0.0


def worsened(block: Block, regression: Regression, usual: Mapping[str, Usual], chance: Random) -> Block:
    """The block as it were had the canary had the regression. Stable's counts stay."""
    checks = tuple(
        replace(counts, canary=_worse(counts, regression, usual[counts.check], chance))
        if counts.check in regression.checks
        else counts
        for counts in block.checks
    )
    return replace(block, checks=checks)


def _worse(counts: CheckCounts, regression: Regression, usual: Usual, chance: Random) -> Tally:
    tally = counts.canary
    if tally.buckets:
        return _slower(tally, regression, chance)
    ratio = usual.bad_ratio
    wanted = min(ratio * regression.factor + regression.points, 1.0)
    more = (wanted - ratio) / (1 - ratio) if wanted > ratio else 0.0
    return replace(tally, bad=tally.bad + binomial(tally.requests - tally.bad, more, chance))


def _slower(tally: Tally, regression: Regression, chance: Random) -> Tally:
    """Requests lie evenly within their bucket, as Prometheus' own quantiles have it."""
    edges = (0.0, *tally.bounds, inf)
    buckets = [0] * len(tally.buckets)
    for number, count in enumerate(tally.buckets[:-1]):
        low, high = (edge * regression.factor + regression.seconds for edge in edges[number : number + 2])
        shares = [_overlap(low, high, *span) / (high - low) for span in pairwise(edges)]
        moved = scattered(count, shares, chance) if count else ()
        for place, more in enumerate(moved):
            buckets[place] += more
    buckets[-1] += tally.buckets[-1]
    return replace(tally, buckets=tuple(buckets))


def _overlap(low: float, high: float, begin: float, end: float) -> float:
    return max(min(high, end) - max(low, begin), 0.0)
