"""Drift: how far the canary's histogram lies from stable's of the same time, looked at again and again.

Weights change during a rollout, and so may the mix of requests. Stable's counts are therefore weighted block
by block to the canary's: what is compared is the canary's histogram with stable's at the same times. How
many requests stable's weighted counts are worth follows from their weights (Kish's effective sample size).

A look is a test by itself, and looks add up. They are taken when the requests have grown by a quarter, and
the k-th may err with ``1 / (k (k + 1))`` of what all together may: these shares add up to 1. A rejection is
an e-value, too: 1 / level with a chance of ``level`` at most, and so it joins the judge's one purse.

**Source**: Kish, "Survey Sampling" (1965) for the effective size; Lan and DeMets, "Discrete sequential
boundaries" (1983) for spending; Vovk and Wang, "E-values" (2021), for tests as e-values and for the
calibrator ``1 / (2 sqrt(p))``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

from controller.domain.judge.base import CheckResult, Strength, Terms
from controller.domain.judge.contest import ENOUGH_IN_FAVOUR
from controller.domain.judge.counts import CheckCounts, Tally
from controller.domain.judge.opinion import SHOWN_CONFIDENCE, Suspicion
from controller.domain.judge.psi import psi_of
from controller.domain.policy import Check
from controller.domain.vocabulary import Reason, Verdict

_FIRST_LOOK = 100.0
"""Requests, of each version, before the first look."""
_GROWTH = 1.25
_LEAST_CHANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Look:
    """The last look: the index without its bias, its interval at all times, buckets, and what it says.

    ``against`` and ``favour`` are the chances of the two tests, each times what its look costs: that the
    index is at most so large, or small, if the limit is just kept, or just broken.
    """

    number: int
    worth: float
    value: float
    interval: tuple[float, float]
    against: float
    favour: float


@dataclass(frozen=True, slots=True)
class DriftMemory:
    """Counts of both versions, stable's weighted, and the last look.

    ``squares`` is the sum over blocks of the canary's requests squared over stable's: with it stable's counts
    are worth ``canary.requests ** 2 / squares``. ``differ`` says that the histograms have other bounds.
    """

    canary: Tally = field(default_factory=Tally)
    stable: tuple[float, ...] = ()
    stable_requests: int = 0
    squares: float = 0.0
    differ: bool = False
    look: Look | None = None

    def after(self, check: Check, counts: CheckCounts) -> "DriftMemory":
        """With one more block, and a look where one is due."""
        canary, stable = counts.canary, counts.stable
        if not canary.requests or not stable.requests:
            return self
        if canary.bounds != stable.bounds:
            return replace(self, differ=True)
        begun = self if self.canary.bounds in ((), canary.bounds) else DriftMemory(look=self.look)
        weight = canary.requests / stable.requests
        weighted = [weight * count for count in stable.buckets]
        sums = tuple(a + b for a, b in zip(begun.stable or (0.0,) * len(weighted), weighted, strict=True))
        added = replace(
            begun,
            canary=begun.canary.plus(canary),
            stable=sums,
            stable_requests=begun.stable_requests + stable.requests,
            squares=begun.squares + canary.requests * weight,
            differ=False,
        )
        return added._looked(check)

    @property
    def worth(self) -> tuple[float, float]:
        """How many requests the counts of both versions are worth."""
        n = self.canary.requests
        return float(n), n * n / self.squares if self.squares else 0.0

    def _looked(self, check: Check) -> "DriftMemory":
        n, m = self.worth
        both = 1 / (1 / n + 1 / m)
        due = self.look is None or both >= _GROWTH * self.look.worth
        if min(n, m) < _FIRST_LOOK or not due:
            return self
        found = psi_of(self.canary.buckets, self.stable, n, m)
        if found is None:
            return self
        number = self.look.number + 1 if self.look else 1
        cost, limit = float(number * (number + 1)), check.max or 0.0
        look = Look(
            number,
            both,
            found.value,
            found.interval((1 - SHOWN_CONFIDENCE) / cost),
            against=max(min(found.above(limit) * cost, 1.0), _LEAST_CHANCE),
            favour=max(min(found.below(limit) * cost, 1.0), _LEAST_CHANCE),
        )
        return replace(self, look=look)


@dataclass(frozen=True, slots=True)
class DriftOpinion:
    """`Opinion` of a drift. ``share`` is its part of the purse, ``confidence`` the judge's.

    ``alone`` says that stable has no traffic to compare with.
    """

    check: Check
    memory: DriftMemory
    share: float
    confidence: float
    alone: bool = False

    @property
    def rejected(self) -> bool:
        """Whether the limit is shown to be broken, at the level that the check's share of the purse is."""
        error = 1 - self.confidence
        return self.memory.look is not None and self.memory.look.against <= self.share * error / (1 + error)

    @property
    def evidence(self) -> float:
        """1 until the limit is shown to be broken; then enough, whatever the other checks have lost."""
        return 1 / (1 - self.confidence) + 1 if self.rejected else 1.0

    @property
    def own(self) -> float:
        """For suspicion: the look's chance as an e-value."""
        return 0.5 / sqrt(self.memory.look.against) if self.memory.look else 1.0

    @property
    def as_good(self) -> bool:
        """Whether the limit is shown to be kept."""
        return self.memory.look is not None and self.memory.look.favour <= 1 / ENOUGH_IN_FAVOUR

    def result(self, suspicion: Suspicion, terms: Terms) -> CheckResult:
        """The check's row."""
        memory, look = self.memory, self.memory.look
        verdict, reason = self._found(suspicion, final=terms.final)
        return CheckResult(
            name=self.check.name,
            verdict=verdict,
            reason=reason,
            value=look.value if look else None,
            limit=self.check.max,
            requests=memory.canary.requests,
            stable_requests=memory.stable_requests,
            failures=int(suspicion.guilty),
            report_only=self.check.report_only,
            strength=self._strength(look) if look else None,
        )

    def _found(self, suspicion: Suspicion, *, final: bool) -> tuple[Verdict, Reason]:
        if suspicion.guilty:
            return Verdict.FAIL, Reason.ABOVE_LIMIT
        if self.memory.differ:
            return Verdict.UNKNOWN, Reason.BUCKETS_DIFFER
        if self.alone and not self.as_good:
            return Verdict.SKIPPED, Reason.NO_STABLE_TRAFFIC
        if self.memory.look is None:
            return Verdict.UNKNOWN, Reason.TOO_FEW_REQUESTS
        if suspicion.accused and not self.as_good:
            return Verdict.UNKNOWN, Reason.EVIDENCE_AGAINST
        if final and not self.as_good:
            return Verdict.UNKNOWN, Reason.NOT_YET_SHOWN
        return Verdict.PASS, Reason.SHOWN_GOOD if self.as_good else Reason.NOTHING_AGAINST

    def _strength(self, look: Look) -> Strength:
        return Strength(
            against=self.own if not self.rejected else self.evidence,
            favour=1 / look.favour,
            bad=0,
            stable_bad=0,
            difference=None,
            confidence=SHOWN_CONFIDENCE,
            requests_needed=0 if self.as_good else None,
            interval=look.interval,
        )


def drift_row(memory: DriftMemory, tally_row: Callable[[Tally], Any]) -> dict[str, Any]:
    """As JSON can hold it. ``tally_row`` writes a tally."""
    look = memory.look
    return {
        "canary": tally_row(memory.canary),
        "stable": memory.stable,
        "stable_requests": memory.stable_requests,
        "squares": memory.squares,
        "differ": memory.differ,
        "look": look and [look.number, look.worth, look.value, look.interval, look.against, look.favour],
    }


def drift_of(row: dict[str, Any], tally_of: Callable[[Any], Tally]) -> DriftMemory:
    """What `drift_row` wrote."""
    look = row["look"]
    return DriftMemory(
        canary=tally_of(row["canary"]),
        stable=tuple(row["stable"]),
        stable_requests=row["stable_requests"],
        squares=row["squares"],
        differ=row["differ"],
        look=Look(look[0], look[1], look[2], (look[3][0], look[3][1]), look[4], look[5]) if look else None,
    )
