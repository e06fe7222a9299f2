"""Waiting for facts, and what every decision log must show."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from controller.control.views import EntryView

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, within: float = 30, every: float = 0.05) -> T:
    """What ``look`` finds, once it is true; AssertionError after the deadline."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(every)


def weights(entries: Sequence[EntryView]) -> list[float]:
    """The weights that were asked for, in order, each once in a row."""
    asked = [entry.weight for entry in entries]
    return [weight for index, weight in enumerate(asked) if index == 0 or weight != asked[index - 1]]


def assert_gapless(entries: Sequence[EntryView]) -> None:
    """Sequence numbers from 1, none left out, none twice."""
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
