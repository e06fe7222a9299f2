"""The stability index: its law, its tests and its interval, against SciPy and by simulation."""

from math import log
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ncx2  # type: ignore[import-untyped]

from controller.domain.judge.psi import psi_of

USUAL = np.array([0.05, 0.1, 0.2, 0.25, 0.2, 0.12, 0.08])
SHIFTED = np.array([0.02, 0.05, 0.13, 0.24, 0.25, 0.18, 0.13])


def true_psi(p: np.ndarray, q: np.ndarray) -> float:
    return float(sum((a - b) * log(a / b) for a, b in zip(p, q, strict=True)))


def test_two_samples_of_one_distribution_differ_and_the_bias_is_taken_off() -> None:
    chance = np.random.default_rng(1)
    plain, value = [], []
    for _ in range(2000):
        canary, stable = chance.multinomial(400, USUAL), chance.multinomial(1200, USUAL)
        found = psi_of(canary.tolist(), stable.tolist(), 400, 1200)
        assert found is not None
        plain.append(found.plain)
        value.append(found.plain - (found.buckets - 1) * found.spread)
    assert np.mean(plain) == pytest.approx(6 * (1 / 400 + 1 / 1200), rel=0.05)
    assert abs(np.mean(value)) < 0.0015


@pytest.mark.parametrize("buckets", [3, 8, 20])
@pytest.mark.parametrize("ratio", [1.0, 10.0, 100.0])
def test_the_tails_are_those_of_the_noncentral_law(buckets: int, ratio: float) -> None:
    """Sankaran's tails, on the safe side: never far below the law's."""
    equal = [100.0] * buckets
    found = psi_of(equal, equal, 100.0 * buckets, 100.0 * buckets)
    assert found is not None
    limit = ratio * found.spread
    for tail in (1e-4, 1e-2, 0.5):
        plain = ncx2.isf(tail, buckets - 1, ratio) * found.spread
        moved = type(found)(plain, found.spread, found.buckets)
        assert 0.95 * tail <= moved.above(limit) <= 2 * tail
        plain = ncx2.ppf(tail, buckets - 1, ratio) * found.spread
        assert type(found)(plain, found.spread, found.buckets).below(limit) >= 0.7 * tail


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_the_interval_covers_the_truth(shift: float) -> None:
    chance = np.random.default_rng(2)
    shares = (1 - shift) * USUAL + shift * SHIFTED
    truth, missed, runs = true_psi(shares, USUAL), 0, 1500
    for _ in range(runs):
        canary, stable = chance.multinomial(500, shares), chance.multinomial(2000, USUAL)
        found = psi_of(canary.tolist(), stable.tolist(), 500, 2000)
        assert found is not None
        low, high = found.interval(0.1)
        missed += not low <= truth <= high
    assert missed / runs <= 0.12


@pytest.mark.parametrize("skew", [1, 4])
def test_a_limit_that_is_just_kept_is_seldom_refused_and_one_just_broken_seldom_passed(skew: int) -> None:
    chance = np.random.default_rng(3)
    limit, runs = true_psi(SHIFTED, USUAL), 3000
    above = below = 0
    for _ in range(runs):
        canary, stable = chance.multinomial(600, SHIFTED), chance.multinomial(600 * skew, USUAL)
        found = psi_of(canary.tolist(), stable.tolist(), 600, 600 * skew)
        assert found is not None
        above += found.above(limit) <= 0.01
        below += found.below(limit) <= 0.01
    assert above / runs <= 0.015
    assert below / runs <= 0.015


def test_a_bucket_that_few_requests_fall_into_joins_its_neighbour() -> None:
    found = psi_of([50, 1, 49, 0, 0], [500, 4, 495, 1, 0], 100, 1000)
    assert found is not None
    assert found.buckets == 2
    assert psi_of([100, 0, 0], [1000, 0, 0], 100, 1000) is None, "one bucket tells nothing"
    assert psi_of([0, 0], [5, 5], 0, 10) is None


def test_what_only_one_version_has_is_seen() -> None:
    found = psi_of([0, 100], [1000, 0], 100, 1000)
    assert found is not None
    assert found.value > 1
    assert found.above(0.2) < 1e-9


@given(
    canary=st.lists(st.integers(0, 10_000), min_size=2, max_size=30),
    data=st.data(),
    limit=st.floats(0.01, 10),
)
def test_any_counts_give_sound_numbers(canary: list[int], data: st.DataObject, limit: float) -> None:
    size = len(canary)
    stable = data.draw(st.lists(st.floats(0, 1e6), min_size=size, max_size=size))
    n, m = float(sum(canary)), data.draw(st.floats(0.1, 1e7))
    found = psi_of([float(each) for each in canary], stable, n, m)
    if found is None:
        return
    assert 0 <= found.above(limit) <= 1
    assert 0 <= found.value <= found.plain
    low, high = found.interval(0.05)
    assert 0 <= low <= high


def test_the_order_of_the_draw_does_not_matter_here() -> None:
    counts = [30, 50, 20]
    shuffled = Random(1).sample(counts, 3)
    one, other = psi_of(counts, counts, 100, 100), psi_of(shuffled, shuffled, 100, 100)
    assert one is not None
    assert other is not None
    assert one.plain == other.plain == 0
