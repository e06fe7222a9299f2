"""The population stability index of two histograms, with an interval, and tests of a limit.

``PSI = sum (p - q) log(p / q)`` over buckets, p the canary's shares and q stable's. Computed from counts it
is too large: two samples of one distribution differ, too. With B buckets and ``spread = 1/n + 1/m`` for n
and m requests, ``PSI / spread`` follows a chi-square law with B - 1 degrees of freedom where the two are the
same, so its mean is ``(B - 1) spread`` and not 0; where they differ, a noncentral one whose noncentrality is
the true PSI over the spread. Tests and interval invert that law, which so corrects the bias by itself. It
holds for many requests and moderate differences; where the delta method gives a larger variance, the spread
is raised to it.

**Source**: Yurdakul and Naranjo, "Statistical properties of the population stability index" (2020), the
chi-square law; Patnaik (1949) for its noncentral form, as for Pearson's statistic; Sankaran, "Approximations
to the non-central chi-square distribution" (1963) for its tails.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, log, sqrt

_FEWEST = 5.0
"""Requests that either version is expected to have in a bucket; one with fewer joins its neighbour."""
_LEAST_SHARE = 0.005
_HALF = 0.5
_LARGEST = 1e6
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Psi:
    """What two histograms give. ``plain`` is the index as computed, ``value`` without its bias."""

    plain: float
    spread: float
    buckets: int

    @property
    def value(self) -> float:
        """The index less its mean where nothing differs; 0 at least."""
        return max(self.plain - (self.buckets - 1) * self.spread, 0.0)

    def above(self, limit: float) -> float:
        """How likely at most so large an index is if the true one is at most ``limit``: a p-value."""
        return _beyond(self.plain / self.spread, self.buckets - 1, limit / self.spread)

    def below(self, limit: float) -> float:
        """How likely at most so small an index is if the true one is at least ``limit``."""
        return 1 - self.above(limit)

    def interval(self, miss: float) -> tuple[float, float]:
        """The true values that are not refuted, each side at half of ``miss``."""
        return self._edge(miss / 2), self._edge(1 - miss / 2)

    def _edge(self, chance: float) -> float:
        """The value at which `above` is ``chance``, which rises with it."""
        low, high = 0.0, max(4 * self.plain, self.spread)
        if self.above(low) >= chance:
            return 0.0
        while self.above(high) < chance and high < _LARGEST:
            high *= 2
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.above(middle) < chance else (low, middle)
        return high


def psi_of(canary: Sequence[float], stable: Sequence[float], canary_n: float, stable_n: float) -> Psi | None:
    """The index of two histograms with the same buckets; None if fewer than two of them can be told apart.

    ``canary_n`` and ``stable_n`` are how many requests the counts are worth; the counts may be weighted.
    Buckets join by what both versions have together, so that it does not matter which one has it.
    """
    total_c, total_s = sum(canary), sum(stable)
    if total_c <= 0 or total_s <= 0 or canary_n <= 0 or stable_n <= 0:
        return None
    shares = [(c / total_c, s / total_s) for c, s in zip(canary, stable, strict=True)]
    joined = _joined(shares, canary_n, stable_n)
    if len(joined) <= 1:
        return None
    pairs = [(_smooth(p, canary_n, len(joined)), _smooth(q, stable_n, len(joined))) for p, q in joined]
    index = sum((p - q) * log(p / q) for p, q in pairs)
    spread = 1 / canary_n + 1 / stable_n
    usual = 4 * index * spread
    wider = max(_variance(pairs, canary_n, stable_n) / usual, 1.0) if usual > 0 else 1.0
    return Psi(index, spread * wider, len(joined))


def _joined(
    shares: Sequence[tuple[float, float]], canary_n: float, stable_n: float
) -> list[tuple[float, float]]:
    """Neighbours together until each has enough; the last ones with the one before."""
    fewest = min(canary_n, stable_n)
    together = canary_n + stable_n
    found: list[tuple[float, float]] = []
    p = q = 0.0
    for more_p, more_q in shares:
        p, q = p + more_p, q + more_q
        pooled = (p * canary_n + q * stable_n) / together
        if pooled * fewest >= _FEWEST and pooled >= _LEAST_SHARE:
            found.append((p, q))
            p = q = 0.0
    if (p or q) and found:
        last = found.pop()
        found.append((last[0] + p, last[1] + q))
    return found


def _smooth(share: float, n: float, buckets: int) -> float:
    """With half a request more in each bucket, so that none is empty."""
    return (share * n + _HALF) / (n + _HALF * buckets)


def _variance(pairs: Sequence[tuple[float, float]], canary_n: float, stable_n: float) -> float:
    """Of the index, by the delta method: its slopes in the shares of each version."""
    of_canary = [(p, log(p / q) + 1 - q / p) for p, q in pairs]
    of_stable = [(q, -log(p / q) + 1 - p / q) for p, q in pairs]
    return _spread_of(of_canary) / canary_n + _spread_of(of_stable) / stable_n


def _spread_of(slopes: Sequence[tuple[float, float]]) -> float:
    mean = sum(share * slope for share, slope in slopes)
    return sum(share * (slope - mean) ** 2 for share, slope in slopes)


def _beyond(x: float, k: float, noncentrality: float) -> float:
    """P(chi-square with k degrees of freedom and the noncentrality >= x)."""
    if x <= 0:
        return 1.0
    mean, double = k + noncentrality, k + 2 * noncentrality
    h = 1 - 2 * mean * (k + 3 * noncentrality) / (3 * double**2)
    p, m = double / mean**2, (h - 1) * (1 - 3 * h)
    centre = 1 + h * p * (h - 1 - 0.5 * (2 - h) * m * p)
    z = ((x / mean) ** h - centre) / (h * sqrt(2 * p) * (1 + 0.5 * m * p))
    return 0.5 * erfc(z / sqrt(2))
