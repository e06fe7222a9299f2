"""What the sequential judge's memory means: a verdict, a ceiling for the weight, and a row for each check."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from controller.domain.judge.base import Assessment, CheckResult, MixShown, Strength, Terms
from controller.domain.judge.contest import ENOUGH_IN_FAVOUR, Contest, Question, requests_needed
from controller.domain.judge.evidence import summed
from controller.domain.judge.memory import CheckMemory, Memory
from controller.domain.judge.mix import is_free_of_length, shown_difference
from controller.domain.judge.opinion import SHOWN_CONFIDENCE, Opinion, Suspicion
from controller.domain.judge.others import opinions_of
from controller.domain.judge.questions import asked_of, counts_of
from controller.domain.judge.testers import gained
from controller.domain.judge.values import limit, unanswerable, value
from controller.domain.judge.weights import SUSPECT_PERMILLE, budget_of, excess_upper
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Check, CheckKind, Policy
from controller.domain.vocabulary import Reason, Verdict

HOLD_AT = 2.0
"""Evidence from which the weight no longer rises."""
SUSPECT_AT = 5.0
"""Evidence from which the weight is lowered: at a small one, evidence costs the fewest bad requests."""
_ROUNDING = 1e-12
_CLEARLY = 2.0
"""Standard errors by which stable must be above a limit for an incident."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One check with its questions and what they brought. ``evidence`` is its part of the whole, from 1.

    With a ``mix`` the versions get different requests: what compares them is left out of ``pairs``.
    """

    check: Check
    memory: CheckMemory
    pairs: Sequence[tuple[Question, Contest]]
    evidence: float
    block_seconds: float
    mix: MixShown | None = None

    def result(self, suspicion: Suspicion, terms: Terms) -> CheckResult:
        """The check's row."""
        return _result(self, suspicion, terms)

    @property
    def asked(self) -> list[Question]:
        return [question for question, _ in self.pairs]

    @property
    def own(self) -> float:
        """The evidence as it were if the check stood alone: enough for suspicion, not for a verdict."""
        share = sum(question.share for question in self.asked)
        return 1 + (self.evidence - 1) / share if share else 1.0

    @property
    def comparisons(self) -> list[Contest]:
        """The contests that must show that the canary is as good: with stable, where that is asked."""
        relative = [contest for question, contest in self.pairs if question.relative]
        return relative or [contest for _, contest in self.pairs]

    @property
    def as_good(self) -> bool:
        """Whether non-inferiority is shown."""
        return bool(self.comparisons) and all(
            contest.favour.wealth >= ENOUGH_IN_FAVOUR for contest in self.comparisons
        )


def assessment(policy: Policy, memory: Memory, gauges: Assessment, terms: Terms) -> Assessment:
    """The verdict on all checks. ``gauges`` is the threshold rule's on those that are no counts."""
    seen = [_seen(policy, check, memory) for check in policy.checks if check.kind.weighed]
    counted = [each for each in seen if not each.check.report_only]
    others = opinions_of(policy, memory)
    opinions: dict[str, Opinion] = {each.check.name: each for each in (*seen, *others)}
    voting = [each for each in opinions.values() if not each.check.report_only]
    # whose traffic it is does not matter to the others: their evidence is of one piece
    of_others = sum(each.evidence - 1 for each in others if not each.check.report_only)
    of_requests = gained(policy, (each.evidence for each in counted), terms)
    evidence = 1 + memory.earlier + of_requests + of_others
    enough = 1 / (1 - policy.judge_rules.confidence) * (1 - _ROUNDING)
    leader = max(voting, key=lambda each: each.evidence, default=None)
    by_gauge = {result.name: result for result in gauges.checks}
    results = []
    for check in policy.checks:
        if check.kind is CheckKind.GAUGE:
            results.append(by_gauge[check.name])
            continue
        each = opinions[check.name]
        # what is only reported is judged by its own evidence, the others by all of theirs together
        weighed = each.evidence if check.report_only else evidence
        leads = check.report_only or each is leader
        accused = leads and max(weighed, each.own) >= HOLD_AT
        suspicion = Suspicion(accused=accused, guilty=leads and weighed >= enough)
        results.append(each.result(suspicion, terms))
    ceiling, held = FULL_WEIGHT_PERMILLE, None
    if not terms.testers:  # the first weight is the policy's, as it is without testers
        doubted = any(each.own >= SUSPECT_AT for each in others if not each.check.report_only)
        ceiling, held = _ceiling(policy, memory, counted, evidence, doubted=doubted)
    verdict = _verdict(policy, results, gauges.verdict, guilty=evidence >= enough)
    return Assessment(verdict, tuple(results), ceiling, held)


def after_testers(policy: Policy, memory: Memory, terms: Terms) -> float:
    """What the evidence of a testers' step adds to all that comes after it."""
    seen = [_seen(policy, check, memory) for check in policy.checks if check.kind.weighed]
    return gained(policy, (each.evidence for each in seen if not each.check.report_only), terms)


def _verdict(policy: Policy, results: Sequence[CheckResult], gauges: Verdict, *, guilty: bool) -> Verdict:
    if guilty or gauges is Verdict.FAIL:
        return Verdict.FAIL
    # of versions that get different requests, the checks that are free of their length decide
    others = any(is_free_of_length(check) and not check.report_only for check in policy.checks)
    aside = {Reason.TOKEN_MIX_DIFFERS} if others else set[Reason]()
    counted = [result for result in results if not result.report_only and result.reason not in aside]
    if all(result.verdict in (Verdict.PASS, Verdict.SKIPPED) for result in counted):
        return Verdict.PASS
    return Verdict.UNKNOWN


def _seen(policy: Policy, check: Check, memory: Memory) -> _Seen:
    mine = memory.checks.get(check.name, CheckMemory())
    if mine.known is None or not mine.contests:
        return _Seen(check, mine, (), mine.kept, memory.block_seconds)
    compare = bool(memory.compare)
    mix = shown_difference(memory.mixes, check) if compare else None
    asked = asked_of(policy, check, mine.known, compare=compare)
    pairs = [
        (question, contest)
        for question, contest in zip(asked, mine.contests, strict=True)
        if mix is None or not question.relative
    ]
    gained = sum(question.share * (contest.against.wealth - 1) for question, contest in pairs)
    return _Seen(check, mine, pairs, 1 + gained, memory.block_seconds, mix)


def _result(seen: _Seen, suspicion: Suspicion, terms: Terms) -> CheckResult:
    memory, check = seen.memory, seen.check
    verdict, reason = _found(seen, suspicion, terms)
    return CheckResult(
        name=check.name,
        verdict=verdict,
        reason=reason,
        value=value(check, memory, canary=True),
        limit=check.max if terms.testers else limit(check, memory, reason),
        stable_value=value(check, memory, canary=False),
        requests=memory.canary.requests,
        stable_requests=memory.stable.requests,
        failures=int(suspicion.guilty),
        report_only=check.report_only,
        strength=_strength(seen, compare=not terms.testers) if seen.asked else None,
        mix=seen.mix,
    )


def _found(seen: _Seen, suspicion: Suspicion, terms: Terms) -> tuple[Verdict, Reason]:
    if suspicion.guilty:
        return Verdict.FAIL, _breach(seen)
    if seen.check.of_probes and (terms.testers or terms.copies):  # Serinus' own requests do not reach it
        return Verdict.SKIPPED, Reason.NO_STABLE_TRAFFIC
    missing = _missing(seen)
    if missing is not None:
        return Verdict.UNKNOWN, missing
    if not seen.asked and seen.mix is None:
        return Verdict.SKIPPED, Reason.NO_STABLE_TRAFFIC
    open_ = _open(seen, suspicion, terms) if seen.asked else None
    if seen.mix is not None:
        open_ = open_ or Reason.TOKEN_MIX_DIFFERS
    if open_ is not None:
        return Verdict.UNKNOWN, open_
    return Verdict.PASS, Reason.SHOWN_GOOD if seen.as_good else Reason.NOTHING_AGAINST


def _open(seen: _Seen, suspicion: Suspicion, terms: Terms) -> Reason | None:
    """What keeps the check from passing."""
    if suspicion.accused and not seen.as_good:
        return Reason.EVIDENCE_AGAINST
    if _both_above(seen):
        return Reason.BOTH_ABOVE_LIMIT
    return Reason.NOT_YET_SHOWN if terms.final and not seen.as_good else None


def _both_above(seen: _Seen) -> bool:
    """Whether in the last minute both versions broke the limit: an incident, and no time for a release."""
    question = seen.asked[-1]
    recent = summed(seen.memory.recent)
    if question.relative or not recent.stable or not recent.canary:
        return False
    allowed = question.worse.increase * recent.stable
    clearly = recent.stable_bad > allowed + _CLEARLY * sqrt(allowed)
    return clearly and recent.canary_bad > question.worse.increase * recent.canary


def _missing(seen: _Seen) -> Reason | None:
    """What is lacking before the check can say anything."""
    memory = seen.memory
    if not memory.canary.requests:
        return Reason.TOO_FEW_REQUESTS
    if unanswerable(seen.check, memory):
        return Reason.LIMIT_OUTSIDE_BUCKETS
    if memory.wait:
        return Reason.WARMING_UP
    return Reason.NO_STABLE_TRAFFIC if memory.known is None else None


def _breach(seen: _Seen) -> Reason:
    question, _ = max(seen.pairs, key=lambda pair: pair[0].share * pair[1].against.wealth)
    return Reason.WORSE_THAN_STABLE if question.relative else Reason.ABOVE_LIMIT


def _requests_needed(seen: _Seen) -> int | None:
    needed = [requests_needed(contest, seen.memory.canary.requests) for contest in seen.comparisons]
    known = [each for each in needed if each is not None]
    return max(known) if len(known) == len(needed) else None


def _strength(seen: _Seen, *, compare: bool) -> Strength:
    memory, bound = seen.memory, seen.asked[-1].bound_seconds
    total = counts_of(memory.canary, memory.stable, bound)
    weakest = min(seen.comparisons, key=lambda contest: contest.favour.wealth)
    needed = _requests_needed(seen)
    per_block = summed(memory.recent).canary / max(len(memory.recent), 1)
    compared = compare and memory.stable.requests > 0 and memory.canary.requests > 0
    return Strength(
        against=seen.evidence,
        favour=weakest.favour.wealth,
        bad=round(total.canary_bad),
        stable_bad=round(total.stable_bad),
        difference=memory.difference.interval(1 - SHOWN_CONFIDENCE) if compared else None,
        confidence=SHOWN_CONFIDENCE,
        bound_seconds=bound,
        requests_needed=needed,
        seconds_needed=needed / per_block * seen.block_seconds if needed and per_block else None,
        skipped=max(contest.jumps for contest in memory.contests),
        design_effect=memory.design_effect,
    )


def _ceiling(
    policy: Policy, memory: Memory, counted: Sequence[_Seen], evidence: float, *, doubted: bool
) -> tuple[int, Reason | None]:
    """The most weight that may be given now, and why it is not all. ``doubted`` is by what is not counted."""
    budget = budget_of(policy, memory.block_seconds)
    rate = memory.requests_per_second
    excess = max((excess_upper(each.memory.recent) for each in counted if _spends(each)), default=0.0)
    ceiling = max(budget.ceiling_permille(rate, excess), budget.first_permille(rate))
    as_good = bool(counted) and all(each.as_good for each in counted)
    suspected = max([evidence, *(each.own for each in counted)]) >= SUSPECT_AT
    if doubted or (suspected and not as_good):
        return min(ceiling, max(budget.first_permille(rate), SUSPECT_PERMILLE)), Reason.EVIDENCE_AGAINST
    if as_good:
        return FULL_WEIGHT_PERMILLE, None
    return ceiling, Reason.BUDGET_SPENT if ceiling < FULL_WEIGHT_PERMILLE else None


def _spends(seen: _Seen) -> bool:
    """Whether a bad request counts against the budget: slow answers are answers, probes are nobody's."""
    return seen.check.kind is CheckKind.RATIO and not seen.check.of_probes
