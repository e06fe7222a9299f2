"""Whether an answer to a golden request will do."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from controller.policy.golden import (
    Expectation,
    ExpectedNumbers,
    GoldenRequest,
    Protocol,
    check_answer,
    parse_place,
)

FAST = timedelta(milliseconds=20)


def fault(
    expect: Expectation, body: object, status: int = 200, protocol: Protocol = Protocol.JSON
) -> str | None:
    request = GoldenRequest("one", protocol, b"{}", (), expect)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return check_answer(request, status, raw, FAST)


def outputs(*data: Any) -> object:
    return {"outputs": [{"data": list(data)}]}


def numbers(equals: Any, *, tolerance: float = 0.0, relative: bool = False) -> Expectation:
    return Expectation(numbers=ExpectedNumbers("outputs[0].data", equals, tolerance, relative=relative))


def test_a_right_answer_passes_every_expectation_at_once() -> None:
    expect = Expectation(
        schema={"type": "object", "required": ["outputs"]},
        numbers=ExpectedNumbers("outputs[0].data", (0.5, 1.0), 0.01),
        contains=("outputs",),
        not_contains=("error",),
        max_latency=timedelta(milliseconds=20),
    )
    assert fault(expect, outputs(0.505, 1.0)) is None


def test_another_status_is_told_first() -> None:
    assert fault(numbers((1.0,)), {"error": "no such model"}, status=404) == (
        'status 404, expected 200; the answer was: {"error": "no such model"}'
    )


def test_an_error_can_be_the_right_answer() -> None:
    assert fault(Expectation(status=400, contains=("too long",)), {"error": "too long"}, status=400) is None


def test_a_slow_answer_is_told_with_both_times() -> None:
    told = fault(Expectation(max_latency=timedelta(milliseconds=5)), {})
    assert told is not None
    assert told.startswith("answered in 20 ms, allowed are 5 ms; ")


@pytest.mark.parametrize(
    ("expect", "data", "words"),
    [
        (numbers((0.75,), tolerance=0.01), [0.91], "outputs[0].data[0] is 0.91, expected 0.75 ± 0.01"),
        (
            numbers((100.0,), tolerance=0.01, relative=True),
            [102],
            "outputs[0].data[0] is 102, expected 100 ± 1",
        ),
        (numbers((1.0, 2.0)), [1.0], "outputs[0].data has 1 entries, expected 2"),
        (numbers(((1.0,), (2.0,))), [[1.0], [3.0]], "outputs[0].data[1][0] is 3, expected 2 ± 0"),
        (numbers((1.0,)), ["1.0"], 'outputs[0].data[0] is "1.0", expected 1'),
        (numbers((1.0,)), [True], "outputs[0].data[0] is true, expected 1"),
        (numbers((1.0,)), [None], "outputs[0].data[0] is missing, expected 1"),
        (numbers((1.0,)), [[1.0]], "outputs[0].data[0] is [1.0], expected 1"),
        (numbers(1.0), [1.0], "outputs[0].data is [1.0], expected 1"),
    ],
)
def test_a_wrong_number_is_told_with_its_place_and_limit(
    expect: Expectation, data: Sequence[Any], words: str
) -> None:
    told = fault(expect, outputs(*data))
    assert told is not None
    assert told.startswith(words + "; the answer was: ")


@pytest.mark.parametrize("raw", [b"[NaN]", b"[1e999]", b"[Infinity]", b"[" + b"9" * 400 + b"]"])
def test_numbers_that_are_none_never_pass(raw: bytes) -> None:
    expect = Expectation(numbers=ExpectedNumbers("[0]", 1.0, tolerance=1e308))
    assert fault(expect, raw) is not None


@pytest.mark.parametrize(("tolerance", "passes"), [(0.25, True), (0.24, False)])
def test_the_tolerance_itself_is_still_allowed(tolerance: float, passes: bool) -> None:
    assert (fault(numbers((0.5,), tolerance=tolerance), outputs(0.75)) is None) is passes


def test_a_missing_place_is_told() -> None:
    told = fault(numbers((1.0,)), {"outputs": []})
    assert told is not None
    assert told.startswith("the answer has no outputs[0].data; ")


def test_a_broken_schema_is_told_with_place_and_rule() -> None:
    schema = {"properties": {"outputs": {"type": "array", "minItems": 2}}}
    told = fault(Expectation(schema=schema), outputs(1))
    assert told is not None
    assert told.startswith("outputs breaks the schema's minItems: 2; ")


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 100_000, b"\xff\xfe", b'{"a": NaN}'])
def test_an_answer_that_is_not_json_is_told_and_never_raises(body: bytes) -> None:
    told = fault(Expectation(schema={"type": "object"}), body)
    assert told is not None
    assert "not JSON" in told or "too deep" in told


def test_texts_are_found_where_json_escapes_them() -> None:
    assert fault(Expectation(contains=("café",)), b'{"text": "caf\\u00e9"}') is None
    assert fault(Expectation(not_contains=("café",)), b'{"text": "caf\\u00e9"}') is not None


def test_a_chat_is_compared_by_its_message_only() -> None:
    answer = {"model": "error-corrector", "choices": [{"message": {"content": "Paris."}}]}
    chat = Protocol.OPENAI_CHAT
    assert fault(Expectation(contains=("Paris",), not_contains=("error",)), answer, protocol=chat) is None
    told = fault(Expectation(contains=("London",)), answer, protocol=chat)
    assert told is not None
    assert told.startswith("the answer does not contain 'London'; ")


@pytest.mark.parametrize(
    "answer", [{}, {"choices": []}, {"choices": [{"message": {"content": None}}]}, [], 3]
)
def test_a_chat_without_a_message_fails(answer: object) -> None:
    assert fault(Expectation(contains=("a",)), answer, protocol=Protocol.OPENAI_CHAT) is not None


def test_the_answer_is_shown_bounded_and_printable() -> None:
    told = fault(Expectation(), b"\x1b[31m" + b"x" * 10_000, status=500)
    assert told is not None
    assert len(told) < 300
    assert told.isprintable()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a", ("a",)),
        ("outputs[0].data", ("outputs", 0, "data")),
        ("[1][2].b-c", (1, 2, "b-c")),
        ("$x", ("$x",)),
    ],
)
def test_places_are_keys_and_indices(text: str, place: tuple[str | int, ...]) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[-1]", "a[x]", "a]b"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a place"):
        parse_place(text)
