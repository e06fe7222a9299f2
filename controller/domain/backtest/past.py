"""The traffic that a policy is tried on: one version's counts, block by block, as they were."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.judge.calibration import Calibration
from controller.domain.judge.counts import Block, Tally
from controller.domain.judge.dependence import design_effect
from controller.domain.policy import Check, CheckKind

NOTHING = timedelta(0)
_LONGEST_KNOWN = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Known:
    """What a rollout that begins at ``at`` can know of the hour before."""

    at: datetime
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Past:
    """**Shape**: ``blocks`` hold stable's counts alone, ascending, with gaps where nobody recorded.

    ``known`` is ascending too. ``scrape`` is how long a block waits for its last sample.
    """

    version: str
    scrape: timedelta
    blocks: Sequence[Block]
    known: Sequence[Known] = ()

    @property
    def begin(self) -> datetime | None:
        """Where the first block begins; None without any."""
        return self.blocks[0].start if self.blocks else None

    @property
    def end(self) -> datetime | None:
        """Where the last block ends; None without any."""
        return self.blocks[-1].end if self.blocks else None

    @property
    def requests(self) -> int:
        """All that were counted."""
        return sum(block.stable_requests for block in self.blocks)

    def first_from(self, instant: datetime) -> int:
        """The number of the first block that begins then or later."""
        return bisect_left(self.blocks, instant, key=lambda block: block.start)

    def ended_by(self, instant: datetime) -> int:
        """How many blocks have ended by then."""
        return bisect_right(self.blocks, instant, key=lambda block: block.end)

    def calibration_at(self, instant: datetime) -> Calibration | None:
        """What was known last, if that is not too old."""
        number = bisect_right(self.known, instant, key=lambda known: known.at) - 1
        if number < 0 or instant - self.known[number].at > _LONGEST_KNOWN:
            return None
        return self.known[number].calibration

    def together_at(self, instant: datetime) -> Mapping[str, int]:
        """How many bad requests of a check shared one copy's fate then; without checks where none did."""
        known = self.calibration_at(instant)
        if known is None or not known.pods:
            return {}
        each = known.requests_per_second * 60 / known.pods
        sizes = {check.check: round(design_effect(check.icc, each)) for check in known.checks}
        return {check: size for check, size in sizes.items() if size > 1}

    def total(self, check: str) -> Tally:
        """All counts of one check. A histogram whose bounds changed counts from its last change on."""
        total = Tally()
        for block in self.blocks:
            for counts in block.checks:
                if counts.check == check:
                    total = total.plus(counts.stable)
        return total


@dataclass(frozen=True, slots=True)
class Usual:
    """How one check usually stands: the share of bad requests, or from where on a request is slow."""

    bad_ratio: float = 0.0
    slow_seconds: float | None = None


def usual_of(past: Past, check: Check) -> Usual:
    """How stable stood all the time.

    A request is slow above the check's limit; without one, above stable's own quantile and what the check
    lets a canary take longer.
    """
    total = past.total(check.name)
    if check.kind is not CheckKind.QUANTILE:
        return Usual(total.bad / total.requests if total.requests else 0.0)
    if check.max is not None and total.measures(check.max):
        return Usual(slow_seconds=check.max)
    value = total.quantile(check.quantile or 0.0)
    return Usual(slow_seconds=None if value is None else value * (1 + (check.worse_by_ratio or 0.0)))
