"""What the peers read from Prometheus: rates over the last samples, ratios and quantiles of them.

Extrapolation is left out: for counters that are scraped together it cancels in every ratio and quantile.

**Source**: Prometheus, `promql/functions.go`: `rate`, `irate`, `histogram_quantile`; a range leaves out its
start.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from bench.judge.lane import Copy, Sample


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a version's counters grew. ``buckets`` are cumulative, the last one without bound."""

    good: int
    bad: int
    buckets: tuple[int, ...]

    @property
    def success(self) -> float:
        """The share of good answers; NaN of none at all."""
        total = self.good + self.bad
        return self.good / total if total else nan

    def quantile(self, q: float, bounds: Sequence[float]) -> float:
        """As ``histogram_quantile``: linear in its bucket, the last finite bound at most, NaN of none."""
        total = self.buckets[-1]
        if not total:
            return nan
        rank = q * total
        index = next(i for i, count in enumerate(self.buckets) if count >= rank and count)
        if index >= len(bounds):
            return bounds[-1]
        below = self.buckets[index - 1] if index else 0
        low = bounds[index - 1] if index else 0.0
        inside = self.buckets[index] - below
        return low + (bounds[index] - low) * (rank - below) / inside


def rate(copies: Sequence[Copy], now: float, seconds: float) -> Growth | None:
    """From the first to the last sample of the range; None if no copy has two: an empty answer."""
    found = (_range(copy.samples, now, seconds) for copy in copies)
    return _sum([(samples[0], samples[-1]) for samples in found if len(samples) > 1])


def irate(copies: Sequence[Copy], now: float, seconds: float) -> Growth | None:
    """Between the last two samples of the range; None if no copy has two."""
    found = (_range(copy.samples, now, seconds) for copy in copies)
    return _sum([(samples[-2], samples[-1]) for samples in found if len(samples) > 1])


def _range(samples: Sequence[Sample], now: float, seconds: float) -> Sequence[Sample]:
    low, high = (bisect_right(samples, at, key=_at) for at in (now - seconds, now))
    return samples[low:high]


def _sum(pairs: Sequence[tuple[Sample, Sample]]) -> Growth | None:
    if not pairs:
        return None
    grown = [[new - old for old, new in zip(a.buckets, b.buckets, strict=True)] for a, b in pairs]
    return Growth(
        good=sum(b.good - a.good for a, b in pairs),
        bad=sum(b.bad - a.bad for a, b in pairs),
        buckets=tuple(map(sum, zip(*grown, strict=True))),
    )


def _at(sample: Sample) -> float:
    return sample.at
