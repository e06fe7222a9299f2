"""A rollout while Prometheus is away, for as long as the test says."""

import time

from controller.control.views import StatusView
from controller.domain.vocabulary import Phase, Reason
from tests.e2e.harness import Harness
from tests.e2e.policies import step
from tests.e2e.proof import weights

TWO_STEPS = (step("20%", "2s"), step("50%", "2s"))
SILENCE = {
    Reason.METRICS_UNAVAILABLE,
    Reason.METRICS_STALE,
    Reason.METRICS_PARTIAL,
    Reason.METRICS_INVALID,
}


def watch(harness: Harness, rollout: str, seconds: float) -> list[StatusView]:
    """The status, looked at twice a second."""
    seen = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen.append(harness.client.status(rollout))
        time.sleep(0.5)
    return seen


def prometheus_away(harness: Harness, seconds: float) -> str:
    """A rollout for so long without Prometheus; gives the figures."""
    model = harness.model(TWO_STEPS[:1])
    with harness.traffic(model) as stream:
        rollout = harness.deploy(model, "v2")
        harness.until_weight(rollout, 20)
        harness.stage.prometheus.stop()
        told = harness.until_status(rollout, lambda status: status.reason in SILENCE, "silent", within=10)
        seen = watch(harness, rollout, seconds)
        harness.stage.restart_prometheus()
        back = time.monotonic()
        harness.until(rollout, Phase.SUCCEEDED)
        traffic = stream.stop()
    assert {(status.weight, status.step, status.phase) for status in seen} == {(20, 1, Phase.PROGRESSING)}
    assert {status.reason for status in seen} <= SILENCE
    assert "Prometheus" in told.message
    assert weights(harness.entries(rollout)) == [0, 20, 100]
    assert traffic.failed == 0, (traffic.statuses, traffic.errors)
    return (
        f"{seconds:g} s away, {told.reason}: {told.message}; done {time.monotonic() - back:.1f} s after; "
        f"{traffic.sent} requests, 0 failed"
    )
