"""Asks the daemon again and again: until a rollout ends, or for as long as somebody watches.

A daemon that restarts is waited for; one that never answered is an error at once.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from controller.cli.session import ExitCode, exit_code_of
from controller.control.errors import Unavailable
from controller.control.views import StatusView

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to ask, how long to bear silence, and the clock for both."""

    poll_seconds: float = 0.5
    patience_seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def answers(ask: Callable[[], T], pace: Pace, timeout_seconds: float | None = None) -> Iterator[T]:
    """The daemon's answers, one for each poll that it answered; ends when the time is over.

    Raises `Unavailable` when the first call fails, or when the silence outlasts the patience.
    """
    began = heard = pace.monotonic()
    answered = False
    while True:
        try:
            yield ask()
        except Unavailable:
            if not answered or pace.monotonic() - heard > pace.patience_seconds:
                raise
        else:
            answered, heard = True, pace.monotonic()
        left = pace.poll_seconds
        if timeout_seconds is not None:
            left = min(left, began + timeout_seconds - pace.monotonic())
            if left <= 0:
                return
        pace.sleep(left)


def wait_for_end(
    polled: Iterator[StatusView], tell: Callable[[StatusView], None]
) -> tuple[StatusView, ExitCode]:
    """Follow a rollout until it is over, waits for a person, or the answers end.

    ``tell`` gets every status that differs in more than its counts. The first answer must come.
    """
    last: StatusView | None = None
    for status in polled:
        if last is None or progress_of(status) != progress_of(last):
            tell(status)
        last = status
        code = ExitCode.WAITING_FOR_PERSON if status.waits_for_person else exit_code_of(status.phase)
        if code is not None:
            return status, code
    assert last is not None, "answers() yields or raises"
    return last, ExitCode.TIMEOUT


def progress_of(status: StatusView) -> tuple[object, ...]:
    """What makes a status worth a line of its own."""
    return status.phase, status.reason, status.step, status.weight, status.mirror
