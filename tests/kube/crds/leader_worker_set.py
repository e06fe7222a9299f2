"""LeaderWorkerSet of leaderworkerset.x-k8s.io/v1, as far as we use it; pod templates are kept as they are.

Source: the API types published with LWS 0.7.
"""

from typing import Any

from tests.kube.crds.schema import (
    ANYTHING,
    STRING,
    Schema,
    conditions,
    definition,
    integer,
    listing,
    record,
    text,
)


def leader_worker_set() -> dict[str, Any]:
    """Groups of pods, scaled by the group."""
    share: Schema = {"x-kubernetes-int-or-string": True}
    rolling = record(
        {
            "partition": integer(0),
            "maxUnavailable": {**share, "default": 1},
            "maxSurge": {**share, "default": 0},
        }
    )
    template = record(
        {
            "leaderTemplate": ANYTHING,
            "workerTemplate": ANYTHING,
            "size": integer(1, least=1),
            "restartPolicy": text(
                "RecreateGroupOnPodRestart",
                one_of=("Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"),
            ),
            "subGroupPolicy": ANYTHING,
            "volumeClaimTemplates": listing(ANYTHING),
        },
        "workerTemplate",
    )
    spec = record(
        {
            "replicas": integer(1),
            "leaderWorkerTemplate": template,
            "rolloutStrategy": record(
                {
                    "type": text("RollingUpdate", one_of=("RollingUpdate",)),
                    "rollingUpdateConfiguration": rolling,
                }
            ),
            "startupPolicy": text("LeaderCreated", one_of=("LeaderCreated", "LeaderReady")),
            "networkConfig": record({"subdomainPolicy": text(one_of=("Shared", "UniquePerReplica"))}),
        },
        "leaderWorkerTemplate",
    )
    status = record(
        {
            "conditions": conditions(),
            "replicas": integer(),
            "readyReplicas": integer(),
            "updatedReplicas": integer(),
            "hpaPodSelector": STRING,
        }
    )
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.hpaPodSelector",
    }
    group = "leaderworkerset.x-k8s.io"
    return definition(group, "LeaderWorkerSet", spec, status, short=("lws",), scale=scale)
