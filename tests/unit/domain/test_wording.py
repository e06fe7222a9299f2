"""Numbers and checks in the words that people read."""

from datetime import timedelta

import pytest

from controller.domain.judge.base import CheckResult
from controller.domain.policy import Check, CheckKind
from controller.domain.vocabulary import Reason, Verdict
from controller.domain.wording import duration, percent, quantity, sentence

ERRORS = Check("errors", CheckKind.RATIO, max=0.01)
P99 = Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99)
GAUGE = Check("drift", CheckKind.GAUGE, max=0.3)


@pytest.mark.parametrize(
    ("permille", "text"), [(0, "0%"), (1, "0.1%"), (50, "5%"), (333, "33.3%"), (1000, "100%")]
)
def test_a_weight(permille: int, text: str) -> None:
    assert percent(permille) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0s"),
        (0.25, "250ms"),
        (1.5, "1s500ms"),
        (10, "10s"),
        (10.5, "10s"),
        (59.9999, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (3661, "1h1m"),
        (86_400, "1d"),
        (90_061, "1d1h"),
        (-90, "-1m30s"),
    ],
)
def test_a_time(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, CheckKind.RATIO, "no value"),
        (0.0, CheckKind.RATIO, "0%"),
        (0.0123, CheckKind.RATIO, "1.23%"),
        (1.0, CheckKind.RATIO, "100%"),
        (0.00042, CheckKind.QUANTILE, "0.42ms"),
        (0.0031, CheckKind.QUANTILE, "3.1ms"),
        (0.0123, CheckKind.QUANTILE, "12ms"),
        (1.25, CheckKind.QUANTILE, "1250ms"),
        (12.34, CheckKind.QUANTILE, "12.3s"),
        (0.123456, CheckKind.GAUGE, "0.1235"),
        (12_345.6, CheckKind.GAUGE, "1.235e+04"),
    ],
)
def test_a_quantity_in_the_unit_of_its_check(value: float | None, kind: CheckKind, text: str) -> None:
    assert quantity(value, kind) == text


def found(check: Check, reason: Reason, verdict: Verdict = Verdict.FAIL, **numbers: object) -> str:
    usual: dict[str, object] = {"value": 0.02, "limit": 0.01, "requests": 1200, "stable_requests": 40}
    return sentence(check, CheckResult(check.name, verdict, reason, **(usual | numbers)))  # type: ignore[arg-type]


def test_a_check_within_its_limit() -> None:
    assert found(ERRORS, Reason.WITHIN_LIMIT, Verdict.PASS) == "errors 2% is within 1% over 1,200 requests"


def test_a_check_above_its_limit() -> None:
    assert found(P99, Reason.ABOVE_LIMIT, value=0.62, limit=0.5) == (
        "latency_p99 620ms is above its limit 500ms over 1,200 requests"
    )
    assert found(GAUGE, Reason.ABOVE_LIMIT, value=0.4, limit=0.3) == "drift 0.4 is above its limit 0.3"


def test_a_check_worse_than_stable() -> None:
    assert found(ERRORS, Reason.WORSE_THAN_STABLE, stable_value=0.005) == (
        "errors 2% is worse than stable's 0.5% allows (1%) over 1,200 requests"
    )


def test_a_check_that_cannot_be_judged_yet() -> None:
    unknown = Verdict.UNKNOWN
    assert found(ERRORS, Reason.TOO_FEW_REQUESTS, unknown) == "errors 2% on too few requests (1,200) to judge"
    assert (
        found(ERRORS, Reason.NO_STABLE_TRAFFIC, unknown)
        == "errors waits for stable's requests (40) to compare with"
    )
    assert (
        found(ERRORS, Reason.NO_STABLE_TRAFFIC, Verdict.SKIPPED) == "errors has nothing to be compared with"
    )
    assert found(GAUGE, Reason.NO_VALUE, unknown) == "drift has no value yet"
    assert found(P99, Reason.LIMIT_OUTSIDE_BUCKETS, unknown, limit=90.0) == (
        "latency_p99: the limit 90.0s lies above the histogram's last bucket; lower the limit"
    )


def test_a_check_whose_canary_is_still_cold() -> None:
    assert found(P99, Reason.WARMING_UP, Verdict.UNKNOWN) == (
        "latency_p99 is judged as soon as the canary is warm"
    )


def test_a_check_with_evidence_against_the_canary() -> None:
    assert found(ERRORS, Reason.EVIDENCE_AGAINST, Verdict.UNKNOWN, stable_value=0.001) == (
        "errors 2% beside stable's 0.1%: there is evidence that it is worse over 1,200 requests"
    )


def test_a_check_that_is_not_shown_yet_to_be_as_good() -> None:
    assert found(P99, Reason.NOT_YET_SHOWN, Verdict.UNKNOWN, value=0.31, stable_value=0.3) == (
        "latency_p99 310ms beside stable's 300ms is not shown yet to be as good as the policy asks"
        " over 1,200 requests"
    )


@pytest.mark.parametrize("reason", [Reason.WARMING_UP, Reason.EVIDENCE_AGAINST, Reason.NOT_YET_SHOWN])
def test_what_the_sequential_judge_says_is_a_sentence_of_its_own(reason: Reason) -> None:
    told = found(ERRORS, reason, Verdict.UNKNOWN, stable_value=0.001)
    assert told.startswith("errors ")
    assert "has no value yet" not in told
    assert "{" not in told
