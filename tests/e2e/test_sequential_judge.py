"""The sequential judge, the default of a policy, on a real Envoy and a real Prometheus."""

import json
from datetime import timedelta

import pytest

from controller.domain.vocabulary import Phase, Reason
from controller.policy.steps import AutoSteps
from tests.e2e.harness import Harness
from tests.e2e.policies import AUTO, Fields, step
from tests.e2e.proof import assert_gapless, weights

pytestmark = pytest.mark.integration

JUDGED: Fields = {
    "judge": "sequential",
    "checks": {"errors": {"max": "2%", "worse_by": "1pp"}, "latency_p99": {"max": "1s"}},
}
STEPS = (step("10%", "2s"), step("50%", "2s"))
LADDER = AutoSteps.model_validate({"max_weight": "50%"}).to_steps(timedelta(seconds=1))
RATE = 200
WITHIN = 45


def test_a_good_version_is_promoted_once_it_is_shown_to_be_as_good(harness: Harness) -> None:
    model = harness.model(STEPS, **JUDGED)
    with harness.traffic(model, RATE) as stream:
        rollout = harness.deploy(model, "v2")
        status = harness.until(rollout, Phase.SUCCEEDED, within=WITHIN)
        assert stream.stop().failed == 0
    assert status.reason is Reason.PROMOTED
    entries = harness.entries(rollout)
    assert_gapless(entries)
    assert weights(entries) == [0, 10, 50, 100]
    promoted = next(entry for entry in harness.stored(rollout) if entry.phase is Phase.PROMOTING)
    for check in promoted.assessment.checks:
        assert check.strength is not None
        assert check.strength.against < check.strength.favour, check


def test_a_version_is_rolled_back_for_what_only_its_policy_counts(harness: Harness) -> None:
    version = '{model_version="$version",path=~".*infer"'
    refused = {
        "bad": f'rest_server_requests_total{version},status_code=~"5.."}}',
        "of": f"rest_server_requests_total{version}}}",
        "max": "2%",
    }
    served = {"histogram": f"rest_server_request_duration_seconds_bucket{version}}}", "max": "1s"}
    model = harness.model(AUTO, **{**JUDGED, "checks": {"refused": refused, "served_p99": served}})
    with harness.traffic(model, RATE) as stream:
        rollout = harness.deploy(model, "v3")
        status = harness.until(rollout, Phase.ROLLED_BACK, within=WITHIN)
        stream.stop()
    assert status.reason is Reason.CHECK_FAILED
    assert status.message.startswith("refused "), status.message
    assert "is above its limit 2%" in status.message
    last = harness.stored(rollout)[-1].assessment
    found = {check.name: check for entry in harness.stored(rollout) for check in entry.assessment.checks}
    assert found["served_p99"].requests > 0, last


def test_a_version_that_fails_is_rolled_back_from_a_weight_that_the_judge_chose(harness: Harness) -> None:
    model = harness.model(AUTO, **JUDGED)
    with harness.traffic(model, RATE) as stream:
        rollout = harness.deploy(model, "v3")
        status = harness.until(rollout, Phase.ROLLED_BACK, within=WITHIN)
        traffic = stream.stop()
    assert status.reason is Reason.CHECK_FAILED
    assert status.message.startswith("errors ")
    assert harness.ask(model, 30) == {f"{model}@v1": 30}
    seen = {weight for weight in weights(harness.entries(rollout)) if weight}
    assert seen
    assert seen <= {each.weight_permille / 10 for each in LADDER}, seen
    served, bad = traffic.served(f"{model}@v3")
    assert 0 < bad < served
    answer = harness.cli("why", rollout)
    assert answer.returncode == 0, answer.stderr
    assert "errors" in answer.stdout
    report = json.loads(harness.cli("report", rollout, "--json").stdout)
    assert report["decision"]["moment"]["event"] == "rollback_started"
    (errors,) = [each for each in report["checks"] if each["name"] == "errors"]
    worst = max(point["canary"] or 0 for point in errors["points"])
    assert worst > (errors["points"][-1]["limit"] or 0), errors
