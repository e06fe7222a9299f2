"""Changes how many copies a workload has, by its ``scale`` only, and the least copies of its autoscaler.

An autoscaler adjusts nothing while its target has 0 copies, and begins again when it gets some: taking all
copies away needs no change to it. Raised copies do: it would take them away again, so its minimum goes first.

**Source**: Kubernetes documentation, "Horizontal Pod Autoscaling", implicit maintenance-mode deactivation;
autoscaling/v1 Scale (0 copies are left out of its JSON).
"""

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import NotFound
from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import HORIZONTAL_POD_AUTOSCALERS, Obj
from controller.adapters.kube.untrusted import mapping, number
from controller.adapters.workload.kube_labels import CREATED, LEAST, annotations_of, labels_of, name_of
from controller.adapters.workload.kube_scalable import Scalable
from controller.adapters.workload.kube_view import ClusterView

_LEAST_PATH = "/metadata/annotations/serinus.dev~1min-replicas"


class Scaling:
    """Writes to the scale of workloads. Every write tests the version that it was decided on."""

    def __init__(self, client: KubeClient, view: ClusterView) -> None:
        self._client = client
        self._view = view

    async def at_least(self, namespace: str, target: Scalable, copies: int) -> None:
        """Raise the copies; never takes any away. Reads nothing when there are enough.

        An autoscaler that is not ours keeps its maximum, which then is the limit. Raises `Conflict` when
        somebody else changed the workload.
        """
        if target.replicas >= copies:
            return
        autoscaler = await self.autoscaler(namespace, target)
        if autoscaler is not None:
            spec = mapping(autoscaler.get("spec"))
            most = number(spec.get("maxReplicas"))
            if CREATED in labels_of(autoscaler):
                most = max(most, copies)
            copies = min(copies, most)
            await self._raise_minimum(namespace, autoscaler, copies, most)
        if target.replicas < copies:
            await self._set(namespace, target, copies)

    async def to_none(self, namespace: str, target: Scalable) -> None:
        """Take all copies away. Raises `Conflict` when somebody else changed the workload."""
        if target.replicas > 0:
            await self.settle(namespace, target)
            await self._set(namespace, target, 0)

    async def settle(self, namespace: str, target: Scalable) -> None:
        """Give the workload's autoscaler the minimum back that it had before it was raised."""
        autoscaler = await self.autoscaler(namespace, target)
        least = annotations_of(autoscaler or {}).get(LEAST, "")
        if autoscaler is None or not least.isascii() or not least.isdigit():
            return
        operations = [
            _same_version(autoscaler),
            {"op": "add", "path": "/spec/minReplicas", "value": int(least)},
            {"op": "remove", "path": _LEAST_PATH},
        ]
        await self._client.json_patch(HORIZONTAL_POD_AUTOSCALERS, namespace, name_of(autoscaler), operations)

    async def autoscaler(self, namespace: str, target: Scalable) -> Obj | None:
        """The workload's autoscaler, if there is one: the first by name."""
        if Feature.WORKLOADS not in self._view.features:
            return None
        found = await self._view.all(HORIZONTAL_POD_AUTOSCALERS, namespace)
        scaling = [each for each in found if _scales(each, target)]
        return min(scaling, key=name_of, default=None)

    async def _raise_minimum(self, namespace: str, autoscaler: Obj, copies: int, most: int) -> None:
        spec, annotations = mapping(autoscaler.get("spec")), annotations_of(autoscaler)
        least = number(spec.get("minReplicas", 1))
        if least >= copies:
            return
        operations: list[Obj] = [
            _same_version(autoscaler),
            {"op": "add", "path": "/spec/minReplicas", "value": copies},
        ]
        if most != spec.get("maxReplicas"):
            operations.append({"op": "add", "path": "/spec/maxReplicas", "value": most})
        if not annotations:
            operations.append({"op": "add", "path": "/metadata/annotations", "value": {LEAST: str(least)}})
        elif LEAST not in annotations:
            operations.append({"op": "add", "path": _LEAST_PATH, "value": str(least)})
        await self._client.json_patch(HORIZONTAL_POD_AUTOSCALERS, namespace, name_of(autoscaler), operations)

    async def _set(self, namespace: str, target: Scalable, copies: int) -> None:
        operations = [_same_version(target.obj), {"op": "add", "path": "/spec/replicas", "value": copies}]
        try:
            scale = await self._client.json_patch(
                target.resource, namespace, target.name, operations, subresource="scale"
            )
        except NotFound:
            return  # gone: the next pass sees that
        self._view.keep(target.resource, _scaled(target.obj, scale, copies))


def _scaled(obj: Obj, scale: Obj, copies: int) -> Obj:
    """The object as it is after its scale was written: the answer holds the scale alone."""
    metadata = {
        **obj["metadata"],
        "resourceVersion": scale["metadata"]["resourceVersion"],
        "generation": number(obj["metadata"].get("generation")) + 1,
    }
    return {**obj, "metadata": metadata, "spec": {**obj["spec"], "replicas": copies}}


def _scales(autoscaler: Obj, target: Scalable) -> bool:
    named = mapping(mapping(autoscaler.get("spec")).get("scaleTargetRef"))
    return (named.get("kind"), named.get("name")) == (target.resource.kind, target.name)


def _same_version(obj: Obj) -> Obj:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": obj["metadata"]["resourceVersion"]}
