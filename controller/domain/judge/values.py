"""A check's value and limit as people read them: totals since the canary's first request."""

from controller.domain.judge.memory import CheckMemory
from controller.domain.policy import Check, CheckKind
from controller.domain.vocabulary import Reason


def unanswerable(check: Check, memory: CheckMemory) -> bool:
    """Whether the histogram has no bound at which the limit, or any comparison, could be seen."""
    if check.kind is not CheckKind.QUANTILE or not memory.canary.bounds:
        return False
    bounds = memory.canary.bounds if memory.known is None else [bound for bound, _ in memory.known.shares]
    return not bounds or (check.max is not None and check.max > bounds[-1])


def value(check: Check, memory: CheckMemory, *, canary: bool) -> float | None:
    """The share of bad requests, or the quantile, of one version; None without a request."""
    tally = memory.canary if canary else memory.stable
    if check.kind is CheckKind.QUANTILE:
        return tally.quantile(check.quantile or 0.0)
    return tally.bad / tally.requests if tally.requests else None


def limit(check: Check, memory: CheckMemory, reason: Reason) -> float | None:
    """What the value may be, for people who compare it with the value; the questions decide."""
    stable = value(check, memory, canary=False)
    relative = None
    if stable is not None and check.worse_by_points is not None:
        relative = stable + check.worse_by_points
    elif stable is not None and check.worse_by_ratio is not None:
        relative = stable * (1 + check.worse_by_ratio)
    if reason in (Reason.ABOVE_LIMIT, Reason.BOTH_ABOVE_LIMIT):
        return check.max
    if reason is Reason.WORSE_THAN_STABLE:
        return relative
    return min((each for each in (check.max, relative) if each is not None), default=None)
