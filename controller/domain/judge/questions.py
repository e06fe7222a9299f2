"""What a policy's check asks the sequential judge: the questions, and which requests each of them calls bad.

A quantile limit is a limit on a share: the p99 is at most T exactly when at most 1 % of the requests take
longer than T. A histogram answers that at its own bounds only. Where T lies between two, evidence against the
canary is taken at the bound above T, where requests are surely too slow, and evidence in favour at the bound
below.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from controller.domain.judge.calibration import choose_latency_bounds
from controller.domain.judge.contest import Question
from controller.domain.judge.counts import Tally
from controller.domain.judge.evidence import Counts, Null
from controller.domain.policy import Check, CheckKind, JudgeRules, Policy

_BODY = 0.15
"""From this share of bad requests on the form for rare events loses too much."""
_USUAL_INCREASE = 2e-4
"""Allowed beside every ratio: where stable has no bad request at all, one of the canary's is not infinitely
worse."""
_RELATIVE_SHARE = 0.9
_MARGIN_PER_RATE = 0.01
_LEAST_MARGIN, _MOST_MARGIN = 0.005, 0.02


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the model before its canary is judged by a check.

    ``requests_per_second`` is the whole traffic. ``shares`` has each bound of the check's histogram with
    stable's share above it, ascending; it is empty where bad requests are counted.
    """

    requests_per_second: float
    shares: tuple[tuple[float, float], ...] = ()


@lru_cache(maxsize=1024)
def questions(
    check: Check, rules: JudgeRules, known: Known, *, checks: int, compare: bool
) -> tuple[Question, ...]:
    """The check's questions. ``checks`` are asked together and share what evidence may be brought.

    They are the same for every block, and so worth keeping.
    """
    found: list[Question] = []
    compare = compare and check.relative
    if compare:
        worse, better = _worse(check), _better(check, rules, known)
        share = _RELATIVE_SHARE / checks
        usual = dict(known.shares)
        bounds = choose_latency_bounds(known.shares)
        found = [Question(worse, better, share / len(bounds), at, at, usual[at] > _BODY) for at in bounds]
        if check.kind is CheckKind.RATIO:
            found = [Question(worse, better, share)]
    absolute = _absolute(check, known, (1 - _RELATIVE_SHARE if compare else 1.0) / checks)
    return (*found, absolute) if absolute else tuple(found)


def asked_of(policy: Policy, check: Check, known: Known, *, compare: bool) -> tuple[Question, ...]:
    """The check's questions under its policy; what is only reported takes no evidence from the others."""
    return questions(check, policy.judge_rules, known, checks=rivals_of(policy, check), compare=compare)


def rivals_of(policy: Policy, check: Check) -> int:
    """How many checks share the purse, this one included; what is only reported has one of its own."""
    deciding = sum(each.kind is not CheckKind.GAUGE and not each.report_only for each in policy.checks)
    return 1 if check.report_only else deciding


def counts_of(canary: Tally, stable: Tally, bound_seconds: float | None) -> Counts:
    """How many requests of a block are bad."""
    if bound_seconds is None:
        return Counts(canary.requests, canary.bad, stable.requests, stable.bad)
    return Counts(
        canary.requests,
        round(canary.above(bound_seconds)),
        stable.requests,
        round(stable.above(bound_seconds)),
    )


def shares_of(usual: Tally) -> tuple[tuple[float, float], ...]:
    """Each bound of a histogram, ascending, with the share of requests above it."""
    return tuple((bound, usual.above(bound) / usual.requests) for bound in usual.bounds)


def _worse(check: Check) -> Null:
    """What the policy allows."""
    if check.worse_by_points is not None:
        return Null(1.0, check.worse_by_points)
    return Null(1 + (check.worse_by_ratio or 0.0), _USUAL_INCREASE)


def _better(check: Check, rules: JudgeRules, known: Known) -> Null:
    worse = _worse(check)
    return Null(max(rules.promote_ratio, worse.ratio), max(margin(known.requests_per_second), worse.increase))


def margin(requests_per_second: float) -> float:
    """The increase that is let pass for promotion: 36 bad requests an hour, or enough to decide at all."""
    rate = max(requests_per_second, 1e-9)
    return min(max(_MARGIN_PER_RATE / rate, _LEAST_MARGIN), _MOST_MARGIN)


def _absolute(check: Check, known: Known, share: float) -> Question | None:
    """The question about the limit alone; None without a limit, or where no bound can answer it."""
    if check.max is None:
        return None
    if check.kind is CheckKind.RATIO:
        limit = Null(0.0, check.max)
        return Question(limit, limit, share)
    bounds = [bound for bound, _ in known.shares]
    above = bisect_left(bounds, check.max)
    if above == len(bounds):
        return None
    limit = Null(0.0, 1 - (check.quantile or 0.0))
    exact = bounds[above] == check.max or above == 0
    below = above if exact else above - 1
    # where stable itself passes the lower bound too often, no canary could ever be shown to be good there
    favour = below if known.shares[below][1] <= limit.increase / 2 else above
    return Question(limit, limit, share, bounds[above], bounds[favour])
