"""A gate of the operator's at the running daemon: it waits, lets pass, is killed through, and says no."""

import json
from collections.abc import Iterator

import pytest

from controller.domain.vocabulary import Phase, Reason
from tests.e2e.harness import Harness
from tests.e2e.policies import step
from tests.e2e.proof import assert_gapless, eventually
from tests.receiver import Receiver, Request, receiving

pytestmark = pytest.mark.integration

STEPS = (step("20%", "1s", 5), {**step("50%", "1s", 5), "gate": "desk"})
GATES = [{"name": "desk", "before": ["promotion"]}]


@pytest.fixture
def desk(harness: Harness) -> Iterator[Receiver]:
    """A gate ``desk`` of the daemon, which is started anew for it."""
    prefix = "SERINUS_GATES__DESK__"
    with receiving() as started:
        started.answer = b'{"decision": "wait"}'
        own = {"URL": f"{started.url}gate", "PRIVATE_ADDRESSES": "true", "PLAIN_HTTP": "true"}
        with harness.daemon_with_settings({prefix + name: value for name, value in own.items()}):
            yield started


def test_a_rollout_waits_for_its_gate_through_a_kill_and_goes_back_on_its_no(
    harness: Harness, desk: Receiver
) -> None:
    model = harness.model(STEPS, gates=GATES)
    rollout, daemon = harness.deploy(model, "v2"), harness.stage.daemon
    with harness.traffic(model):
        eventually(lambda: len(desk.of(rollout)) > 1, "the gate is asked again")
        waiting = harness.until_status(
            rollout, lambda status: status.reason is Reason.WAITING_FOR_GATE, "waiting for the gate"
        )
        assert (waiting.weight, waiting.message) == (20, "step 2 (50%) waits for gate desk")
        assert harness.cli("promote", model).returncode == 1

        assert daemon.service is not None
        daemon.service.process.kill()
        daemon.launch()
        before = len(desk.of(rollout))
        eventually(lambda: len(desk.of(rollout)) > before, "it is asked again after the kill")
        assert len({each["id"] for each in desk.of(rollout)}) == 1, "the same question"
        words = {"step": "allow", "promotion": "deny"}

        def decide(request: Request) -> None:
            desk.answer = json.dumps({"decision": words[request.body["data"]["before"]]}).encode()

        desk.before = decide
        ended = harness.until(rollout, Phase.ROLLED_BACK)
    assert ended.reason is Reason.GATE_DENIED
    assert ended.message.endswith("gate desk does not let the promotion pass")
    assert "gate desk lets step 2 (50%) pass" in harness.cli("history", rollout).stdout
    assert harness.ask(model, 30) == {f"{model}@v1": 30}
    assert_gapless(harness.entries(rollout))
