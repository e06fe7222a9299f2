"""What the evidence on a check says: the lines that `serinus why` prints under its sentence."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from controller.cli import tables
from controller.control.why import why_view
from controller.domain.judge.base import CheckResult, Strength
from controller.domain.judge.counts import Tally
from controller.domain.policy import Check, CheckKind
from controller.domain.reporting import details, in_words, odds
from controller.domain.vocabulary import Reason, Verdict
from tests.fakes import EPOCH
from tests.judge_scenes import ENOUGH, Trial, errors, judged, p99, took
from tests.unit.control.stage import progressing

ERRORS = Check("errors", CheckKind.RATIO, max=0.05)
P99 = Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99)
GAUGE = Check("drift", CheckKind.GAUGE, max=0.3)
FOUND = Strength(
    against=1.0,
    favour=3.0,
    bad=12,
    stable_bad=30,
    difference=(-0.0012, 0.034),
    confidence=0.95,
    requests_needed=1500,
    seconds_needed=90.4,
)


def lines(check: Check = ERRORS, **changes: object) -> tuple[str, ...]:
    strength = replace(FOUND, **changes)  # type: ignore[arg-type]
    counted = CheckResult(
        check.name, Verdict.PASS, Reason.WITHIN_LIMIT, 0.01, 0.05, 0.001, 1234, 56_789, strength=strength
    )
    return details(check, counted)


def line(about: str, check: Check = ERRORS, **changes: object) -> str:
    [found] = [one for one in lines(check, **changes) if about in one]
    return found


def test_four_lines_in_the_order_in_which_they_are_read() -> None:
    assert lines() == (
        "canary 12 of 1,234 requests bad, stable 30 of 56,789",
        "difference between -0.12 and +3.4 percentage points (95% sure at all times)",
        "evidence that the canary is worse: none, 1.0 to 1",
        "not shown yet to be as good: about 1,500 more requests of the canary, 1m30s at the present rate",
    )


def test_a_check_without_evidence_has_no_lines() -> None:
    assert details(ERRORS, CheckResult("errors", Verdict.UNKNOWN, Reason.NO_VALUE)) == ()


def test_a_gauge_has_no_lines() -> None:
    assert lines(GAUGE) == ()


# how strong it is


@pytest.mark.parametrize(
    ("against", "word", "told"),
    [
        (0.0, "none", "1.0 to 1"),
        (0.02, "none", "1.0 to 1"),
        (1.0, "none", "1.0 to 1"),
        (1.9, "none", "1.9 to 1"),
        (2.0, "slight", "2.0 to 1"),
        (4.94, "slight", "4.9 to 1"),
        (5.0, "substantial", "5 to 1"),
        (19.4, "substantial", "19 to 1"),
        (20.0, "strong", "20 to 1"),
        (36.0, "strong", "36 to 1"),
        (99.0, "strong", "99 to 1"),
        (100.0, "decisive", "100 to 1"),
        (54_321.0, "decisive", "54,321 to 1"),
        (1e12, "decisive", "1,000,000 to 1"),
    ],
)
def test_evidence_in_words_and_as_odds(against: float, word: str, told: str) -> None:
    assert (in_words(against), odds(against)) == (word, told)
    assert line("evidence", against=against) == f"evidence that the canary is worse: {word}, {told}"


@given(st.floats(0, 1e15), st.floats(0, 1e15))
def test_more_evidence_is_never_told_as_less(one: float, other: float) -> None:
    ranks = ["none", "slight", "substantial", "strong", "decisive"]
    weak, strong = sorted((one, other))
    assert ranks.index(in_words(weak)) <= ranks.index(in_words(strong))
    first, second = (float(odds(each).removesuffix(" to 1").replace(",", "")) for each in (weak, strong))
    assert 1 <= first <= second


def test_evidence_that_rolls_back_by_default_is_decisive() -> None:
    assert in_words(ENOUGH * (1 + 1e-12)) == "decisive"


# counts


def test_counts_of_slow_requests_name_the_bound_that_was_counted_at() -> None:
    assert line("canary 12", P99, bound_seconds=0.25) == (
        "canary 12 of 1,234 requests slower than 250ms, stable 30 of 56,789"
    )
    assert "slower than 5ms," in line("canary 12", P99, bound_seconds=0.005)
    assert "slower than 30.0s," in line("canary 12", P99, bound_seconds=30.0)


def test_large_counts_are_grouped() -> None:
    assert line("canary 1", bad=1_234_567).startswith("canary 1,234,567 of 1,234 requests bad")


# the difference


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        ((-0.031, -0.0105), "between -3.1 and -1.1 percentage points"),
        ((0.0, 0.5), "between +0 and +50 percentage points"),
        ((0.00004, 0.00012), "between +0.004 and +0.012 percentage points"),
    ],
)
def test_the_difference_has_a_sign_and_two_digits(difference: tuple[float, float], told: str) -> None:
    assert f"difference {told} (95% sure at all times)" in lines(difference=difference)


def test_where_nothing_is_compared_there_is_no_difference() -> None:
    assert not [one for one in lines(difference=None) if "difference" in one]


def test_the_confidence_is_the_evidence_s_own() -> None:
    assert line("difference", confidence=0.999).endswith("(99.9% sure at all times)")


# what is still needed


def test_what_is_shown_needs_nothing_more() -> None:
    assert line("as good", requests_needed=0, seconds_needed=None) == (
        "shown to be as good as the policy asks"
    )


def test_what_cannot_be_told_is_not_made_up() -> None:
    assert line("as good", requests_needed=None, seconds_needed=None) == (
        "not shown yet to be as good: more requests are needed than can be told now"
    )


def test_without_a_rate_there_is_no_time() -> None:
    assert line("as good", requests_needed=70, seconds_needed=None) == (
        "not shown yet to be as good: about 70 more requests of the canary"
    )


def test_a_long_time_is_told_in_its_largest_units() -> None:
    assert line("as good", requests_needed=99_000, seconds_needed=99_000.0).endswith(
        "about 99,000 more requests of the canary, 1d3h at the present rate"
    )


# caveats


def test_blocks_that_proved_nothing_are_counted() -> None:
    assert lines(skipped=1200)[-1] == "1,200 blocks left out: stable itself changed then"


def test_a_design_effect_is_told() -> None:
    assert lines(design_effect=3.456)[-1] == (
        "counts divided by 3.5: requests of one copy of stable share their fate"
    )
    assert len(lines(design_effect=1.0)) == len(lines())


def test_both_caveats_come_last() -> None:
    assert [one.split()[0] for one in lines(skipped=2, design_effect=2.0)[-2:]] == ["2", "counts"]


# where they are read


def test_serinus_why_has_the_lines_of_each_check_under_its_sentence() -> None:
    rollout = progressing()
    result = replace(rollout.evidence.checks[0], strength=FOUND)
    seen = replace(rollout, evidence=replace(rollout.evidence, checks=(result,)))
    [check] = why_view(seen, EPOCH).checks
    assert check.details == details(rollout.policy.checks[0], result)
    console = Console(width=120, no_color=True, record=True, file=StringIO())
    console.print(tables.why(why_view(seen, EPOCH), EPOCH, lambda remedy: remedy))
    shown = [one.strip() for one in console.export_text().splitlines()]
    first = next(number for number, one in enumerate(shown) if one.endswith(check.sentence))
    assert shown[first + 1 : first + 1 + len(check.details)] == list(check.details)


def test_a_check_without_evidence_has_its_sentence_alone() -> None:
    assert why_view(progressing(), EPOCH).checks[0].details == ()


# from the judge itself


def told(trial: Trial, times: int, check: Check, **counts: tuple[Tally, Tally]) -> str:
    return "\n".join(details(check, trial.show(times, **counts).checks[0]))


def test_a_canary_like_stable_has_no_evidence_against_it_and_is_shown_to_be_as_good() -> None:
    check = errors(worse_by_ratio=0.1)
    trial = Trial(judged(check))
    first = told(trial, 1, check, errors=(Tally(200, 0), Tally(200, 0)))
    assert "canary 0 of 200 requests bad, stable 0 of 200" in first
    assert "evidence that the canary is worse: none, 1.0 to 1" in first
    needed = re.search(r"about ([\d,]+) more requests of the canary, \S+ at the present rate", first)
    assert needed
    assert int(needed[1].replace(",", "")) > 0
    assert "shown to be as good" in told(trial, 60, check, errors=(Tally(200, 0), Tally(200, 0)))


def test_a_canary_that_fails_is_told_so_in_ever_stronger_words() -> None:
    check = errors(worse_by_ratio=0.1)
    trial = Trial(judged(check))
    words = []
    for _ in range(12):
        said = told(trial, 1, check, errors=(Tally(40, 2), Tally(4000, 4)))
        words += re.findall(r"is worse: (\w+),", said)
    assert words[-1] == "decisive"
    assert list(dict.fromkeys(words)) == [
        word for word in ("none", "slight", "substantial", "strong", "decisive") if word in words
    ]
    assert re.search(r"difference between \+[\d.]+ and \+", said)


def test_latency_tells_the_bound_of_its_histogram() -> None:
    check = p99(worse_by_ratio=0.2)
    same = took(500, 450, 45, 4, 1)
    said = told(Trial(judged(check)), 30, check, p99=(same, same))
    assert re.search(r"canary [\d,]+ of [\d,]+ requests slower than (100|250|500|1000)ms, stable", said)


def test_a_limit_alone_has_no_difference() -> None:
    check = errors(max=0.05)
    trial = Trial(judged(check), compare=False, calibration=None)
    assert "difference" not in told(trial, 5, check, errors=(Tally(200, 1), Tally()))


def test_a_jump_of_stable_is_told() -> None:
    check = errors(worse_by_ratio=0.1)
    trial = Trial(judged(check))
    told(trial, 4, check, errors=(Tally(1000, 1), Tally(1000, 1)))
    said = told(trial, 1, check, errors=(Tally(1000, 400), Tally(1000, 400)))
    assert "left out: stable itself changed" in said
