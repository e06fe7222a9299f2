"""Prometheus, Envoy, the notification's receiver and the policies folder go away, alone and together."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase, Reason
from tests.e2e.harness import Harness
from tests.e2e.outage import TWO_STEPS, prometheus_away, watch
from tests.e2e.policies import ENDLESS
from tests.e2e.proof import eventually, weights

pytestmark = pytest.mark.integration


def test_without_prometheus_the_weight_holds_and_afterwards_the_rollout_goes_on(
    harness: Harness, figures: Callable[[str], None]
) -> None:
    figures(prometheus_away(harness, 15))


def test_without_envoy_nothing_rises_and_afterwards_the_rollout_goes_on(harness: Harness) -> None:
    model = harness.model(TWO_STEPS)
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until_weight(rollout, 20)
        harness.stage.gateway.kill()
        harness.until_status(
            rollout, lambda s: s.reason is Reason.GATEWAY_UNAVAILABLE, "without a gateway", within=10
        )
        seen = watch(harness, rollout, 9)  # by then the last sample is stale, too
        assert {status.reason for status in seen} == {Reason.GATEWAY_UNAVAILABLE}
        assert {(status.weight, status.step) for status in seen} == {(20, 1)}
        harness.stage.restart_gateway()
        harness.until(rollout, Phase.SUCCEEDED)
    assert weights(harness.entries(rollout)) == [0, 20, 50, 100]
    assert harness.ask(model, 50) == {f"{model}@v2": 50}


def test_an_abort_while_envoy_is_down_holds_when_it_is_back(harness: Harness) -> None:
    model = harness.model(ENDLESS)
    rollout = harness.deploy(model, "v2")
    harness.until_weight(rollout, 50)
    harness.stage.gateway.kill()
    said = harness.cli("abort", model)
    assert said.returncode == 0, said.stderr
    assert {status.phase for status in watch(harness, rollout, 2)} == {Phase.ROLLING_BACK}
    harness.stage.restart_gateway()
    assert harness.ask(model, 50) == {f"{model}@v1": 50}
    assert harness.until(rollout, Phase.ABORTED).reason is Reason.ABORTED_BY_PERSON


@contextmanager
def nothing_but_the_store_and_the_gateway(harness: Harness, *, prometheus_hangs: bool) -> Iterator[None]:
    """Prometheus does not answer and the policies folder is gone; the receiver of messages never answers."""
    policies = harness.stage.daemon.policies
    away = policies.with_name("away")
    prometheus = harness.stage.prometheus
    if prometheus_hangs:
        prometheus.process.send_signal(signal.SIGSTOP)
    else:
        prometheus.stop()
    policies.rename(away)
    try:
        yield
    finally:
        away.rename(policies)
        if prometheus_hangs:
            prometheus.process.send_signal(signal.SIGCONT)
        else:
            harness.stage.restart_prometheus()


@pytest.mark.parametrize("prometheus_hangs", [False, True], ids=["refused", "hangs"])
def test_a_dead_canary_is_rolled_back_with_everything_else_unavailable(
    harness: Harness, figures: Callable[[str], None], prometheus_hangs: bool
) -> None:
    model = harness.model(ENDLESS, notify=["hanging"])
    rollout = harness.deploy(model, "v2")
    harness.until_weight(rollout, 50)
    with nothing_but_the_store_and_the_gateway(harness, prometheus_hangs=prometheus_hangs):
        harness.stage.engines["v2"].kill()
        began = time.monotonic()
        eventually(lambda: harness.ask(model, 20) == {f"{model}@v1": 20}, "stable serves everyone", within=10)
        seconds = time.monotonic() - began
        ended = harness.until(rollout, Phase.ROLLED_BACK)
    figures(f"weight 0 {seconds:.1f} s after the canary's death; {ended.message}")
    assert ended.reason is Reason.CANARY_NOT_READY


@pytest.mark.parametrize("prometheus_hangs", [False, True], ids=["refused", "hangs"])
def test_a_persons_abort_needs_nothing_but_the_store_and_the_gateway(
    harness: Harness, figures: Callable[[str], None], prometheus_hangs: bool
) -> None:
    model = harness.model(ENDLESS, notify=["hanging"])
    rollout = harness.deploy(model, "v2")
    harness.until_weight(rollout, 50)
    with nothing_but_the_store_and_the_gateway(harness, prometheus_hangs=prometheus_hangs):
        began = time.monotonic()
        harness.client.command(model, CommandKind.ABORT)
        eventually(lambda: harness.ask(model, 20) == {f"{model}@v1": 20}, "stable serves everyone", within=5)
        seconds = time.monotonic() - began
        ended = harness.until(rollout, Phase.ABORTED, within=5)
    figures(f"weight 0 {seconds:.1f} s after the word")
    assert ended.reason is Reason.ABORTED_BY_PERSON
