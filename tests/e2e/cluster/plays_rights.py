"""Plays that together need every right there is. They end as soon as the right was needed."""

from collections.abc import Callable
from typing import Any

from tests.e2e.cluster.buttons import pressed_in_slack
from tests.e2e.cluster.looking import OURS
from tests.e2e.cluster.plays_adapters import adapters, adapters_formerly
from tests.e2e.cluster.plays_ends import too_few_gpus
from tests.e2e.cluster.plays_gateway import POOLS, copied, pool
from tests.e2e.cluster.plays_kinds import ai_backends, grpc, revisions, subsets
from tests.e2e.cluster.plays_kserve import files, members
from tests.e2e.cluster.policies import ONE_STEP, TWO_STEPS
from tests.e2e.cluster.robots import deployed_by_a_robot
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually
from tests.kube.manifests import backend, deployment, service

Obj = dict[str, Any]
Play = Callable[[ClusterStage, str], None]

IMAGE = "models/tumor:v1"
GROUP, SET = "leaderworkerset.x-k8s.io", "LeaderWorkerSet"


def equipped(stage: ClusterStage, model: str) -> None:
    """v1 serves everyone with two copies, and has a volume, an autoscaler and a disruption budget."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{model}-v1"},
            "minReplicas": 1,
            "maxReplicas": 4,
        },
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": f"{model}-v1"}}},
    }
    for each in (claim, autoscaler, budget):
        stage.server.admin.create({**each, "metadata": {"name": f"{model}-v1", "namespace": stage.namespace}})
    served = deployment(stage.namespace, model, "v1", IMAGE, 2)
    volume = {"name": "models", "persistentVolumeClaim": {"claimName": f"{model}-v1"}}
    served["spec"]["template"]["spec"]["volumes"] = [volume]
    stage.apply(served, service(stage.namespace, model, "v1"))
    stage.until_ready(f"{model}-v1")
    stage.take_service(model, "v2")


def cloned(stage: ClusterStage, model: str) -> None:
    """All of stable is cloned for an image, and its copies are raised before everyone comes."""
    stage.policy(model, TWO_STEPS, workload={"scale": True, "drain": "1s"})
    equipped(stage, model)
    stage.wait(stage.release(model, "v2", image="models/tumor:v2"), "Promoted")
    assert list(stage.weights(model)) == [f"{model}-v2"]


def cloned_in_vain(stage: ClusterStage, model: str) -> None:
    """What was made for an image that does not exist is removed, all of it."""
    stage.policy(
        model, TWO_STEPS, ready_deadline="4s", workload={"drain": "1s", "keep_for": "1s", "history": 0}
    )
    equipped(stage, model)
    stage.until_over(stage.release(model, "v9", image="models/tumor:v9"))
    kinds = {"Deployment": "apps/v1", "Service": "v1", "PodDisruptionBudget": "policy/v1"}
    for kind, version in {**kinds, "HorizontalPodAutoscaler": "autoscaling/v2"}.items():
        eventually(
            lambda kind=kind, version=version: (  # type: ignore[misc]
                stage.server.admin.get(version, kind, stage.namespace, f"{model}-v9") is None
            ),
            f"{kind} {model}-v9 is gone",
        )


def stateful(stage: ClusterStage, model: str) -> None:
    """Copies of a StatefulSet are raised before half of the requests come."""

    def made(version: str, copies: int) -> Obj:
        found = deployment(stage.namespace, model, version, IMAGE, copies)
        return {
            **found,
            "kind": "StatefulSet",
            "spec": {**found["spec"], "serviceName": f"{model}-{version}"},
        }

    _scaled(stage, model, "apps/v1", "StatefulSet", made)


def groups(stage: ClusterStage, model: str) -> None:
    """Groups of a LeaderWorkerSet, too. Nothing makes pods of it here: they are the test's."""

    def made(version: str, copies: int) -> Obj:
        found = deployment(stage.namespace, model, version, IMAGE, copies)
        template = {"workerTemplate": found["spec"]["template"], "size": 1}
        spec = {"replicas": copies, "leaderWorkerTemplate": template}
        return {**found, "apiVersion": f"{GROUP}/v1", "kind": SET, "spec": spec}

    _scaled(stage, model, f"{GROUP}/v1", SET, made)


def _scaled(
    stage: ClusterStage, model: str, api_version: str, kind: str, made: Callable[[str, int], Obj]
) -> None:
    stage.policy(model, ONE_STEP, workload={"scale": True})
    for version, copies in (("v1", 4), ("v2", 1)):
        stage.apply(made(version, copies), service(stage.namespace, model, version))
        if kind == SET:
            _stand_in(stage, model, version, copies)
    stage.route(model, backend(f"{model}-v1", header=False))
    stage.backends[model].names += [f"{model}-v1", f"{model}-v2"]
    name = stage.release(model, "v2")
    eventually(
        lambda: stage.get(api_version, kind, f"{model}-v2")["spec"]["replicas"] > 1, f"{kind} is scaled", 60
    )
    stage.ask(name, "abort")
    stage.until_over(name)


def _stand_in(stage: ClusterStage, model: str, version: str, copies: int) -> None:
    """Leaders' pods that are ready, and their EndpointSlice."""
    admin, name = stage.server.admin, f"{model}-{version}"
    labels = {
        "app": name,
        "leaderworkerset.sigs.k8s.io/name": name,
        "leaderworkerset.sigs.k8s.io/worker-index": "0",
    }
    template = deployment(stage.namespace, model, version, IMAGE)["spec"]["template"]
    for number in range(copies):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{name}-{number}",
                "namespace": stage.namespace,
                "labels": {**template["metadata"]["labels"], **labels},
            },
            "spec": {**template["spec"], "nodeName": "nowhere"},
        }
        admin.create(pod)
        ready = {"type": "Ready", "status": "True"}
        status = {"phase": "Running", "podIP": "127.0.0.1", "conditions": [ready]}
        admin.patch("v1", "Pod", stage.namespace, f"{name}-{number}", {"status": status}, "status")


def pooled(stage: ClusterStage, model: str) -> None:
    """The backends are InferencePools."""
    for version in ("v1", "v2"):
        served = pool(stage.namespace, model, version)
        served["spec"].pop("endpointPickerRef")  # a pool may do without, and here is none
        stage.apply(deployment(stage.namespace, model, version, IMAGE), served)
        stage.until_ready(f"{model}-{version}")
    stage.route(model, {"group": POOLS, "kind": "InferencePool", "name": f"{model}-v1"})
    stage.policy(model, ONE_STEP)
    name = stage.release(model, "v2", backend={"kind": "InferencePool", "name": f"{model}-v2"})
    stage.until_weight(name, 50)


def discovered(stage: ClusterStage, model: str) -> None:
    """A newly labelled version begins a release by itself."""
    stage.policy(model, ONE_STEP, workload={"discover": True})
    stage.in_service(model)
    stage.candidate(model, "v2", IMAGE)

    def released() -> bool:
        found = stage.server.admin.list(OURS, "ModelRollout", stage.namespace)
        return any(each["spec"]["model"] == model for each in found)

    eventually(released, "a release begins by itself", 60)


def held(stage: ClusterStage, model: str) -> None:
    """A rollout that is under way when the leader changes: its successor takes it over."""
    stage.policy(model, ONE_STEP)
    stage.in_service(model)
    stage.candidate(model, "v2", "models/tumor:v2")
    stage.until_weight(stage.release(model, "v2"), 50)


BEFORE_THE_CHANGE: dict[str, Play] = {
    "held": held,
    "grpc": grpc,
    "subsets": subsets,
    "ai-backends": ai_backends,
    "revisions": revisions,
    "files": files,
    "members": members,
    "adapters-formerly": adapters_formerly,
}
AFTER_THE_CHANGE: dict[str, Play] = {
    "adapters": adapters,
    "cloned": cloned,
    "in-vain": cloned_in_vain,
    "stateful": stateful,
    "groups": groups,
    "pooled": pooled,
    "discovered": discovered,
    "copied": copied,
    "too-few-gpus": too_few_gpus,
    "pressed": pressed_in_slack,
    "deployed": deployed_by_a_robot,
}
