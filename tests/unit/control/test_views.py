"""What people see of a record: the published keys, honest numbers, and an answer for every reason."""

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.control.explanations import EXPLANATIONS
from controller.control.record_view import policy_view, record_view
from controller.control.views import next_at, status_view
from controller.control.why import why_view
from controller.domain.drain import Drain, Drained
from controller.domain.model import Clocks, Evidence, Rollout
from controller.domain.policy import Fallback
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.fakes import EPOCH, a_policy, a_rollout
from tests.unit.control.stage import a_result, ended, progressing

SECOND = timedelta(seconds=1)
NOW = EPOCH + timedelta(minutes=5)


def watched(rollout: Rollout, ago: timedelta) -> Rollout:
    return replace(rollout, updated_at=NOW - ago)


class TestStatus:
    def test_the_json_has_the_published_keys(self) -> None:
        view = json.loads(status_view(progressing(), NOW).model_dump_json())
        assert set(view) == {
            "apiVersion", "model", "rollout", "stable", "canary", "phase", "reason", "message", "verdict",
            "step", "steps", "weight", "checks", "next_at", "terminal", "waits_for_person", "created_at",
            "updated_at", "created_by", "retry_of", "policy", "seq", "namespace", "approval", "audience",
            "mirror",
        }  # fmt: skip
        assert set(view["checks"][0]) == {
            "name", "verdict", "reason", "value", "limit", "stable_value", "unit", "requests", "failures",
            "budget", "report_only", "text", "note", "evidence",
        }  # fmt: skip

    def test_the_values_are_those_of_the_record(self) -> None:
        view = json.loads(status_view(progressing(), NOW).model_dump_json())
        assert view["apiVersion"] == "serinus.dev/v1alpha1"
        assert (view["model"], view["rollout"], view["stable"], view["canary"]) == (
            "fraud",
            "fraud-1",
            "v1",
            "v2",
        )
        assert (view["phase"], view["reason"], view["weight"]) == ("Progressing", "StepRunning", 5.0)
        assert (view["step"], view["steps"]) == (1, 2)
        check = view["checks"][0]
        assert (check["value"], check["limit"], check["stable_value"]) == (0.002, 0.01, 0.001)
        assert (check["unit"], check["requests"], check["verdict"]) == ("ratio", 1234, "PASS")

    def test_a_rollout_that_has_not_begun_shows_its_checks_as_unknown(self) -> None:
        view = status_view(a_rollout(), NOW)
        assert (view.step, view.weight, view.stable, view.next_at) == (0, 0.0, None, None)
        assert [(c.name, c.verdict, c.reason) for c in view.checks] == [
            ("errors", Verdict.UNKNOWN, Reason.NO_VALUE)
        ]

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_a_number_that_json_cannot_hold_is_null(self, value: float) -> None:
        rollout = replace(progressing(), evidence=Evidence(checks=(a_result(value=value),)))
        assert status_view(rollout, NOW).checks[0].value is None

    @pytest.mark.parametrize("phase", list(Phase))
    def test_every_phase_says_whether_it_is_over_and_whether_it_waits(self, phase: Phase) -> None:
        view = status_view(replace(progressing(), phase=phase), NOW)
        assert (view.terminal, view.waits_for_person) == (phase.terminal, phase.waits_for_person)


class TestRecord:
    def test_it_says_what_the_policy_demands(self) -> None:
        view = record_view(progressing(), NOW)
        assert (view.status, view.why) == (status_view(progressing(), NOW), why_view(progressing(), NOW))
        assert view.policy is not None
        assert [(step.weight, step.hold_seconds, step.min_requests) for step in view.policy.steps] == [
            (5.0, 30.0, 100),
            (25.0, 30.0, 100),
        ]
        assert [(each.name, each.unit, each.max, each.worse_by_points) for each in view.policy.limits] == [
            ("errors", "ratio", 0.01, 0.005)
        ]
        assert (view.policy.route, view.policy.judge, view.policy.rules) == (
            "envoy /v2/models/fraud",
            "threshold",
            None,
        )

    def test_a_judge_that_weighs_evidence_says_how_sure_it_must_be(self) -> None:
        policy = policy_view(a_policy(judge="sequential"))
        assert policy.rules is not None
        assert (policy.rules.confidence, policy.rules.budget, policy.rules.promote_ratio) == (0.99, 20, 1.5)


class TestNextAt:
    def test_a_step_goes_on_from_the_last_pass(self) -> None:
        rollout = watched(progressing(at_weight=10 * SECOND), ago=5 * SECOND)
        assert next_at(rollout, NOW) == NOW + 15 * SECOND

    def test_a_step_whose_time_is_over_can_end_now(self) -> None:
        assert next_at(watched(progressing(at_weight=31 * SECOND), ago=5 * SECOND), NOW) == NOW
        assert next_at(watched(progressing(), ago=timedelta(hours=1)), NOW) == NOW

    def test_a_weight_that_is_not_in_force_yet_has_all_its_time_before_it(self) -> None:
        rollout = watched(progressing(), ago=5 * SECOND)
        pending = replace(rollout, route=replace(rollout.route, in_force=False))
        assert next_at(pending, NOW) == NOW + 30 * SECOND

    def test_a_bake_has_its_own_time(self) -> None:
        rollout = watched(replace(progressing(at_weight=20 * SECOND), phase=Phase.BAKING), ago=0 * SECOND)
        assert next_at(rollout, NOW) == NOW + 40 * SECOND

    @pytest.mark.parametrize("phase", sorted(set(Phase) - {Phase.PROGRESSING, Phase.BAKING}))
    def test_no_other_phase_knows_when(self, phase: Phase) -> None:
        assert next_at(replace(progressing(), phase=phase), NOW) is None

    @given(st.timedeltas(timedelta(0), timedelta(days=2)), st.timedeltas(timedelta(0), timedelta(days=2)))
    def test_it_never_lies_in_the_past_nor_further_than_the_whole_step(
        self, at_weight: timedelta, ago: timedelta
    ) -> None:
        found = next_at(watched(progressing(at_weight=at_weight), ago), NOW)
        assert found is not None
        assert NOW <= found <= NOW + 30 * SECOND


class TestWhy:
    def test_every_reason_has_a_meaning_and_a_remedy(self) -> None:
        assert set(EXPLANATIONS) == set(Reason)
        for reason, explanation in EXPLANATIONS.items():
            assert len(explanation.meaning) > 15, reason
            assert not explanation.meaning.endswith("."), reason
            assert explanation.remedy, reason
            assert "{" not in explanation.remedy_for("fraud"), reason

    @pytest.mark.parametrize("phase", list(Phase))
    @pytest.mark.parametrize("reason", list(Reason))
    def test_every_reason_is_explained_in_every_phase(self, reason: Reason, phase: Phase) -> None:
        rollout = replace(
            progressing(), phase=phase, reason=reason, resume_to=Phase.PROGRESSING, ending=Phase.ABORTED
        )
        view = why_view(rollout, NOW)
        assert view.reason is reason
        assert view.meaning == EXPLANATIONS[reason].meaning
        assert view.next_action
        assert (view.deadline is None) == (view.deadline_action is None)

    def test_it_says_verdict_checks_next_action_and_deadline(self) -> None:
        failing = a_result(Verdict.FAIL, value=0.02, failures=2)
        rollout = watched(progressing(at_weight=10 * SECOND, since_step=10 * SECOND), ago=0 * SECOND)
        rollout = replace(rollout, evidence=Evidence(verdict=Verdict.UNKNOWN, checks=(failing,)))
        view = why_view(rollout, NOW)
        assert view.verdict is Verdict.UNKNOWN
        assert view.checks[0].sentence == "errors 2% is above its limit 1% over 1,234 requests"
        assert view.next_action == "step 2 of 2: 25%, if every check passes"
        assert view.next_at == NOW + 20 * SECOND
        assert view.deadline == NOW + timedelta(hours=1) - 10 * SECOND
        assert view.deadline_action == "people are told; the weight holds"

    def test_a_policy_that_rolls_back_at_a_deadline_says_so(self) -> None:
        rollout = replace(progressing(), policy=a_policy(on_deadline=Fallback.ROLLBACK))
        assert why_view(rollout, NOW).deadline_action == "rolled back"

    def test_the_nearest_deadline_is_named(self) -> None:
        silent = replace(progressing(unmeasured=timedelta(minutes=10)), updated_at=NOW)
        view = why_view(silent, NOW)
        assert (view.deadline, view.deadline_action) == (
            NOW + timedelta(minutes=5),
            "rolled back: no metrics",
        )
        late = replace(progressing(total=timedelta(hours=23, minutes=59)), updated_at=NOW)
        assert why_view(late, NOW).deadline_action == "paused"
        told = replace(progressing(), told=(Reason.TOO_LITTLE_EVIDENCE,), updated_at=NOW)
        assert why_view(told, NOW).deadline == NOW + timedelta(hours=24)

    def test_before_traffic_the_deadline_ends_in_no_deployment(self) -> None:
        clocks = Clocks(in_phase=timedelta(minutes=29))
        preparing = replace(a_rollout(), phase=Phase.PREPARING, clocks=clocks, updated_at=NOW)
        view = why_view(preparing, NOW)
        assert (view.deadline, view.deadline_action) == (NOW + timedelta(minutes=1), "not deployed")

    def test_how_pods_are_stopped_and_how_the_last_requests_ended_is_said(self) -> None:
        cut = "3 requests of v2 still ran after 1m: they were cut (by a gauge)"
        drain = Drain(Drained.CUT, "v2", timedelta(minutes=1), cut)
        over = ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED)
        view = why_view(replace(over, drain=drain, cautions=("its pods are stopped soon",)), NOW)
        assert (view.drained, view.warnings) == (cut, ("its pods are stopped soon",))
        assert why_view(over, NOW).drained is None

    def test_what_is_over_has_neither_next_action_nor_deadline(self) -> None:
        view = why_view(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED), NOW)
        assert view.next_action == "none: the rollout is over"
        assert (view.next_at, view.deadline) == (None, None)
