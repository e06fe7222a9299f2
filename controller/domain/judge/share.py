"""The test of the traffic split: does the canary get the share of requests that was asked for.

Some gateways accept a weight and ignore it, and then a canary is "validated" by traffic that it never got.
The measured share is tested against the asked one. The test may be looked at after every block, so it is an
e-process and not a p-value: by Ville's inequality the chance that an honest gateway ever reaches
`CONTRADICTION` is at most its inverse, one in a million, however long it runs.
"""

from math import lgamma, log

TOLERANCE = 1.5
"""An honest share may differ by this factor: retries and long requests shift counts between versions."""

CONTRADICTION = log(1e6)
"""Log evidence at which the share is held to contradict the weight."""


def share_contradiction(
    canary_requests: int,
    stable_requests: int,
    asked: float,
    *,
    together: int = 1,
    may_be_more: bool = False,
) -> float:
    """Log evidence that the true share lies outside the asked one, give or take `TOLERANCE`.

    Likelihood of the counts under a Beta(1/2, 1/2) mixture of all shares, over the greatest likelihood that
    a share within the tolerance gives them. ``asked`` is the canary's of both, from 0 to 1. 0 where there is
    nothing to test: no requests, or none or all of them asked for.
    ``together`` is how many requests at most are given to a version as one, because a user keeps it: they are
    one witness. A likelihood ratio to a power below 1 is expected to be no more than 1, as it is itself
    (Jensen), so the bound stands for all who send fewer. ``may_be_more`` is for counts with requests in them
    that got the canary without chance: then only too few of them contradict the weight.

    **Source**: Robbins, "Statistical methods related to the law of the iterated logarithm" (1970), the
    mixture martingale; Ville's inequality for the bound under continuous looks.
    """
    n = canary_requests + stable_requests
    if not n or not 0 < asked < 1:
        return 0.0
    low, high = asked / TOLERANCE, min(asked * TOLERANCE, 1 - (1 - asked) / TOLERANCE)
    if may_be_more and canary_requests / n >= low:
        return 0.0
    nearest = min(max(canary_requests / n, low), high)
    canary, stable = canary_requests / together, stable_requests / together
    null = canary * log(nearest) + stable * log(1 - nearest)
    mixture = _log_beta(canary + 0.5, stable + 0.5) - _log_beta(0.5, 0.5)
    return mixture - null


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
