"""E-variables by full enumeration, e-processes and the interval by seeded simulation."""

import random
from collections.abc import Iterator
from itertools import product
from math import comb, exp, isfinite, log

import pytest

from controller.domain.judge.contest import BETTER, ENOUGH_IN_FAVOUR, WORSE, WORSE_IN_BULK
from controller.domain.judge.evidence import (
    Counts,
    Difference,
    Null,
    Process,
    Stakes,
    _log_partition,
    bulk,
    new_process,
    rare,
)

ROUNDING = 1e-9
SIZES = [(1, 1), (3, 12), (12, 3), (8, 8)]
RATES = [0.0, 0.01, 0.3, 0.8, 1.0]
NULLS = [Null(1.0, 0.0), Null(1.1, 2e-4), Null(0.5, 0.1), Null(1.5, 0.005), Null(0.0, 0.01), Null(0.0, 0.0)]


def binomial(n: int, p: float) -> list[float]:
    return [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def outcomes(n_c: int, n_s: int, p_c: float, p_s: float) -> Iterator[tuple[float, Counts]]:
    """All that a block can be, with its probability."""
    for (x_c, a), (x_s, b) in product(enumerate(binomial(n_c, p_c)), enumerate(binomial(n_s, p_s))):
        yield a * b, Counts(n_c, x_c, n_s, x_s)


def drawn(chance: random.Random, n: int, p: float) -> int:
    return sum(chance.random() < p for _ in range(n))


# e-variables


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("size", SIZES)
def test_evidence_on_rare_requests_pays_nothing_under_the_null(size: tuple[int, int], null: Null) -> None:
    """Both on the boundary of the null, where it is closest to 1, and inside."""
    for p_s, tilt, inside in product(RATES, (*WORSE, *BETTER), (0.0, 0.5, 1.0)):
        edge = min(null.ratio * p_s + null.increase, 1.0)
        if tilt < 1 and null.ratio * p_s + null.increase > 1:
            continue  # no canary is so bad
        p_c = edge * (1 - inside) if tilt > 1 else edge + inside * (1 - edge)
        mean = sum(p * exp(rare(counts, null, tilt)) for p, counts in outcomes(*size, p_c, p_s))
        assert mean <= 1 + ROUNDING, (p_s, p_c, tilt)


@pytest.mark.parametrize("odds", [0.7, 1.0, 1.15, 1.5])
@pytest.mark.parametrize("size", SIZES)
def test_evidence_in_bulk_pays_nothing_under_the_null(size: tuple[int, int], odds: float) -> None:
    tilts = (*WORSE_IN_BULK, *BETTER)
    for p_s, inside in product([0.01, 0.3, 0.5, 0.99], [1.0, 0.6]):
        means = []
        for index, tilt in enumerate(tilts):
            ratio = odds * inside if tilt > 1 else odds / inside
            bad = ratio * p_s / (1 - p_s)
            found = outcomes(*size, bad / (1 + bad), p_s)
            means.append(sum(p * exp(bulk(counts, odds, tilts)[index]) for p, counts in found))
        assert max(means) <= 1 + ROUNDING
        if inside == 1:
            assert means == pytest.approx([1.0] * len(tilts))


@pytest.mark.parametrize("form", ["rare", "bulk"])
def test_evidence_grows_on_average_where_the_null_is_wrong(form: str) -> None:
    def gain(counts: Counts) -> float:
        return rare(counts, Null(1.0, 0.0), 2.0) if form == "rare" else bulk(counts, 1.0, [2.0])[0]

    assert sum(p * gain(counts) for p, counts in outcomes(12, 12, 0.6, 0.2)) > 0.1


def test_nothing_is_evidence_where_nobody_is_asked() -> None:
    null = Null(1.5, 0.01)
    assert rare(Counts(0, 0, 100, 7), null, 2.0) == 0
    assert rare(Counts(100, 7, 0, 0), null, 2.0) == 0
    assert rare(Counts(100, 7, 0, 0), Null(0.0, 0.01), 2.0) > 0
    assert bulk(Counts(0, 0, 9, 3), 1.0, [2.0, 0.5]) == [0, 0]
    assert bulk(Counts(9, 3, 0, 0), 1.0, [2.0, 0.5]) == [0, 0]
    assert bulk(Counts(9, 9, 5, 5), 1.0, [2.0, 0.5]) == [0, 0]
    assert bulk(Counts(9, 0, 5, 0), 1.0, [2.0, 0.5]) == [0, 0]


def test_an_absolute_limit_takes_no_notice_of_stable() -> None:
    limit = Null(0.0, 0.01)
    assert rare(Counts(100, 3, 900, 0), limit, 3.5) == rare(Counts(100, 3, 5, 5), limit, 3.5)


@pytest.mark.parametrize("odds", [1e-3, 0.1, 0.99, 1.0, 1.01, 7.0, 30.0])
def test_the_partition_function_is_the_sum_of_its_terms(odds: float) -> None:
    for n_c, n_s, total in [(1, 1, 1), (5, 9, 3), (9, 5, 12), (40, 30, 35), (60, 200, 90), (200, 3, 100)]:
        terms = range(max(0, total - n_s), min(n_c, total) + 1)
        direct = sum(comb(n_c, j) * comb(n_s, total - j) * odds**j for j in terms)
        assert _log_partition(n_c, n_s, total, odds) == pytest.approx(log(direct), abs=1e-9)


# processes


def test_a_process_begins_at_exactly_one() -> None:
    for tilts in (WORSE, WORSE_IN_BULK, BETTER):
        assert new_process(tilts).wealth == 1.0
        assert new_process(tilts).after([0.0] * len(tilts), Stakes()).wealth == pytest.approx(1.0)


STAKES = [Stakes(), Stakes(cap=0.5), Stakes(clip=2.0), Stakes(0.0, 0.0), Stakes(0.5, 0.2, 1.0, 1.5)]


@pytest.mark.parametrize("stakes", STAKES)
@pytest.mark.parametrize(
    "process",
    [new_process(WORSE), Process((0.1,) * 6, 0.25), Process((5.0, 0.0, 0.1, 2.0, 0.0, 30.0), 0.1)],
)
def test_wealth_never_grows_on_average_under_the_null(process: Process, stakes: Stakes) -> None:
    null = Null(1.1, 0.01)
    for p_s in (0.0, 0.05, 0.5):
        mean = 0.0
        for p, counts in outcomes(5, 10, null.ratio * p_s + null.increase, p_s):
            mean += p * process.after([rare(counts, null, tilt) for tilt in WORSE], stakes).wealth
        assert mean <= process.wealth + ROUNDING


def test_one_block_multiplies_a_bet_by_no_more_than_the_cap() -> None:
    stakes = Stakes()
    once = new_process(WORSE).after([1e6] * len(WORSE), stakes)
    assert once.wealth == pytest.approx(stakes.reserve + (1 - stakes.reserve) * exp(stakes.cap))


def test_a_bet_grows_no_further_than_the_clip() -> None:
    stakes, process = Stakes(clip=ENOUGH_IN_FAVOUR), new_process(BETTER)
    for _ in range(50):
        process = process.after([1e6] * len(BETTER), stakes)
    assert process.bets == (ENOUGH_IN_FAVOUR,) * len(BETTER)


def blocks_until_found(stakes: Stakes, quiet: int) -> int:
    """After so many quiet blocks, the blocks of a regression until the evidence is 100."""
    clean, bad = Counts(100, 0, 900, 1), Counts(100, 3, 900, 1)
    process, null = new_process(WORSE), Null(1.5, 2e-4)
    for _ in range(quiet):
        process = process.after([rare(clean, null, tilt) for tilt in WORSE], stakes)
    for count in range(1, 1000):
        process = process.after([rare(bad, null, tilt) for tilt in WORSE], stakes)
        if process.wealth >= 100:
            return count
    return 1000


def test_a_regression_that_begins_late_is_found_nearly_as_soon() -> None:
    at_once = blocks_until_found(Stakes(), quiet=0)
    assert blocks_until_found(Stakes(), quiet=500) <= at_once + 4
    assert blocks_until_found(Stakes(reserve=0.0, restart=0.0), quiet=500) > 3 * at_once


def test_a_process_rarely_reaches_what_it_must_not() -> None:
    """Ville's inequality, looked at after every block."""
    chance, null, runs, alpha = random.Random(4), Null(1.0, 0.02), 400, 0.1
    reached = 0
    for _ in range(runs):
        process = new_process(WORSE)
        for block in range(60):
            p_s = 0.1 if block % 20 < 10 else 0.4
            counts = Counts(6, drawn(chance, 6, p_s + 0.02), 12, drawn(chance, 12, p_s))
            process = process.after([rare(counts, null, tilt) for tilt in WORSE], Stakes())
            if process.wealth >= 1 / alpha:
                reached += 1
                break
    assert reached <= alpha * runs


# the interval


def test_the_difference_is_unknown_without_counts() -> None:
    assert Difference().interval(0.05) == (-1.0, 1.0)
    assert Difference().after(Counts(9, 9, 0, 0)) == Difference()
    assert Difference().after(Counts(0, 0, 9, 9)) == Difference()


@pytest.mark.parametrize(("p_c", "p_s"), [(0.02, 0.02), (0.1, 0.02), (0.02, 0.1), (0.5, 0.5)])
def test_the_interval_holds_the_difference_at_all_times(p_c: float, p_s: float) -> None:
    chance, runs, miss, missed = random.Random(5), 60, 0.1, 0
    for _ in range(runs):
        difference, held = Difference(), True
        for block in range(40):
            n_c, n_s = (5, 30) if block < 20 else (20, 20)  # the weight may change
            difference = difference.after(Counts(n_c, drawn(chance, n_c, p_c), n_s, drawn(chance, n_s, p_s)))
            if block % 5 == 4:
                low, high = difference.interval(miss)
                held = held and low <= p_c - p_s <= high
        missed += not held
    assert missed <= miss * runs


def test_the_interval_becomes_narrow() -> None:
    difference = Difference()
    for _ in range(100):
        difference = difference.after(Counts(500, 25, 500, 5))
    low, high = difference.interval(0.05)
    assert 0.02 < low < 0.04 < high < 0.06
    assert difference.interval(0.01)[0] < low


# extremes

EXTREMES = [
    Counts(1, 0, 1, 0),
    Counts(1, 1, 1, 1),
    Counts(1, 1, 1, 0),
    Counts(1, 0, 5_000_000, 5_000_000),
    Counts(3_000_000, 3_000_000, 1, 0),
    Counts(2_000_000, 2_000_000, 3_000_000, 0),
    Counts(2_000_000, 0, 3_000_000, 3_000_000),
    Counts(2_000_000, 1_000_000, 3_000_000, 1_500_000),
    Counts(0.02, 0.02, 9_000_000, 3),
]


@pytest.mark.parametrize("counts", EXTREMES)
def test_numbers_stay_finite(counts: Counts) -> None:
    for null, tilt in product(NULLS, (*WORSE, *BETTER)):
        assert isfinite(rare(counts, null, tilt))
    gains = bulk(counts, 1.15, WORSE_IN_BULK)
    assert all(map(isfinite, gains))
    process, difference = new_process(WORSE), Difference()
    for _ in range(2000):
        process = process.after([rare(counts, NULLS[1], tilt) for tilt in WORSE], Stakes())
        difference = difference.after(counts)
    assert isfinite(process.wealth)
    low, high = difference.interval(0.05)
    assert -1 <= low <= high <= 1
