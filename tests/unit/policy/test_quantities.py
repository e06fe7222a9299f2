"""Durations, percentages and points as people write them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from controller.policy.quantities import (
    QuantityError,
    parse_bad_requests,
    parse_duration,
    parse_percent,
    parse_points,
    parse_ratio,
    parse_weight,
    show_bad_requests,
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


@pytest.mark.parametrize(("text", "ratio"), [("1.5x", "1.5"), ("10x", "10"), ("0.000001x", "0.000001")])
def test_ratios_are_decimal_numbers(text: str, ratio: str) -> None:
    assert parse_ratio(text) == Decimal(ratio)


@pytest.mark.parametrize(
    ("value", "sentence", "suggestion"),
    [
        (1.5, "1.5 has no unit", "write 1.5x"),
        (2, "2 has no unit", "write 2x"),
        ("1.5 x", "1.5 x is not a ratio", "write 1.5x"),
        ("1.5X", "1.5X is not a ratio", "write 1.5x"),
        ("1.5×", "1.5× is not a ratio", "write 1.5x"),  # noqa: RUF001 - the sign is the point
        ("x1.5", "x1.5 is not a ratio", "write it like 1.5x"),
        ("-1x", "-1x is not a ratio", "write it like 1.5x"),
        (False, "false is not a ratio", "write it like 1.5x"),
        ({}, "a mapping is not a ratio", "write it like 1.5x"),
    ],
)
def test_a_ratio_needs_its_sign(value: object, sentence: str, suggestion: str) -> None:
    with pytest.raises(QuantityError) as refused:
        parse_ratio(value)
    assert (str(refused.value), refused.value.suggestion) == (sentence, suggestion)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("20 bad requests", 20),
        ("1 bad request", 1),
        ("1 bad requests", 1),
        (20, 20),
        (0, 0),
        ("007 bad requests", 7),
    ],
)
def test_bad_requests_are_whole_numbers_with_their_unit_or_alone(value: object, count: int) -> None:
    assert parse_bad_requests(value) == count


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [
        ("20", "write 20 bad requests"),
        ("1,000 requests", "write 1000 bad requests"),
        ("1 error", "write 1 bad request"),
        ("20 Bad Requests", "write 20 bad requests"),
        ("20  bad requests", "write 20 bad requests"),
        ("20%", "write it like 20 bad requests"),
        ("2.5 bad requests", "write it like 20 bad requests"),
        ("٣ bad requests", "write it like 20 bad requests"),
        ("few", "write it like 20 bad requests"),
        ("", "write it like 20 bad requests"),
        (2.5, "write it like 20 bad requests"),
        (-1, "write it like 20 bad requests"),
        (True, "write it like 20 bad requests"),
        (["20 bad requests"], "write it like 20 bad requests"),
    ],
)
def test_what_is_no_number_of_bad_requests_is_refused_with_what_would_be(
    value: object, suggestion: str
) -> None:
    with pytest.raises(QuantityError, match="is not a number of bad requests") as refused:
        parse_bad_requests(value)
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


def test_a_count_is_shown_with_its_unit() -> None:
    assert [show_bad_requests(count) for count in (1, 20)] == ["1 bad request", "20 bad requests"]


def test_quoted_values_are_bounded_and_printable() -> None:
    assert len(shown("x" * 1000)) == 40
    assert shown("a\x1b[31mb") == r"a\x1b[31mb"
