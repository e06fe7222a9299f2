"""How the evidence of a testers' step and that of what comes after it make one. Pure.

Testers chose the canary, so what they show compares with nobody else: the judge begins anew after them. Two
judgements, each of which misleads once in a hundred times, mislead twice as often; one that is a mean of both
does not. The second stands at 1 until the first ends, so the mean is an e-process, too.
"""

from collections.abc import Iterable

from controller.domain.exposure import has_testers_step
from controller.domain.judge.base import Terms
from controller.domain.policy import Policy

TESTERS_PART = 0.2
"""Of all evidence, what a testers' step may bring: they are few, and everybody else decides."""


def gained(policy: Policy, evidence: Iterable[float], terms: Terms) -> float:
    """How much the checks add to the evidence together, from 0; ``evidence`` is each one's, from 1."""
    total = sum(each - 1 for each in evidence)
    if not has_testers_step(policy):
        return total
    return total * (TESTERS_PART if terms.testers else 1 - TESTERS_PART)
