"""Pausing everything in a cluster: typed by a person, heard by the daemon, and only by who may."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from controller.adapters.kube.pauses import PAUSE_NAME
from controller.cli.main import app
from controller.domain.vocabulary import Phase, Reason
from tests.deploy.shell_blocks import script
from tests.e2e.cluster.daemon import CALM_LEASE
from tests.e2e.cluster.rights import OPERATOR
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.policies import step
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

SLOW_STEPS = (step("20%", "4s", 5), step("50%", "1s", 5))
HEARD_SECONDS = 10
PERSON = "ben"
"""Has the rights of the page and no others; the operator has none of them."""


@pytest.fixture(scope="module")
def stage(apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStage]:
    folder = tmp_path_factory.mktemp("fleet")
    with ClusterStage(apiserver, folder, "fleet", (), CALM_LEASE) as stage:
        allow(stage)
        yield stage


def allow(stage: ClusterStage) -> None:
    """What the page tells to apply, for the home of this daemon, and a Deployment to find the home by."""
    _, _, manifest = script("docs/how-to/fleet.md", "rights").partition("<<'EOF'\n")
    manifest = manifest.removesuffix("EOF\n").replace("namespace: serinus", f"namespace: {stage.home}")
    stage.server.kubectl("apply", "-f", "-", input=manifest.replace("ann@example.com", PERSON))
    env = [{"name": "SERINUS_KUBERNETES__NAMESPACES", "value": json.dumps([stage.namespace])}]
    labels = {"app.kubernetes.io/name": "serinus"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "serinus", "image": "serinus", "env": env}]},
    }
    stage.server.admin.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "serinus", "namespace": stage.home, "labels": labels},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }
    )


def types(stage: ClusterStage, person: str, *words: str) -> Result:
    """``kubectl serinus -n HOME ...`` with that person's kubeconfig."""
    config = stage.server.kubeconfig(person)
    return CliRunner().invoke(
        app,
        ["--kubeconfig", str(config), "--namespace", stage.home, *words],
        env={"SERINUS_SOCKET": None},
        prog_name="kubectl serinus",
    )


def pause_there(stage: ClusterStage) -> object:
    return stage.server.admin.get("v1", "ConfigMap", stage.home, PAUSE_NAME)


def test_a_person_pauses_everything_and_lets_it_go_on(
    stage: ClusterStage, figures: Callable[[str], None]
) -> None:
    [replica] = stage.replicas
    for model in ("rolling", "late"):
        stage.policy(model, SLOW_STEPS)
        stage.in_service(model)
        stage.candidate(model, "v2", "models/tumor:v2")
    stage.traffic("rolling", "late")
    rolling = stage.release("rolling", "v2")
    stage.until_weight(rolling, 20)

    said = types(stage, PERSON, "pause", "--all", "--reason", "an incident")
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith(f"everything is paused by {PERSON} since ")
    assert "end it with: kubectl serinus" in said.stderr
    late, began = stage.release("late", "v2"), time.monotonic()
    until_held(stage, late, Phase.PENDING, 0, HEARD_SECONDS)
    figures(f"a release after the word is held {time.monotonic() - began:.1f} s after it was made")
    until_held(stage, rolling, Phase.PROGRESSING, 20, HEARD_SECONDS)  # when its step would be over
    message = stage.rollout(late)["status"]["message"]
    assert message.startswith(f"everything is paused by {PERSON} since ")
    assert message.endswith(": an incident")
    again = types(stage, "admin", "pause", "--all")
    assert again.exit_code == 1
    assert f"everything is paused by {PERSON}" in again.stderr

    replica.stop()
    replica.start()
    until_led_anew(stage)
    until_held(stage, rolling, Phase.PROGRESSING, 20, 30)
    until_held(stage, late, Phase.PENDING, 0, 30)

    resumed = types(stage, PERSON, "resume", "--all")
    assert (resumed.exit_code, resumed.stdout) == (0, f"{PERSON} lets everything go on\n")
    assert pause_there(stage) is None
    for name in (rolling, late):
        stage.wait(name, "Promoted")


def until_held(stage: ClusterStage, name: str, phase: Phase, percent: int, within: float) -> None:
    def holds(status: dict[str, object]) -> bool:
        return (status.get("phase"), status.get("reason")) == (phase, Reason.EVERYTHING_PAUSED)

    status = stage.until(name, holds, "held", within)["status"]
    assert status.get("weightPercent", 0) == percent
    model = stage.rollout(name)["spec"]["model"]
    assert stage.weights(model).get(f"{model}-v2", 0) == percent * 10


def until_led_anew(stage: ClusterStage) -> None:
    stage.server.admin.until(lambda: len(stage.replicas[0].log("leading")) == 2, "it leads again", 30)


@pytest.mark.parametrize("words", [("pause", "--all"), ("resume", "--all")], ids=" ".join)
def test_who_may_not_is_told_what_lacks(stage: ClusterStage, words: tuple[str, ...]) -> None:
    answer = types(stage, OPERATOR, *words)
    assert (answer.exit_code, answer.stdout) == (4, "")
    rule = json.loads(answer.stderr.splitlines()[0].partition("Add to the Role: ")[2])
    assert (rule["resources"], rule["verbs"]) == (["configmaps"], ["get"])
    assert "try:   kubectl auth can-i --list" in answer.stderr
    assert pause_there(stage) is None
