"""What differs between two rollouts: every field of a policy in its file's own words, nothing else told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.control.diff_view import Difference, diff_view
from controller.control.policy_words import policy_words
from controller.control.record_view import RecordView, policy_view, record_view
from controller.domain.model import Rollout
from controller.domain.policy import (
    ApprovalRules,
    Check,
    CheckKind,
    Fallback,
    GateRules,
    JudgeRules,
    Milestone,
    NoData,
    OnDrift,
    RouteRef,
    Validation,
    WorkloadRules,
)
from controller.domain.probes import ProbeRules
from controller.domain.release import Backend, BackendKind, Image, Release
from controller.domain.vocabulary import Phase, Reason
from tests.fakes import EPOCH, a_policy
from tests.unit.control.stage import ended, progressing

MINUTE = timedelta(minutes=1)


def record(rollout: Rollout, **policy: Any) -> RecordView:
    return record_view(replace(rollout, policy=replace(rollout.policy, **policy)), EPOCH)


def differences(found: tuple[Difference, ...]) -> dict[str, tuple[str | None, str | None]]:
    return {each.field: (each.before, each.after) for each in found}


def policies(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    return differences(diff_view(record(progressing(), **before), record(progressing(), **after)).policy)


def test_a_rollout_does_not_differ_from_itself() -> None:
    found = diff_view(record(progressing()), record(progressing()))
    assert (found.version, found.policy, found.outcome, found.checks, found.notes) == ((),) * 5
    assert {"version.version", "policy.bake", "outcome.phase", "checks.errors.value"} <= set(found.same)


def test_versions_and_outcomes_are_told_apart() -> None:
    found = diff_view(record(progressing()), record(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED, "v3", 2)))
    assert (found.before.rollout, found.after.rollout) == ("fraud-1", "fraud-2")
    assert differences(found.version) == {
        "version": ("v2", "v3"),
        "endpoints": ("[v2.test:8080]", "[v3.test:8080]"),
    }
    assert differences(found.outcome)["phase"] == ("Progressing", "RolledBack")
    assert "version.stable" in found.same


def test_what_a_cluster_runs_is_compared_variable_by_variable() -> None:
    image = Image("r/m:1", args=("--a",), env=(("A", "1"), ("B", "2")), container="server")
    one = replace(progressing(), release=Release("v2", image=image))
    other = replace(image, image="r/m:2", args=None, env=(("A", "1"), ("B", "3"), ("C", "")))
    two = replace(
        progressing(),
        release=Release("v2", backend=Backend(BackendKind.SERVICE, "fraud-v2", 8080), image=other),
    )
    assert differences(diff_view(record(one), record(two)).version) == {
        "backend": (None, "Service/fraud-v2:8080"),
        "image": ("r/m:1", "r/m:2"),
        "args": ("[--a]", None),
        "env.B": ("2", "3"),
        "env.C": (None, ""),
    }


STEPS = a_policy().steps
LATENCY = Check("latency_p99", CheckKind.QUANTILE, max=0.5, worse_by_ratio=0.2, quantile=0.99)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {"bake": 5 * MINUTE}, {"bake": ("1m", "5m")}),
        ({}, {"route": RouteRef("envoy", "/b")}, {"route": ("envoy /v2/models/fraud", "envoy /b")}),
        (
            {},
            {"steps": (STEPS[0], replace(STEPS[1], weight_permille=500))},
            {
                "steps": ("[5%, 25%]", "[5%, 50%]"),
                "steps[25%].for": ("30s", None),
                "steps[25%].min_requests": ("100", None),
                "steps[25%].deadline": ("1h", None),
                "steps[50%].for": (None, "30s"),
                "steps[50%].min_requests": (None, "100"),
                "steps[50%].deadline": (None, "1h"),
            },
        ),
        (
            {},
            {"steps": (STEPS[0], replace(STEPS[1], approval=True, gate="desk", hold=MINUTE))},
            {
                "steps[25%].for": ("30s", "1m"),
                "steps[25%].approval": (None, "true"),
                "steps[25%].gate": (None, "desk"),
                "approval.people": (None, "1"),
                "approval.before": (None, "[]"),
                "approval.on_deny": (None, "rollback"),
                "gates[desk].before": (None, "[]"),
                "gates[desk].on_deny": (None, "rollback"),
                "gates[desk].on_error": (None, "hold"),
            },
        ),
        (
            {"checks": (LATENCY,)},
            {"checks": (replace(LATENCY, max=0.0045, worse_by_ratio=None, worse_by_points=0.005),)},
            {
                "checks.latency_p99.max": ("500ms", "4.5ms"),
                "checks.latency_p99.worse_by": ("20%", "0.5pp"),
            },
        ),
        (
            {},
            {"no_data": NoData(act_after=MINUTE, action=Fallback.HOLD), "on_drift": OnDrift.RESTORE},
            {
                "no_data.act_after": ("15m", "1m"),
                "no_data.action": ("rollback", "hold"),
                "on_drift": ("freeze", "restore"),
            },
        ),
        (
            {"judge": "sequential"},
            {"judge": "sequential", "judge_rules": JudgeRules(0.95, 5, 2.0)},
            {
                "budget": ("20 bad requests", "5 bad requests"),
                "confidence": ("99%", "95%"),
                "promote_if_not_worse_than": ("1.5x", "2x"),
            },
        ),
        (
            {},
            {"notify": ("a", "b"), "workload": WorkloadRules(discover=True), "warm_up_requests": 3},
            {
                "notify": ("[]", "[a, b]"),
                "workload.discover": ("false", "true"),
                "warm_up.requests": ("0", "3"),
            },
        ),
        (
            {"validation": Validation("golden/a.yaml", MINUTE)},
            {},
            {"validation.golden": ("golden/a.yaml", None)},
        ),
    ],
)  # fmt: skip
def test_a_policy_is_compared_in_the_words_of_its_file(
    before: dict[str, Any], after: dict[str, Any], told: dict[str, tuple[str | None, str | None]]
) -> None:
    assert policies(before, after) == told


def test_probes_are_compared_too() -> None:
    rules = ProbeRules("/v1/chat/completions", "fraud", "x-serinus-version")
    found = policies({"probe": rules}, {"probe": replace(rules, requests=20)})
    assert found == {"probe.requests": ("10", "20")}
    assert policies({}, {"probe": rules})["probe.every"] == (None, "1m")


def test_people_and_gates_are_compared_too() -> None:
    rules = ApprovalRules((Milestone.PROMOTION,), 2, MINUTE)
    gate = GateRules("desk", (Milestone.START,), on_error=Fallback.ROLLBACK)
    words = policy_words(policy_view(a_policy(approval=rules, gates=(gate,))))
    assert words["approval.people"] == "2"
    assert (words["approval.before"], words["approval.within"]) == ("[promotion]", "1m")
    assert (words["gates[desk].before"], words["gates[desk].on_error"]) == ("[start]", "rollback")


def test_a_check_of_the_policys_own_shows_its_queries() -> None:
    check = Check("tokens", CheckKind.RATIO, max=0.1, query="bad_total", of="all_total")
    words = policy_words(policy_view(a_policy(checks=(check,))))
    assert (words["checks.tokens.query"], words["checks.tokens.of"]) == ("bad_total", "all_total")


def test_files_that_differ_in_nothing_that_is_shown_are_said_to_differ_all_the_same() -> None:
    found = diff_view(record(progressing(), digest="a"), record(progressing(), digest="b"))
    assert differences(found.policy) == {"digest": ("a", "b")}
    assert found.notes == ("the policy files differ (policy.digest) in what is not compared here",)


def test_without_a_record_the_policies_are_not_compared_and_that_is_said() -> None:
    unread = record(progressing()).model_copy(update={"policy": None, "release": None})
    found = diff_view(unread, record(progressing()))
    assert found.policy == ()
    assert found.notes == ("the policy of fraud-1 is not known, so policies are not compared",)
