"""What a score's memory means: a verdict, and a row for people."""

from dataclasses import dataclass

from controller.domain.judge.base import CheckResult, Strength, Terms
from controller.domain.judge.betting import pair_interval, share_interval
from controller.domain.judge.contest import ENOUGH_IN_FAVOUR, Contest, requests_needed
from controller.domain.judge.opinion import SHOWN_CONFIDENCE, Suspicion
from controller.domain.judge.score import ScoreMemory
from controller.domain.policy import Check
from controller.domain.trials import Score
from controller.domain.vocabulary import Reason, Verdict


@dataclass(frozen=True, slots=True)
class ScoreOpinion:
    """`Opinion` of a score. ``share`` is the part of the judge's evidence that the check may bring."""

    check: Check
    memory: ScoreMemory
    share: float

    @property
    def contests(self) -> list[tuple[Contest, Reason]]:
        """What is asked, and what a breach of it is called."""
        found = [(self.memory.limit, Reason.BELOW_LIMIT)] if self.check.min is not None else []
        if self.check.relative and self.memory.comparison is not None:
            found.append((self.memory.comparison, Reason.WORSE_THAN_STABLE))
        return found

    @property
    def own(self) -> float:
        """The mean over what is asked; what cannot be asked yet is not counted."""
        wealth = [contest.against.wealth for contest, _ in self.contests]
        asked = max((self.check.min is not None) + self.check.relative, 1)
        return (sum(wealth) + asked - len(wealth)) / asked

    @property
    def evidence(self) -> float:
        """Its part of the whole."""
        return 1 + self.share * (self.own - 1)

    @property
    def as_good(self) -> bool:
        """Whether it is shown that every demand is kept; against stable alone where both are made."""
        decisive = [contest for contest, why in self.contests if why is Reason.WORSE_THAN_STABLE]
        asked = decisive or [contest for contest, _ in self.contests]
        return bool(asked) and all(contest.favour.wealth >= ENOUGH_IN_FAVOUR for contest in asked)

    def result(self, suspicion: Suspicion, terms: Terms) -> CheckResult:
        """The check's row: shares of passes."""
        memory, check = self.memory, self.check
        verdict, reason = self._found(suspicion, final=terms.final)
        stable = _passed(memory.stable)
        beside = None if stable is None or not check.relative else stable - (check.worse_by_points or 0.0)
        limits = [each for each in (check.min, beside) if each is not None]
        shown = {Reason.BELOW_LIMIT: check.min, Reason.WORSE_THAN_STABLE: beside}
        return CheckResult(
            name=check.name,
            verdict=verdict,
            reason=reason,
            value=_passed(memory.canary),
            limit=shown.get(reason, max(limits, default=None)),
            stable_value=stable,
            requests=memory.canary.n,
            stable_requests=memory.stable.n,
            failures=int(suspicion.guilty),
            report_only=check.report_only,
            strength=self._strength() if self.contests and memory.canary.n else None,
            note=memory.note,
        )

    def _found(self, suspicion: Suspicion, *, final: bool) -> tuple[Verdict, Reason]:
        if suspicion.guilty:
            worst = max(self.contests, key=lambda one: one[0].against.wealth)
            return Verdict.FAIL, worst[1]
        if self.memory.silent:
            return Verdict.UNKNOWN, Reason.NO_SCORE
        if not self.memory.canary.n:
            return Verdict.UNKNOWN, Reason.TOO_FEW_REQUESTS
        if not self.contests:
            return Verdict.SKIPPED, Reason.NO_STABLE_TRAFFIC
        if suspicion.accused and not self.as_good:
            return Verdict.UNKNOWN, Reason.EVIDENCE_AGAINST
        if final and not self.as_good:
            return Verdict.UNKNOWN, Reason.NOT_YET_SHOWN
        return Verdict.PASS, Reason.SHOWN_GOOD if self.as_good else Reason.NOTHING_AGAINST

    def _strength(self) -> Strength:
        memory, miss = self.memory, 1 - SHOWN_CONFIDENCE
        weakest = min((contest for contest, _ in self.contests), key=lambda each: each.favour.wealth)
        low, high = share_interval(memory.canary.n, memory.canary.failed, miss)
        return Strength(
            against=self.evidence,
            favour=weakest.favour.wealth,
            bad=round(memory.canary.failed),
            stable_bad=round(memory.stable.failed),
            difference=self._difference(miss) if memory.stable.n else None,
            confidence=SHOWN_CONFIDENCE,
            requests_needed=requests_needed(weakest, memory.canary.n),
            skipped=memory.limit.jumps,
            interval=(1 - high, 1 - low),
        )

    def _difference(self, miss: float) -> tuple[float, float]:
        if self.memory.pairs is not None:
            return pair_interval(self.memory.pairs, miss)
        return self.memory.difference.interval(miss)


def _passed(score: Score) -> float | None:
    return 1 - score.failed / score.n if score.n else None
