"""The exposure budget: first weights, ceilings, and the limit that they rest on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.judge.evidence import Counts
from controller.domain.judge.weights import (
    LEAST_PERMILLE,
    MOST_AT_FIRST_PERMILLE,
    ExposureBudget,
    budget_of,
    excess_upper,
    poisson_upper,
)
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from tests.judge_scenes import BLOCK, errors, judged

BUDGET = budget_of(judged(errors()), BLOCK.total_seconds())

rates = st.floats(0, 1e6)
shares = st.floats(0, 1)
blocks = st.tuples(st.integers(1, 10_000), st.floats(0, 1), st.integers(0, 10_000), st.floats(0, 1))


@pytest.mark.parametrize(
    ("count", "exact"),
    [(0, 2.996), (1, 4.744), (2, 6.296), (5, 10.513), (10, 16.962), (100, 118.08)],
)
def test_the_poisson_limit_is_near_the_exact_one(count: int, exact: float) -> None:
    """Source: Garwood (1936), half the 95 % quantile of chi-square with 2 (count + 1) degrees of freedom."""
    assert poisson_upper(count) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("rate", [0.5, 1, 10, 67, 100, 10_000])
def test_the_first_weight_risks_the_budget_within_its_bounds(rate: float) -> None:
    affordable = FULL_WEIGHT_PERMILLE * BUDGET.bad_requests / (rate * BUDGET.lag_seconds)
    expected = min(max(int(affordable), LEAST_PERMILLE), MOST_AT_FIRST_PERMILLE)
    assert BUDGET.first_permille(rate) == expected


def test_little_traffic_begins_high_and_much_begins_low() -> None:
    begins = [BUDGET.first_permille(rate) for rate in (0.5, 1, 10, 67, 100, 10_000)]
    assert begins == sorted(begins, reverse=True)
    assert (begins[0], begins[-1]) == (MOST_AT_FIRST_PERMILLE, LEAST_PERMILLE)
    assert BUDGET.first_permille(0) == MOST_AT_FIRST_PERMILLE


def test_the_lag_follows_the_interval_and_the_scrapes() -> None:
    slow = budget_of(replace(judged(errors()), interval=4 * BLOCK), BLOCK.total_seconds())
    assert slow.lag_seconds == 4 * BUDGET.lag_seconds
    rarely_seen = budget_of(judged(errors()), 4 * BLOCK.total_seconds())
    assert rarely_seen.lag_seconds == 5 * BLOCK.total_seconds()
    assert rarely_seen.first_permille(10) < BUDGET.first_permille(10)


@given(rates, rates, shares, shares, st.integers(1, 1000))
def test_ceilings_fall_with_traffic_and_excess_and_rise_with_the_budget(
    rate: float, other_rate: float, excess: float, other_excess: float, bad: int
) -> None:
    budget, larger = ExposureBudget(bad, 30.0), ExposureBudget(bad + 1, 30.0)
    (low, high), (less, more) = sorted((rate, other_rate)), sorted((excess, other_excess))
    assert budget.ceiling_permille(low, excess) >= budget.ceiling_permille(high, excess)
    assert budget.ceiling_permille(rate, less) >= budget.ceiling_permille(rate, more)
    assert budget.ceiling_permille(rate, excess) <= larger.ceiling_permille(rate, excess)
    assert 0 <= budget.ceiling_permille(rate, excess) <= FULL_WEIGHT_PERMILLE


@given(rates, shares)
def test_a_ceiling_below_all_keeps_the_budget(rate: float, excess: float) -> None:
    ceiling = BUDGET.ceiling_permille(rate, excess)
    if ceiling < FULL_WEIGHT_PERMILLE:
        exposed = ceiling / FULL_WEIGHT_PERMILLE * rate * BUDGET.lag_seconds * excess
        assert exposed <= BUDGET.bad_requests * (1 + 1e-9)


def test_without_any_request_everything_may_be_bad() -> None:
    assert excess_upper([]) == 1.0
    assert excess_upper([Counts(0, 0, 1000, 3)]) == 1.0


@given(st.lists(blocks, min_size=1, max_size=4))
def test_the_plausible_excess_is_a_share_and_no_less_than_the_measured_one(
    rows: list[tuple[int, float, int, float]],
) -> None:
    recent = [Counts(n, round(n * bad), m, round(m * also)) for n, bad, m, also in rows]
    canary, stable = sum(each.canary for each in recent), sum(each.stable for each in recent)
    usual = sum(each.stable_bad for each in recent) / stable if stable else 0.0
    measured = sum(each.canary_bad for each in recent) / canary - usual
    assert max(measured, 0.0) <= excess_upper(recent) + 1e-12 <= 1.0 + 1e-12


def test_more_good_requests_leave_less_excess_plausible() -> None:
    found = [excess_upper([Counts(n, 0, 1000, 0)]) for n in (10, 100, 1000, 10_000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1e-3
    assert excess_upper([Counts(1000, 50, 1000, 50)]) < excess_upper([Counts(1000, 50, 1000, 0)])
