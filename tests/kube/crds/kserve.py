"""InferenceService and LLMInferenceService, as far as we use them.

Runtimes and pods are kept whatever they are; what else is not named is pruned, as KServe's own schemas do.

Source: the API types of KServe after 0.20 (pkg/apis/serving/v1beta1, v1alpha2).
"""

from typing import Any

from tests.kube.crds.schema import (
    ANYTHING,
    BOOLEAN,
    LABELS,
    STRING,
    Schema,
    definition,
    integer,
    listing,
    record,
    text,
)

_CONDITIONS = listing(
    record(
        {
            "type": STRING,
            "status": STRING,
            "severity": STRING,
            "lastTransitionTime": STRING,
            "reason": STRING,
            "message": STRING,
        },
        "type",
        "status",
    )
)


def _predictor() -> Schema:
    model = record(
        {
            "modelFormat": record({"name": STRING, "version": STRING}, "name"),
            "storageUri": STRING,
            "runtime": STRING,
            "runtimeVersion": STRING,
            "protocolVersion": STRING,
            "resources": ANYTHING,
            "env": listing(ANYTHING),
            "args": listing(STRING),
            "storage": ANYTHING,
        }
    )
    return record(
        {
            "name": STRING,
            "model": model,
            "labels": LABELS,
            "annotations": LABELS,
            "minReplicas": integer(),
            "maxReplicas": integer(),
            "scaleTarget": integer(),
            "scaleMetric": text(one_of=("cpu", "memory", "concurrency", "rps")),
            "canaryTrafficPercent": {"type": "integer", "format": "int64"},
            "timeout": {"type": "integer", "format": "int64"},
            "workerSpec": ANYTHING,
            "nodeSelector": LABELS,
            "serviceAccountName": STRING,
        }
    )


def inference_service() -> dict[str, Any]:
    """With canaries, as after 0.19."""
    canary = record({"trafficPercent": integer(0, most=100), "predictor": _predictor()}, "predictor")
    spec = record(
        {
            "predictor": _predictor(),
            "canary": listing(canary),
            "transformer": ANYTHING,
            "explainer": ANYTHING,
        },
        "predictor",
    )
    target = record(
        {
            "revisionName": STRING,
            "latestRevision": BOOLEAN,
            "percent": {"type": "integer", "format": "int64"},
            "tag": STRING,
            "url": STRING,
            "configurationName": STRING,
        }
    )
    names = (
        "latestReadyRevision",
        "latestCreatedRevision",
        "latestRolledoutRevision",
        "previousRolledoutRevision",
    )
    component = record({**dict.fromkeys(names, STRING), "traffic": listing(target), "url": STRING})
    said = record({"name": STRING, "ready": BOOLEAN, "trafficPercent": integer(), "modelStatus": ANYTHING})
    status = record(
        {
            "deploymentMode": STRING,
            "components": {"type": "object", "additionalProperties": component},
            "canaryStatuses": listing(said),
            "conditions": _CONDITIONS,
            "modelStatus": ANYTHING,
            "observedGeneration": {"type": "integer", "format": "int64"},
            "url": STRING,
        }
    )
    group = "serving.kserve.io"
    return definition(group, "InferenceService", spec, status, short=("isvc",), version="v1beta1")


def llm_inference_service() -> dict[str, Any]:
    """With groups and weights, as from 0.20 on."""
    route = record({"group": STRING, "weight": integer(most=1_000_000), "http": ANYTHING})
    router = record({"route": route, "gateway": ANYTHING, "scheduler": ANYTHING})
    spec = record(
        {
            "model": record({"uri": STRING, "name": STRING, "lora": ANYTHING}, "uri"),
            "replicas": integer(),
            "router": router,
            "template": ANYTHING,
            "baseRefs": listing(record({"name": STRING})),
        }
    )
    member = record({"name": STRING, "weight": integer(), "stopped": BOOLEAN, "backendRef": ANYTHING}, "name")
    status = record(
        {
            "conditions": _CONDITIONS,
            "router": record({"group": record({"name": STRING, "members": listing(member)})}),
            "workloads": ANYTHING,
            "addresses": listing(ANYTHING),
            "url": STRING,
        }
    )
    group = "serving.kserve.io"
    return definition(group, "LLMInferenceService", spec, status, short=("llmisvc",), version="v1alpha2")
