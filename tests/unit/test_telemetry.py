"""The daemon's own metrics: names that people build alerts on, and a bounded number of series."""

from dataclasses import replace

from prometheus_client import generate_latest

from controller.adapters.telemetry import PrometheusTelemetry
from controller.domain.commands import announce
from controller.domain.judge.base import CheckResult
from controller.domain.model import Evidence, Rollout, Route
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.fakes import a_release, a_rollout


def shown(telemetry: PrometheusTelemetry, name: str) -> list[str]:
    lines = generate_latest(telemetry.registry).decode().splitlines()
    return [line for line in lines if line.startswith(name)]


def measured(version: str = "v2") -> Rollout:
    split = Split(a_release("v1"), a_release(version), 250)
    result = CheckResult("errors", Verdict.FAIL, Reason.ABOVE_LIMIT, 0.2, 0.01)
    return replace(
        a_rollout(version=version),
        stable=a_release("v1"),
        phase=Phase.PROGRESSING,
        route=Route(split, split, in_force=True),
        evidence=Evidence(checks=(result,)),
    )


def test_a_rollout_is_shown_with_phase_weight_and_checks() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.show(measured())
    assert shown(telemetry, "serinus_rollout_phase") == [
        'serinus_rollout_phase{model="fraud",phase="Progressing"} 1.0'
    ]
    assert shown(telemetry, "serinus_weight_ratio") == ['serinus_weight_ratio{model="fraud"} 0.25']
    assert shown(telemetry, "serinus_check_value") == [
        'serinus_check_value{check="errors",model="fraud"} 0.2'
    ]
    assert shown(telemetry, "serinus_check_threshold") == [
        'serinus_check_threshold{check="errors",model="fraud"} 0.01'
    ]
    assert shown(telemetry, "serinus_check_verdict") == [
        'serinus_check_verdict{check="errors",model="fraud"} -1.0'
    ]


def test_a_hundred_versions_of_a_model_leave_as_many_series_as_one() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.show(measured("v0"))
    before = len(shown(telemetry, "serinus_"))
    for number in range(1, 100):
        telemetry.show(replace(measured(f"v{number}"), phase=list(Phase)[number % len(Phase)]))
    assert len(shown(telemetry, "serinus_")) == before


def test_an_end_is_counted_once_by_its_result() -> None:
    telemetry = PrometheusTelemetry()
    entry = announce(a_rollout()).entry
    assert entry is not None
    ended = replace(measured(), phase=Phase.ROLLED_BACK)
    telemetry.committed(measured(), entry)
    telemetry.committed(ended, entry)
    telemetry.committed(ended, replace(entry, phase_before=Phase.ROLLED_BACK))
    assert shown(telemetry, "serinus_rollouts_total") == ['serinus_rollouts_total{result="RolledBack"} 1.0']
    assert shown(telemetry, "serinus_rollout_duration_seconds_count") == [
        "serinus_rollout_duration_seconds_count 1.0"
    ]


def test_the_daemons_own_work_is_measured() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.pass_took(0.1)
    telemetry.pass_was_late(0.2)
    telemetry.pass_ended("ok")
    telemetry.rolled_back(0.01)
    telemetry.query_took(0.3)
    telemetry.notified("sent")
    telemetry.policy_is("fraud", valid=False)
    for line in (
        "serinus_reconcile_duration_seconds_sum 0.1",
        "serinus_pass_lateness_seconds_sum 0.2",
        'serinus_passes_total{outcome="ok"} 1.0',
        "serinus_rollback_latency_seconds_sum 0.01",
        "serinus_prometheus_query_duration_seconds_sum 0.3",
        'serinus_notifications_total{result="sent"} 1.0',
        'serinus_policy_valid{model="fraud"} 0.0',
    ):
        assert line in shown(telemetry, "serinus_")
    assert shown(telemetry, "serinus_build_info")[0].endswith(" 1.0")


def test_what_waits_to_be_told_is_counted_when_it_is_asked_for() -> None:
    telemetry, waiting = PrometheusTelemetry(), [3]
    telemetry.watch_outbox(lambda: waiting[0])
    assert telemetry.registry.get_sample_value("serinus_outbox_pending") == 3
    waiting[0] = 0
    assert telemetry.registry.get_sample_value("serinus_outbox_pending") == 0
