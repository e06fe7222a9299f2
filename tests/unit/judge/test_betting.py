"""Bets on bounded numbers: counted out where that can be done, simulated where it cannot."""

from itertools import combinations, product
from math import comb, exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.judge.betting import (
    BETS,
    TILTS_BETTER,
    TILTS_WORSE,
    pair_gains,
    pair_interval,
    share_interval,
    sum_gains,
)
from controller.domain.trials import Pairs

LOSING = [-bet for bet in BETS]
_ROUNDING = 1e-9


@pytest.mark.parametrize("mean", [0.01, 0.1, 0.5, 0.9])
def test_a_bet_on_a_share_is_fair_at_most_under_its_null(mean: float) -> None:
    for n in (1, 2, 7, 20):
        chances = [comb(n, k) * mean**k * (1 - mean) ** (n - k) for k in range(n + 1)]
        gains = [sum_gains(n, k, mean, TILTS_WORSE + TILTS_BETTER) for k in range(n + 1)]
        for bet in range(len(TILTS_WORSE + TILTS_BETTER)):
            assert sum(c * exp(g[bet]) for c, g in zip(chances, gains, strict=True)) <= 1 + _ROUNDING


@given(
    values=st.lists(st.floats(0, 1), min_size=2, max_size=4),
    weights=st.lists(st.integers(1, 9), min_size=4, max_size=4),
)
def test_so_is_one_on_ratings_that_are_neither_right_nor_wrong(
    values: list[float], weights: list[int]
) -> None:
    total = sum(weights[: len(values)])
    chances = [weight / total for weight in weights[: len(values)]]
    mean = min(max(sum(v * c for v, c in zip(values, chances, strict=True)), 1e-6), 1 - 1e-6)
    for tilt in TILTS_WORSE + TILTS_BETTER:
        expected = 0.0
        for cases in product(range(len(values)), repeat=3):
            chance = chances[cases[0]] * chances[cases[1]] * chances[cases[2]]
            expected += chance * exp(sum_gains(3, sum(values[case] for case in cases), mean, [tilt])[0])
        assert expected <= 1 + 1e-5


@pytest.mark.parametrize(("both", "canary", "stable"), [(0.7, 0.2, 0.1), (0.2, 0.5, 0.3), (0.94, 0.05, 0.01)])
def test_a_bet_on_pairs_is_fair_under_its_null(both: float, canary: float, stable: float) -> None:
    mean = canary - stable
    for n in (1, 3, 6):
        sums = [0.0] * (len(BETS) * 2)
        for c in range(n + 1):
            for s in range(n + 1 - c):
                ways = comb(n, c) * comb(n - c, s)
                chance = ways * canary**c * stable**s * both ** (n - c - s)
                for at, gain in enumerate(pair_gains(Pairs(n, c, s), mean, [*BETS, *LOSING])):
                    sums[at] += chance * exp(gain)
        assert sums == pytest.approx([1.0] * len(sums))


@pytest.mark.parametrize("failing", [1, 3, 5])
def test_drawing_without_replacement_makes_no_bet_better(failing: int) -> None:
    """A file of 6 requests, of which the canary fails some; each trial draws 4 different ones."""
    file = [1] * failing + [0] * (6 - failing)
    mean = failing / 6
    draws = list(combinations(file, 4))
    for tilt in TILTS_WORSE + TILTS_BETTER:
        assert sum(exp(sum_gains(4, sum(d), mean, [tilt])[0]) for d in draws) <= len(draws) + _ROUNDING
    for bet in (*BETS, *LOSING):
        pairs = [Pairs(4, sum(draw), 0) for draw in draws]
        assert sum(exp(pair_gains(each, mean, [bet])[0]) for each in pairs) <= len(draws) + _ROUNDING


def test_no_pair_can_ruin_a_bet() -> None:
    for mean in (0.0, 0.02, 0.5):
        assert all(gain > -1e4 for gain in pair_gains(Pairs(9, 0, 9), mean, BETS))
        assert all(gain > -1e4 for gain in pair_gains(Pairs(9, 9, 0), mean, LOSING))


def test_intervals_hold_at_all_looks_together() -> None:
    """Of 300 runs with a look after each of 40 trials, few ever miss: 5 % are allowed."""
    chance = Random(7)
    share_missed = pair_missed = 0
    for _ in range(300):
        failed = n = only_c = only_s = 0
        missed = [False, False]
        for _ in range(40):
            for _ in range(25):
                drawn = chance.random()
                canary, stable = drawn < 0.14, 0.04 <= drawn < 0.14  # 0.14 and 0.10, mostly the same
                n += 1
                failed += canary
                only_c += canary and not stable
                only_s += stable and not canary
            low, high = share_interval(n, failed, 0.05)
            missed[0] |= not low <= 0.14 <= high
            low, high = pair_interval(Pairs(n, only_c, only_s), 0.05)
            missed[1] |= not low <= 0.04 <= high
        share_missed += missed[0]
        pair_missed += missed[1]
    assert share_missed <= 15
    assert pair_missed <= 15


@given(n=st.integers(1, 500), data=st.data())
def test_an_interval_holds_what_was_seen(n: int, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, n))
    low, high = share_interval(n, failed, 0.05)
    assert 0 <= low <= failed / n + _ROUNDING
    assert failed / n - _ROUNDING <= high <= 1
    other = data.draw(st.integers(0, n - failed))
    low, high = pair_interval(Pairs(n, failed, other), 0.05)
    assert -1 <= low <= (failed - other) / n + 1e-6
    assert (failed - other) / n - 1e-6 <= high <= 1


def test_pairs_say_more_than_two_separate_shares() -> None:
    """Where the versions agree on what is hard, the difference is known much better."""
    low, high = pair_interval(Pairs(400, 8, 8), 0.05)
    wide = share_interval(400, 80, 0.05)
    assert high - low < (wide[1] - wide[0]) * 0.7
