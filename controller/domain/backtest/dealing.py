"""Deals stable's requests out to a canary and to stable, as a gateway would have: by chance, one by one.

Bad requests that share the fate of a copy are dealt together: they would all have been the canary's, or none.

The invariant: nothing is lost and nothing is made up. What the canary and stable get adds up to what was
counted, and the same seed deals the same.
"""

from collections.abc import Callable, Mapping, Sequence
from math import exp, lgamma, log, log1p
from random import Random

from controller.domain.judge.counts import Block, CheckCounts, Tally

_ALONE: Mapping[str, int] = {}


def deal(block: Block, share: float, chance: Random, together: Mapping[str, int] = _ALONE) -> Block:
    """The block with a share of its requests given to the canary; at first stable has them all.

    ``together`` is how many of a check's bad, or slow, requests share one fate: one where nothing is said.
    """
    total = block.stable_requests
    taken = binomial(total, share, chance)
    checks = []
    for counts in block.checks:
        requests = counts.stable.requests
        if requests <= total:
            mine = hypergeometric(total, requests, taken, chance)
        else:
            mine = taken + binomial(requests - total, share, chance)
        checks.append(_dealt(counts, mine, together.get(counts.check, 1), chance))
    return Block(block.start, block.end, taken, total - taken, tuple(checks))


def _dealt(counts: CheckCounts, mine: int, together: int, chance: Random) -> CheckCounts:
    tally = counts.stable
    if not tally.buckets:
        bad = clustered(tally.requests, tally.bad, mine, together, chance)
        canary = Tally(mine, bad)
        return CheckCounts(counts.check, canary, Tally(tally.requests - mine, tally.bad - bad))
    buckets: list[int] = []
    left, wanted = tally.requests, mine
    for bucket in reversed(tally.buckets):  # the slow ones first: what is left over is fast
        got = clustered(left, bucket, wanted, together, chance)
        buckets.insert(0, got)
        left, wanted = left - bucket, wanted - got
    rest = tuple(all_ - got for all_, got in zip(tally.buckets, buckets, strict=True))
    return CheckCounts(
        counts.check,
        Tally(mine, bounds=tally.bounds, buckets=tuple(buckets)),
        Tally(tally.requests - mine, bounds=tally.bounds, buckets=rest),
    )


def scattered(count: int, shares: Sequence[float], chance: Random) -> list[int]:
    """So many requests over places with these shares, which add up to 1: a multinomial draw."""
    found, left = [], 1.0
    for share in shares[:-1]:
        got = binomial(count, min(share / left, 1.0) if left > 0 else 0.0, chance)
        found.append(got)
        count, left = count - got, left - share
    return [*found, count]


def binomial(n: int, p: float, chance: Random) -> int:
    """How many of ``n`` are chosen, each with probability ``p``."""
    if n <= 0 or p <= 0:
        return 0
    if p >= 1:
        return n
    mode = min(int((n + 1) * p), n)
    odds = p / (1 - p)
    at_mode = exp(_log_choose(n, mode) + mode * log(p) + (n - mode) * log1p(-p))
    return _outwards(mode, (0, n), at_mode, lambda k: (n - k) / (k + 1) * odds, chance)


def hypergeometric(total: int, marked: int, drawn: int, chance: Random) -> int:
    """How many of ``drawn`` out of ``total`` are among the ``marked``."""
    low, high = max(0, drawn + marked - total), min(drawn, marked)
    if low >= high:
        return low
    mode = min(max((drawn + 1) * (marked + 1) // (total + 2), low), high)
    at_mode = exp(
        _log_choose(marked, mode) + _log_choose(total - marked, drawn - mode) - _log_choose(total, drawn)
    )

    def ratio(k: int) -> float:
        return (marked - k) * (drawn - k) / ((k + 1) * (total - marked - drawn + k + 1))

    return _outwards(mode, (low, high), at_mode, ratio, chance)


def clustered(total: int, marked: int, drawn: int, together: int, chance: Random) -> int:
    """As `hypergeometric`, where so many of the marked are drawn together or not at all."""
    groups, rest = divmod(marked, together)
    if together == 1 or not groups or not drawn:
        return hypergeometric(total, marked, drawn, chance)
    share = drawn / total
    found = together * binomial(groups, share, chance) + binomial(rest, share, chance)
    return min(max(found, drawn + marked - total, 0), drawn, marked)


def _outwards(
    mode: int, ends: tuple[int, int], at_mode: float, ratio: Callable[[int], float], chance: Random
) -> int:
    """A draw by inversion from the mode outwards: some standard deviations of steps, exact but for rounding.

    ``ratio(k)`` is P(k + 1) / P(k).

    **Source**: Kemp, "A modal method for generating binomial variables" (1986).
    """
    low, high = ends
    left = chance.random() - at_mode
    down = up = mode
    below = above = at_mode
    while left > 0 and (down > low or up < high):
        if up < high:
            above *= ratio(up)
            up += 1
            left -= above
            if left <= 0:
                return up
        if down > low:
            down -= 1
            below /= ratio(down)
            left -= below
            if left <= 0:
                return down
        if above + below < 1e-300:  # noqa: PLR2004 - only rounding is left
            break
    return mode


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
