"""How much an entry matters, and who is told of it."""

from dataclasses import replace

import pytest

from controller.adapters.notify.cloudevent import KINDS, kind_of
from controller.adapters.notify.destination import Subscription
from controller.adapters.notify.severity import Severity, severity_of
from controller.domain.vocabulary import Phase, Reason
from controller.settings import DestinationSettings
from tests.unit.notify.scenes import entry
from tests.unit.notify.test_courier import Scripted


@pytest.mark.parametrize(
    ("phase", "reason", "severity"),
    [
        (Phase.PROGRESSING, Reason.STEP_RUNNING, Severity.INFO),
        (Phase.PROGRESSING, Reason.WAITING_FOR_APPROVAL, Severity.INFO),
        (Phase.SUCCEEDED, Reason.PROMOTED, Severity.INFO),
        (Phase.PAUSED, Reason.PAUSED_BY_PERSON, Severity.INFO),
        (Phase.ROLLING_BACK, Reason.ABORTED_BY_PERSON, Severity.INFO),
        (Phase.SUPERSEDED, Reason.NEWER_RELEASE, Severity.INFO),
        (Phase.PROGRESSING, Reason.METRICS_UNAVAILABLE, Severity.WARNING),
        (Phase.PROGRESSING, Reason.GATE_FAILED, Severity.WARNING),
        (Phase.PENDING, Reason.SHADOW_SKIPPED, Severity.WARNING),
        (Phase.FROZEN, Reason.DRIFT_DETECTED, Severity.WARNING),
        (Phase.ROLLING_BACK, Reason.CHECK_FAILED, Severity.ERROR),
        (Phase.NOT_DEPLOYED, Reason.GOLDEN_REQUEST_FAILED, Severity.ERROR),
        (Phase.HALTED, Reason.STABLE_UNHEALTHY, Severity.ERROR),
    ],
)
def test_an_entry_is_as_severe_as_what_it_tells(phase: Phase, reason: Reason, severity: Severity) -> None:
    assert severity_of(replace(entry(), phase=phase, reason=reason)) is severity


@pytest.mark.parametrize(
    ("reason", "severity"),
    [(Reason.DRAINED, Severity.INFO), (Reason.DRAIN_TIMED_OUT, Severity.WARNING)],
)
def test_what_is_noted_after_a_rollback_is_not_the_rollback_again(reason: Reason, severity: Severity) -> None:
    over = Phase.ROLLED_BACK
    assert severity_of(replace(entry(), phase_before=over, phase=over, reason=reason)) is severity


def test_what_is_wanted_is_of_a_kind_and_severe_enough() -> None:
    bad, good = entry(), replace(entry(), phase=Phase.SUCCEEDED, reason=Reason.PROMOTED)
    assert (kind_of(bad), kind_of(good)) == ("stepped", "promoted")
    everything, errors = Subscription(Scripted()), Subscription(Scripted(), Severity.ERROR)
    ends = Subscription(Scripted(), kinds=frozenset({"promoted"}))
    both = Subscription(Scripted(), Severity.ERROR, frozenset({"promoted"}))
    wants = [[each.wants(told) for told in (bad, good)] for each in (everything, errors, ends, both)]
    assert wants == [[True, True], [True, False], [False, True], [False, False]]


def test_the_settings_know_every_kind_of_event() -> None:
    annotation = DestinationSettings.model_json_schema()["properties"]["events"]["items"]["enum"]
    assert tuple(annotation) == KINDS
    severities = DestinationSettings.model_json_schema()["properties"]["severity"]["enum"]
    assert severities == list(Severity)
