"""The interface between the rollout machine and a judge.

A judge folds blocks of counts into a state of its own and says what the evidence so far means. It is pure
and deterministic: the same blocks give the same verdict, in one call or in many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.domain.judge.calibration import Calibration
from controller.domain.judge.counts import Block, GaugeSample
from controller.domain.measures import Level
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.trials import TrialSeen
from controller.domain.vocabulary import Reason, Verdict


@dataclass(frozen=True, slots=True)
class Strength:
    """How much the counts of one check say.

    ``against`` and ``favour`` are e-values: 1 says nothing, and without a regression 100 is reached by one
    rollout in a hundred at most. They are no probabilities. ``difference`` is the interval of the canary's
    bad share minus stable's, right at all times with ``confidence``; None where nothing is compared.
    ``bound_seconds`` is the histogram bound above which a request is bad here. ``requests_needed`` more of
    the canary's requests would show that it is as good, ``seconds_needed`` at the present rate; None where
    that cannot be said. ``skipped`` blocks proved nothing because stable itself changed in them.
    """

    against: float
    favour: float
    bad: int
    stable_bad: int
    difference: tuple[float, float] | None
    confidence: float
    bound_seconds: float | None = None
    requests_needed: int | None = None
    seconds_needed: float | None = None
    skipped: int = 0
    design_effect: float = 1.0
    interval: tuple[float, float] | None = None
    """Of the value itself, right at all times with ``confidence``; of a score and a PSI alone."""


@dataclass(frozen=True, slots=True)
class MixShown:
    """A shown difference between the versions' requests: about how many tokens each has on average.

    ``tokens`` says which are meant: those of prompts, or of answers.
    """

    tokens: Level
    canary_mean: float
    stable_mean: float


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
    strength: Strength | None = None
    mix: MixShown | None = None
    """Why the two versions cannot be compared by it."""
    note: str = ""
    """What its last trial said besides: why it brought nothing, or a request that failed."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on the rollout, and the checks that it rests on.

    PASS lets the weight rise; at the last step it promotes. ``ceiling_permille`` is the most weight that may
    be given now, whatever the verdict; ``held`` says why it is less than all.
    """

    verdict: Verdict
    checks: tuple[CheckResult, ...] = ()
    ceiling_permille: int = FULL_WEIGHT_PERMILLE
    held: Reason | None = None

    @property
    def blamed(self) -> CheckResult | None:
        """The first check that used up its budget, if the verdict is FAIL."""
        exhausted = (c for c in self.checks if not c.report_only and c.failures >= c.budget)
        return next(exhausted, None) if self.verdict is Verdict.FAIL else None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the present step demands of the evidence.

    ``compare`` is False where stable gets no traffic to compare with (first deployment, after promotion):
    limits against stable are then SKIPPED. ``final`` is True where a PASS promotes. ``share`` is the
    canary's of what both versions answer, as asked for: `Split.canary_share`. ``testers`` says that nobody
    gets the canary but those who chose it, ``copies`` that nobody sees its answers at all: no probe of ours
    then reaches it, and that check is SKIPPED.
    """

    min_requests: int
    compare: bool
    final: bool = False
    share: float = 0.0
    copies: bool = False
    calibration: Calibration | None = None
    testers: bool = False


class Judge(Protocol):
    """Turns counts into a verdict. States are JSON text, opaque to everybody else."""

    @property
    def remembers(self) -> bool:
        """Whether its evidence goes on when the canary's weight changes."""
        ...

    def begin(self) -> str:
        """The state before any evidence."""
        ...

    def at_new_weight(self, state: str) -> str:
        """The state to go on with after the canary's weight changed."""
        ...

    def after_testers(self, state: str) -> str:
        """The state to go on with once others than testers get the canary: nothing they did compares."""
        ...

    def fold(self, state: str, blocks: Sequence[Block], gauges: Sequence[GaugeSample], terms: Terms) -> str:
        """The state after more evidence. Blocks come in order of time, each once."""
        ...

    def tried(self, state: str, outcomes: Sequence[TrialSeen]) -> str:
        """The state after trials, each given once."""
        ...

    def assess(self, state: str, terms: Terms) -> Assessment:
        """What the evidence so far means."""
        ...
