"""Answers of unproven models: compared, never trusted."""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.policy.golden import Expectation, ExpectedNumbers, GoldenRequest, Protocol, check_answer
from controller.policy.queries import QueryError, check_query

QUERY_PIECES = ['x{a="$version"}', *"()+-{}1#", '"', " and ", "sum", "rate", "[5m]", "$backend"]
FAST = timedelta(milliseconds=1)
SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "number", "multipleOf": 0.5}}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


def request(expect: Expectation, protocol: Protocol = Protocol.JSON) -> GoldenRequest:
    return GoldenRequest("one", protocol, b"{}", (), expect)


EXPECTATIONS = [
    Expectation(),
    Expectation(schema=SCHEMA),
    Expectation(numbers=ExpectedNumbers("a", (1.0, (2.0,)), 0.1)),
    Expectation(numbers=ExpectedNumbers("a[0].b", 1.0, 0.1, relative=True)),
    Expectation(contains=("a",), not_contains=("b",)),
]


@settings(deadline=None)
@given(
    st.sampled_from(EXPECTATIONS),
    st.sampled_from(list(Protocol)),
    st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())),
)
@example(EXPECTATIONS[1], Protocol.JSON, b'{"a": ' + b"9" * 400 + b"}")
@example(EXPECTATIONS[1], Protocol.JSON, b'{"a": 1e400}')
@example(EXPECTATIONS[4], Protocol.JSON, b"[" * 50_000 + b"]" * 50_000)
def test_any_answer_is_judged_with_a_bounded_sentence(
    expect: Expectation, protocol: Protocol, body: bytes
) -> None:
    told = check_answer(request(expect, protocol), 200, body, FAST)
    if told is not None:
        assert len(told) < 450
        assert "; the answer was: " in told


FINITE = st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(
    st.recursive(FINITE, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=9),
    st.floats(0, 10),
)
def test_the_expected_numbers_themselves_pass(value: Any, tolerance: float) -> None:
    expect = Expectation(numbers=ExpectedNumbers("a", frozen(value), tolerance))
    assert check_answer(request(expect), 200, json.dumps({"a": value}).encode(), FAST) is None


@settings(deadline=None)
@given(FINITE, FINITE, st.floats(0, 10))
def test_a_number_passes_exactly_within_the_tolerance(
    expected: float, found: float, tolerance: float
) -> None:
    expect = Expectation(numbers=ExpectedNumbers("a", expected, tolerance))
    told = check_answer(request(expect), 200, json.dumps({"a": found}).encode(), FAST)
    assert (told is None) is (abs(found - expected) <= tolerance)


@settings(deadline=None)
@given(st.lists(st.sampled_from(QUERY_PIECES), max_size=40).map("".join))
def test_any_query_is_allowed_or_refused(query: str) -> None:
    with suppress(QueryError):
        check_query(query)


def frozen(value: Any) -> Any:
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value
