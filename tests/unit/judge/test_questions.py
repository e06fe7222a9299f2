"""What each check asks, and at which bound of a histogram."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.judge.contest import Question
from controller.domain.judge.counts import Tally
from controller.domain.judge.evidence import Counts, Null
from controller.domain.judge.questions import (
    _LEAST_MARGIN,
    _MOST_MARGIN,
    _RELATIVE_SHARE,
    _USUAL_INCREASE,
    Known,
    counts_of,
    margin,
    questions,
    shares_of,
)
from controller.domain.policy import Check, CheckKind, JudgeRules
from controller.domain.vocabulary import Reason, Verdict
from tests.judge_scenes import ENOUGH, Trial, errors, judged, p99, past, strength, took

RULES = JudgeRules()
RATE = 100.0
FAST = Known(RATE, ((0.1, 0.6), (0.25, 0.08), (0.5, 0.004), (1.0, 0.0002)))
"""Stable's p99 lies between 0.25 and 0.5 s, far below the limits used here."""


def asked(check: Check, known: Known = FAST, *, checks: int = 1, compare: bool = True) -> list[Question]:
    return list(questions(check, RULES, known, checks=checks, compare=compare))


def absolute(check: Check, known: Known = FAST) -> Question:
    (found,) = (question for question in asked(check, known) if not question.relative)
    return found


# limits on a quantile


def test_a_limit_between_two_bounds_accuses_above_it_and_acquits_below() -> None:
    found = absolute(p99(max=0.7))
    assert (found.bound_seconds, found.good_bound_seconds) == (1.0, 0.5)
    assert found.worse == found.better == Null(0.0, 1 - 0.99)


def test_a_limit_on_a_bound_is_asked_there_from_both_sides() -> None:
    found = absolute(p99(max=0.5))
    assert (found.bound_seconds, found.good_bound_seconds) == (0.5, 0.5)


def test_a_limit_below_the_first_bound_is_asked_there() -> None:
    found = absolute(p99(max=0.05))
    assert (found.bound_seconds, found.good_bound_seconds) == (0.1, 0.1)


def test_a_limit_above_the_last_bound_is_not_asked() -> None:
    assert all(question.relative for question in asked(p99(max=5.0)))
    assert asked(p99(max=5.0), compare=False) == []


def test_where_stable_breaks_the_lower_bound_both_sides_are_asked_above() -> None:
    """At a bound that stable itself passes too often, nobody could be shown to be good."""
    slow = Known(RATE, ((0.1, 0.6), (0.25, 0.3), (0.5, 0.02), (1.0, 0.0002)))
    found = absolute(p99(max=0.7), slow)
    assert (found.bound_seconds, found.good_bound_seconds) == (1.0, 1.0)


def test_comparisons_are_asked_in_body_shoulder_and_tail() -> None:
    found = asked(p99(worse_by_ratio=0.2))
    assert [question.bound_seconds for question in found] == [0.1, 0.25, 0.5]
    assert [question.in_bulk for question in found] == [True, False, False]
    assert all(question.good_bound_seconds == question.bound_seconds for question in found)


def test_without_a_bound_in_common_nothing_is_asked() -> None:
    assert asked(p99(max=0.5, worse_by_ratio=0.2), Known(RATE)) == []


# what is allowed


def test_what_the_policy_allows_beside_stable() -> None:
    assert asked(errors(worse_by_points=0.005))[0].worse == Null(1.0, 0.005)
    assert asked(errors(worse_by_ratio=0.2))[0].worse == Null(1.2, _USUAL_INCREASE)


def test_a_limit_alone_is_compared_with_nobody() -> None:
    (found,) = asked(errors(max=0.01))
    assert (found.worse, found.relative, found.share) == (Null(0.0, 0.01), False, 1.0)


@given(
    st.none() | st.floats(0, 3),
    st.none() | st.floats(0, 0.5),
    st.floats(1.01, 5),
    st.floats(0, 1e5),
)
def test_what_may_be_promoted_is_never_less_than_what_is_allowed(
    ratio: float | None, points: float | None, promote_ratio: float, rate: float
) -> None:
    """Else a canary could be forbidden to stay and to go."""
    check = errors(worse_by_ratio=ratio, worse_by_points=points, max=0.01)
    rules = replace(RULES, promote_ratio=promote_ratio)
    for question in questions(check, rules, Known(rate), checks=1, compare=True):
        assert question.better.ratio >= question.worse.ratio
        assert question.better.increase >= question.worse.increase


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.5, 1.0, 2.0, 10.0, 10_000.0])
def test_the_margin_is_so_many_bad_requests_an_hour_within_its_bounds(rate: float) -> None:
    found = margin(rate)
    assert _LEAST_MARGIN <= found <= _MOST_MARGIN
    if _LEAST_MARGIN < found < _MOST_MARGIN:
        assert found * rate * 3600 == pytest.approx(36)


def test_the_margin_is_wide_at_low_rates_and_narrow_at_high_ones() -> None:
    assert margin(0.01) == _MOST_MARGIN
    assert margin(10_000) == _LEAST_MARGIN
    assert margin(0.7) > margin(0.9)


# shares of the evidence

limits = st.none() | st.floats(0.001, 2)
checks = st.builds(
    Check,
    name=st.just("c"),
    kind=st.sampled_from([CheckKind.RATIO, CheckKind.QUANTILE]),
    max=limits,
    worse_by_ratio=limits,
    quantile=st.sampled_from([0.5, 0.95, 0.99]),
)


@given(st.lists(checks, min_size=1, max_size=5), st.booleans(), st.lists(st.floats(0, 1), max_size=6))
def test_all_questions_together_bring_no_more_than_all_evidence(
    deciding: list[Check], compare: bool, shares: list[float]
) -> None:
    known = Known(RATE, tuple(enumerate(sorted(shares, reverse=True), start=1)))
    found = [
        question
        for check in deciding
        for question in asked(check, known, checks=len(deciding), compare=compare)
    ]
    assert all(question.share > 0 for question in found)
    assert sum(question.share for question in found) <= 1 + 1e-9


def test_comparing_takes_most_of_the_evidence_and_without_it_the_limit_takes_all() -> None:
    relative, limit = asked(errors(max=0.01, worse_by_points=0.005))
    assert relative.share == _RELATIVE_SHARE
    assert relative.share + limit.share == pytest.approx(1.0)
    (alone,) = asked(errors(max=0.01), compare=False)
    assert (alone.share, alone.relative) == (1.0, False)


def test_a_check_that_only_reports_takes_no_evidence_from_the_others() -> None:
    broken = {"errors": (Tally(100, 100), Tally(900)), "timeouts": (Tally(100, 100), Tally(900))}
    timeouts = Check("timeouts", CheckKind.RATIO, max=0.01, report_only=True)
    alone, beside = Trial(judged(errors(max=0.01))), Trial(judged(timeouts, errors(max=0.01)))
    expected = strength(alone.show(errors=broken["errors"]))
    found = beside.show(**broken)
    assert strength(found.checks[1]) == expected


# which requests are bad


def test_bad_requests_are_those_counted_or_those_above_the_bound() -> None:
    assert counts_of(Tally(100, 3), Tally(900, 5), None) == Counts(100, 3, 900, 5)
    assert counts_of(took(50, 30, 15, 4, 1), took(90, 9, 1, 0, 0), 0.25) == Counts(100, 20, 100, 1)


def test_the_shares_of_a_histogram_are_those_above_its_bounds() -> None:
    assert shares_of(took(50, 30, 15, 4, 1)) == ((0.1, 0.5), (0.25, 0.2), (0.5, 0.05), (1.0, 0.01))


def test_only_surely_slow_requests_accuse_and_only_surely_fast_ones_acquit() -> None:
    """The limit is 0.7 s; nobody knows whether an answer between 0.5 and 1 s was slower."""
    trial = Trial(judged(p99(max=0.7)), compare=False, calibration=past())
    for _ in range(40):
        found = trial.show(p99=(took(900, 0, 0, 100, 0), Tally()))
    assert found.checks[0].verdict is Verdict.UNKNOWN
    assert found.checks[0].reason is Reason.NOT_YET_SHOWN
    assert strength(found).against < 2
    assert trial.show(40, p99=(took(900, 0, 0, 0, 100), Tally())).verdict is Verdict.FAIL
    assert strength(trial.assess()).against >= ENOUGH
