"""How long the requests of a version that lost its traffic are waited for, and what is recorded of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.aftercare import aftercare
from controller.domain.drain import Drained
from controller.domain.judge.base import Assessment
from controller.domain.machine import decide
from controller.domain.model import Decision, Rollout
from controller.domain.observation import InFlight, Observation, Tick
from controller.domain.policy import WorkloadRules
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.fakes import EPOCH, a_policy
from tests.unit.domain.test_aftercare import OLD, ended

NOBODY = InFlight(None, "Prometheus does not answer")


def counted(requests: int) -> InFlight:
    return InFlight(requests, "by vllm:num_requests_running")


def after(seconds: float, found: InFlight | None, rollout: Rollout | None = None) -> Decision:
    at = EPOCH + timedelta(seconds=seconds)
    seen = Observation(at=at, tick=Tick("p", seconds), in_flight=found)
    return decide(rollout or ended(Phase.ROLLED_BACK), seen)


def message(decision: Decision) -> str:
    assert decision.entry is not None
    return decision.entry.message


def test_a_version_without_requests_is_drained_at_once() -> None:
    decision = after(4.2, counted(0))
    assert message(decision) == "drained v2: 0 running after 4s (by vllm:num_requests_running)"
    assert decision.rollout.drain is not None
    assert decision.rollout.drain.outcome is Drained.EMPTY
    assert decision.entry is not None
    assert (decision.entry.event, decision.entry.reason) == ("drained", Reason.DRAINED)
    assert not decision.entry.notable
    assert decision.entry.assessment == Assessment(Verdict.UNKNOWN), "it judges nobody, least of all anew"


@pytest.mark.parametrize("found", [counted(3), NOBODY])
def test_requests_that_run_or_that_nobody_counts_are_waited_for(found: InFlight) -> None:
    decision = after(59, found)
    assert decision == Decision(ended(Phase.ROLLED_BACK))


@pytest.mark.parametrize(
    ("found", "outcome", "said"),
    [
        (
            counted(3),
            Drained.CUT,
            "3 requests of v2 still ran after 1m: they were cut (by vllm:num_requests_running)",
        ),
        (
            counted(1),
            Drained.CUT,
            "1 request of v2 still ran after 1m: it was cut (by vllm:num_requests_running)",
        ),
        (
            NOBODY,
            Drained.UNCOUNTED,
            "nobody counts the running requests of v2 (Prometheus does not answer): waited 1m",
        ),
    ],
)
def test_never_longer_than_the_drain_time(found: InFlight, outcome: Drained, said: str) -> None:
    decision = after(60, found)
    assert message(decision) == said
    assert decision.rollout.drain is not None
    assert decision.rollout.drain.outcome is outcome
    assert decision.entry is not None
    assert decision.entry.reason is Reason.DRAIN_TIMED_OUT


def test_what_is_noted_changes_nothing_else_of_the_record() -> None:
    before = ended(Phase.ROLLED_BACK)
    decision = after(4, counted(0))
    assert decision.rollout == replace(before, drain=decision.rollout.drain, seq=before.seq + 1)
    assert (decision.actions, decision.wake_after) == ((), None)


def test_it_is_noted_once() -> None:
    noted = after(4, counted(0)).rollout
    assert after(90, counted(7), noted) == Decision(noted)


def test_nothing_is_noted_where_nothing_is_scaled_or_nothing_was_looked_at() -> None:
    assert after(90, None).entry is None
    theirs = ended(Phase.SUCCEEDED, stable=replace(OLD, image=None))
    assert after(90, counted(0), theirs).entry is None


def test_the_old_stable_version_is_drained_after_a_promotion() -> None:
    assert message(after(9, counted(0), ended(Phase.SUCCEEDED))).startswith("drained v1: 0 running after 9s")


def test_a_drain_time_of_nothing_waits_for_nothing() -> None:
    at_once = replace(
        ended(Phase.ABORTED), policy=a_policy(workload=WorkloadRules(drain=timedelta(0), scale=True))
    )
    assert after(0, counted(2), at_once).rollout.drain is not None


def test_copies_are_due_as_soon_as_it_is_noted() -> None:
    noted = after(4, counted(0)).rollout
    scale_down, delete = aftercare(noted, EPOCH + timedelta(seconds=4))
    assert (scale_down.wait, delete.wait) == (timedelta(0), timedelta(minutes=59, seconds=56))
