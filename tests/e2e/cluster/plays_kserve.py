"""Plays of KServe's kinds. KServe itself is the test's, see `tests.kserve_world`.

Each ends as soon as every right to its kind was needed.
"""

from typing import Any

from controller.domain.release import BackendKind
from tests.e2e.cluster.policies import ONE_STEP
from tests.e2e.cluster.stage import ClusterStage
from tests.kserve_world import NEW, Knative, a_member, a_service, group_status
from tests.kube.manifests import PORT, deployment, service

Obj = dict[str, Any]

IMAGE = "models/tumor:v1"
FILES, GROUPS, KNATIVE = "serving.kserve.io/v1beta1", "serving.kserve.io/v1alpha2", "serving.knative.dev/v1"
_ENGINE_PORT = 8000


def files(stage: ClusterStage, model: str) -> None:
    """An InferenceService on Knative gets new files, and no requests for them, in one write."""
    kind = FILES, "InferenceService"
    _create(stage, a_service(name=model))
    knative = Knative()
    status = knative.look(stage.get(*kind, model))
    for each in knative.revisions:
        _create(stage, each)
    _tell(stage, *kind, model, status)
    stage.policy(model, ONE_STEP, route={"inferenceService": model})
    name = stage.release(model, "v2", storageUri=NEW)

    def prepared(_: Obj) -> bool:
        predictor = stage.get(*kind, model)["spec"]["predictor"]
        return (predictor["model"]["storageUri"], predictor.get("canaryTrafficPercent")) == (NEW, 0)

    stage.until(name, prepared, f"the new files in the InferenceService {model}")


def members(stage: ClusterStage, model: str) -> None:
    """One member of a routing group gives half of the requests to another."""
    kind = GROUPS, "LLMInferenceService"
    names = [f"{model}-v1", f"{model}-v2"]
    for version, weight in (("v1", 9), ("v2", 0)):
        _create(stage, a_member(f"{model}-{version}", weight, group=model, model=model))
        stage.apply(
            deployment(stage.namespace, model, version, IMAGE), _copies(stage.namespace, model, version)
        )
    found = [stage.get(*kind, each) for each in names]
    for each in found:
        _tell(stage, *kind, each["metadata"]["name"], group_status(each, found))
    stage.policy(model, ONE_STEP, route={"llmInferenceService": model})
    backend = {"kind": BackendKind.LLM_INFERENCE_SERVICE, "name": names[1]}
    name = stage.release(model, "v2", backend=backend)

    def given(_: Obj) -> bool:
        return bool(stage.get(*kind, names[1])["spec"]["router"]["route"]["weight"])

    stage.until(name, given, f"a weight of {names[1]}")


def _copies(namespace: str, model: str, version: str) -> Obj:
    """The Service that KServe makes for an engine's copies."""
    made = service(namespace, model, version)
    name = f"{model}-{version}-kserve-workload-svc"
    ports = [{"name": "http", "port": _ENGINE_PORT, "targetPort": PORT, "protocol": "TCP"}]
    return {
        **made,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**made["spec"], "ports": ports},
    }


def _create(stage: ClusterStage, obj: Obj) -> None:
    stage.server.admin.create({**obj, "metadata": {**obj["metadata"], "namespace": stage.namespace}})


def _tell(stage: ClusterStage, api_version: str, kind: str, name: str, status: Obj) -> None:
    stage.server.admin.patch(api_version, kind, stage.namespace, name, {"status": status}, "status")
