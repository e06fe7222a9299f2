"""A person's approval at the running daemon: asked, kept through a restart, given, and denied."""

import pytest

from controller.domain.vocabulary import Phase, Reason
from tests.e2e.harness import Harness
from tests.e2e.policies import step
from tests.e2e.proof import assert_gapless

pytestmark = pytest.mark.integration

STEPS = (step("20%", "1s", 5), {**step("50%", "1s", 5), "approval": True})


def until_asked(harness: Harness, rollout: str, what: str) -> float:
    """The weight at which it asks for that."""
    return harness.until_status(
        rollout,
        lambda status: (
            status.reason is Reason.WAITING_FOR_APPROVAL
            and status.approval is not None
            and status.approval.what == what
        ),
        f"asking for {what}",
    ).weight


def test_a_step_waits_through_a_restart_and_a_denied_promotion_goes_back(harness: Harness) -> None:
    model = harness.model(STEPS, approval={"before": ["promotion"]})
    rollout = harness.deploy(model, "v2")
    with harness.traffic(model):
        assert until_asked(harness, rollout, "step 2 (50%)") == 20
        assert harness.cli("status", model, "--wait").returncode == 5
        early = harness.cli("promote", model)
        assert early.returncode == 1
        assert "approve it instead" in early.stderr

        daemon = harness.stage.daemon
        assert daemon.service is not None
        daemon.service.stop(10)
        daemon.start()
        assert until_asked(harness, rollout, "step 2 (50%)") == 20
        approved = harness.cli("approve", rollout)
        assert approved.returncode == 0, approved.stderr
        harness.until_weight(rollout, 50)

        assert until_asked(harness, rollout, "the promotion") == 50
        denied = harness.cli("deny", model, "--reason", "not today")
        assert denied.returncode == 0, denied.stderr
        ended = harness.until(rollout, Phase.ROLLED_BACK)
    assert ended.reason is Reason.APPROVAL_DENIED
    assert ended.message.endswith(": not today")
    assert harness.ask(model, 30) == {f"{model}@v1": 30}
    log = harness.entries(rollout)
    assert [entry.event for entry in log].count("approval_asked") == 2
    assert_gapless(log)
