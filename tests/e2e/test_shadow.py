"""Shadow steps on a real Envoy and a real Prometheus: users' own client counts who answered."""

from contextlib import ExitStack

import pytest

from controller.domain.vocabulary import Phase, Reason
from tests.e2e.fake_model import fake_model
from tests.e2e.harness import Harness
from tests.e2e.policies import Fields, step
from tests.e2e.proof import assert_gapless, eventually, weights

pytestmark = pytest.mark.integration

JUDGED: Fields = {
    "judge": "sequential",
    "checks": {"errors": {"max": "5%"}, "latency_p99": {"max": "1s"}},
}
COMPARED: Fields = {
    "judge": "sequential",
    "checks": {"errors": {"max": "5%"}, "latency_p99": {"max": "250ms", "worse_by": "100%"}},
}
SHADOW: Fields = {"shadow": "20%", "for": "2s", "min_requests": 50}
LONG: Fields = {**SHADOW, "for": "15s"}
"""Blocks enough to be sure, also while the machine is busy."""
STEPS = (SHADOW, step("50%", "2s"))
RATE = 150
WITHIN = 60
SLOW_SECONDS = 0.4


def test_a_slow_canary_is_found_before_any_user_is_served_by_it(harness: Harness) -> None:
    model = harness.model((LONG, step("50%", "2s")), **COMPARED)
    with ExitStack() as stack:
        canary = stack.enter_context(fake_model())
        canary.seconds = SLOW_SECONDS
        stream = stack.enter_context(harness.traffic(model, RATE))
        rollout = harness.deploy(model, "v2", canary.endpoint)
        status = harness.until(rollout, Phase.NOT_DEPLOYED, within=WITHIN)
        traffic = stream.stop()
        copies = canary.asked
    assert status.reason is Reason.CHECK_FAILED
    assert status.message.startswith("latency_p99 498ms is "), status.message  # of Envoy's buckets
    assert any(limit in status.message for limit in ("its limit 250ms", "worse than stable's"))
    assert traffic.failed == 0, traffic
    assert set(traffic.backends) == {f"{model}@v1"}, traffic.backends
    assert copies >= 20
    assert not any(host.endswith("-shadow") for host in canary.hosts), canary.hosts
    entries = harness.entries(rollout)
    assert_gapless(entries)
    assert set(weights(entries)) == {0}
    assert {entry.mirror for entry in entries} == {0, 20}
    (check,) = [each for each in harness.stored(rollout)[-1].assessment.checks if each.name == "latency_p99"]
    assert check.requests <= copies
    assert check.stable_requests > 2 * check.requests
    assert "shadow" not in harness.rendered_route(model)
    assert harness.ask(model, 30) == {f"{model}@v1": 30}


def test_a_good_canary_goes_from_copies_to_users_and_is_promoted(harness: Harness) -> None:
    model = harness.model(STEPS, **JUDGED)
    with harness.traffic(model, RATE) as stream:
        rollout = harness.deploy(model, "v2")
        harness.until_status(rollout, lambda status: status.mirror == 20, "gets copies")
        line = harness.cli("get", rollout).stdout
        assert "shadow 20%" in line, line
        assert "/shadow" in harness.rendered_route(model)
        assert harness.ask(model, 20) == {f"{model}@v1": 20}
        status = harness.until(rollout, Phase.SUCCEEDED, within=WITHIN)
        traffic = stream.stop()
    assert status.reason is Reason.PROMOTED
    assert traffic.failed == 0, traffic
    entries = harness.entries(rollout)
    assert_gapless(entries)
    assert weights(entries) == [0, 50, 100]
    copied = [entry for entry in harness.stored(rollout) if entry.mirror_permille and entry.assessment.checks]
    assert copied, "the copies were measured"
    promoted = eventually(lambda: harness.ask(model, 20), "the promoted version answers")
    assert promoted == {f"{model}@v2": 20}


def test_a_person_ends_a_shadow_and_nothing_is_copied_any_more(harness: Harness) -> None:
    model = harness.model(({**SHADOW, "for": "1h"}, step("50%", "2s")), **JUDGED)
    with ExitStack() as stack:
        canary = stack.enter_context(fake_model())
        stream = stack.enter_context(harness.traffic(model, RATE))
        rollout = harness.deploy(model, "v2", canary.endpoint)
        eventually(lambda: canary.asked > 20, "requests are copied", WITHIN)
        assert harness.cli("abort", rollout).returncode == 0
        harness.until(rollout, Phase.ABORTED, within=WITHIN)
        before = canary.asked
        sent = stream.traffic().sent
        eventually(lambda: stream.traffic().sent > sent + RATE, "requests go on", WITHIN)
        assert canary.asked == before
        assert stream.stop().failed == 0
