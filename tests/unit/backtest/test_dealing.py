"""Dealing stable's requests out: exact laws, and nothing lost."""

from collections import Counter
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.backtest.dealing import binomial, clustered, deal, hypergeometric, scattered
from controller.domain.judge.counts import Block, CheckCounts, Tally
from tests.unit.backtest.traffic import INTERVAL, T, block

DRAWS = 20_000


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (10, 0.3), (40, 0.93), (7, 0.01)])
def test_binomial_draws_follow_their_law(n: int, p: float) -> None:
    chance = Random(1)
    found = Counter(binomial(n, p, chance) for _ in range(DRAWS))
    for k in range(n + 1):
        assert found[k] / DRAWS == pytest.approx(comb(n, k) * p**k * (1 - p) ** (n - k), abs=0.012)


@pytest.mark.parametrize(("total", "marked", "drawn"), [(10, 4, 5), (50, 7, 20), (9, 8, 8), (30, 15, 1)])
def test_hypergeometric_draws_follow_their_law(total: int, marked: int, drawn: int) -> None:
    chance = Random(2)
    found = Counter(hypergeometric(total, marked, drawn, chance) for _ in range(DRAWS))
    for k in range(min(marked, drawn) + 1):
        law = comb(marked, k) * comb(total - marked, drawn - k) / comb(total, drawn)
        assert found[k] / DRAWS == pytest.approx(law, abs=0.012)


def test_large_counts_keep_mean_and_spread() -> None:
    chance = Random(3)
    draws = [hypergeometric(150_000, 1500, 75_000, chance) for _ in range(500)]
    mean = sum(draws) / len(draws)
    assert mean == pytest.approx(750, abs=4)
    assert sum((draw - mean) ** 2 for draw in draws) / len(draws) == pytest.approx(371, rel=0.2)


@given(st.integers(0, 10**7), st.floats(0, 1), st.randoms(use_true_random=False))
def test_a_binomial_draw_is_within_its_range(n: int, p: float, chance: Random) -> None:
    assert 0 <= binomial(n, p, chance) <= n


@given(st.integers(0, 10**6), st.data(), st.randoms(use_true_random=False))
def test_a_hypergeometric_draw_is_within_its_range(total: int, data: st.DataObject, chance: Random) -> None:
    marked, drawn = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    found = hypergeometric(total, marked, drawn, chance)
    assert max(0, drawn + marked - total) <= found <= min(marked, drawn)


@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(0, 99))
def test_what_is_dealt_adds_up_to_what_was_counted(requests: int, share: float, seed: int) -> None:
    chance = Random(seed)
    whole = block(0, requests, requests // 7, chance)
    dealt = deal(whole, share, chance)
    assert dealt.canary_requests + dealt.stable_requests == requests
    for before, after in zip(whole.checks, dealt.checks, strict=True):
        assert after.canary.requests == dealt.canary_requests
        total = after.canary.plus(after.stable)
        assert total == before.stable
        assert sum(after.canary.buckets) in (0, after.canary.requests)


@pytest.mark.parametrize("timed", [0, 40, 100, 130])
def test_a_histogram_may_hold_fewer_answers_than_were_counted_or_more(timed: int) -> None:
    counts = CheckCounts(
        "latency_p99", Tally(), Tally(timed, bounds=(0.1,), buckets=(timed // 2, timed - timed // 2))
    )
    dealt = deal(Block(T, T + INTERVAL, 0, 100, (counts,)), 0.3, Random(4))
    (found,) = dealt.checks
    assert found.canary.requests + found.stable.requests == timed
    assert found.canary.requests <= dealt.canary_requests + 30


def test_everything_and_nothing() -> None:
    whole = block(0, 1000, 10, Random(5))
    assert deal(whole, 1.0, Random(6)).checks[0].canary == Tally(1000, 10)
    assert deal(whole, 0.0, Random(6)).checks[0].stable == Tally(1000, 10)


@given(st.integers(0, 1000), st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(0, 9))
def test_scattering_loses_nobody(count: int, weights: list[float], seed: int) -> None:
    shares = [weight / sum(weights) for weight in weights]
    found = scattered(count, shares, Random(seed))
    assert sum(found) == count
    assert min(found) >= 0


@given(st.integers(0, 10**5), st.data(), st.integers(1, 50), st.randoms(use_true_random=False))
def test_a_clustered_draw_is_within_its_range(
    total: int, data: st.DataObject, together: int, chance: Random
) -> None:
    marked, drawn = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    found = clustered(total, marked, drawn, together, chance)
    assert max(0, drawn + marked - total) <= found <= min(marked, drawn)


def test_what_is_dealt_together_has_the_same_mean_and_a_wider_spread() -> None:
    chance = Random(7)
    draws = [clustered(3000, 205, 300, 10, chance) for _ in range(DRAWS)]
    mean = sum(draws) / DRAWS
    assert mean == pytest.approx(20.5, rel=0.02)
    assert sum((draw - mean) ** 2 for draw in draws) / DRAWS == pytest.approx(10 * 20.5 * 0.9, rel=0.1)


@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(1, 50), st.integers(0, 99))
def test_what_is_dealt_together_adds_up_too(requests: int, share: float, together: int, seed: int) -> None:
    whole = block(0, requests, requests // 7, Random(seed))
    dealt = deal(whole, share, Random(seed), {"errors": together, "latency_p99": together})
    for before, after in zip(whole.checks, dealt.checks, strict=True):
        assert after.canary.requests == dealt.canary_requests
        assert after.canary.plus(after.stable) == before.stable
        assert sum(after.canary.buckets) in (0, after.canary.requests)
        assert min((*after.canary.buckets, *after.stable.buckets, after.canary.bad), default=0) >= 0
