"""Plays about how rollouts end: promoted, rolled back, not deployed."""

from typing import Any

from controller.domain.vocabulary import Reason
from tests.e2e.cluster.casting import play
from tests.e2e.cluster.policies import ENDLESS, TWO_STEPS, golden_file
from tests.e2e.cluster.stage import ClusterStage
from tests.kube.manifests import PORT, backend

Obj = dict[str, Any]


def status_of(obj: Obj) -> dict[str, str]:
    """The conditions, by type."""
    return {each["type"]: each["status"] for each in obj["status"]["conditions"]}


@play
def promote(stage: ClusterStage, model: str) -> None:
    """A version that is there already, found by its labels, comes to serve everyone."""
    stage.policy(model, TWO_STEPS)
    stage.in_service(model, weight=7)
    stage.candidate(model, "v2", "models/tumor:v2")
    name = stage.release(model, "v2")
    done = stage.wait(name, "Promoted")
    assert stage.weights(model) == {f"{model}-v2": 7}
    conditions = status_of(done)
    assert conditions == {
        "Progressing": "False",
        "Healthy": "True",
        "Promoted": "True",
        "RolledBack": "False",
        "PolicyValid": "True",
        "MetricsAvailable": "True",
        "DriftFree": "True",
    }
    generations = {each["observedGeneration"] for each in done["status"]["conditions"]}
    assert generations == {done["metadata"]["generation"]}
    printed = stage.kubectl("get", "mro", name, identity="ann").splitlines()
    assert printed[0].split() == ["NAME", "MODEL", "PHASE", "STEP", "WEIGHT", "VERDICT", "NEXT", "AGE"]
    assert printed[1].split()[:5] == [name, model, "Succeeded", "2/2", "100%"]


@play
def promote_image(stage: ClusterStage, model: str) -> None:
    """A version that is only an image: its workload is cloned from stable's, and outlives the rollout."""
    stage.policy(model, TWO_STEPS, workload={"drain": "1s"})
    stage.in_service(model)
    change = {"env": [{"name": "THREADS", "value": "2"}]}
    name = stage.release(model, "v2", image="registry.example/models/tumor:v2", overrides=change)
    stage.backends[model].names.append(f"{model}-v2")
    stage.wait(name, "Promoted")
    made = stage.get("apps/v1", "Deployment", f"{model}-v2")
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.example/models/tumor:v2"
    assert {"name": "THREADS", "value": "2"} in container["env"]
    assert made["metadata"]["labels"]["serinus.dev/created"] == "true"
    assert "ownerReferences" not in made["metadata"]
    assert list(stage.weights(model)) == [f"{model}-v2"]


@play
def first_deployment(stage: ClusterStage, model: str) -> None:
    """Nobody serves yet: the first version gets everyone at once, and then bakes."""
    stage.policy(model, TWO_STEPS)
    stage.route(model)
    stage.candidate(model, "v1", "models/tumor:v1")
    name = stage.release(model, "v1", backend={"name": f"{model}-v1", "port": PORT})
    stage.wait(name, "Promoted")
    assert list(stage.weights(model)) == [f"{model}-v1"]


@play
def rollback(stage: ClusterStage, model: str) -> None:
    """A version that fails on some rows goes, and the route is as it was."""
    stage.policy(model, ENDLESS)  # one row in nine: however long it takes until enough of them were sent
    stage.in_service(model, weight=3)
    stage.candidate(model, "v3", "models/tumor:v3")
    name = stage.release(model, "v3")
    done = stage.wait(name, "RolledBack")
    assert done["status"]["reason"] == Reason.CHECK_FAILED
    assert "errors" in done["status"]["message"]
    assert status_of(done)["Healthy"] == "False"
    assert stage.weights(model) == {f"{model}-v1": 3}
    assert stage.route_of(model)["spec"] == stage.before[model]["spec"]


@play
def golden_request(stage: ClusterStage, model: str) -> None:
    """A version that answers golden requests wrongly never gets traffic."""
    golden = golden_file(stage.policies)
    stage.policy(model, TWO_STEPS, validation={"golden": golden, "deadline": "30s"})
    stage.in_service(model)
    stage.candidate(model, "v5", "models/tumor:v5")
    not_deployed(stage, model, stage.release(model, "v5"), Reason.GOLDEN_REQUEST_FAILED, "golden request")


@play
def image_pull(stage: ClusterStage, model: str) -> None:
    """An image that does not exist is named, and what was made for it is removed."""
    stage.policy(model, TWO_STEPS, ready_deadline="8s", workload={"drain": "1s"})
    stage.in_service(model)
    name = stage.release(model, "v9", image="models/tumor:v9")
    not_deployed(stage, model, name, Reason.IMAGE_PULL_FAILED, "models/tumor:v9")


@play
def crash_loop(stage: ClusterStage, model: str) -> None:
    """A container that ends at once is named."""
    stage.policy(model, TWO_STEPS, ready_deadline="8s")
    stage.in_service(model)
    stage.candidate(model, "v2", "models/crash:v2")
    not_deployed(stage, model, stage.release(model, "v2"), Reason.CRASH_LOOPING, f"{model}-v2")


@play
def too_few_gpus(stage: ClusterStage, model: str) -> None:
    """What the nodes lack is said before anything is tried: both GPUs are in use."""
    stage.policy(model, TWO_STEPS, ready_deadline="8s")
    gpus = {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}}
    stage.serve(model, "v1", "models/echo:v1", resources=gpus)
    stage.until_ready(f"{model}-v1")
    stage.take_service(model)
    name = stage.release(model, "v2", image="models/echo:v2")
    told = stage.until_over(name)["status"]
    assert told["phase"] == "NotDeployed", told["message"]
    assert told["reason"] in (Reason.INSUFFICIENT_CAPACITY, Reason.UNSCHEDULABLE)
    assert "needs 2 nvidia.com/gpu, 0 free" in told["message"]


@play
def weights_too_small(stage: ClusterStage, model: str) -> None:
    """Beside other backends the pair's sum is kept; where it cannot express a step, the fix is told."""
    stage.policy(model, TWO_STEPS, route={"httpRoute": {"name": model, "stable": f"{model}-v1"}})
    stage.serve(model, "v1", "models/echo:v1")
    stage.serve(f"{model}-other", "v1", "models/echo:v1")
    stage.until_ready(f"{model}-v1")
    stage.until_ready(f"{model}-other-v1")
    other = backend(f"{model}-other-v1", 1, header=False)
    stage.route(model, backend(f"{model}-v1", 1, header=False), other)
    stage.backends[model].names.append(f"{model}-v1")
    stage.candidate(model, "v2", "models/echo:v2")
    name = stage.release(model, "v2")
    not_deployed(stage, model, name, Reason.WEIGHT_SUM_TOO_SMALL, "multiply all weights")


def not_deployed(stage: ClusterStage, model: str, name: str, reason: Reason, words: str) -> None:
    """It ends so, and nobody touched the route's spec."""
    told = stage.until_over(name)["status"]
    assert (told["phase"], told["reason"]) == ("NotDeployed", reason), told["message"]
    assert words in told["message"]
    assert stage.route_of(model)["spec"] == stage.before[model]["spec"]
