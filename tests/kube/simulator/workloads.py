"""What the controllers of a cluster make of Deployments and StatefulSets: objects in, objects out. Pure.

Shapes, condition types, reasons and messages are those of Kubernetes' own controllers (kubernetes.io/docs,
Workloads).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from tests.kube.simulator.pods import conditions, is_ready

Obj = dict[str, Any]

HASH_LABEL = "pod-template-hash"


def template_hash(workload: Obj) -> str:
    """Names the present revision of a workload's pod template."""
    text = json.dumps(workload["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def owned_by(owner: Obj) -> Obj:
    """The controller's entry in ``ownerReferences``."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owner_uid(obj: Obj) -> str | None:
    """Whose it is; None for an object of its own."""
    for reference in obj["metadata"].get("ownerReferences", []):
        if reference.get("controller"):
            uid: str = reference["uid"]
            return uid
    return None


def replica_set(deployment: Obj) -> Obj:
    """The ReplicaSet of the deployment's present template."""
    name = f"{deployment['metadata']['name']}-{template_hash(deployment)}"
    return {
        "metadata": {
            "name": name,
            "namespace": deployment["metadata"]["namespace"],
            "labels": _hashed(deployment["spec"]["template"].get("metadata", {}).get("labels"), deployment),
            "ownerReferences": [owned_by(deployment)],
        },
        "spec": {
            "replicas": replicas(deployment),
            "selector": {"matchLabels": _hashed(deployment["spec"]["selector"]["matchLabels"], deployment)},
            "template": _hashed_template(deployment),
        },
    }


def new_pod(owner: Obj, template: Obj, name: str, node: str | None) -> Obj:
    """One copy, on a node or waiting for one."""
    meta = template.get("metadata", {})
    spec = {**template["spec"], "enableServiceLinks": False}
    return {
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": meta.get("labels", {}),
            "annotations": meta.get("annotations", {}),
            "ownerReferences": [owned_by(owner)],
        },
        "spec": spec if node is None else {**spec, "nodeName": node},
    }


def replicas(workload: Obj) -> int:
    """The copies that are asked for."""
    wanted: int = workload["spec"].get("replicas", 1)
    return 0 if "deletionTimestamp" in workload["metadata"] else wanted


def _hashed(labels: Obj | None, deployment: Obj) -> Obj:
    return {**(labels or {}), HASH_LABEL: template_hash(deployment)}


def _hashed_template(deployment: Obj) -> Obj:
    template = deployment["spec"]["template"]
    meta = template.get("metadata", {})
    return {**template, "metadata": {**meta, "labels": _hashed(meta.get("labels"), deployment)}}


def deployment_status(deployment: Obj, pods: Sequence[Obj], now: str) -> Obj:
    """From all pods of the deployment, also of older revisions."""
    wanted, revision = replicas(deployment), template_hash(deployment)
    ready = sum(map(is_ready, pods))
    updated = [pod for pod in pods if pod["metadata"].get("labels", {}).get(HASH_LABEL) == revision]
    complete = len(updated) == len(pods) == ready == wanted
    available = ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    if ready < wanted:
        message = "Deployment does not have minimum availability."
        available = ("Available", "False", "MinimumReplicasUnavailable", message)
    progressing = ("Progressing", "True", "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated", "")
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **_counted(len(pods), ready, len(updated)),
        "availableReplicas": ready or None,
        "unavailableReplicas": (wanted - ready if wanted > ready else None),
        "conditions": conditions(deployment, [available, progressing], now),
    }


def stateful_set_status(workload: Obj, pods: Sequence[Obj]) -> Obj:
    """From all pods of the StatefulSet."""
    return {
        "observedGeneration": workload["metadata"]["generation"],
        "replicas": len(pods),
        "readyReplicas": sum(map(is_ready, pods)) or None,
    }


def _counted(total: int, ready: int, updated: int) -> Obj:
    return {"replicas": total or None, "readyReplicas": ready or None, "updatedReplicas": updated or None}
