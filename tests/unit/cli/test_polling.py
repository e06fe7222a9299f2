"""Waiting: patience with a daemon that restarts, none with one that never answered, and time that ends."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.cli.polling import Pace, answers, wait_for_end
from controller.cli.session import ExitCode
from controller.control.errors import Unavailable
from controller.control.views import StatusView, status_view
from controller.domain.model import Evidence
from controller.domain.vocabulary import Phase, Reason
from tests.fakes import EPOCH
from tests.unit.control.stage import ended, progressing


class ManualTime:
    """Sleeping takes no time but its own."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def pace(self, patience_seconds: float = 5.0) -> Pace:
        return Pace(1.0, patience_seconds, self.sleep, lambda: self.seconds)


def asking(*told: object) -> Callable[[], object]:
    """Answers in turn; None is silence, and the last is repeated."""
    left = list(told)

    def ask() -> object:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is None:
            raise Unavailable("no daemon answers")
        return answer

    return ask


def view(phase: Phase = Phase.PROGRESSING, **changes: object) -> StatusView:
    rollout = progressing() if phase is Phase.PROGRESSING else ended(phase, Reason.CHECK_FAILED)
    return status_view(replace(rollout, **changes), EPOCH + timedelta(hours=1))  # type: ignore[arg-type]


def waited(*statuses: StatusView) -> tuple[Phase, ExitCode, Sequence[StatusView]]:
    told: list[StatusView] = []
    status, code = wait_for_end(iter(statuses), told.append)
    return status.phase, code, told


def test_a_daemon_that_never_answered_is_an_error_at_once() -> None:
    time = ManualTime()
    with pytest.raises(Unavailable):
        next(answers(asking(None), time.pace()))
    assert time.seconds == 0


def test_a_daemon_that_restarts_is_waited_for() -> None:
    time = ManualTime()
    polled = answers(asking("a", None, None, "b"), time.pace())
    assert [next(polled), next(polled)] == ["a", "b"]
    assert time.seconds == 3


def test_patience_ends_and_begins_anew_with_every_answer() -> None:
    time = ManualTime()
    polled = answers(asking("a", None, None, None, "b", None), time.pace(patience_seconds=4))
    assert [next(polled), next(polled)] == ["a", "b"]
    with pytest.raises(Unavailable):
        next(polled)
    assert time.seconds == 4 + 5


def test_the_time_given_is_all_that_is_used() -> None:
    time = ManualTime()
    assert list(answers(asking("a"), time.pace(), timeout_seconds=2.5)) == ["a"] * 4, "0, 1, 2 and 2.5 s"
    assert time.seconds == 2.5


def test_silence_does_not_outlast_the_time_given() -> None:
    time = ManualTime()
    assert list(answers(asking("a", None), time.pace(patience_seconds=100), timeout_seconds=3)) == ["a"]
    assert time.seconds == 3


def test_an_end_is_reported_with_its_meaning_and_nothing_is_asked_after_it() -> None:
    phase, code, _ = waited(view(), view(Phase.ROLLING_BACK), view(Phase.ROLLED_BACK), view(Phase.SUCCEEDED))
    assert (phase, code) == (Phase.ROLLED_BACK, ExitCode.ROLLED_BACK)


def test_answers_that_end_before_the_rollout_are_a_timeout() -> None:
    assert waited(view())[:2] == (Phase.PROGRESSING, ExitCode.TIMEOUT)


def test_only_progress_is_told() -> None:
    counted = view(evidence=Evidence(canary_requests=9), seq=7, message="20s more at 5%")
    _, _, told = waited(view(), counted, view(reason=Reason.WAITING_FOR_CHECKS), view(Phase.SUCCEEDED))
    assert [(each.phase, each.reason) for each in told] == [
        (Phase.PROGRESSING, Reason.STEP_RUNNING),
        (Phase.PROGRESSING, Reason.WAITING_FOR_CHECKS),
        (Phase.SUCCEEDED, Reason.CHECK_FAILED),
    ]
