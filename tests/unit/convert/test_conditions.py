"""Argo's conditions: what is one comparison with a number, and what is not."""

from decimal import Decimal

import pytest

from controller.convert.conditions import Limit, failure_limit, success_limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("result[0] <= 0.05", Limit("<=", Decimal("0.05"))),
        ("result < 5", Limit("<", Decimal(5))),
        ("0.95 <= result[0]", Limit(">=", Decimal("0.95"))),
        ("((result[0]) >= 1)", None),
        ("(result[0] >= -1.5)", Limit(">=", Decimal("-1.5"))),
        ("asFloat(result[0])>1", Limit(">", Decimal(1))),
        ("len(result) == 0 || result[0] <= 1", Limit("<=", Decimal(1), guarded=True)),
        ("isNaN(result[0]) || (result[0] <= 1)", Limit("<=", Decimal(1), guarded=True)),
        ("result[0] <= 1 || result[0] >= 5", None),
        ("result[0] <= 1 && result[1] <= 1", None),
        ("result[1] <= 1", None),
        ("result.value <= 1", None),
        ("result == 0", None),
        ("result[0] <= 1e3", None),
        ("all(result, # < 1)", None),
        ("default(result, 0) < 1", None),
        (")result<1(", None),
        ("", None),
    ],
)
def test_a_condition_of_success_is_a_limit_or_nothing(text: str, limit: Limit | None) -> None:
    assert success_limit(text) == limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("result[0] > 0.05", Limit("<=", Decimal("0.05"))),
        ("result[0] >= 0.05", Limit("<", Decimal("0.05"))),
        ("result[0] < 0.95", Limit(">=", Decimal("0.95"))),
        ("len(result) > 0 && result[0] > 1", Limit("<=", Decimal(1), guarded=True)),
        ("!isNaN(result[0]) && result[0] > 1", Limit("<=", Decimal(1), guarded=True)),
        ("isNaN(result[0]) || result[0] > 1", None),
    ],
)
def test_a_condition_of_failure_leaves_good_what_it_does_not_name(text: str, limit: Limit | None) -> None:
    assert failure_limit(text) == limit
