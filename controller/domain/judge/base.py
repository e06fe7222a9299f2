"""The interface between the rollout machine and a judge.

A judge folds blocks of counts into a state of its own and says what the evidence so far means. It is pure
and deterministic: the same blocks give the same verdict, in one call or in many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.domain.judge.counts import Block, GaugeSample
from controller.domain.vocabulary import Reason, Verdict


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check as last measured. Values are in the check's own unit: ratio, seconds, or the gauge's.

    ``failures`` counts failing measurements in a row, of ``budget`` that make the rollout FAIL.
    ``limit`` is the stricter of the absolute limit and the one against stable.
    """

    name: str
    verdict: Verdict
    reason: Reason
    value: float | None = None
    limit: float | None = None
    stable_value: float | None = None
    requests: int = 0
    stable_requests: int = 0
    failures: int = 0
    budget: int = 1
    report_only: bool = False


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on the rollout, and the checks that it rests on."""

    verdict: Verdict
    checks: tuple[CheckResult, ...] = ()

    @property
    def blamed(self) -> CheckResult | None:
        """The first check that used up its budget, if the verdict is FAIL."""
        exhausted = (c for c in self.checks if not c.report_only and c.failures >= c.budget)
        return next(exhausted, None) if self.verdict is Verdict.FAIL else None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the present step demands of the evidence.

    ``compare`` is False where stable gets no traffic to compare with (first deployment, after promotion):
    limits against stable are then SKIPPED.
    """

    min_requests: int
    compare: bool


class Judge(Protocol):
    """Turns counts into a verdict. States are JSON text, opaque to everybody else."""

    def begin(self) -> str:
        """The state before any evidence."""
        ...

    def at_new_weight(self, state: str) -> str:
        """The state to go on with after the canary's weight changed."""
        ...

    def fold(self, state: str, blocks: Sequence[Block], gauges: Sequence[GaugeSample], terms: Terms) -> str:
        """The state after more evidence. Blocks come in order of time, each once."""
        ...

    def assess(self, state: str, terms: Terms) -> Assessment:
        """What the evidence so far means."""
        ...
