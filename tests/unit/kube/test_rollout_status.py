"""A status is written whatever the record holds, and read back as it was."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.adapters.kube.crd import structural
from controller.adapters.kube.modelrollout import RequestSpec
from controller.adapters.kube.requestlog import is_answered
from controller.adapters.kube.rolloutstatus import (
    LARGEST_OBJECT_BYTES,
    Place,
    Written,
    entries_from,
    marked,
    refused,
    rollouts_from,
    same_but_for_times,
    status_of,
)
from controller.adapters.kube.statusshape import ModelRolloutStatus
from controller.domain.judge import judge_of
from controller.domain.judge.base import Assessment, CheckResult, Terms
from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.model import Command, CommandKind, Entry, Evidence, Rollout
from controller.domain.policy import Check, CheckKind
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.errors import InvariantError, StoreUnavailable
from tests.fakes import a_policy, a_rollout
from tests.property.test_codec import anything, same

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PLACE = Place(epoch=7, ordinal=3, attempt=1)


@cache
def schema() -> dict[str, Any]:
    return structural(ModelRolloutStatus)


def an_object(status: dict[str, Any] | None = None, *, generation: int = 1, **spec: Any) -> dict[str, Any]:
    obj: dict[str, Any] = {
        "metadata": {"name": "fraud-1", "namespace": "default", "generation": generation},
        "spec": {"model": "fraud", "version": "v2", **spec},
    }
    return obj if status is None else {**obj, "status": status}


def an_entry(rollout: Rollout, command: Command | None = None, **changes: Any) -> Entry:
    entry = Entry(
        seq=rollout.seq,
        at=NOW,
        actor="serinus",
        event="step_advanced",
        phase_before=Phase.PREPARING,
        phase=rollout.phase,
        reason=rollout.reason,
        message=rollout.message,
        step=rollout.step,
        weight_permille=rollout.share_permille,
        assessment=Assessment(rollout.evidence.verdict, rollout.evidence.checks),
        command=command,
    )
    return replace(entry, **changes)


def begun(**changes: Any) -> Rollout:
    return replace(a_rollout(), seq=1, updated_at=NOW, **changes)


def written(rollout: Rollout, obj: dict[str, Any] | None = None, command: Command | None = None) -> Written:
    return status_of(obj or an_object(), rollout, an_entry(rollout, command), PLACE)


def word(request_id: str, kind: CommandKind = CommandKind.PAUSE) -> Command:
    return Command(kind, request_id, "ann", NOW)


def large(checks: int = 20, buckets: int = 21) -> Rollout:
    """A rollout in the middle of a large policy, with everything measured."""
    names = [f"latency_p99_of_route_{number}" for number in range(checks)]
    policy = a_policy(
        checks=tuple(
            Check(name, CheckKind.QUANTILE, max=0.5, worse_by_ratio=0.2, quantile=0.99) for name in names
        )
    )
    judge, terms = judge_of(policy), Terms(min_requests=100, compare=True)
    tally = Tally(
        123_456,
        0,
        tuple(0.005 * 1.7**n for n in range(buckets)),
        tuple(12_345 + n for n in range(buckets + 1)),
    )
    counts = tuple(CheckCounts(name, tally, tally) for name in names)
    block = Block(NOW, NOW + timedelta(seconds=15), 1234, 5678, counts)
    state = judge.fold(judge.begin(), [block], (), terms)
    found = judge.assess(state, terms)
    evidence = Evidence(NOW, NOW, 1234, 5678, state, found.verdict, found.checks)
    return replace(begun(), policy=policy, evidence=evidence, step=0)


class TestStatus:
    def test_it_says_what_the_table_shows(self) -> None:
        status = written(begun(phase=Phase.PROGRESSING, step=1, reason=Reason.STEP_RUNNING)).status
        shown = {
            key: status[key] for key in ("phase", "step", "steps", "progress", "weight", "weightPercent")
        }
        assert shown == {
            "phase": "Progressing",
            "step": 2,
            "steps": 2,
            "progress": "2/2",
            "weight": "0%",
            "weightPercent": 0.0,
        }
        assert (status["epoch"], status["ordinal"], status["attempt"]) == (7, 3, 1)
        assert status["schemaVersion"] == 1

    def test_checks_have_their_sentence(self) -> None:
        check = CheckResult("errors", Verdict.PASS, Reason.WITHIN_LIMIT, 0.002, 0.01, requests=1234)
        (shown,) = written(begun(evidence=Evidence(checks=(check,)))).status["checks"]
        assert shown["text"] == "errors 0.2% is within 1% over 1,234 requests"
        assert (shown["value"], shown["limit"]) == (0.002, 0.01)

    def test_the_record_and_the_log_are_read_back(self) -> None:
        rollout = begun()
        first = an_object(written(rollout).status)
        later = replace(rollout, seq=2, phase=Phase.PREPARING)
        obj = an_object(written(later, first).status)
        assert rollouts_from(obj) == later
        assert entries_from(obj) == [an_entry(rollout), an_entry(later)]

    def test_without_a_record_there_is_no_rollout(self) -> None:
        assert rollouts_from(an_object()) is None
        assert entries_from(an_object()) == []

    def test_a_new_attempt_begins_a_new_log_and_tells_the_old_one(self) -> None:
        ended = begun(phase=Phase.ROLLED_BACK)
        obj = an_object(written(ended).status)
        again = replace(begun(), id="fraud-1.2", retry_of="fraud-1")
        found = status_of(obj, again, an_entry(again), replace(PLACE, attempt=2))
        assert found.fallen == (an_entry(ended),)
        assert entries_from(an_object(found.status)) == [an_entry(again)]
        promoted = {each["type"]: each["status"] for each in found.status["conditions"]}["RolledBack"]
        assert promoted == "Unknown"

    def test_text_that_json_cannot_hold_is_a_defect(self) -> None:
        with pytest.raises(InvariantError, match="text"):
            written(begun(message="\ud800"))


class TestRequests:
    def test_a_followed_one_is_recorded_without_its_object(self) -> None:
        obj = an_object(generation=4, request={"id": "request-1", "action": "pause"})
        status = written(begun(), obj, word("default/fraud-1/request-1")).status
        (request,) = status["requests"]
        assert (request["id"], request["action"], request["by"]) == ("request-1", "pause", "ann")
        assert request["outcome"] == "Followed"
        assert is_answered(an_object(status), "request-1")
        assert not is_answered(an_object(status), "request-2")

    def test_the_last_twenty_are_kept(self) -> None:
        obj = an_object()
        for number in range(25):
            obj = an_object(written(begun(), obj, word(f"request-{number}")).status)
        kept = [request["id"] for request in obj["status"]["requests"]]
        assert kept == [f"request-{number}" for number in range(5, 25)]

    def test_a_generation_is_observed_when_its_request_is_answered(self) -> None:
        obj = an_object(
            {"observedGeneration": 1}, generation=2, request={"id": "request-1", "action": "pause"}
        )
        waiting = written(begun(), obj).status
        assert waiting["observedGeneration"] == 1
        answered = written(begun(), obj, word("request-1")).status
        assert answered["observedGeneration"] == 2
        assert {each["observedGeneration"] for each in answered["conditions"]} == {2}

    def test_a_refusal_changes_nothing_but_the_answer(self) -> None:
        asked = RequestSpec(id="request-1", action="promote", by="ann")
        status = written(begun()).status
        obj = an_object(status, generation=5, request={"id": "request-1", "action": "promote"})
        after = refused(obj, asked, "it is not validated yet", NOW)
        assert after["requests"] == [
            {
                "id": "request-1",
                "action": "promote",
                "by": "ann",
                "at": "2026-11-23T12:00:00Z",
                "outcome": "Refused",
                "message": "it is not validated yet",
            }
        ]
        changed = {key for key in after if after[key] != status.get(key)}
        assert changed == {"requests", "conditions", "observedGeneration"}
        assert after["observedGeneration"] == 5

    def test_a_refusal_of_what_was_never_accepted_is_a_whole_status(self) -> None:
        asked = RequestSpec(id="request-1", action="abort")
        jsonschema.validate(refused(an_object(), asked, "no", NOW), schema())


class TestMarks:
    def test_a_mark_has_no_record_and_says_why(self) -> None:
        status = marked(
            an_object(),
            phase=Phase.NOT_DEPLOYED,
            reason=Reason.ROUTE_NOT_FOUND,
            message="x" * 5000,
            policy_valid=False,
            epoch=7,
            at=NOW,
        )
        jsonschema.validate(status, schema())
        assert rollouts_from(an_object(status)) is None
        assert status["phase"] == "NotDeployed"
        assert len(status["message"]) == 1024

    def test_a_repeated_mark_differs_in_nothing_but_its_times(self) -> None:
        def mark(obj: dict[str, Any], at: datetime, message: str) -> dict[str, Any]:
            return marked(
                obj,
                phase=Phase.PENDING,
                reason=Reason.CREATED,
                message=message,
                policy_valid=None,
                epoch=7,
                at=at,
            )

        first = mark(an_object(), NOW, "waits")
        again = mark(an_object(first), NOW + timedelta(hours=1), "waits")
        assert first == again
        assert same_but_for_times(first, mark(an_object(), NOW + timedelta(hours=1), "waits"))
        assert not same_but_for_times(first, mark(an_object(first), NOW, "is refused"))


class TestReading:
    @pytest.mark.parametrize("record", ["", "{}", "[1", "null", 3, {}, "\ud800"])
    def test_a_torn_record_is_an_error_that_names_its_object(self, record: Any) -> None:
        with pytest.raises(StoreUnavailable, match="ModelRollout default/fraud-1: "):
            rollouts_from(an_object({"record": record}))

    def test_a_record_of_a_newer_serinus_says_so(self) -> None:
        status = written(begun()).status
        status["record"] = status["record"].replace('"schema_version":1', '"schema_version":99')
        with pytest.raises(StoreUnavailable, match="has schema 99"):
            rollouts_from(an_object(status))

    def test_a_record_that_was_copied_from_another_object_is_refused(self) -> None:
        obj = an_object(written(begun()).status)
        obj["metadata"]["name"] = "fraud-2"
        with pytest.raises(StoreUnavailable, match="holds the record of another, fraud-1"):
            rollouts_from(obj)


class TestSize:
    def test_a_large_policy_makes_an_object_that_is_far_from_the_limit(self) -> None:
        rollout, obj = large(), an_object()
        for seq in range(1, 60):
            later = replace(rollout, seq=seq, message="m" * 200)
            obj = an_object(status_of(obj, later, an_entry(later, notable=seq % 3 == 0), PLACE).status)
        sizes = {key: len(json.dumps(obj["status"][key])) for key in ("record", "log", "checks")}
        assert sizes["record"] < 64 * 1024, sizes
        assert sizes["log"] < 50 * 1024, sizes
        assert len(json.dumps(obj)) < 128 * 1024, sizes

    def test_the_log_goes_before_the_object_gets_too_large(self) -> None:
        small = begun()
        obj = an_object(written(small).status)
        huge = replace(small, seq=2, message="x" * (LARGEST_OBJECT_BYTES - 3000))
        found = written(huge, obj)
        assert found.fallen == (an_entry(small),)
        assert [line["seq"] for line in found.status["log"]] == [2]
        assert rollouts_from(an_object(found.status)) == huge

    def test_a_record_is_written_however_large_it_is(self) -> None:
        check = CheckResult("errors", Verdict.PASS, Reason.WITHIN_LIMIT)
        huge = begun(message="x" * LARGEST_OBJECT_BYTES, evidence=Evidence(checks=(check,)))
        status = written(huge).status
        assert "checks" not in status
        assert rollouts_from(an_object(status)) == huge


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(anything(Rollout), anything(Entry), st.integers(0, 2**40))
def test_any_record_makes_a_status_that_the_api_server_takes(
    rollout: Rollout, entry: Entry, generation: int
) -> None:
    obj = an_object(generation=generation)
    rollout = replace(rollout, id="fraud-1", policy=replace(rollout.policy, namespace="default"))
    status = json.loads(json.dumps(status_of(obj, rollout, entry, PLACE).status, allow_nan=False))
    jsonschema.validate(status, schema())
    back = rollouts_from(an_object(status))
    assert same(back, rollout)
