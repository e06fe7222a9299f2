"""Who leads, by the Lease: a wrong clock makes no leader dead, and a dead leader is named."""

from datetime import UTC, datetime, timedelta
from typing import Any

from controller.adapters.kube.identity import Key
from controller.adapters.kube.lease import LeaseTiming, held, released
from controller.cli.doctor.findings import Finding, Outcome
from controller.cli.doctor.leading import leader, looks_renewed

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
KEY = Key("serinus", "serinus")


def lease(age_seconds: float = 1, version: str = "1", **spec: Any) -> dict[str, Any]:
    said = held("pod-a", LeaseTiming(), 7, NOW - timedelta(seconds=age_seconds))
    return {"metadata": {"resourceVersion": version}, "spec": {**said, **spec}}


def judged(first: dict[str, Any] | None, later: dict[str, Any] | None = None) -> Finding:
    return leader(KEY, first, later or first, NOW)


def test_a_fresh_lease_has_a_leader() -> None:
    assert looks_renewed(lease(14), NOW)
    assert judged(lease()).message == "pod-a leads, term 7"


def test_an_old_time_is_not_enough_to_call_a_leader_dead() -> None:
    assert not looks_renewed(lease(3600), NOW)
    assert not looks_renewed(lease(-3600), NOW)
    assert judged(lease(3600), lease(3595, version="2")).outcome is Outcome.OK


def test_a_lease_that_nobody_renews_names_its_last_holder() -> None:
    dead = judged(lease(180))
    assert dead.outcome is Outcome.FAILED
    assert dead.message == "nobody leads: pod-a has not renewed the Lease for 3m"
    assert "kubectl logs" in dead.fix


def test_a_lease_that_was_given_up_and_none_at_all_have_no_leader() -> None:
    gone = {"metadata": {"resourceVersion": "1"}, "spec": released(7, NOW)}
    assert "gave the Lease up" in judged(gone).message
    assert "nobody has ever led" in judged(None).message
    assert judged(lease(180), gone).outcome is Outcome.FAILED


def test_a_lease_without_sense_has_no_leader() -> None:
    assert not looks_renewed({"spec": {"renewTime": "yesterday"}}, NOW)
    assert judged({"spec": None}).outcome is Outcome.FAILED
