"""A canary that is made worse is worse by so much, and stable is left alone."""

from dataclasses import replace
from random import Random

import pytest

from controller.domain.backtest.past import Usual
from controller.domain.backtest.regressions import Regression, worsened
from controller.domain.judge.counts import Block, CheckCounts, Tally
from tests.unit.backtest.traffic import BOUNDS, INTERVAL, T

USUAL = {"errors": Usual(0.02), "latency_p99": Usual(slow_seconds=0.5)}
N = 100_000


def answered(errors: Tally, durations: Tally) -> Block:
    counts = (CheckCounts("errors", errors, errors), CheckCounts("latency_p99", durations, durations))
    return Block(T, T + INTERVAL, N, N, counts)


BEFORE = answered(Tally(N, N // 50), Tally(N, bounds=BOUNDS, buckets=(0, N, 0, 0, 0, 0)))


def after(name: str, **how: float) -> Block:
    check = "errors" if name == "errors" else "latency_p99"
    return worsened(BEFORE, Regression(name, frozenset({check}), **how), USUAL, Random(1))


@pytest.mark.parametrize(
    ("how", "ratio"), [({"points": 0.01}, 0.03), ({"factor": 3}, 0.06), ({"points": 2}, 1), ({}, 0.02)]
)
def test_more_bad_requests(how: dict[str, float], ratio: float) -> None:
    found = after("errors", **how)
    assert found.checks[0].canary.bad / N == pytest.approx(ratio, rel=0.05)
    assert replace(found, checks=found.checks[1:]) == replace(BEFORE, checks=BEFORE.checks[1:])
    assert found.checks[0].stable == BEFORE.checks[0].stable


@pytest.mark.parametrize(
    ("how", "shares"),
    [
        ({"factor": 1.5}, (0, 1 / 3, 2 / 3, 0, 0, 0)),
        ({"factor": 100}, (0, 0, 0, 0, 0, 1)),
        ({"seconds": 0.05}, (0, 0, 1, 0, 0, 0)),
        ({"seconds": 0.175}, (0, 0, 0.5, 0.5, 0, 0)),
        ({"factor": 1.0}, (0, 1, 0, 0, 0, 0)),
    ],
)
def test_slower_requests(how: dict[str, float], shares: tuple[float, ...]) -> None:
    found = after("latency", **how).checks[1]
    assert [count / N for count in found.canary.buckets] == pytest.approx(shares, abs=0.01)
    assert sum(found.canary.buckets) == found.canary.requests == N
    assert found.stable == BEFORE.checks[1].stable


def test_what_lies_above_the_last_bound_stays_there() -> None:
    slow = answered(Tally(N), Tally(N, bounds=BOUNDS, buckets=(0, 0, 0, 0, 0, N)))
    found = worsened(slow, Regression("latency", frozenset({"latency_p99"}), 2.0), USUAL, Random(1))
    assert found == slow


def test_a_canary_without_requests_stays_without() -> None:
    idle = answered(Tally(), Tally())
    assert worsened(idle, Regression("errors", frozenset({"errors"}), points=0.5), USUAL, Random(1)) == idle
