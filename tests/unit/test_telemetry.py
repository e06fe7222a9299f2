"""The daemon's own metrics: names that people build alerts on, and a bounded number of series."""

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import generate_latest

from controller.adapters.exported import EXPORTED
from controller.adapters.telemetry import PrometheusTelemetry
from controller.domain.drain import Drained
from controller.domain.judge.base import CheckResult
from controller.domain.model import Clocks, Entry, Evidence, Rollout, Route
from controller.domain.release import Split
from controller.domain.sharding import Shard
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.fakes import EPOCH, a_release, a_rollout
from tests.store_records import entry


def shown(telemetry: PrometheusTelemetry, name: str) -> list[str]:
    lines = generate_latest(telemetry.registry).decode().splitlines()
    return [line for line in lines if line.startswith(name)]


def models(telemetry: PrometheusTelemetry) -> list[str]:
    return [line for line in shown(telemetry, "serinus_") if 'model="' in line]


def measured(version: str = "v2", number: int = 1, **changes: object) -> Rollout:
    split = Split(a_release("v1"), a_release(version), 250)
    result = CheckResult("errors", Verdict.FAIL, Reason.ABOVE_LIMIT, 0.2, 0.01)
    rollout = replace(
        a_rollout(version=version, number=number),
        stable=a_release("v1"),
        phase=Phase.PROGRESSING,
        reason=Reason.STEP_RUNNING,
        step=1,
        created_at=EPOCH + timedelta(minutes=number),
        updated_at=EPOCH + timedelta(hours=1),
        clocks=Clocks(since_step=timedelta(seconds=40)),
        route=Route(split, split, in_force=True),
        evidence=Evidence(checks=(result,)),
    )
    return replace(rollout, **changes)  # type: ignore[arg-type]


def moved(before: Phase, to: Phase) -> Entry:
    return replace(entry(a_rollout()), phase_before=before, phase=to, at=EPOCH + timedelta(hours=1))


def test_a_rollout_is_shown_with_phase_reason_weight_step_and_checks() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.show(measured())
    assert models(telemetry) == [
        'serinus_rollout_info{canary="v2",model="fraud",stable="v1"} 1.0',
        'serinus_rollout_phase{model="fraud",phase="Progressing"} 1.0',
        'serinus_rollout_reason{model="fraud",reason="StepRunning"} 1.0',
        'serinus_weight_ratio{model="fraud"} 0.25',
        'serinus_step_seconds{model="fraud"} 40.0',
        'serinus_step_hold_seconds{model="fraud"} 30.0',
        'serinus_check_value{check="errors",model="fraud"} 0.2',
        'serinus_check_threshold{check="errors",model="fraud"} 0.01',
        'serinus_check_verdict{check="errors",model="fraud"} -1.0',
    ]


def test_what_the_record_no_longer_says_is_no_longer_shown() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.show(measured())
    blind = CheckResult("latency_p99", Verdict.UNKNOWN, Reason.NO_VALUE)
    telemetry.show(measured(phase=Phase.FROZEN, evidence=Evidence(checks=(blind,))))
    names = {line.split("{")[0] for line in models(telemetry)}
    assert names & {"serinus_step_seconds", "serinus_check_value", "serinus_check_threshold"} == set()
    assert shown(telemetry, "serinus_check_verdict") == [
        'serinus_check_verdict{check="latency_p99",model="fraud"} 0.0'
    ]


def test_a_hundred_versions_of_a_model_leave_as_many_series_as_one() -> None:
    telemetry = PrometheusTelemetry()
    for number in range(100):
        phase = list(Phase)[number % len(Phase)]
        telemetry.show(measured(f"v{number}", number, phase=phase))
        telemetry.show(measured(f"v{number}", number, phase=Phase.ROLLED_BACK))
    names = [line.split("{")[0] for line in models(telemetry)]
    assert sorted(names) == sorted(set(names))


def test_while_a_newer_rollout_waits_the_one_with_the_traffic_is_shown() -> None:
    telemetry = PrometheusTelemetry()
    older, newer = measured("v2", 1), measured("v3", 2, phase=Phase.PENDING)
    telemetry.show(older)
    telemetry.show(newer)
    assert 'canary="v2"' in shown(telemetry, "serinus_rollout_info")[0]
    telemetry.show(replace(older, phase=Phase.SUPERSEDED))
    assert shown(telemetry, "serinus_rollout_phase") == [
        'serinus_rollout_phase{model="fraud",phase="Pending"} 1.0'
    ]


def test_drains_are_counted_by_how_they_ended() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.drained(Drained.CUT)
    assert shown(telemetry, "serinus_drains_total{") == [
        'serinus_drains_total{result="empty"} 0.0',
        'serinus_drains_total{result="cut"} 1.0',
        'serinus_drains_total{result="uncounted"} 0.0',
    ]


def test_a_record_that_was_deleted_is_no_longer_shown() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.found("fraud", [measured()])
    assert models(telemetry)
    telemetry.found("fraud", [])
    assert models(telemetry) == []


def test_what_ended_goes_on_being_shown_with_when_it_ended() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.found("fraud", [measured()])
    telemetry.committed(measured(phase=Phase.ROLLED_BACK), moved(Phase.ROLLING_BACK, Phase.ROLLED_BACK))
    telemetry.found("fraud", [])
    end = telemetry.registry.get_sample_value("serinus_rollout_end_timestamp_seconds", {"model": "fraud"})
    assert end == (EPOCH + timedelta(hours=1)).timestamp()


def test_an_end_is_counted_once_by_its_result() -> None:
    telemetry = PrometheusTelemetry()
    ended = measured(phase=Phase.ROLLED_BACK)
    telemetry.committed(measured(), moved(Phase.PROGRESSING, Phase.PROGRESSING))
    telemetry.committed(ended, moved(Phase.ROLLING_BACK, Phase.ROLLED_BACK))
    telemetry.committed(ended, moved(Phase.ROLLED_BACK, Phase.ROLLED_BACK))
    assert 'serinus_rollouts_total{result="RolledBack"} 1.0' in shown(telemetry, "serinus_rollouts_total")
    assert shown(telemetry, "serinus_rollout_duration_seconds_count") == [
        "serinus_rollout_duration_seconds_count 1.0"
    ]


def test_a_rollbacks_latency_lasts_until_the_gateway_was_seen_without_the_version() -> None:
    seconds = [100.0]
    telemetry = PrometheusTelemetry(lambda: seconds[0])
    back = measured(phase=Phase.ROLLING_BACK)
    telemetry.committed(back, moved(Phase.PROGRESSING, Phase.ROLLING_BACK))
    seconds[0] += 7  # the gateway refused the first write
    telemetry.committed(back, moved(Phase.ROLLING_BACK, Phase.ROLLING_BACK))
    seconds[0] += 1
    telemetry.committed(measured(phase=Phase.ROLLED_BACK), moved(Phase.ROLLING_BACK, Phase.ROLLED_BACK))
    telemetry.committed(measured(phase=Phase.ABORTED), moved(Phase.PENDING, Phase.ABORTED))
    assert shown(telemetry, "serinus_rollback_latency_seconds_sum") == [
        "serinus_rollback_latency_seconds_sum 8.0"
    ]
    assert shown(telemetry, "serinus_rollback_latency_seconds_count") == [
        "serinus_rollback_latency_seconds_count 1.0"
    ]


def test_the_daemons_own_work_is_measured() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.pass_took(0.1)
    telemetry.pass_was_late(0.2)
    telemetry.pass_ended("ok")
    telemetry.query_took(0.3)
    telemetry.notified("sent")
    telemetry.slack_called("taken")
    telemetry.api_called("patch", 409)
    telemetry.leads(leading=True)
    telemetry.works_on(Shard(2, 3))
    telemetry.policies_are({"fraud": False, "iris": True}, 2)
    for line in (
        "serinus_reconcile_duration_seconds_sum 0.1",
        "serinus_pass_lateness_seconds_sum 0.2",
        'serinus_passes_total{outcome="ok"} 1.0',
        "serinus_prometheus_query_duration_seconds_sum 0.3",
        'serinus_notifications_total{result="sent"} 1.0',
        'serinus_slack_callbacks_total{result="taken"} 1.0',
        'serinus_api_requests_total{code="409",verb="patch"} 1.0',
        "serinus_leader 1.0",
        'serinus_shards{shard="2/3"} 3.0',
        'serinus_policy_valid{model="fraud"} 0.0',
        'serinus_policy_valid{model="iris"} 1.0',
        "serinus_policy_files_invalid 2.0",
    ):
        assert line in shown(telemetry, "serinus_")
    assert shown(telemetry, "serinus_build_info")[0].endswith(" 1.0")


def test_what_waits_to_be_told_is_counted_when_it_is_asked_for() -> None:
    telemetry, waiting = PrometheusTelemetry(), [3]
    telemetry.watch_outbox(lambda: waiting[0])
    assert telemetry.registry.get_sample_value("serinus_outbox_pending") == 3
    waiting[0] = 0
    assert telemetry.registry.get_sample_value("serinus_outbox_pending") == 0


def test_exactly_what_is_declared_is_exported() -> None:
    telemetry = PrometheusTelemetry()
    families = {line.split()[2] for line in shown(telemetry, "# TYPE")}
    assert families == set(EXPORTED)


@pytest.mark.parametrize("name", EXPORTED)
def test_names_keep_to_the_conventions(name: str) -> None:
    each = EXPORTED[name]
    assert name.startswith("serinus_")
    assert name.endswith("_total") == (each.kind == "counter")
    assert each.kind != "histogram" or name.endswith("_seconds")
    assert "version" not in each.labels or name == "serinus_build_info"


def test_what_is_counted_is_counted_from_0_on() -> None:
    telemetry = PrometheusTelemetry()
    for result in ("Succeeded", "RolledBack", "NotDeployed", "Superseded", "Aborted"):
        assert f'serinus_rollouts_total{{result="{result}"}} 0.0' in shown(
            telemetry, "serinus_rollouts_total"
        )
