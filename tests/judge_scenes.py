"""Short ways to show blocks of counts to the sequential judge."""

from dataclasses import replace
from datetime import timedelta

from controller.domain.judge import JUDGES
from controller.domain.judge.base import Assessment, CheckResult, Judge, Strength, Terms
from controller.domain.judge.calibration import Calibration, CheckHistory
from controller.domain.judge.counts import Block, CheckCounts, GaugeSample, Tally
from controller.domain.judge.memory import Memory, load
from controller.domain.policy import Check, CheckKind, JudgeRules, Policy
from tests.domain_outside import EPOCH
from tests.domain_scenes import a_policy, seconds

BLOCK = seconds(15)
BOUNDS = (0.1, 0.25, 0.5, 1.0)
ENOUGH = 1 / (1 - JudgeRules().confidence)
"""Evidence that rolls back by default."""


def errors(**limits: object) -> Check:
    return Check("errors", CheckKind.RATIO, **limits)  # type: ignore[arg-type]


def p99(**limits: object) -> Check:
    return Check("p99", CheckKind.QUANTILE, quantile=0.99, **limits)  # type: ignore[arg-type]


def judged(*checks: Check, **changes: object) -> Policy:
    """A policy with these checks for the sequential judge, checked every block."""
    return a_policy(judge="sequential", checks=checks, interval=BLOCK, **changes)


def took(*buckets: int) -> Tally:
    return Tally(sum(buckets), 0, BOUNDS, buckets)


def past(rate: float = 100.0, *checks: CheckHistory, pods: int = 4, minutes: int = 60) -> Calibration:
    return Calibration(timedelta(minutes=minutes), pods, rate, checks)


def a_block(number: int = 0, /, **counts: tuple[Tally, Tally]) -> Block:
    """The canary's and stable's tally of each check."""
    rows = tuple(CheckCounts(name, *pair) for name, pair in counts.items())
    canary, stable = (max((pair[arm].requests for pair in counts.values()), default=0) for arm in (0, 1))
    start = EPOCH + number * BLOCK
    return Block(start, start + BLOCK, canary, stable, rows)


class Trial:
    """One canary before the judge: at the last step, with a stable beside it whose past is known."""

    def __init__(self, policy: Policy, **terms: object) -> None:
        usual = Terms(min_requests=0, compare=True, final=True, calibration=past())
        self.terms = replace(usual, **terms)  # type: ignore[arg-type]
        self.judge: Judge = JUDGES["sequential"](policy)
        self.state = self.judge.begin()
        self.blocks = 0

    def show(self, times: int = 1, /, **counts: tuple[Tally, Tally]) -> Assessment:
        return self.read(*(a_block(self.blocks + number, **counts) for number in range(times)))

    def read(self, *blocks: Block, gauges: tuple[GaugeSample, ...] = ()) -> Assessment:
        self.state = self.judge.fold(self.state, blocks, gauges, self.terms)
        self.blocks += len(blocks)
        return self.assess()

    def assess(self) -> Assessment:
        return self.judge.assess(self.state, self.terms)

    def change_weight(self) -> None:
        self.state = self.judge.at_new_weight(self.state)

    @property
    def memory(self) -> Memory:
        found = load(self.state)
        assert found is not None
        return found


def strength(found: Assessment | CheckResult) -> Strength:
    """Of the first check."""
    result = found.checks[0] if isinstance(found, Assessment) else found
    assert result.strength is not None
    return result.strength
