"""People's approval as the service takes it, and as people are shown it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.cli.phrases import approval_of
from controller.control.errors import Refused
from controller.control.record_view import policy_view
from controller.control.views import status_view
from controller.control.why import why_view
from controller.domain.approval import Asking, Goal
from controller.domain.model import Clocks, CommandKind, Rollout, Route
from controller.domain.policy import ApprovalRules, Fallback, GateRules, Milestone
from controller.domain.vocabulary import Phase, Reason
from tests.fakes import EPOCH
from tests.unit.control.stage import Stage, asking, progressing

NOW = EPOCH + timedelta(hours=1)
HOUR = timedelta(hours=1)
TWO = ApprovalRules(people=2, within=4 * HOUR)


class TestService:
    async def test_two_people_approve_and_the_model_is_woken_each_time(self) -> None:
        stage = Stage()
        stage.begin(asking(TWO))
        one = await stage.service.command("fraud", CommandKind.APPROVE, actor="bob", request_id="request-1")
        assert one.message == "step 2 (25%) waits for the approval of 1 more person; approved by bob"
        two = await stage.service.command("fraud-1", CommandKind.APPROVE, actor="cy", request_id="request-2")
        assert two.message == "step 2 (25%) is approved by bob and cy"
        assert [entry.event for entry in stage.store.log["fraud-1"][-2:]] == ["approval_given"] * 2
        assert stage.wakes == [("fraud", True)] * 2

    async def test_a_word_that_is_delivered_twice_is_one_word(self) -> None:
        stage = Stage()
        stage.begin(asking(TWO))
        for _ in range(2):
            await stage.service.command("fraud", CommandKind.APPROVE, actor="bob", request_id="request-1")
        found = stage.rollout("fraud-1").asking
        assert found is not None
        assert found.actors == ("bob",)

    async def test_a_second_word_of_the_same_person_is_refused(self) -> None:
        stage = Stage()
        stage.begin(asking(ApprovalRules(people=2), "bob"))
        with pytest.raises(Refused, match="bob has approved step 2") as refusal:
            await stage.service.command("fraud", CommandKind.APPROVE, actor="bob", request_id="request-9")
        assert refusal.value.hint == "serinus status fraud"

    async def test_why_a_person_says_no_stands_in_the_log(self) -> None:
        stage = Stage()
        stage.begin(asking(TWO))
        outcome = await stage.service.follow(
            stage.rollout("fraud-1"), CommandKind.DENY, actor="bob", request_id="request-1", note="audit"
        )
        assert (outcome.phase, outcome.message) == (
            Phase.ROLLING_BACK,
            "step 2 (25%) was denied by bob: audit",
        )
        command = stage.store.log["fraud-1"][-1].command
        assert command is not None
        assert command.note == "audit"


class TestViews:
    def test_the_status_says_who_approved_how_many_are_missing_and_until_when(self) -> None:
        view = status_view(asking(TWO, "bob"), NOW)
        assert view.approval is not None
        shown = view.approval
        assert (shown.what, shown.people, shown.approved_by, shown.missing) == (
            "step 2 (25%)",
            2,
            ("bob",),
            1,
        )
        assert (shown.asked_at, shown.until, shown.on_timeout) == (EPOCH, NOW + 3 * HOUR, "hold")
        assert (view.waits_for_person, view.next_at) == (True, None)

    def test_without_a_time_of_its_own_there_is_no_until(self) -> None:
        view = status_view(asking(ApprovalRules()), NOW)
        assert view.approval is not None
        assert view.approval.until is None
        assert status_view(progressing(), NOW).approval is None

    @pytest.mark.parametrize(
        ("on_timeout", "action"),
        [(Fallback.HOLD, "people are told; the weight holds"), (Fallback.ROLLBACK, "rolled back")],
    )
    def test_why_says_what_comes_next_and_what_silence_leads_to(
        self, on_timeout: Fallback, action: str
    ) -> None:
        rules = ApprovalRules(people=2, within=4 * HOUR, on_timeout=on_timeout)
        view = why_view(asking(rules, "bob"), NOW)
        assert view.next_action == "goes on to step 2 (25%) as soon as 1 more person approves"
        assert (view.deadline, view.deadline_action) == (NOW + 3 * HOUR, action)
        assert view.approval is not None
        assert "serinus approve fraud" in view.remedy

    def test_why_says_ahead_that_people_will_be_asked(self) -> None:
        running = replace(asking(TWO), asking=None, reason=Reason.STEP_RUNNING)
        expected = "step 2 of 2: 25%, if every check passes, and people approve"
        assert why_view(running, NOW).next_action == expected

    def test_the_steps_own_deadline_is_none_while_people_are_waited_for(self) -> None:
        view = why_view(asking(ApprovalRules()), NOW)
        assert (view.deadline, view.deadline_action) == (NOW + 24 * HOUR, "paused")

    def test_before_any_traffic_silence_ends_in_no_deployment(self) -> None:
        rules = ApprovalRules((Milestone.START,), within=4 * HOUR, on_timeout=Fallback.ROLLBACK)
        waits = replace(
            asking(rules),
            phase=Phase.PENDING,
            route=Route(),
            clocks=Clocks(),
            asking=Asking(Goal(Milestone.START), EPOCH, 1),
        )
        view = why_view(waits, NOW)
        assert (view.deadline, view.deadline_action) == (NOW + 4 * HOUR, "not deployed")
        assert view.next_action == "goes on to the start as soon as 1 more person approves"


class TestGates:
    GATES = (
        GateRules("desk", within=2 * HOUR, on_timeout=Fallback.ROLLBACK),
        GateRules("audit", before=(Milestone.PROMOTION,)),
    )

    def gated(self, *passed: str, people: int = 0) -> Rollout:
        """Asked for an hour for the second step."""
        rollout = asking(ApprovalRules())
        first, second = rollout.policy.steps
        steps = (first, replace(second, approval=bool(people), gate="desk"))
        asked = Asking(
            Goal(Milestone.STEP, 1),
            EPOCH,
            people,
            waited=HOUR,
            number=7,
            gates=("desk", "audit"),
            passed=passed,
        )
        return replace(
            rollout,
            policy=replace(rollout.policy, steps=steps, gates=self.GATES),
            asking=asked,
            reason=Reason.WAITING_FOR_GATE,
        )

    def test_status_says_which_gates_are_asked_and_until_when(self) -> None:
        found = status_view(self.gated("audit"), NOW).approval
        assert found is not None
        assert (found.number, found.people, found.missing, found.until) == (7, 0, 0, None)
        assert [(gate.name, gate.passed, gate.until) for gate in found.gates] == [
            ("desk", False, NOW + HOUR),
            ("audit", True, None),
        ]
        assert approval_of(found, NOW) == (
            "step 2 (25%): gate desk is asked; silence ends the rollout in 1h; gate audit lets it pass"
        )

    def test_people_and_gates_stand_side_by_side(self) -> None:
        found = status_view(self.gated(people=1), NOW).approval
        assert found is not None
        assert approval_of(found, NOW).startswith("step 2 (25%): 0 of 1; 1 missing; gate desk is asked")

    def test_why_says_what_comes_next_and_which_time_runs(self) -> None:
        answer = why_view(self.gated(), NOW)
        assert answer.next_action == "goes on to step 2 (25%) as soon as gates desk and audit let it pass"
        assert (answer.deadline, answer.deadline_action) == (NOW + HOUR, "rolled back")
        both = why_view(self.gated("audit", people=1), NOW)
        assert both.next_action == (
            "goes on to step 2 (25%) as soon as 1 more person approves and gate desk lets it pass"
        )

    def test_before_it_is_asked_why_says_that_it_will_be(self) -> None:
        running = replace(self.gated(), asking=None, reason=Reason.STEP_RUNNING)
        assert why_view(running, NOW).next_action.endswith(", and gate desk lets it pass")

    def test_the_record_has_the_rules_of_every_gate(self) -> None:
        policy = replace(self.gated().policy, gates=self.GATES[1:])
        found = policy_view(policy).gates
        assert [(gate.name, gate.before, gate.within_seconds) for gate in found] == [
            ("audit", ("promotion",), None),
            ("desk", (), None),
        ]
