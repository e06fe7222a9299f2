"""The EndpointSlice of a Service, as the cluster's own controller writes it. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from tests.kube.simulator.pods import is_ready
from tests.kube.simulator.workloads import owned_by

Obj = dict[str, Any]


def endpoint_slice(service: Obj, pods: Iterable[Obj]) -> Obj | None:
    """The slice of a service with a selector: every pod that it selects and that has an address."""
    selector = service["spec"].get("selector")
    if not selector:
        return None
    chosen = sorted(
        (pod for pod in pods if selects(selector, pod) and pod.get("status", {}).get("podIP")),
        key=lambda pod: str(pod["metadata"]["name"]),
    )
    meta = service["metadata"]
    return {
        "metadata": {
            "name": f"{meta['name']}-{meta['uid'][:5]}",
            "namespace": meta["namespace"],
            "labels": {
                "kubernetes.io/service-name": meta["name"],
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [owned_by(service)],
        },
        "addressType": "IPv4",
        "ports": [_port(port, chosen) for port in service["spec"].get("ports", [])],
        "endpoints": [_endpoint(pod) for pod in chosen],
    }


def selects(selector: Obj, pod: Obj) -> bool:
    """Whether a pod in the same namespace has these labels."""
    labels = pod["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, value in selector.items())


def _endpoint(pod: Obj) -> Obj:
    ready = is_ready(pod)
    meta = pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": "deletionTimestamp" in meta},
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": {
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }


def _port(port: Obj, pods: Sequence[Obj]) -> Obj:
    target = port.get("targetPort", port["port"])
    if isinstance(target, str):
        named = [
            declared["containerPort"]
            for pod in pods[:1]
            for container in pod["spec"]["containers"]
            for declared in container.get("ports", [])
            if declared.get("name") == target
        ]
        target = named[0] if named else port["port"]
    return {"name": port.get("name", ""), "port": target, "protocol": port.get("protocol", "TCP")}
