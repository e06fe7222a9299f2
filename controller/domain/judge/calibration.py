"""What stable's own past says before the canary gets its first request. Pure.

It decides nothing by itself: it tells the judge where to look (which bounds of a histogram), how bad stable
usually is, how much requests of one copy share their fate, and how many there are.

The invariant: `calibrate` is total and deterministic. What the past does not say is left empty or 0.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import log

from controller.domain.judge.counts import Tally
from controller.domain.judge.dependence import Dependence, PodCount, dependence_of
from controller.domain.policy import Check, CheckKind

_MINUTE_SECONDS = 60
SHORTEST_SPAN = timedelta(minutes=30)
"""A shorter past says nothing about dependence."""

EXCEEDANCES = (0.5, 0.1, 0.01)
"""Shares of requests above a bound that are worth comparing: the body, the shoulder and the tail."""


@dataclass(frozen=True, slots=True)
class PodMinute:
    """One check's counts of one copy of stable in one minute. ``minute`` numbers the minutes from 0."""

    check: str
    pod: str
    minute: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class PodHistory:
    """Stable's past: ``span`` is how much of it was seen, ``requests`` all of stable's in that span.

    ``scrape`` is the time from one look at it to the next, 0 if that is not known.

    **Shape**: ``minutes`` in any order, each check, copy and minute once; without those that had no requests.
    ``pod`` is empty where the metrics do not tell copies apart.
    """

    span: timedelta
    minutes: Sequence[PodMinute]
    requests: int = 0
    scrape: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class CheckHistory:
    """What the past says about one check.

    ``bad_ratio`` is the share of bad requests; for a histogram that above each of ``bounds_seconds``, which
    are the bounds worth comparing, ascending. All are empty where there were no requests. ``icc`` is the
    intraclass correlation of bad requests within one copy's minute, the largest of those bounds';
    0 where nothing is known.
    """

    check: str
    bad_ratio: tuple[float, ...] = ()
    bounds_seconds: tuple[float, ...] = ()
    icc: float = 0.0
    cluster: float = 1.0
    """How many bad requests of one minute and copy share one fate, 1 where nothing is known."""
    shares: tuple[tuple[float, float], ...] = ()
    """Each bound of the histogram, ascending, with the share of requests above it."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that the past says. ``requests_per_second`` is the model's whole traffic in its busiest minute.

    ``pods`` are the copies that had requests, 1 where copies cannot be told apart. ``checks`` are those that
    count; gauges have no past.
    """

    span: timedelta
    pods: int
    requests_per_second: float
    checks: tuple[CheckHistory, ...]
    scrape: timedelta = timedelta(0)


def calibrate(history: PodHistory, checks: Sequence[Check]) -> Calibration:
    """Read the past."""
    served = [one for one in history.minutes if one.tally.requests > 0]
    of_check = {
        check.name: [one for one in served if one.check == check.name]
        for check in checks
        if check.kind.weighed
    }
    compare = history.span >= SHORTEST_SPAN
    return Calibration(
        span=history.span,
        pods=len({one.pod for one in served}),
        requests_per_second=_rate(history, of_check.values()),
        checks=tuple(
            _check_history(check, of_check[check.name], compare=compare)
            for check in checks
            if check.name in of_check
        ),
        scrape=history.scrape,
    )


def _rate(history: PodHistory, checks: Iterable[Sequence[PodMinute]]) -> float:
    """The busiest minute's, because what a bad canary may cost must hold then too; else the span's mean."""
    seconds = history.span.total_seconds()
    rates = [history.requests / seconds if seconds > 0 else 0.0]
    for minutes in checks:
        in_minute: Counter[int] = Counter()
        for one in minutes:
            in_minute[one.minute] += one.tally.requests
        rates += [requests / _MINUTE_SECONDS for requests in in_minute.values()]
    return max(rates)


def choose_latency_bounds(exceedances: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """At most three bounds whose exceedances are nearest to `EXCEEDANCES`, in odds.

    A bound above or below which no request lies tells nothing, and is taken only where every bound is such:
    then it is the lowest that no request exceeds, else the highest.

    **Shape**: ``exceedances`` are (bound in seconds, share of requests above it), ascending by bound; the
    result is ascending and distinct.
    """
    telling = [(bound, _odds(share)) for bound, share in exceedances if 0 < share < 1]
    if telling:
        wanted = [_odds(target) for target in EXCEEDANCES]
        nearest = {min(telling, key=lambda one: (abs(one[1] - odds), one[0]))[0] for odds in wanted}
        return tuple(sorted(nearest))
    lowest = next((bound for bound, share in exceedances if share <= 0), None)
    return (lowest,) if lowest is not None else tuple(bound for bound, _ in exceedances[-1:])


def _odds(share: float) -> float:
    return log(share / (1 - share))


def _check_history(check: Check, minutes: Sequence[PodMinute], *, compare: bool) -> CheckHistory:
    if not minutes:
        return CheckHistory(check.name)
    if check.kind is CheckKind.QUANTILE:
        return _histogram_history(check, minutes, compare=compare)
    requests, bad = (sum(one.tally.requests for one in minutes), sum(one.tally.bad for one in minutes))
    found = _dependence((one, one.tally.bad) for one in minutes) if compare else Dependence()
    return CheckHistory(check.name, (bad / requests,), icc=found.icc, cluster=found.cluster)


def _histogram_history(check: Check, minutes: Sequence[PodMinute], *, compare: bool) -> CheckHistory:
    """Only bounds that all of the past has can be counted over all of it."""
    common = set.intersection(*(set(one.tally.bounds) for one in minutes))
    requests = sum(one.tally.requests for one in minutes)
    shares = tuple(
        (bound, sum(round(one.tally.above(bound)) for one in minutes) / requests) for bound in sorted(common)
    )
    bounds = choose_latency_bounds(shares)
    found = [
        _dependence((one, round(one.tally.above(bound))) for one in minutes) for bound in bounds if compare
    ]
    return CheckHistory(
        check.name,
        tuple(share for bound, share in shares if bound in bounds),
        bounds,
        icc=max((each.icc for each in found), default=0.0),
        cluster=max((each.cluster for each in found), default=1.0),
        shares=shares,
    )


def _dependence(counted: Iterable[tuple[PodMinute, int]]) -> Dependence:
    return dependence_of(PodCount(one.minute, one.tally.requests, bad) for one, bad in counted)
