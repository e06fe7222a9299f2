"""The default judge: evidence that may be looked at after every block, at any traffic.

Each counted check asks questions (`questions`), each question is a contest of two e-processes (`contest`).
The weighted mean of all evidence against the canary is itself an e-value: the canary is rolled back when it
reaches 1 / (1 - confidence), and a good version ever gets there with a chance of at most 1 - confidence,
however many checks there are and however long it takes. It is promoted when every comparison has shown that
it is no worse than the policy allows. In between the weight grows as the exposure budget lets it (`weights`),
and stands while there is suspicion. Evidence goes on from weight to weight. Gauges keep the threshold rule;
scores of trials (`score`) and drifts of histograms (`drift`) share the one purse with what is counted.

**Source**: the rule and its figures, Vovk and Wang, "E-values: calibration, combination and applications"
(2021) for the weighted mean; Ville's inequality for the bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil

from controller.domain.judge.base import Assessment, Terms
from controller.domain.judge.calibration import SHORTEST_SPAN, CheckHistory
from controller.domain.judge.contest import Setting, new_contest, thinned
from controller.domain.judge.counts import Block, CheckCounts, GaugeSample
from controller.domain.judge.dependence import design_effect
from controller.domain.judge.drift import DriftMemory
from controller.domain.judge.evidence import Counts, summed
from controller.domain.judge.memory import CheckMemory, Memory, dump, load
from controller.domain.judge.mix import mixes_after
from controller.domain.judge.questions import Known, asked_of, counts_of, shares_of
from controller.domain.judge.report import after_testers, assessment
from controller.domain.judge.score import ScoreMemory
from controller.domain.judge.threshold import ThresholdJudge
from controller.domain.policy import Check, CheckKind, Policy
from controller.domain.trials import TrialSeen

_COLD_BLOCKS, _WARM_BLOCKS = 4, 1
"""Blocks of first answers whose latency is left out: caches are cold, unless warm-up requests were sent."""
_ENOUGH_STABLE_REQUESTS = 100
"""Stable's requests from which its histogram says which bounds are worth comparing, where no past does."""
_FEW_PODS = 2
_MINUTE_SECONDS = 60


class SequentialJudge:
    """`Judge` by e-processes on counts, canary against stable and against the limits."""

    remembers = True

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._counted = [check for check in policy.checks if check.kind.weighed]
        self._gauges = ThresholdJudge([c for c in policy.checks if c.kind is CheckKind.GAUGE])

    def begin(self) -> str:
        """No evidence; a canary's first answers are slow, so latency waits."""
        return dump(self._nothing())

    def _nothing(self) -> Memory:
        cold = _WARM_BLOCKS if self._policy.warm_up_requests else _COLD_BLOCKS
        waits = {check.name: cold * (check.kind is CheckKind.QUANTILE) for check in self._counted}
        checks = {name: CheckMemory(wait=wait) for name, wait in waits.items()}
        return Memory(checks, self._gauges.begin())

    def at_new_weight(self, state: str) -> str:
        """Evidence stays. Requests longer than a block are counted late: their check waits for them."""
        memory = load(state) or self._nothing()
        checks = {
            name: replace(check, wait=max(check.wait, _late_blocks(check, memory.block_seconds)))
            for name, check in memory.checks.items()
        }
        return dump(replace(memory, checks=checks, gauges=self._gauges.at_new_weight(memory.gauges)))

    def after_testers(self, state: str) -> str:
        """Everything anew but how much the evidence about testers adds to what comes: it is not lost."""
        memory = load(state) or self._nothing()
        earlier = after_testers(self._policy, memory, Terms(min_requests=0, compare=False, testers=True))
        return dump(replace(self._nothing(), earlier=earlier, scores=memory.scores))

    def fold(self, state: str, blocks: Sequence[Block], gauges: Sequence[GaugeSample], terms: Terms) -> str:
        """Add each block; gauges are measured once."""
        memory = load(state) or self._nothing()
        for block in blocks:
            memory = self._with_block(memory, block, terms)
        return dump(replace(memory, gauges=self._gauges.fold(memory.gauges, [], gauges, terms)))

    def tried(self, state: str, outcomes: Sequence[TrialSeen]) -> str:
        """Weigh each trial; the weight of the canary, and stable's traffic, do not matter to them."""
        memory, checks = load(state) or self._nothing(), {check.name: check for check in self._policy.checks}
        scores = dict(memory.scores)
        for outcome in outcomes:
            known = scores.get(outcome.check, ScoreMemory())
            scores[outcome.check] = known.after(checks[outcome.check], outcome)
        return dump(replace(memory, scores=scores))

    def assess(self, state: str, terms: Terms) -> Assessment:
        """FAIL on enough evidence; PASS without suspicion, at the last step only if shown to be as good."""
        memory = load(state) or self._nothing()
        return assessment(self._policy, memory, self._gauges.assess(memory.gauges, terms), terms)

    def _with_block(self, memory: Memory, block: Block, terms: Terms) -> Memory:
        seconds = (block.end - block.start).total_seconds()
        memory = memory.flowing(seconds, block.canary_requests + block.stable_requests)
        if memory.compare is None:
            memory = replace(memory, compare=terms.compare)
        elif memory.compare and not terms.compare:
            memory = self._alone(memory)
        counts = {each.check: each for each in block.checks}
        checks = {
            check.name: self._with_counts(check, memory, counts.get(check.name), terms)
            for check in self._counted
        }
        drifts = memory.drifts if terms.testers else self._drifted(memory, counts)
        mixes = mixes_after(memory.mixes, counts)
        return replace(memory, checks=checks, mixes=mixes, drifts=drifts)

    def _drifted(self, memory: Memory, counts: Mapping[str, CheckCounts]) -> dict[str, DriftMemory]:
        """Of what is compared by its whole histogram."""
        drifts = dict(memory.drifts)
        for check in self._policy.checks:
            if check.kind is CheckKind.PSI and check.name in counts:
                drifts[check.name] = drifts.get(check.name, DriftMemory()).after(check, counts[check.name])
        return drifts

    def _alone(self, memory: Memory) -> Memory:
        """Stable has no traffic any more: what was gathered is bet on the limits alone."""
        checks = {}
        for check in self._counted:
            mine = memory.checks.get(check.name, CheckMemory())
            if mine.known is not None:
                asked = asked_of(self._policy, check, mine.known, compare=True)
                whole = list(zip(asked, mine.contests, strict=True))
                share = sum(question.share for question, _ in whole) or 1.0
                wealth = sum(question.share * contest.against.wealth for question, contest in whole) / share
                kept = [contest for question, contest in whole if not question.relative]
                mine = replace(
                    mine,
                    contests=tuple(contest.with_wealth(wealth) for contest in kept),
                    kept=1 + share * (wealth - 1),
                )
            checks[check.name] = mine
        return replace(memory, checks=checks, compare=False)

    def _with_counts(
        self, check: Check, memory: Memory, found: CheckCounts | None, terms: Terms
    ) -> CheckMemory:
        mine = memory.checks.get(check.name, CheckMemory())
        if found is None:
            return mine
        mine = mine.counted(found.canary, found.stable)
        newly = mine.known is None
        if newly:
            mine = self._acquainted(check, mine, memory, terms)
        if mine.wait:
            return replace(mine, wait=mine.wait - 1) if mine.canary.requests else mine
        # what a histogram is asked was chosen by this very block, which so proves nothing itself
        if mine.known is None or (newly and check.kind is CheckKind.QUANTILE):
            return mine
        return self._contested(check, mine, found, memory, terms)

    def _acquainted(self, check: Check, mine: CheckMemory, memory: Memory, terms: Terms) -> CheckMemory:
        """Fix what is asked, from what is known before the check's first block counts."""
        past = terms.calibration.requests_per_second if terms.calibration else 0.0
        rate = past or memory.requests_per_second
        shares = _shares(check, mine, terms, compare=bool(memory.compare))
        if shares is None or not rate:
            return mine
        known = Known(rate, shares)
        asked = asked_of(self._policy, check, known, compare=bool(memory.compare))
        return replace(mine, known=known, contests=tuple(new_contest(each) for each in asked))

    def _contested(
        self, check: Check, mine: CheckMemory, found: CheckCounts, memory: Memory, terms: Terms
    ) -> CheckMemory:
        assert mine.known is not None
        asked = asked_of(self._policy, check, mine.known, compare=bool(memory.compare))
        if not asked:
            return mine
        audience = self._policy.audience
        together = audience.requests_per_user if audience.sticky else 1
        setting = _setting(check, mine, terms, memory.block_seconds, together)
        bounds = {bound for each in asked for bound in (each.bound_seconds, each.good_bound_seconds)}
        at = {bound: counts_of(found.canary, found.stable, bound) for bound in bounds}
        contests = []
        for question, contest in zip(asked, mine.contests, strict=True):
            worse, better = at[question.bound_seconds], at[question.good_bound_seconds]
            if check.kind is CheckKind.RATIO and not check.of_probes:
                worse = _expected(worse, terms)
            contests.append(contest.after(question, worse, better, setting))
        told = at[asked[-1].bound_seconds]
        return replace(
            mine.remembering(told),
            contests=tuple(contests),
            difference=mine.difference.after(thinned(told, setting.design_effect)),
            design_effect=setting.design_effect,
        )


def _late_blocks(check: CheckMemory, block_seconds: float) -> int:
    """Blocks in which requests from before a change of the weight may still end."""
    if check.known is None or not check.known.shares:
        return 0
    slow = max((bound for bound, share in check.known.shares if share > 0), default=0.0)
    return ceil(slow / block_seconds) if slow > block_seconds > 0 else 0


def _shares(
    check: Check, mine: CheckMemory, terms: Terms, *, compare: bool
) -> tuple[tuple[float, float], ...] | None:
    """Stable's share above each bound, from its past or else from what was seen; None if not yet known."""
    if check.kind is not CheckKind.QUANTILE:
        return ()
    if not mine.canary.bounds:
        return None
    if not compare:
        return tuple((bound, 0.0) for bound in mine.canary.bounds)
    seen = shares_of(mine.stable) if mine.stable.requests >= _ENOUGH_STABLE_REQUESTS else None
    found = _past(check.name, terms) or seen
    common = frozenset(mine.canary.bounds)
    return found and tuple((bound, share) for bound, share in found if bound in common)


def _past(name: str, terms: Terms) -> tuple[tuple[float, float], ...]:
    checks = terms.calibration.checks if terms.calibration else ()
    return next((tuple(past.shares) for past in checks if past.check == name), ())


def _setting(check: Check, mine: CheckMemory, terms: Terms, block_seconds: float, together: float) -> Setting:
    """From stable's past and the canary's requests before this block.

    ``together`` is how many requests share one fate in any case: those of one user, who keeps a version.
    """
    past = terms.calibration
    if past is None:
        return Setting(together, cautious=True)
    of_check = next((each for each in past.checks if each.check == check.name), CheckHistory(check.name))
    per_block = summed(mine.recent).canary / max(len(mine.recent), 1)
    effect = design_effect(of_check.icc, per_block * _MINUTE_SECONDS / block_seconds)
    if check.kind is CheckKind.RATIO:  # a batch that fails is as large at a small weight
        effect = max(effect, of_check.cluster)
    return Setting(max(effect, together), past.pods < _FEW_PODS or past.span < SHORTEST_SPAN)


def _expected(counts: Counts, terms: Terms) -> Counts:
    """Errors come back before answers that take long: the canary had at least its share of the requests."""
    share = terms.share
    if not counts.canary or not 0 < share < 1:
        return counts
    return replace(counts, canary=max(counts.canary, round(share / (1 - share) * counts.stable)))
