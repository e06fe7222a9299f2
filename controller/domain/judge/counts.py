"""What a judge is given: counts of requests, and of bad requests, per version and block of time.

A block covers the same seconds for both versions, so that a common outage shows in both. Counts are raw
increments: never rates, never averages, so that six requests weigh as six and not as six thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests of one version under one check, in one block or summed over several.

    **Shape**: ``bounds`` are the histogram's finite upper bounds, ascending, in seconds; ``buckets`` has one
    count for each and one more for what lies above the last. Both are empty for a check that counts bad
    requests, and ``bad`` is 0 for a check that has a histogram.
    """

    requests: int = 0
    bad: int = 0
    bounds: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()

    def plus(self, other: "Tally") -> "Tally":
        """The sum. A histogram whose bounds changed starts anew: its counts cannot be added."""
        if other.bounds and self.bounds and self.bounds != other.bounds:
            return other
        return Tally(
            requests=self.requests + other.requests,
            bad=self.bad + other.bad,
            bounds=other.bounds or self.bounds,
            buckets=_add(self.buckets, other.buckets),
        )

    def above(self, bound_seconds: float) -> float:
        """How many requests took longer; linear within the bucket that holds the bound.

        Exact where ``bound_seconds`` is one of the bounds. Above the last finite bound nothing is known:
        ask `measures` first.
        """
        count = 0.0
        for low, high, n in self._spans():
            if bound_seconds <= low:
                count += n
            elif bound_seconds < high:
                count += n * (high - bound_seconds) / (high - low)
        return count + (self.buckets[-1] if self.buckets else 0)

    def measures(self, bound_seconds: float) -> bool:
        """Whether the buckets can tell requests above the bound from those below."""
        return bool(self.bounds) and bound_seconds <= self.bounds[-1]

    def quantile(self, q: float) -> float | None:
        """The value below which the share ``q`` of the requests lies, in seconds; None without any bucket.

        Linear within its bucket, as Prometheus' ``histogram_quantile`` does; the last finite bound where it
        lies above that, so the true value may be larger.
        """
        total = sum(self.buckets)
        if not total:
            return None
        rank = q * total
        for low, high, n in self._spans():
            if rank <= n and n:
                return low + (high - low) * rank / n
            rank -= n
        return self.bounds[-1] if self.bounds else None

    def _spans(self) -> list[tuple[float, float, int]]:
        edges = [0.0, *self.bounds]
        return [(low, high, n) for (low, high), n in zip(pairwise(edges), self.buckets, strict=False)]


@dataclass(frozen=True, slots=True)
class CheckCounts:
    """One check's counts in one block, for both versions. A version without traffic has an empty tally."""

    check: str
    canary: Tally
    stable: Tally


@dataclass(frozen=True, slots=True)
class Block:
    """All counts between two instants of the metric source's clock, ``start`` included, ``end`` not."""

    start: datetime
    end: datetime
    canary_requests: int
    stable_requests: int
    checks: tuple[CheckCounts, ...]


@dataclass(frozen=True, slots=True)
class GaugeSample:
    """A gauge check's numbers as they are now; None where the source gave none, or not a finite one."""

    check: str
    canary: float | None
    stable: float | None


def _add(left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
    if not left or not right:
        return tuple(left or right)
    return tuple(a + b for a, b in zip(left, right, strict=True))
