"""What makes and scales pods: a Deployment, a StatefulSet or a LeaderWorkerSet, read in one way. Pure.

A copy is what serves requests: a pod, or with a LeaderWorkerSet a group of pods whose leader answers.
**Source**: apps/v1; leaderworkerset.x-k8s.io/v1 (its controller labels pods with the set's name, and leaders
with the worker index 0).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from controller.adapters.kube.resources import LEADER_WORKER_SETS, Obj, Resource
from controller.adapters.kube.untrusted import mapping, number
from controller.adapters.workload.kube_labels import name_of, selection

_SET_NAME = "leaderworkerset.sigs.k8s.io/name"
_WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"


@dataclass(frozen=True, slots=True)
class Scalable:
    """One such object and its kind."""

    resource: Resource
    obj: Obj

    @property
    def name(self) -> str:
        """Its name."""
        return name_of(self.obj)

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.name}"

    @property
    def replicas(self) -> int:
        """The copies asked for; the API's default is 1."""
        asked = mapping(self.obj.get("spec")).get("replicas")
        return 1 if asked is None else number(asked)

    @property
    def template(self) -> Obj:
        """The template of the pods that answer requests."""
        spec = mapping(self.obj.get("spec"))
        if self.resource is not LEADER_WORKER_SETS:
            return mapping(spec.get("template"))
        group = mapping(spec.get("leaderWorkerTemplate"))
        return mapping(group.get("leaderTemplate")) or mapping(group.get("workerTemplate"))

    @property
    def pod_labels(self) -> dict[str, str]:
        """What its answering pods bear, as far as it is known before there are any."""
        labels = mapping(mapping(self.template.get("metadata")).get("labels"))
        if self.resource is not LEADER_WORKER_SETS:
            return labels
        return {**labels, _SET_NAME: self.name, _WORKER_INDEX: "0"}

    @property
    def selector(self) -> Obj:
        """Its pods, those of a group that answer no requests too."""
        if self.resource is LEADER_WORKER_SETS:
            return {"matchLabels": {_SET_NAME: self.name}}
        return mapping(mapping(self.obj.get("spec")).get("selector"))


def behind(selector: Obj, workloads: Iterable[Scalable]) -> list[Scalable]:
    """The workloads whose pods the selector reaches, by kind and name."""
    selected = selection(selector)
    found = [each for each in workloads if selected(each.pod_labels)]
    return sorted(found, key=lambda each: (each.resource.kind, each.name))
