"""Durations, percentages and points as people write them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from controller.policy.quantities import (
    QuantityError,
    parse_duration,
    parse_percent,
    parse_points,
    parse_weight,
    show_duration,
    show_weight,
    shown,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1h30m", 5400), ("800ms", 0.8), ("2d", 172_800), ("1.5s", 1.5), ("0s", 0)],
)
def test_durations_are_read_exactly(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("value", "sentence", "suggestion"),
    [
        (15, "15 has no unit", "write 15s, 15m or 15h"),
        ("15", "15 is not a duration", "write it like 90s, 15m, 1h30m, 800ms or 2d"),
        ("", " is not a duration", "write it like 90s, 15m, 1h30m, 800ms or 2d"),
        ("5 min", "5 min is not a duration", "write 5m"),
        ("30Seconds", "30Seconds is not a duration", "write 30s"),
        ("1m1h", "1m1h is not a duration", "write it like 90s, 15m, 1h30m, 800ms or 2d"),
        ("1m1m", "1m1m is not a duration", "write it like 90s, 15m, 1h30m, 800ms or 2d"),
        ("-5m", "-5m is not a duration", "write it like 90s, 15m, 1h30m, 800ms or 2d"),
        ("٣m", "٣m is not a duration", "write it like 90s, 15m, 1h30m, 800ms or 2d"),
        ("0.0001s", "0.0001s is finer than a millisecond", "write whole milliseconds"),
        ("367d", "367d is longer than 366 days", "write a shorter duration"),
        (True, "true is not a duration", "write it like 90s, 15m, 1h30m, 800ms or 2d"),
        ([], "a list is not a duration", "write it like 90s, 15m, 1h30m, 800ms or 2d"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_would_be(
    value: object, sentence: str, suggestion: str
) -> None:
    with pytest.raises(QuantityError) as refused:
        parse_duration(value)
    assert (str(refused.value), refused.value.suggestion) == (sentence, suggestion)


def test_percentages_and_points_are_decimal_numbers() -> None:
    assert parse_percent("0.1%") == Decimal("0.1")
    assert parse_points("0.05pp") == Decimal("0.05")


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [(5, "write 5%"), (0.01, "write 0.01% or 1%"), ("5 %", "write 5%"), ("x", "write it like 5%")],
)
def test_a_percentage_needs_its_sign(value: object, suggestion: str) -> None:
    with pytest.raises(QuantityError) as refused:
        parse_percent(value)
    assert refused.value.suggestion == suggestion


@pytest.mark.parametrize(("text", "permille"), [("0.1%", 1), ("5%", 50), ("33.3%", 333), ("100%", 1000)])
def test_weights_are_thousandths(text: str, permille: int) -> None:
    assert parse_weight(text) == permille
    assert show_weight(permille) == text


@pytest.mark.parametrize("text", ["0%", "0.05%", "100.1%", "0.15%", "33.33%"])
def test_weights_that_no_gateway_can_make_are_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        parse_weight(text)


def test_a_duration_is_shown_as_people_would_write_it() -> None:
    assert show_duration(timedelta(hours=25, minutes=1, milliseconds=5)) == "1d1h1m5ms"
    assert show_duration(timedelta(0)) == "0s"


def test_quoted_values_are_bounded_and_printable() -> None:
    assert len(shown("x" * 1000)) == 40
    assert shown("a\x1b[31mb") == r"a\x1b[31mb"
