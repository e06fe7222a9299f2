"""Bets on the mean of bounded numbers: shares of cases that failed, and differences of the two versions.

Nothing is assumed of how a number is spread within its bounds: an answer that is half right is half a
failure. Sums suffice for one version, because ``t**x <= 1 + x (t - 1)`` for x from 0 to 1 (a chord lies above
a convex curve): if the mean of n numbers is at most m, ``t**sum / (1 + m (t - 1))**n`` is at most 1 on
average, for a t above 1; for one below, if it is at least m. Of numbers that are 0 or 1 it is the likelihood
ratio itself.

Pairs, the same request to both versions, are bet on one by one: ``1 + bet (d - m)`` for a difference d of
-1, 0 or 1. That they mostly agree then costs nothing.

Requests of a trial are drawn without replacement, which makes them negatively associated: products of bets
that rise, or fall, with each number are no larger on average than of independent ones.

**Source**: Hoeffding, "Probability inequalities for sums of bounded random variables" (1963), eq. 4.1 and
section 6; Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2023);
Joag-Dev and Proschan, "Negative association of random variables" (1983), property P2.
"""

from collections.abc import Callable, Sequence
from math import exp, inf, log, log1p

from controller.domain.trials import Pairs

TILTS_WORSE = (1.15, 1.35, 1.7, 2.5, 5.0)
TILTS_BETTER = (0.2, 0.45, 0.7, 0.85, 0.94)
"""How many times as many failures each bet on one version is on."""
BETS = (0.1, 0.25, 0.5, 0.9)
"""Of what a bet on a pair may stake at most, without being able to lose all."""
_HALVINGS = 40


def sum_gains(n: int, failed: float, mean: float, tilts: Sequence[float]) -> list[float]:
    """Log evidence that the mean is above (tilts above 1) or below ``mean``; ``failed`` is the sum of n."""
    return [failed * log(tilt) - n * log1p(mean * (tilt - 1)) for tilt in tilts]


def pair_gains(pairs: Pairs, mean: float, bets: Sequence[float]) -> list[float]:
    """Log evidence that canary minus stable is above ``mean`` on average; below it for negative bets.

    A bet is a share of the largest one that no pair can ruin.
    """
    rest = pairs.n - pairs.only_canary - pairs.only_stable
    gains = []
    for bet in bets:
        stake = bet / (1 + mean) if bet > 0 else bet / (1 - mean)
        gains.append(
            _times(pairs.only_canary, stake * (1 - mean))
            + _times(pairs.only_stable, -stake * (1 + mean))
            + _times(rest, -stake * mean)
        )
    return gains


def _times(count: int, return_: float) -> float:
    return count * log1p(return_) if count else 0.0


def share_interval(n: int, failed: float, miss: float) -> tuple[float, float]:
    """The shares of failures that are not refuted, at all times together but for a chance of ``miss``."""
    if not n:
        return 0.0, 1.0
    wanted = log(2 / miss)
    low = _edge(lambda share: _mean(sum_gains(n, failed, share, TILTS_WORSE)) - wanted, 0.0, failed / n)
    high = _edge(lambda share: _mean(sum_gains(n, failed, share, TILTS_BETTER)) - wanted, 1.0, failed / n)
    return low, high


def pair_interval(pairs: Pairs, miss: float) -> tuple[float, float]:
    """As `share_interval`, of the canary's share of failures minus stable's."""
    if not pairs.n:
        return -1.0, 1.0
    seen = (pairs.only_canary - pairs.only_stable) / pairs.n
    wanted = log(2 / miss)
    losing = [-bet for bet in BETS]
    low = _edge(lambda mean: _mean(pair_gains(pairs, mean, BETS)) - wanted, -1.0 + 1e-9, seen)
    high = _edge(lambda mean: _mean(pair_gains(pairs, mean, losing)) - wanted, 1.0 - 1e-9, seen)
    return low, high


def _edge(excess: Callable[[float], float], refuted: float, kept: float) -> float:
    """Where between the two the evidence against a value falls to what is wanted; it falls all the way."""
    if excess(refuted) <= 0:
        return refuted
    for _ in range(_HALVINGS):
        middle = (refuted + kept) / 2
        if excess(middle) > 0:
            refuted = middle
        else:
            kept = middle
    return refuted


def _mean(logs: Sequence[float]) -> float:
    """Log of the mean."""
    top = max(logs)
    return top if top == -inf else top + log(sum(exp(each - top) for each in logs) / len(logs))
