"""One rollout of a made-up canary over traffic that there was, decided by the real machine.

The world around the machine is as good as it can be: the gateway obeys at once, copies are ready, golden
requests pass. Only the counts speak, and a block's are told once every target was scraped after its end.

The invariant: only `planning.plan` and `machine.decide` decide; a run depends on its arguments alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from controller.domain.backtest.dealing import deal
from controller.domain.backtest.past import NOTHING, Past, Usual
from controller.domain.backtest.regressions import Regression, worsened
from controller.domain.judge.calibration import Calibration
from controller.domain.judge.counts import Block, CheckCounts
from controller.domain.judge.series import patience
from controller.domain.machine import decide
from controller.domain.model import Rollout
from controller.domain.observation import (
    Measure,
    NoReading,
    Observation,
    Plan,
    Readiness,
    Reading,
    RouteSeen,
    Survey,
    Tick,
    ValidationReport,
    WarmUpReport,
)
from controller.domain.planning import plan
from controller.domain.policy import FULL_WEIGHT_PERMILLE, ApprovalRules, Policy
from controller.domain.release import Release, Split
from controller.domain.vocabulary import Phase, Reason

CANARY = "canary"
_SHORTEST_WAIT = timedelta(seconds=0.1)
_READY = Readiness(ready=True)


class End(StrEnum):
    """What became of a rollout."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rollout.

    ``took`` lasts from the canary's first weight to its promotion, or until its weight was taken away.
    ``canary_requests`` are what the canary got until then, ``bad_requests`` those that were bad, or slow.
    """

    began: datetime
    end: End
    reason: Reason
    took: timedelta
    canary_requests: int
    bad_requests: int


def replayable(policy: Policy) -> Policy:
    """The policy without what the past does not tell: gauges, warm-up, golden requests, anybody's word.

    Nor are there shadow steps: of requests that nobody copied there are no answers.
    """
    checks = tuple(check for check in policy.checks if check.replayed)
    # nobody knows who would have been a tester
    weighted = [step for step in policy.steps if step.weight_permille]
    steps = tuple(replace(step, approval=False, gate="") for step in weighted)
    audience = replace(policy.audience, testers=())
    bare = replace(policy, checks=checks, steps=steps, approval=ApprovalRules(), gates=())
    return replace(bare, audience=audience, warm_up_requests=0, validation=None)


def replay(
    policy: Policy,
    past: Past,
    began: datetime,
    chance: Random,
    usual: Mapping[str, Usual],
    regression: Regression | None = None,
) -> Outcome:
    """One rollout that begins at an instant of the past. ``policy`` is `replayable`, ``usual`` by check."""
    run = _Run(policy, past, began, chance, usual, regression)
    while run.goes_on():
        run.step()
    return run.outcome()


class _Run:
    """The world of one rollout."""

    def __init__(
        self,
        policy: Policy,
        past: Past,
        began: datetime,
        chance: Random,
        usual: Mapping[str, Usual],
        regression: Regression | None,
    ) -> None:
        self._past = past
        self._began = began
        self._chance = chance
        self._usual = usual
        self._regression = regression
        self._now = began + chance.random() * policy.interval
        self._stable = Release(past.version)
        self._split = Split(stable=self._stable)
        self._weights: list[tuple[datetime, int]] = [(self._now, 0)]
        self._blocks: dict[int, Block] = {}
        self._promoted_at: datetime | None = None
        self._over = False
        self._rollout = Rollout(
            id="backtest",
            model=policy.model,
            release=Release(CANARY),
            policy=policy,
            created_at=began,
            created_by="backtest",
        )

    def goes_on(self) -> bool:
        end = self._past.end
        return not self._over and end is not None and self._now - self._past.scrape <= end

    def step(self) -> None:
        """One pass, and the wait for the next."""
        decision = decide(self._rollout, self._observed(plan(self._rollout)))
        self._rollout = decision.rollout
        for action in decision.actions:
            self._split = action.split
            self._weights.append((self._now, self._permille()))
        if self._promoted_at is None and self._rollout.phase is Phase.PROMOTING:
            self._promoted_at = self._now
        wait = decision.wake_after
        self._over = wait is None
        self._now += max(wait or NOTHING, _SHORTEST_WAIT)

    def outcome(self) -> Outcome:
        """Until the promotion, or the last change of the weight, or the end of what is known."""
        end = {Phase.SUCCEEDED: End.PROMOTED, Phase.ROLLED_BACK: End.ROLLED_BACK}.get(self._rollout.phase)
        last = self._now
        if end is End.PROMOTED and self._promoted_at is not None:
            last = self._promoted_at
        elif end is End.ROLLED_BACK:
            last = self._weights[-1][0]
        first = next((at for at, permille in self._weights if permille), last)
        requests, bad = self._served(first, last)
        return Outcome(
            began=self._began,
            end=end or End.UNDECIDED,
            reason=self._rollout.reason,
            took=last - first,
            canary_requests=requests,
            bad_requests=bad,
        )

    def _permille(self) -> int:
        promoted = self._split.stable is not None and self._split.stable.version == CANARY
        return FULL_WEIGHT_PERMILLE if promoted else self._split.weight_permille

    def _observed(self, wanted: Plan) -> Observation:
        reading = self._reading(wanted.measure) if wanted.measure is not None else None
        return Observation(
            at=self._now,
            tick=Tick("backtest", (self._now - self._began).total_seconds()),
            survey=Survey(serving=self._stable) if wanted.survey else None,
            route=RouteSeen(self._split, accepted=True) if wanted.route else None,
            canary=_READY if wanted.canary else None,
            stable=_READY if wanted.stable else None,
            warm_up=WarmUpReport(ok=True) if wanted.warm_up else None,
            validation=ValidationReport(ok=True, passed=0, failed=0) if wanted.validate else None,
            reading=reading,
            calibration=self._calibration() if wanted.calibrate else None,
            serving=self._stable,
        )

    def _calibration(self) -> Calibration | NoReading:
        nobody = NoReading(Reason.METRICS_STALE, "nobody recorded the hour before")
        return self._past.calibration_at(self._now) or nobody

    def _reading(self, measure: Measure) -> Reading | NoReading:
        closed = self._now - self._past.scrape
        ended = self._past.ended_by(closed)
        newest = self._past.blocks[ended - 1].end if ended else None
        longest = self._rollout.policy.interval + patience(self._past.scrape)
        if newest is None or closed - newest > longest:
            return NoReading(Reason.METRICS_STALE, "nobody recorded metrics at that time")
        if measure.since is None:
            return Reading(self._now)
        numbers = range(self._past.first_from(measure.since), ended)
        return Reading(self._now, tuple(self._dealt(number) for number in numbers))

    def _dealt(self, number: int) -> Block:
        """The block as it were with the weights that were in force; dealt once."""
        known = self._blocks.get(number)
        if known is None:
            block = self._past.blocks[number]
            share, together = self._share(block.start, block.end), self._past.together_at(block.end)
            known = deal(block, share, self._chance, together)
            if self._regression is not None:
                known = worsened(known, self._regression, self._usual, self._chance)
            self._blocks[number] = known
        return known

    def _share(self, start: datetime, end: datetime) -> float:
        """The canary's mean weight in a span."""
        total = NOTHING
        ends = [at for at, _ in self._weights[1:]] + [max(end, self._now)]
        for (begin, permille), until in zip(self._weights, ends, strict=True):
            total += permille * max(min(until, end) - max(begin, start), NOTHING)
        return total / (end - start) / FULL_WEIGHT_PERMILLE

    def _served(self, first: datetime, last: datetime) -> tuple[int, int]:
        """The canary's requests between two instants, and the bad ones; in whole blocks."""
        numbers = range(self._past.ended_by(first), self._past.first_from(last))
        blocks = [self._dealt(number) for number in numbers]
        return sum(block.canary_requests for block in blocks), sum(map(self._bad, blocks))

    def _bad(self, block: Block) -> int:
        """One request that is bad under two checks is one."""
        known = (counts for counts in block.checks if counts.check in self._usual)
        return max(map(self._bad_under, known), default=0)

    def _bad_under(self, counts: CheckCounts) -> int:
        slow = self._usual[counts.check].slow_seconds
        if counts.canary.buckets:
            return round(counts.canary.above(slow)) if slow is not None else 0
        return counts.canary.bad
