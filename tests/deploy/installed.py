"""What ``deploy/`` renders, put into the tests' API server under names that no other test uses."""

import json
from collections.abc import Iterable

from tests.deploy.rendering import Obj
from tests.kube.apiserver import ApiServer

_TOO_NEW = {
    # of Kubernetes 1.27, and the server is 1.20: its apply refuses fields that it does not know
    "PodDisruptionBudget": ("spec", "unhealthyPodEvictionPolicy"),
}


def moved(objects: Iterable[Obj], suffix: str) -> list[Obj]:
    """The objects with every namespace and every name of a cluster-wide role ending in ``-suffix``."""
    return [_moved(json.loads(json.dumps(each)), suffix) for each in objects]


def install(server: ApiServer, objects: Iterable[Obj]) -> None:
    """Apply each object on the server's side, which refuses every field that it does not know."""
    for each in sorted(objects, key=lambda found: found["kind"] != "Namespace"):
        if each["kind"] in _TOO_NEW:
            part, field = _TOO_NEW[each["kind"]]
            each[part].pop(field)
        server.admin.apply(each, manager="kubectl")


def _moved(each: Obj, suffix: str) -> Obj:
    metadata = each["metadata"]
    if each["kind"] in {"Namespace", "ClusterRole", "ClusterRoleBinding"}:
        metadata["name"] += f"-{suffix}"
    if "namespace" in metadata:
        metadata["namespace"] += f"-{suffix}"
    if each["kind"] == "ClusterRole":  # the cluster's own roles are for all tests
        metadata["labels"] = {k: v for k, v in metadata["labels"].items() if "aggregate-to" not in k}
    if each["kind"] == "ClusterRoleBinding":
        each["roleRef"]["name"] += f"-{suffix}"
    for subject in each.get("subjects", ()):
        subject["namespace"] += f"-{suffix}"
    return each
