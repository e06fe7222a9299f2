"""How much requests of one copy share their fate. Pure.

Evidence counts each request as one witness. Batch clients, retries, sticky connections and a copy that
stalls make bad requests come in clusters, and a cluster is one witness, not many. How large the clusters are
is learnt from stable's own copies, compared with each other within the same minute: what all of them suffer
together cancels.

The invariant: every function is total. What cannot be known is no dependence, and the result is finite.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, sqrt

MOST_DESIGN_EFFECT = 1000.0
"""Beyond this the canary would never be judged at all."""
_FEWEST_PAIRS = 20

NOISE_Z = 3.0
"""Standard deviations by which the dispersion must exceed that of independent requests.

A chi-square of five degrees of freedom exceeds this bound once in 77 times, one of sixty once in 250.
"""


@dataclass(frozen=True, slots=True)
class PodCount:
    """One copy's requests in one minute, and how many of them were bad."""

    minute: int
    requests: int
    bad: int


@dataclass(frozen=True, slots=True)
class _Spread:
    """Sums over minutes: squared deviations, what independence expects of them, and its variance."""

    found: float = 0.0
    expected: float = 0.0
    variance: float = 0.0
    cells: int = 0
    requests: int = 0

    def plus(self, other: "_Spread") -> "_Spread":
        return _Spread(
            self.found + other.found,
            self.expected + other.expected,
            self.variance + other.variance,
            self.cells + other.cells,
            self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True)
class Dependence:
    """``icc`` is the correlation of badness within a copy's minute, ``cluster`` how many share one fate."""

    icc: float = 0.0
    cluster: float = 1.0


def dependence_of(counts: Iterable[PodCount]) -> Dependence:
    """What the copies say beside each other; where there is one only, its minutes one after the other."""
    counts = [count for count in counts if count.requests > 0]
    minutes = Counter(count.minute for count in counts)
    if max(minutes.values(), default=0) > 1:
        icc = intraclass_correlation(counts)
        mean = sum(count.requests for count in counts) / len(counts)
        return Dependence(icc, min(max(1 + icc * (mean - 1), 1.0), MOST_DESIGN_EFFECT))
    return Dependence(0.0, _successive_dispersion(sorted(counts, key=lambda count: count.minute)))


def _successive_dispersion(counts: Sequence[PodCount]) -> float:
    """How much more neighbouring minutes differ than independent requests let them; slow drift cancels.

    **Source**: von Neumann et al., "The mean square successive difference" (1941), on Pearson's residuals.
    """
    squares = []
    for one, two in pairwise(counts):
        ratio = (one.bad + two.bad) / (one.requests + two.requests)
        if 0 < ratio < 1:
            spread = ratio * (1 - ratio) * (1 / one.requests + 1 / two.requests)
            squares.append((one.bad / one.requests - two.bad / two.requests) ** 2 / spread)
    if len(squares) < _FEWEST_PAIRS:
        return 1.0
    found = sum(squares) / len(squares)
    # neighbouring differences share a minute, which makes their mean vary by half as much again
    noise = NOISE_Z * sqrt(3 / len(squares))
    return min(found, MOST_DESIGN_EFFECT) if found > 1 + noise else 1.0


def intraclass_correlation(counts: Iterable[PodCount]) -> float:
    """The correlation of badness between two requests of one copy's minute, from 0 to 1.

    ``phi`` is the dispersion of the copies' bad requests around their minute's common share, 1 for
    independent requests; ICC = (phi - 1) / (n - 1) with n the mean requests of a copy's minute. It is 0
    unless phi exceeds 1 by `NOISE_Z` of its standard deviations, and where fewer than two copies had requests
    at once.

    **Source**: phi is Pearson's quasi-likelihood dispersion (McCullagh & Nelder, "Generalized Linear Models",
    1989, 4.5) given each minute's total, with the finite-population factor of the hypergeometric; ICC from it
    by the analysis-of-variance estimator (Donner & Klar, "Design and Analysis of Cluster Randomization
    Trials", 2000).
    """
    minutes: dict[int, list[PodCount]] = defaultdict(list)
    for count in counts:
        if count.requests > 0:
            minutes[count.minute].append(count)
    total = _Spread()
    for pods in minutes.values():
        total = total.plus(_spread(pods))
    if total.expected <= 0 or total.requests <= total.cells:
        return 0.0
    excess = total.found - total.expected
    if excess <= NOISE_Z * sqrt(total.variance):
        return 0.0
    return min(excess / total.expected / (total.requests / total.cells - 1), 1.0)


def design_effect(icc: float, requests_per_pod_minute: float) -> float:
    """By what the canary's counts are to be divided, from 1 to `MOST_DESIGN_EFFECT`.

    ``requests_per_pod_minute`` are the canary's.

    **Source**: Kish, "Survey Sampling" (1965), 5.4: DEFF = 1 + (m - 1) ICC.
    """
    if not isfinite(icc) or not requests_per_pod_minute > 1 or icc <= 0:
        return 1.0
    return min(1 + (requests_per_pod_minute - 1) * min(icc, 1.0), MOST_DESIGN_EFFECT)


def _spread(pods: Sequence[PodCount]) -> _Spread:
    """One minute's.

    Given the minute's total the counts are multivariate hypergeometric if requests are independent. With
    q = n/N, the share of each copy, sum (x - n p)^2 has the mean V (1 - sum q^2) and a variance of at most
    2 V^2 tr(S^2) + 4 V (sum q^3 - (sum q^2)^2), where V = N p (1 - p) N / (N - 1) and S = diag(q) - q q'.
    The first part is the chi-square's, the second is there only where copies are unequal.
    """
    requests = sum(pod.requests for pod in pods)
    bad = [min(max(pod.bad, 0), pod.requests) for pod in pods]
    ratio = sum(bad) / requests
    if len(pods) < 2 or not 0 < ratio < 1:  # noqa: PLR2004 - two can be compared
        return _Spread()
    common = requests * ratio * (1 - ratio) * requests / (requests - 1)
    shares = [pod.requests / requests for pod in pods]
    squares, cubes = (sum(share**power for share in shares) for power in (2, 3))
    found = sum((x - pod.requests * ratio) ** 2 for x, pod in zip(bad, pods, strict=True))
    trace = squares - 2 * cubes + squares**2
    unequal = max(cubes - squares**2, 0.0)
    variance = 2 * common**2 * trace + 4 * common * unequal
    return _Spread(found, common * (1 - squares), variance, len(pods), requests)
