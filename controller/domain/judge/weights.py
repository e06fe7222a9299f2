"""How much weight the evidence allows: what finding out may cost, as a number of bad requests.

Until the judge can react, a scrape, a pass and the gateway's change later, the canary answers requests. The
budget bounds how many of them are bad beyond what stable would have answered badly, if the canary is as bad
as the last minute leaves possible.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.domain.judge.evidence import Counts, summed
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Policy

LEAST_PERMILLE = 10
"""The first weight is at least 1 %, however many requests there are."""
MOST_AT_FIRST_PERMILLE = 200
SUSPECT_PERMILLE = 100
"""The most while there is suspicion: evidence costs the fewest bad requests at small weights."""
_MISS_Z = 1.645
"""One-sided 95 %, the quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class ExposureBudget:
    """``bad_requests`` may be spent until the judge can react, ``lag_seconds`` later."""

    bad_requests: int
    lag_seconds: float

    def first_permille(self, requests_per_second: float) -> int:
        """The weight for a canary of which nothing is known; every one of its requests may be bad."""
        most = min(self.ceiling_permille(requests_per_second, 1.0), MOST_AT_FIRST_PERMILLE)
        return max(most, LEAST_PERMILLE)

    def ceiling_permille(self, requests_per_second: float, excess_ratio: float) -> int:
        """The most weight for a canary that may answer this share more badly than stable."""
        exposed = requests_per_second * self.lag_seconds * excess_ratio
        if exposed * FULL_WEIGHT_PERMILLE <= self.bad_requests * FULL_WEIGHT_PERMILLE:
            return FULL_WEIGHT_PERMILLE
        return int(FULL_WEIGHT_PERMILLE * self.bad_requests / exposed)


def budget_of(policy: Policy, block_seconds: float) -> ExposureBudget:
    """The policy's budget: a bad request is seen when its block ends, and decided on by the next pass."""
    interval = policy.interval.total_seconds()
    return ExposureBudget(policy.judge_rules.budget, max(interval, block_seconds) + interval)


def excess_upper(recent: Sequence[Counts]) -> float:
    """The largest plausible excess of the canary's bad share over stable's in these blocks; 1 without any."""
    total = summed(recent)
    if not total.canary:
        return 1.0
    usual = total.stable_bad / total.stable if total.stable else 0.0
    return min(max(poisson_upper(total.canary_bad) / total.canary - usual, 0.0), 1.0)


def poisson_upper(count: float) -> float:
    """The upper 95 % limit of a Poisson mean of which ``count`` was seen.

    **Source**: Garwood (1936), by the chi-square approximation of Wilson and Hilferty (1931): within 2 % of
    the exact limit.
    """
    k = count + 1
    return float(k * (1 - 1 / (9 * k) + _MISS_Z / (3 * k**0.5)) ** 3)
