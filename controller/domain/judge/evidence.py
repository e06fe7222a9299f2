"""Evidence about shares of bad requests that stays valid however often it is looked at.

An e-variable is a number that is at most 1 on average if the null hypothesis holds; a bet against it that
pays on average nothing. An e-process multiplies such bets block by block. By Ville's inequality the chance
that it ever reaches 1/alpha, under the null and with any number of looks, is at most alpha.

The nulls compare the canary's share of bad requests with stable's in the same block, whatever both are and
however they drift; the weights may change from block to block. Requests are taken to be independent given
the block; `dependence` mends that where stable's own history contradicts it.

**Source**: Lindon, Sanden, Shirikian (arXiv 2205.14762) for tests of counts under continuous looks; Turner
and Grünwald (2302.11401) for e-variables of two shares; Shin, Ramdas, Rinaldo, "E-detectors" (2203.03532)
for mixtures over the time of the change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import exp, lgamma, log

_LARGEST = 1e12
"""Wealth beyond this decides nothing more; holding it there keeps every number finite."""
_NEGLIGIBLE = 1e-18
_MOST_NEWTON_STEPS = 40
_FINE = 1e-9
"""Differences of shares closer than this are the same to people."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One block: requests and bad requests of both versions. Whole, unless divided by a design effect."""

    canary: float
    canary_bad: float
    stable: float
    stable_bad: float


def summed(blocks: Sequence[Counts]) -> Counts:
    """All of them together."""
    return Counts(
        sum(each.canary for each in blocks),
        sum(each.canary_bad for each in blocks),
        sum(each.stable for each in blocks),
        sum(each.stable_bad for each in blocks),
    )


@dataclass(frozen=True, slots=True)
class Null:
    """What is to be refuted: the canary's bad share is at most ``ratio`` times stable's plus ``increase``.

    With tilts above 1 this is the null, with tilts below 1 its opposite is: at least so much. Ratio 0 leaves
    stable out: ``increase`` is an absolute limit.
    """

    ratio: float
    increase: float


def rare(counts: Counts, null: Null, tilt: float) -> float:
    """Log e-variable for bad requests that are few: exact for any rate, but weaker the larger that is.

    With D the mean of the tilt over both versions' bad requests under the null,
    ``x_c log(tilt) - (x_c + x_s) log D - n_c increase (tilt / D - 1)``. Its expectation is at most 1 because
    log(1 + u) <= u, and where stable's unknown rate would enter, its factors add up to 0.
    """
    if not counts.canary:
        return 0.0
    share = null.ratio * counts.canary
    if share and not counts.stable:
        return 0.0  # nobody to compare with
    mean = (tilt * share + counts.stable) / (share + counts.stable) if share else 1.0
    bad = counts.canary_bad + (counts.stable_bad if share else 0.0)
    price = counts.canary * null.increase * (tilt / mean - 1)
    return counts.canary_bad * log(tilt) - bad * log(mean) - price


def bulk(counts: Counts, odds: float, tilts: Sequence[float]) -> list[float]:
    """Log e-variables, one for each tilt, for the body of a distribution. The counts are whole.

    Conditional on how many are bad in all, the canary's bad requests follow Fisher's noncentral
    hypergeometric law, and stable's rate is gone from it: ``x_c log(tilt) - log Z(tilt odds) + log Z(odds)``.
    The null is an odds ratio of at most ``odds`` for tilts above 1, of at least ``odds`` below.

    **Source**: Cornfield (1956), the conditional law of two binomials given their sum.
    """
    n_c, n_s, x_c = round(counts.canary), round(counts.stable), round(counts.canary_bad)
    total = x_c + round(counts.stable_bad)
    if not n_c or not n_s or not 0 < total < n_c + n_s:
        return [0.0] * len(tilts)
    base = _log_partition(n_c, n_s, total, odds)
    return [x_c * log(tilt) - _log_partition(n_c, n_s, total, tilt * odds) + base for tilt in tilts]


def _log_partition(n_c: int, n_s: int, total: int, odds: float) -> float:
    """``log sum_j C(n_c, j) C(n_s, total - j) odds^j``, summed outwards from the largest term."""
    low, high = max(0, total - n_s), min(n_c, total)
    mode = min(max(_mode(n_c, n_s, total, odds), low), high)
    ratios = _ratios(n_c, n_s, total)
    weight = term = 1.0
    for ratio in islice(ratios, mode - low, None):
        term *= odds * ratio
        weight += term
        if term < _NEGLIGIBLE:
            break
    term = 1.0
    for ratio in islice(reversed(ratios), high - mode, None):
        term /= odds * ratio
        weight += term
        if term < _NEGLIGIBLE:
            break
    return _log_choose(n_c, mode) + _log_choose(n_s, total - mode) + mode * log(odds) + log(weight)


@lru_cache(maxsize=64)
def _ratios(n_c: int, n_s: int, total: int) -> Sequence[float]:
    """Each term over the one before it, for odds of 1. Kept, because every bet on a block needs them."""
    rest = n_s - total
    below = range(max(0, -rest), min(n_c, total))
    return [(n_c - j) * (total - j) / ((j + 1) * (rest + j + 1)) for j in below]


def _mode(n_c: int, n_s: int, total: int, odds: float) -> int:
    """Where the terms are largest: the root of a quadratic (Liao and Rosen, 2001)."""
    a = odds - 1
    b = -((n_c + total + 2) * odds + n_s - total)
    c = (n_c + 1) * (total + 1) * odds
    root = max(b * b - 4 * a * c, 0.0) ** 0.5
    return int(2 * c / (root - b))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


@dataclass(frozen=True, slots=True)
class Stakes:
    """How an e-process bets.

    ``reserve`` of the wealth is not bet at first; ``restart`` of what is left is bet anew in each block, so
    that a regression that begins late is found. One block multiplies a bet by at most ``exp(cap)``: a blip of
    one scrape cannot decide. A bet grows to at most ``clip``.
    """

    reserve: float = 0.3
    restart: float = 1 / 120
    cap: float = 3.0
    clip: float = _LARGEST


@dataclass(frozen=True, slots=True)
class Process:
    """An e-process: bets on several sizes of the effect, and on several times of its beginning.

    Begins at 1. **Shape**: ``bets`` has one number for each tilt.
    """

    bets: tuple[float, ...]
    reserve: float = 1.0

    @property
    def wealth(self) -> float:
        """The evidence against the null."""
        return self.reserve + sum(self.bets)

    def after(
        self, log_evidence: Sequence[float], stakes: Stakes, shares: Sequence[float] | None = None
    ) -> "Process":
        """The process after a block; capping and clipping only ever lower it.

        ``shares`` of what is staked go to each bet and add up to 1; equal ones if None.
        """
        begins = self.reserve == 1.0 and not any(self.bets)
        stake = 1 - stakes.reserve if begins else stakes.restart * self.reserve
        most = min(stakes.clip, _LARGEST)
        shares = shares or [1 / len(self.bets)] * len(self.bets)
        bets = tuple(
            min((bet + stake * share) * exp(min(gain, stakes.cap)), most)
            for bet, gain, share in zip(self.bets, log_evidence, shares, strict=True)
        )
        return Process(bets, self.reserve - stake)


def new_process(tilts: Sequence[float]) -> Process:
    """No bet is made yet."""
    return Process((0.0,) * len(tilts))


@dataclass(frozen=True, slots=True)
class Difference:
    """Canary's share of bad requests minus stable's, as an interval that holds at all times together.

    For a ratio of 1 the log evidence of `rare` is ``a - d b`` in the difference d, so sums of a and b tell it
    for every d. **Shape**: one pair for each of `TILTS`. **Source**: as `rare`, inverted into a confidence
    sequence.
    """

    TILTS = (1.3, 2.0, 3.5, 8.0, 30.0, 200.0, 0.1, 0.4, 0.7)
    sums: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * len(TILTS)

    def after(self, counts: Counts) -> "Difference":
        """With one more block."""
        if not counts.canary or not counts.stable:
            return self
        bad, everyone = counts.canary_bad + counts.stable_bad, counts.canary + counts.stable
        sums = []
        for (a, b), tilt in zip(self.sums, self.TILTS, strict=True):
            mean = (tilt * counts.canary + counts.stable) / everyone
            gain = counts.canary_bad * log(tilt) - bad * log(mean)
            sums.append((a + gain, b + counts.canary * (tilt / mean - 1)))
        return Difference(tuple(sums))

    def interval(self, miss: float) -> tuple[float, float]:
        """The differences that are not refuted, from -1 to 1; with a chance of ``miss`` at most it errs."""
        wanted = log(2 / miss)
        pairs = list(zip(self.sums, self.TILTS, strict=True))
        low = _edge([(a, b) for (a, b), tilt in pairs if tilt > 1], wanted)
        high = -_edge([(a, -b) for (a, b), tilt in pairs if tilt < 1], wanted)
        return min(low, high), max(low, high)


def _edge(pairs: Sequence[tuple[float, float]], wanted: float) -> float:
    """The largest refuted difference from -1 to 1; -1 if none is.

    The log of the mean evidence is convex and falls with the difference, so Newton's steps from the left
    never pass the edge.
    """
    d = -1.0
    for _ in range(_MOST_NEWTON_STEPS):
        logs = [a - d * b for a, b in pairs]
        top = max(logs)
        parts = [exp(each - top) for each in logs]
        excess = top + log(sum(parts) / len(parts)) - wanted
        if excess <= 0:
            break
        step = excess * sum(parts) / sum(part * b for part, (_, b) in zip(parts, pairs, strict=True))
        d = min(d + step, 1.0)
        if step < _FINE or d == 1.0:
            break
    return d
