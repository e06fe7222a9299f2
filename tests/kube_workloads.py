"""Workloads, Services and pods as they stand in a cluster, for tests of the workload adapter."""

from collections.abc import Sequence
from typing import Any

Obj = dict[str, Any]


def meta(name: str, labels: Obj | None = None, **more: Any) -> Obj:
    return {"name": name, "namespace": "ml", "labels": labels or {}, **more}


def deployment(name: str = "fraud-v6", labels: Obj | None = None, replicas: int = 4, **template: Any) -> Obj:
    """A Deployment whose selector is its pods' labels; ``template`` is more of the pod's spec."""
    labels = labels or {"app": name}
    container = {"name": "server", "image": "registry/fraud:v6", "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(name, {"app": "fraud"}),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {
                "metadata": {"labels": dict(labels)},
                "spec": {"containers": [container], **template},
            },
        },
    }


def service(name: str = "fraud-v6", selector: Obj | None = None, labels: Obj | None = None) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(name, labels),
        "spec": {
            "selector": selector or {"app": name},
            "ports": [{"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"}],
        },
    }


def autoscaler(name: str = "fraud-v6", least: int = 2, most: int = 10) -> Obj:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta(name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": most,
        },
    }


def budget(name: str = "fraud-v6", selector: Obj | None = None) -> Obj:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(name),
        "spec": {"minAvailable": 1, "selector": {"matchLabels": selector or {"app": name}}},
    }


def endpoint_slice(
    service_name: str,
    addresses: Sequence[str],
    *,
    unready: Sequence[str] = (),
    port: int | None = 8080,
    port_name: str = "http",
    family: str = "IPv4",
    suffix: str = "abc",
) -> Obj:
    endpoints = [{"addresses": [each], "conditions": {"ready": True}} for each in addresses]
    endpoints += [{"addresses": [each], "conditions": {"ready": False}} for each in unready]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta(f"{service_name}-{suffix}", {"kubernetes.io/service-name": service_name}),
        "addressType": family,
        "endpoints": endpoints,
        "ports": [{"name": port_name, "port": port}],
    }


def pod(name: str, labels: Obj | None = None, *, status: Obj | None = None, **spec: Any) -> Obj:
    """A pod that is not ready, unless ``status`` says so."""
    container = {"name": "server", "image": "registry/fraud:v7"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, labels or {"app": "fraud-v7"}),
        "spec": {"containers": [container], **spec},
        "status": status or {"phase": "Pending"},
    }


def waiting(reason: str, message: str = "", **more: Any) -> Obj:
    """The status of a pod whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "phase": "Pending",
        "containerStatuses": [{"name": "server", "ready": False, "state": state, **more}],
    }


def ready(address: str = "10.0.0.1") -> Obj:
    """The status of a pod that takes requests."""
    return {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]}


def unscheduled(message: str) -> Obj:
    """The status of a pod that no node takes."""
    reason = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [reason]}


def node(name: str, *, labels: Obj | None = None, taints: Sequence[Obj] = (), **allocatable: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"taints": list(taints)},
        "status": {
            "allocatable": {
                key.replace("gpu", "nvidia.com/gpu"): value for key, value in allocatable.items()
            },
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
