"""What `kubectl wait` can wait for: every phase, and what makes each condition hold or not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.adapters.kube.conditions import Condition, conditions, findings_of, findings_without_record
from controller.domain.model import Clocks, Evidence, Rollout, Route
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.fakes import EPOCH, a_release, a_rollout

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)

PROGRESSING, HEALTHY, PROMOTED, ROLLED_BACK, POLICY, METRICS, DRIFT = Condition
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"

BY_PHASE = {  # Progressing, Promoted, RolledBack
    Phase.PENDING: (TRUE, UNKNOWN, UNKNOWN),
    Phase.PREPARING: (TRUE, UNKNOWN, UNKNOWN),
    Phase.VALIDATING: (TRUE, UNKNOWN, UNKNOWN),
    Phase.PROGRESSING: (TRUE, UNKNOWN, UNKNOWN),
    Phase.PROMOTING: (TRUE, UNKNOWN, UNKNOWN),
    Phase.BAKING: (TRUE, UNKNOWN, UNKNOWN),
    Phase.ROLLING_BACK: (TRUE, UNKNOWN, UNKNOWN),
    Phase.PAUSED: (UNKNOWN, UNKNOWN, UNKNOWN),
    Phase.FROZEN: (UNKNOWN, UNKNOWN, UNKNOWN),
    Phase.HALTED: (UNKNOWN, UNKNOWN, UNKNOWN),
    Phase.SUCCEEDED: (FALSE, TRUE, FALSE),
    Phase.ROLLED_BACK: (FALSE, FALSE, TRUE),
    Phase.NOT_DEPLOYED: (FALSE, FALSE, FALSE),
    Phase.SUPERSEDED: (FALSE, FALSE, FALSE),
    Phase.ABORTED: (FALSE, FALSE, FALSE),
}


def said(rollout: Rollout, before: object = None, at: datetime = NOW, **more: Any) -> dict[str, Any]:
    found = conditions(findings_of(rollout), before, at=at, generation=3, **more)
    return {each.type: each for each in found}


def status(rollout: Rollout, kind: Condition) -> tuple[str, str]:
    condition = said(rollout)[kind]
    return condition.status, condition.reason


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_says_whether_it_goes_on_and_how_it_ended(phase: Phase) -> None:
    rollout = replace(a_rollout(), phase=phase, reason=Reason.NEWER_RELEASE, message="why")
    found = said(rollout)
    assert list(found) == list(Condition)
    assert tuple(found[kind].status for kind in (PROGRESSING, PROMOTED, ROLLED_BACK)) == BY_PHASE[phase]
    assert {found[kind].reason for kind in (PROGRESSING, PROMOTED, ROLLED_BACK)} == {"NewerRelease"}
    assert all(condition.observed_generation == 3 for condition in found.values())


def test_what_lacks_only_approval_waits_for_a_person() -> None:
    rollout = replace(a_rollout(), phase=Phase.PROGRESSING, reason=Reason.WAITING_FOR_APPROVAL)
    assert status(rollout, PROGRESSING) == (UNKNOWN, "WaitingForApproval")


def test_a_success_is_promoted_for_the_reason_promoted() -> None:
    rollout = replace(a_rollout(), phase=Phase.SUCCEEDED, reason=Reason.PROMOTED)
    assert status(rollout, PROMOTED) == (TRUE, "Promoted")
    assert status(rollout, HEALTHY) == (TRUE, "Promoted")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"evidence": Evidence(verdict=Verdict.PASS), "reason": Reason.STEP_RUNNING}, (TRUE, "StepRunning")),
        ({"evidence": Evidence(verdict=Verdict.FAIL), "reason": Reason.CHECK_FAILED}, (FALSE, "CheckFailed")),
        ({"evidence": Evidence(), "reason": Reason.STEP_RUNNING}, (UNKNOWN, "StepRunning")),
        ({"reason": Reason.CRASH_LOOPING, "phase": Phase.PREPARING}, (FALSE, "CrashLooping")),
        (
            {"reason": Reason.GOLDEN_REQUEST_FAILED, "phase": Phase.NOT_DEPLOYED},
            (FALSE, "GoldenRequestFailed"),
        ),
        (
            {"reason": Reason.STABLE_UNHEALTHY, "cause": Reason.CANARY_NOT_READY, "phase": Phase.HALTED},
            (FALSE, "CanaryNotReady"),
        ),
        (
            {"reason": Reason.METRICS_UNAVAILABLE, "cause": Reason.METRICS_UNAVAILABLE},
            (UNKNOWN, "MetricsUnavailable"),
        ),
        ({"reason": Reason.UNSCHEDULABLE, "phase": Phase.NOT_DEPLOYED}, (UNKNOWN, "Unschedulable")),
    ],
)
def test_healthy_is_what_is_known_of_the_version(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert status(replace(a_rollout(), **changes), HEALTHY) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (UNKNOWN, "WaitingForMetrics")),
        ({"evidence": Evidence(cursor=EPOCH)}, (TRUE, "MetricsAnswer")),
        ({"evidence": Evidence(cursor=EPOCH), "reason": Reason.METRICS_STALE}, (FALSE, "MetricsStale")),
        (
            {"evidence": Evidence(cursor=EPOCH), "clocks": Clocks(unmeasured=timedelta(seconds=30))},
            (FALSE, "MetricsUnavailable"),
        ),
        (
            {"cause": Reason.METRICS_UNAVAILABLE, "phase": Phase.ROLLED_BACK},
            (FALSE, "MetricsUnavailable"),
        ),
    ],
)
def test_metrics_available_follows_the_answers(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert status(replace(a_rollout(), **changes), METRICS) == expected


@pytest.mark.parametrize(
    ("route", "reason", "expected"),
    [
        (Route(), Reason.CREATED, (UNKNOWN, "WaitingForGateway")),
        (Route(in_force=True), Reason.STEP_RUNNING, (TRUE, "RouteAsAsked")),
        (Route(foreign=Split(a_release("v1"))), Reason.DRIFT_DETECTED, (FALSE, "DriftDetected")),
        (Route(), Reason.DRIFT_DETECTED, (FALSE, "DriftDetected")),
    ],
)
def test_drift_free_follows_the_route(route: Route, reason: Reason, expected: tuple[str, str]) -> None:
    assert status(replace(a_rollout(), route=route, reason=reason), DRIFT) == expected


def test_what_nothing_new_is_known_of_still_stands() -> None:
    measured = replace(a_rollout(), evidence=Evidence(cursor=EPOCH), route=Route(in_force=True))
    before = [each.model_dump(mode="json", by_alias=True) for each in said(measured).values()]
    at_next_weight = a_rollout()
    assert said(at_next_weight, before, LATER)[METRICS].status == TRUE
    assert said(at_next_weight, before, LATER)[DRIFT].status == TRUE
    assert said(at_next_weight, before, LATER, anew=True)[DRIFT].status == UNKNOWN


def test_the_time_of_a_transition_is_kept_until_the_status_changes() -> None:
    before = [each.model_dump(mode="json", by_alias=True) for each in said(a_rollout()).values()]
    held = said(replace(a_rollout(), reason=Reason.WAITING_FOR_READY), before, LATER)
    assert held[PROGRESSING].last_transition_time == NOW.replace(microsecond=0)
    assert held[PROGRESSING].reason == "WaitingForReady"
    ended = said(replace(a_rollout(), phase=Phase.ABORTED), before, LATER)
    assert ended[PROGRESSING].last_transition_time == LATER.replace(microsecond=0)
    assert ended[POLICY].last_transition_time == NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    "before",
    [
        "nonsense",
        [None, 1, "x"],
        [{"type": "Progressing"}],
        [{"type": "Progressing", "status": "True", "lastTransitionTime": "yesterday"}],
        [{"type": "Progressing", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00"}],
        [{"type": "Progressing", "status": "Maybe", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        [{"type": ["Progressing"], "status": {}, "lastTransitionTime": 3}],
    ],
)
def test_what_somebody_else_wrote_there_counts_as_nothing(before: object) -> None:
    assert said(a_rollout(), before) == said(a_rollout())


def test_an_object_that_is_refused_says_so() -> None:
    findings = findings_without_record(
        Phase.NOT_DEPLOYED, Reason.ROUTE_NOT_FOUND, "no policy is for it", policy_valid=False
    )
    found = {each.type: each for each in conditions(findings, None, at=NOW, generation=1)}
    assert {kind: found[kind].status for kind in Condition} == {
        PROGRESSING: FALSE,
        HEALTHY: UNKNOWN,
        PROMOTED: FALSE,
        ROLLED_BACK: FALSE,
        POLICY: FALSE,
        METRICS: UNKNOWN,
        DRIFT: UNKNOWN,
    }
    assert found[POLICY].message == "no policy is for it"


@pytest.mark.parametrize(("valid", "expected"), [(True, TRUE), (False, FALSE), (None, UNKNOWN)])
def test_an_object_that_waits_says_what_is_known_of_its_policy(valid: bool | None, expected: str) -> None:
    findings = findings_without_record(Phase.PENDING, Reason.CREATED, "waits", policy_valid=valid)
    found = {each.type: each for each in conditions(findings, None, at=NOW, generation=1)}
    assert (found[POLICY].status, found[PROGRESSING].status) == (expected, TRUE)
