"""The intraclass correlation and the design effect, on made-up copies of stable."""

import math
import random
from collections.abc import Callable

import pytest

from controller.domain.judge.dependence import (
    MOST_DESIGN_EFFECT,
    PodCount,
    dependence_of,
    design_effect,
    intraclass_correlation,
)

MINUTES = 60


def binomial(chance: random.Random, n: int, share: float) -> int:
    return sum(chance.random() < share for _ in range(n))


def history(pods: int, requests: int, bad: Callable[[random.Random, int], int], seed: int) -> list[PodCount]:
    chance = random.Random(seed)
    rows = []
    for minute in range(MINUTES):
        for _ in range(pods):
            n = binomial(chance, 2 * requests, 0.5)
            rows.append(PodCount(minute, n, min(bad(chance, n), n)))
    return rows


@pytest.mark.parametrize(
    ("pods", "requests", "share"),
    [(2, 20, 0.3), (2, 2, 0.5), (3, 60, 0.02), (5, 6, 0.1), (8, 40, 0.005)],
)
def test_independent_requests_have_none(pods: int, requests: int, share: float) -> None:
    runs = [
        intraclass_correlation(history(pods, requests, lambda chance, n: binomial(chance, n, share), seed))
        for seed in range(100)
    ]
    assert sum(icc == 0 for icc in runs) >= 97


@pytest.mark.parametrize("pods", [2, 4])
def test_bad_requests_in_tens_count_as_one(pods: int) -> None:
    requests = 1000
    effects = [
        design_effect(
            intraclass_correlation(
                history(pods, requests, lambda chance, n: 10 * binomial(chance, n // 10, 0.01), seed)
            ),
            requests,
        )
        for seed in range(10)
    ]
    assert sum(effects) / len(effects) == pytest.approx(10, rel=0.1)
    assert all(6 < effect < 15 for effect in effects)


def test_a_copy_that_stalls_now_and_then_is_found() -> None:
    def bad(chance: random.Random, n: int) -> int:
        return binomial(chance, n, 0.5 if chance.random() < 0.02 else 0.01)

    assert intraclass_correlation(history(4, 200, bad, 1)) > 0.05


def test_an_outage_of_all_copies_is_not_dependence() -> None:
    chance = random.Random(7)
    rows = [
        PodCount(minute, 200, binomial(chance, 200, 0.8 if minute % 7 == 0 else 0.01))
        for minute in range(MINUTES)
        for _ in range(4)
    ]
    assert intraclass_correlation(rows) == 0


def test_copies_of_different_sizes_have_none() -> None:
    chance = random.Random(11)
    sizes = (400, 40, 4)
    rows = [
        PodCount(minute, size, binomial(chance, size, 0.1)) for minute in range(MINUTES) for size in sizes
    ]
    assert intraclass_correlation(rows) == 0


def test_one_copy_cannot_be_compared() -> None:
    assert intraclass_correlation(PodCount(minute, 100, minute % 3 * 50) for minute in range(MINUTES)) == 0


def test_copies_that_never_served_at_once_cannot_be_compared() -> None:
    assert intraclass_correlation(PodCount(minute, 100, 100 * (minute % 2)) for minute in range(60)) == 0


def test_a_single_request_in_each_minute_says_nothing() -> None:
    rows = [PodCount(minute, 1, pod) for minute in range(MINUTES) for pod in (0, 1)]
    assert intraclass_correlation(rows) == 0


def test_copies_that_are_all_bad_or_all_good_are_one_witness_each() -> None:
    rows = [PodCount(minute, 10, 10 * ((minute + pod) % 2)) for minute in range(MINUTES) for pod in (0, 1)]
    assert intraclass_correlation(rows) == 1


@pytest.mark.parametrize(
    ("icc", "requests", "effect"),
    [
        (0, 1000, 1),
        (0.01, 1, 1),
        (0.01, 0, 1),
        (0.01, 101, 2),
        (0.5, 1e9, MOST_DESIGN_EFFECT),
        (math.nan, 100, 1),
        (0.01, math.nan, 1),
        (0.01, math.inf, MOST_DESIGN_EFFECT),
        (-0.1, 100, 1),
    ],
)
def test_design_effect(icc: float, requests: float, effect: float) -> None:
    assert design_effect(icc, requests) == pytest.approx(effect)


def alone(cluster: int, seed: int = 1) -> list[PodCount]:
    """One copy, a thousand requests a minute of which one in a hundred is bad, in clusters."""
    return history(1, 1000, lambda chance, n: cluster * binomial(chance, n // cluster, 0.01), seed)


def test_one_copy_alone_shows_clusters_from_minute_to_minute() -> None:
    assert 5 < dependence_of(alone(10)).cluster < 20
    assert dependence_of(alone(10)).icc == 0


def test_independent_requests_of_one_copy_are_no_clusters() -> None:
    assert sum(dependence_of(alone(1, seed)).cluster == 1 for seed in range(50)) >= 48


def test_slow_drift_of_one_copy_is_no_cluster() -> None:
    drifting = [PodCount(minute, 10_000, 50 + 2 * minute) for minute in range(MINUTES)]
    assert dependence_of(drifting).cluster == 1


def test_copies_side_by_side_tell_the_size_of_a_cluster() -> None:
    several = history(3, 1000, lambda chance, n: 10 * binomial(chance, n // 10, 0.01), 1)
    assert 5 < dependence_of(several).cluster < 20
    assert dependence_of([]).cluster == 1
