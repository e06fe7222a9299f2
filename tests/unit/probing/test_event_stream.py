"""Server-sent events: the line protocol, cut anywhere, and its bounds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.probing.event_stream import (
    LONGEST_EVENT_BYTES,
    Event,
    EventStream,
    OversizedEventError,
)

STREAM = (
    b"\xef\xbb\xbf: hello\r\n"
    b"event: greeting\rdata: one\ndata:two\r\n\r\n"
    b"id: 7\nretry: 10\ndata: { \xe2\x82\xac }\n\n"
    b"event: empty\n\n"
    b"data\n\n"
    b"data: lost"
)
EVENTS = [Event("greeting", "one\ntwo"), Event("message", "{ € }"), Event("message", "")]


def fed(pieces: list[bytes]) -> list[Event]:
    stream = EventStream()
    return [event for piece in pieces for event in stream.feed(piece)]


def test_events_are_told_by_empty_lines_whatever_ends_a_line() -> None:
    assert fed([STREAM]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_it_does_not_matter_where_the_stream_is_cut(cuts: list[int]) -> None:
    edges = sorted({0, len(STREAM), *cuts})
    assert fed([STREAM[low:high] for low, high in pairwise(edges)]) == EVENTS


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(noise: bytes) -> None:
    fed([noise, noise])


@pytest.mark.parametrize(
    "endless",
    [
        b"data: " + b"x" * 9000,
        b"data: " + b"x" * 9000 + b"\n",
        b": " + b"x" * 9000 + b"\n",
    ],
)
def test_a_line_and_an_event_without_end_are_refused(endless: bytes) -> None:
    stream = EventStream()
    for _ in range(LONGEST_EVENT_BYTES // len(endless)):
        stream.feed(endless)
    with pytest.raises(OversizedEventError):
        stream.feed(endless)
