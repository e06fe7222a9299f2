"""Quantities as Go writes them."""

from datetime import timedelta

import pytest

from controller.convert.units import go_duration, kebab


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("1m0s", 60),
        ("30s1m", 90),
        ("0.5ms", 0),
        ("2µs", 0),
        ("1.s", 1),
        ("", None),
        ("30", None),
        ("-1s", None),
        ("1d", None),
        ("1 s", None),
        ("s", None),
        ("1e3s", None),
        ("9999999999s", None),
    ],
)
def test_a_duration_is_gos(text: str, seconds: float | None) -> None:
    assert go_duration(text) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("text", "name"), [("On Call #1", "on-call-1"), ("--", ""), ("a" * 80, "a" * 63), ("é", "")]
)
def test_a_name_keeps_what_it_may(text: str, name: str) -> None:
    assert kebab(text) == name
