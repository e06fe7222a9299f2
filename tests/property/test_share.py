"""The test of the traffic split: what it promises about honest gateways is enumerated, not sampled."""

from math import comb, exp, inf, isfinite, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.judge.share import CONTRADICTION, TOLERANCE, share_contradiction
from controller.domain.release import Release, Split

WEIGHTS_PERMILLE = (1, 10, 50, 250, 500, 900, 999)


def honest_shares(weight_permille: int) -> list[float]:
    """Shares inside the tolerance, its ends included."""
    asked = weight_permille / 1000
    low, high = asked / TOLERANCE, min(asked * TOLERANCE, 1 - (1 - asked) / TOLERANCE)
    return [low + (high - low) * part / 6 for part in range(7)]


@pytest.mark.parametrize("weight", WEIGHTS_PERMILLE)
@pytest.mark.parametrize("n", [1, 2, 3, 10, 60, 300])
def test_the_evidence_against_an_honest_gateway_is_expected_to_be_at_most_1(weight: int, n: int) -> None:
    """The e-value property, summed over every outcome of n requests."""
    for share in honest_shares(weight):
        expected = sum(
            exp(
                log(comb(n, k))
                + k * log(share)
                + (n - k) * log(1 - share)
                + share_contradiction(k, n - k, weight / 1000)
            )
            for k in range(n + 1)
        )
        assert expected <= 1 + 1e-9


@pytest.mark.parametrize("weight", [10, 50, 250, 500, 900])
@pytest.mark.parametrize("level", [log(5), log(20), log(100)])
def test_looking_after_every_request_accuses_an_honest_gateway_no_more_often(
    weight: int, level: float
) -> None:
    """Ville's bound, exactly: the chance of ever reaching the level within 400 looks."""
    for share in honest_shares(weight)[::3]:
        alive, accused = {0: 1.0}, 0.0
        for n in range(1, 401):
            grown: dict[int, float] = {}
            for k, chance in alive.items():
                grown[k] = grown.get(k, 0.0) + chance * (1 - share)
                grown[k + 1] = grown.get(k + 1, 0.0) + chance * share
            alive = {}
            for k, chance in grown.items():
                if share_contradiction(k, n - k, weight / 1000) >= level:
                    accused += chance
                else:
                    alive[k] = chance
        assert accused <= exp(-level)


def test_the_level_of_an_accusation_is_one_in_a_million() -> None:
    assert exp(-CONTRADICTION) == pytest.approx(1e-6)


def requests_until_found(weight_permille: int, share: float, most: int = 10_000_000) -> float:
    """Requests that a gateway with a true share serves before it is found, on the most likely path."""
    low, high = 1, most
    if (
        share_contradiction(round(most * share), most - round(most * share), weight_permille / 1000)
        < CONTRADICTION
    ):
        return inf
    while low < high:
        n = (low + high) // 2
        canary = round(n * share)
        if share_contradiction(canary, n - canary, weight_permille / 1000) >= CONTRADICTION:
            high = n
        else:
            low = n + 1
    return low


@pytest.mark.parametrize(
    ("weight", "share", "requests"),
    [
        (50, 0.5, 26),  # divides evenly, whatever was asked
        (50, 1.0, 6),  # everything to the canary
        (50, 0.0, 517),  # nothing to the canary
        (50, 0.1, 4_415),  # twice what was asked
        (1, 0.0, 29_286),
        (10, 0.0, 2_743),
        (250, 0.0, 92),
        (250, 0.5, 531),
        (500, 0.0, 41),
        (500, 1.0, 41),
    ],
)
def test_a_gateway_that_ignores_the_weight_is_found_soon(weight: int, share: float, requests: int) -> None:
    assert requests_until_found(weight, share) == requests


@pytest.mark.parametrize("weight", WEIGHTS_PERMILLE)
def test_a_gateway_within_the_tolerance_is_never_found_on_its_most_likely_path(weight: int) -> None:
    for share in honest_shares(weight)[1:-1]:
        assert requests_until_found(weight, share) == inf


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 1000))
def test_no_counts_are_too_many_or_too_few(canary: int, stable: int, weight: int) -> None:
    evidence = share_contradiction(canary, stable, weight / 1000)
    assert isfinite(evidence)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_where_no_split_was_asked_for_nothing_is_tested(canary: int, stable: int) -> None:
    assert share_contradiction(canary, stable, 0) == 0.0
    assert share_contradiction(canary, stable, 1) == 0.0
    assert share_contradiction(0, 0, 0.5) == 0.0


@pytest.mark.parametrize("mirror", [1, 100, 300])
def test_copies_are_a_share_of_what_both_versions_answer(mirror: int) -> None:
    """Stable answers every request, and the canary the copies."""
    asked = Split(Release("v1"), Release("v2"), mirror_permille=mirror).canary_share
    assert share_contradiction(1000 * mirror, 1_000_000, asked) < 0
    assert share_contradiction(0, 1_000_000, asked) >= CONTRADICTION
    assert share_contradiction(1_000_000, 1_000_000, asked) >= CONTRADICTION, "every request is copied"
