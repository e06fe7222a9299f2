"""Buttons in Slack in a cluster: at either replica, with the rights that the real RBAC gives who pressed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from controller.domain.vocabulary import Phase
from controller.features import Feature
from tests.e2e.cluster.buttons import ANN, BEN, CY, SECRET, button_settings, deliver, pressed
from tests.e2e.cluster.daemon import CALM_LEASE, Replica
from tests.e2e.cluster.policies import ENDLESS
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually
from tests.kube.apiserver import ApiServer
from tests.receiver import serving
from tests.slack_caller import button_in, interaction
from tests.slack_server import Slack

pytestmark = pytest.mark.integration

MODEL = "pressed"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def slack() -> Iterator[Slack]:
    with serving() as started:
        yield started


@pytest.fixture(scope="module")
def stage(
    apiserver: ApiServer, slack: Slack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterStage]:
    """Two replicas, and a group that may pause and nothing else."""
    folder = tmp_path_factory.mktemp("slack")
    settings = {**CALM_LEASE, **button_settings(folder, slack.url)}
    with ClusterStage(apiserver, folder, "slack", (Feature.SLACK_CALLBACKS,), settings, 2) as stage:
        pausing: dict[str, Any] = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": {"name": "pausing", "namespace": stage.namespace},
            "rules": [{"apiGroups": ["serinus.dev"], "resources": ["modelrollouts"], "verbs": ["pause"]}],
        }
        bound = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "pausing", "namespace": stage.namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "pausing"},
            "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": "watch-of-the-night"}],
        }
        stage.apply(pausing, bound)
        yield stage


def follower_and_leader(stage: ClusterStage) -> list[Replica]:
    """In this order."""
    found = sorted(stage.replicas, key=lambda replica: bool(replica.log("leading")))
    assert [bool(replica.log("leading")) for replica in found] == [False, True]
    return found


def answered(stage: ClusterStage, name: str) -> list[tuple[str, str, str]]:
    """Which words were answered: what, by whom, how."""
    found = stage.rollout(name)["status"].get("requests", [])
    return [(each["action"], each["by"], each["outcome"]) for each in found]


def test_who_may_steers_from_either_replica_and_who_may_not_does_not(
    stage: ClusterStage, slack: Slack
) -> None:
    def until_told(user: str, words: str) -> None:
        eventually(
            lambda: any(each["user"] == user and words in each["text"] for each in slack.ephemerals),
            f"{user} is told {words!r}",
        )

    stage.policy(MODEL, ENDLESS, notify=["team"])
    stage.in_service(MODEL)
    stage.candidate(MODEL, "v2", "models/tumor:v2")
    with_traffic = stage.traffic(MODEL)
    name = stage.release(MODEL, "v2")
    running = stage.until_counting(name, 50)
    follower, leader = follower_and_leader(stage)

    for user, word in ((BEN, "pause"), (CY, "abort")):
        assert deliver(leader, pressed(running, word, user)) == 200
        until_told(user, f"may not {word} modelrollouts.serinus.dev in slack")
    assert answered(stage, name) == []
    assert "request" not in stage.rollout(name)["spec"]

    pause = pressed(running, "pause", CY)
    assert deliver(follower, pause) == 200
    stage.until_phase(name, Phase.PAUSED, within=10)
    until_told(CY, f"{name}: paused by cy@example.com (Slack)")
    stage.ask(name, "resume")
    stage.until_phase(name, Phase.PROGRESSING)
    told = len(slack.ephemerals)
    assert deliver(leader, pause) == 200, "a replay at the replica that knows nothing of it"
    eventually(lambda: len(slack.ephemerals) == told + 1, "it is answered as the first was")
    assert stage.rollout(name)["status"]["phase"] == Phase.PROGRESSING
    assert stage.rollout(name)["spec"]["request"]["action"] == "resume"

    [root] = slack.roots
    button = button_in(root, "abort")
    ours = json.loads(button["value"])
    assert (ours["rollout"], ours["namespace"], ours["destination"]) == (name, "slack", "team")
    assert deliver(follower, interaction(button["action_id"], button["value"], ANN)) == 200
    over = stage.until_over(name)
    with_traffic.stop()
    assert over["status"]["phase"] == Phase.ABORTED
    assert answered(stage, name) == [
        ("pause", "cy@example.com (Slack)", "Followed"),
        ("resume", "ann", "Followed"),
        ("abort", "ann (Slack)", "Followed"),
    ]
    assert stage.route_of(MODEL)["spec"] == stage.before[MODEL]["spec"]


def test_the_secret_is_nowhere(stage: ClusterStage, slack: Slack) -> None:
    shown = [json.dumps(replica.log()) for replica in stage.replicas]
    shown += [stage.kubectl("get", "modelrollouts,events", "-o", "json"), json.dumps(slack.messages)]
    shown += [json.dumps(slack.ephemerals)]
    for text in shown:
        assert len(text) > 10
        assert SECRET not in text
