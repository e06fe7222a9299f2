"""A language model that fails inside answers that began with 200: the gateway sees nothing, probes do."""

from collections.abc import Callable, Iterator

import pytest

from controller.domain.judge.counts import Tally
from controller.domain.vocabulary import Phase, Reason
from tests.e2e.harness import Harness
from tests.e2e.policies import step
from tests.e2e.proof import assert_gapless, weights
from tests.e2e.streaming_model import streaming_model, users

pytestmark = pytest.mark.integration

CHECKS = {"errors": {"max": "3%", "worse_by": "2pp"}, "latency_p99": {"max": "2s"}}
PROBES = {"probes": {"max": "5%"}}
STEPS = (step("25%", "2s"), step("50%", "2s"))


@pytest.fixture
def probing(harness: Harness) -> Iterator[Harness]:
    """The daemon, which knows where its gateway listens for users."""
    url = f"http://127.0.0.1:{harness.stage.gateway.port}"
    with harness.daemon_with_settings({"SERINUS_PROBE_GATEWAYS__DEFAULT__URL": url}):
        yield harness


def chat(harness: Harness, model: str, stable: str, *, probed: bool) -> str:
    """A route of a language model's own, which v1 serves; its path of chat completions."""
    path = f"/llm/{model}/v1/chat/completions"
    more: dict[str, object] = {"probe": {"every": "1s", "requests": 10, "path": path}} if probed else {}
    checks = CHECKS | PROBES if probed else CHECKS
    route = {"envoy": {"prefix": f"/llm/{model}", "rewrite": "/"}}
    harness.write_policy(model, STEPS, route=route, checks=checks, judge="sequential", bake="2s", **more)
    harness.until_in_force(model)
    harness.until(harness.deploy(model, "v1", stable), Phase.SUCCEEDED, within=60)
    return path


def test_without_probes_a_model_that_fails_inside_200_is_promoted(harness: Harness) -> None:
    with streaming_model() as stable, streaming_model(fails_every=3) as canary:
        path = chat(harness, "blind", stable.endpoint, probed=False)
        with users(harness.stage.gateway.port, path) as people:
            rollout = harness.deploy("blind", "v2", canary.endpoint)
            status = harness.until(rollout, Phase.SUCCEEDED, within=90)
    assert people.failed == 0
    assert people.spoilt > 100
    errors = next(check for check in status.checks if check.name == "errors")
    assert errors.value == 0


def test_with_probes_it_is_rolled_back_and_the_message_says_what_they_found(
    probing: Harness, figures: Callable[[str], None]
) -> None:
    with streaming_model() as stable, streaming_model(fails_every=3) as canary:
        path = chat(probing, "watched", stable.endpoint, probed=True)
        with users(probing.stage.gateway.port, path) as people:
            rollout = probing.deploy("watched", "v2", canary.endpoint)
            status = probing.until(rollout, Phase.ROLLED_BACK, within=90)
    assert people.failed == 0
    assert status.reason is Reason.CHECK_FAILED
    assert status.message.startswith("probes ")
    assert "is above its limit 5% over " in status.message
    found = {check.name: check for check in status.checks}
    assert found["errors"].value == 0
    assert found["probes"].value is not None
    assert 0.15 < found["probes"].value < 0.6
    why = probing.client.why(rollout)
    assert any("probes of canary v2: an error inside the stream" in line for line in why.warnings)
    entries = probing.entries(rollout)
    assert_gapless(entries)
    assert weights(entries)[-1] == 0
    rounds = [
        one
        for entry in probing.stored(rollout)
        if entry.observation is not None
        for one in entry.observation.probes
    ]
    distinct = {one.mark: one for one in rounds}.values()
    asked, answered = Tally(), Tally()
    for one in distinct:
        asked, answered = asked.plus(one.canary), answered.plus(one.stable)
    assert answered.bad == 0
    assert asked.requests + answered.requests <= 10 * len(distinct)
    figures(
        f"{asked.bad} of {asked.requests} probes of the canary bad; {people.spoilt} users' streams spoilt"
    )


def test_a_good_model_passes_its_probes(probing: Harness) -> None:
    with streaming_model() as stable, streaming_model() as canary:
        path = chat(probing, "sound", stable.endpoint, probed=True)
        with users(probing.stage.gateway.port, path):
            rollout = probing.deploy("sound", "v2", canary.endpoint)
            status = probing.until(rollout, Phase.SUCCEEDED, within=120)
    probes = next(check for check in status.checks if check.name == "probes")
    assert probes.value == 0
    assert probes.requests > 50
