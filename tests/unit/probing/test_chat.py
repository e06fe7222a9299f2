"""Which streamed answers are good ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.probing.chat import MOST_BYTES, ChatAnswer


def chunk(delta: object = None, finish_reason: str | None = None, **more: object) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}], **more})


ROLE, TOKEN, STOP, DONE = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "1"}),
    "stop",
    "[DONE]",
)


def heard(*events: str) -> str:
    answer = ChatAnswer()
    for event in events:
        answer.feed(f"data: {event}\n\n".encode())
    return answer.end()


@pytest.mark.parametrize(
    "events",
    [
        (ROLE, TOKEN, chunk({}, STOP), DONE),
        (TOKEN, chunk({}, "length"), DONE),
        (TOKEN, chunk({}, "content_filter")),
        (TOKEN, DONE),
        (chunk({"reasoning_content": "hm"}), chunk({}, STOP), DONE),
        (chunk({"tool_calls": [{"index": 0}]}), chunk({}, "tool_calls"), DONE),
        (TOKEN, chunk({}, STOP), json.dumps({"choices": [], "usage": {"total_tokens": 3}}), DONE),
        (TOKEN, DONE, json.dumps({"error": "of nobody's interest any more"})),
        (chunk({"content": "1"}, STOP, error=None), DONE),
    ],
)
def test_a_good_answer(events: tuple[str, ...]) -> None:
    assert heard(*events) == ""


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        (
            (TOKEN, json.dumps({"error": {"message": "CUDA out of memory"}}), DONE),
            "an error inside the stream",
        ),
        ((json.dumps({"error": "", "choices": []}),), "an error inside the stream"),
        (('{"object":"error","message":"x"}',), "an error inside the stream"),
        (("[1]",), "an error inside the stream"),
        ((TOKEN,), "the stream broke off"),
        ((), "the stream broke off"),
        ((ROLE, chunk({}, STOP), DONE), "the stream ended without a token"),
        ((DONE,), "the stream ended without a token"),
        ((TOKEN, chunk({}, "abort"), DONE), "the stream ended because of a failure"),
        ((TOKEN, chunk({}, "error"), DONE), "the stream ended because of a failure"),
        ((TOKEN, "Internal Server Error"), "an event of the stream is not JSON"),
        (("[" * 60_000,), "an event of the stream is not JSON"),
        (("x" * 70_000,), "an event of the stream is too long"),
        ((TOKEN,) * (MOST_BYTES // 60), "the stream is longer than 1 MiB"),
    ],
)
def test_a_bad_answer_is_told_in_words_of_our_own(events: tuple[str, ...], fault: str) -> None:
    assert heard(*events) == fault


def test_an_event_that_is_called_an_error_is_one() -> None:
    answer = ChatAnswer()
    answer.feed(b'event: error\ndata: {"message": "boom"}\n\n')
    assert answer.end() == "an error inside the stream"


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "content"]), inner),
    max_leaves=5,
)
odd = st.dictionaries(st.sampled_from(["choices", "error", "delta"]), values | st.lists(values, max_size=3))


@given(st.lists(odd | values, max_size=5))
def test_whatever_comes_there_is_a_verdict(events: list[object]) -> None:
    assert isinstance(heard(*(json.dumps(event) for event in events)), str)
