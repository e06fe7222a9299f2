"""What the workload adapter reads of a cluster: from the caches that it was given, elsewhere from the API.

**Invariant**: what comes out of here is shared with the caches, and never changed.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import NotServed
from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import (
    AI_SERVICE_BACKENDS,
    DEPLOYMENTS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    ENVOY_BACKENDS,
    INFERENCE_POOLS,
    LEADER_WORKER_SETS,
    PODS,
    REVISIONS,
    SERVICES,
    STATEFUL_SETS,
    Obj,
    Resource,
)
from controller.adapters.kube.untrusted import mapping, sequence
from controller.adapters.workload.kube_ai_backends import behind as behind_backend
from controller.adapters.workload.kube_ai_backends import referenced
from controller.adapters.workload.kube_endpoints import Endpoints
from controller.adapters.workload.kube_labels import (
    SERVICE_OF_SLICE,
    labels_of,
    pods_of,
    selection,
    service_of,
)
from controller.adapters.workload.kube_scalable import Scalable, behind
from controller.adapters.workload.kube_subsets import labels_of_subset
from controller.domain.release import Backend, BackendKind
from controller.errors import TransientError

_OLDEST = timedelta(minutes=3)
"""Three times the interval at which caches are filled anew: older content says nothing about now."""

_WORKLOADS = (
    (DEPLOYMENTS, Feature.WORKLOADS),
    (STATEFUL_SETS, Feature.STATEFUL_SETS),
    (LEADER_WORKER_SETS, Feature.LEADER_WORKER_SETS),
)

_BACKENDS = {
    BackendKind.SERVICE: SERVICES,
    BackendKind.INFERENCE_POOL: INFERENCE_POOLS,
    BackendKind.AI_SERVICE_BACKEND: AI_SERVICE_BACKENDS,
    BackendKind.REVISION: REVISIONS,
}

_KEPT_OF_PODS = ("nodeName", "nodeSelector", "affinity", "tolerations", "overhead", "resources")
_KEPT_OF_CONTAINERS = ("name", "image", "resources", "restartPolicy", "startupProbe")
_DROPPED_METADATA = ("managedFields", "annotations")


class Followed(Protocol):
    """What a `Reflector` offers: a kind of objects, kept up to date in memory."""

    def get(self, namespace: str, name: str) -> Obj | None:
        """The object, if there is one."""
        ...

    def all(self, namespace: str | None = None) -> list[Obj]:
        """Every object, or those of one namespace."""
        ...

    def put(self, obj: Obj) -> None:
        """Take in the answer to a write."""
        ...

    def drop(self, namespace: str, name: str) -> None:
        """Forget what was deleted."""
        ...

    @property
    def age(self) -> timedelta:
        """How long ago the server confirmed the content."""
        ...


FindCache = Callable[[Resource, str], Followed | None]
"""The cache of a kind of objects in a namespace; None where there is none and the API is asked."""


class ClusterView:
    """Reads of one cluster. ``features`` say which kinds may be read at all."""

    def __init__(self, client: KubeClient, cache: FindCache, features: frozenset[Feature]) -> None:
        self._client = client
        self._cache = cache
        self.features = features

    async def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """The object, if there is one. Raises `TransientError` when the cache is too old to say."""
        cache = self._fresh(resource, namespace)
        if cache is not None:
            return cache.get(namespace, name)
        try:
            return await self._client.get(resource, namespace, name)
        except NotServed:
            return None

    async def all(self, resource: Resource, namespace: str, *, labels: str = "") -> Sequence[Obj]:
        """The objects of a namespace; ``labels`` only spares the API, a cache gives all."""
        cache = self._fresh(resource, namespace)
        if cache is not None:
            return cache.all(namespace)
        try:
            return (await self._client.list(resource, namespace, labels=labels))[0]
        except NotServed:
            return ()

    def keep(self, resource: Resource, obj: Obj) -> None:
        """Take in the answer to our own write, so that the next read sees it."""
        cache = self._cache(resource, obj["metadata"].get("namespace", ""))
        if cache is not None:
            cache.put(obj)

    def forget(self, resource: Resource, namespace: str, name: str) -> None:
        """Take in that we deleted an object."""
        cache = self._cache(resource, namespace)
        if cache is not None:
            cache.drop(namespace, name)

    async def backend(self, namespace: str, backend: Backend) -> Obj | None:
        """The backend's object; None for one that is no object, as for one that is not there."""
        resource = resource_of(backend)
        return None if resource is None else await self.get(resource, namespace, backend.name)

    async def slices(self, namespace: str, service: str) -> Sequence[Obj]:
        """The EndpointSlices of a Service."""
        found = await self.all(ENDPOINT_SLICES, namespace, labels=f"{SERVICE_OF_SLICE}={service}")
        return [each for each in found if service_of(each) == service]

    async def workloads(self, namespace: str, selector: Obj) -> list[Scalable]:
        """What makes the pods that a selector reaches, of the kinds that may be read."""
        found = [
            Scalable(resource, each)
            for resource, feature in _WORKLOADS
            if feature in self.features
            for each in await self.all(resource, namespace)
        ]
        return behind(selector, found)

    async def behind(self, namespace: str, backend: Backend) -> list[Scalable]:
        """What makes the pods of a backend, as far as that may be read; none where the backend is gone."""
        if Feature.WORKLOADS not in self.features:
            return []
        selector = await self.selector(namespace, backend)
        return [] if selector is None else await self.workloads(namespace, selector)

    async def selector(self, namespace: str, backend: Backend) -> Obj | None:
        """The pods that a backend sends requests to; None where it is gone.

        Those of a Knative revision are Knative's alone, and those of a server elsewhere nobody's here.
        """
        if backend.kind is BackendKind.REVISION:
            return None
        if backend.kind is BackendKind.AI_SERVICE_BACKEND:
            found = await self.behind_ai_backend(namespace, backend)
            return await self.selector(namespace, found) if isinstance(found, Backend) else None
        obj = await self.backend(namespace, backend)
        if obj is None or not backend.subset:
            return None if obj is None else pods_of(obj)
        labels = labels_of_subset(await self.all(DESTINATION_RULES, namespace), namespace, backend)
        return None if labels is None else {"matchLabels": {**pods_of(obj)["matchLabels"], **labels}}

    async def behind_ai_backend(self, namespace: str, backend: Backend) -> Backend | Endpoints | None:
        """The Service that an AIServiceBackend leads to, or addresses elsewhere; None for nowhere."""
        obj = await self.backend(namespace, backend)
        found = referenced(obj) if obj is not None else ""
        if isinstance(found, Backend):
            return found
        named = await self.get(ENVOY_BACKENDS, namespace, found) if found else None
        return None if named is None else behind_backend(named, namespace)

    async def pods(self, namespace: str, selector: Obj) -> Sequence[Obj]:
        """The pods that a selector reaches; none where pods may not be read."""
        if not self.features & {Feature.WORKLOADS, Feature.INFERENCE_POOLS, Feature.ISTIO}:
            return ()
        selected = selection(selector)
        return [each for each in await self.all(PODS, namespace) if selected(labels_of(each))]

    def _fresh(self, resource: Resource, namespace: str) -> Followed | None:
        cache = self._cache(resource, namespace)
        if cache is not None and cache.age > _OLDEST:
            never = cache.age == timedelta.max
            since = "never yet" if never else f"{cache.age.total_seconds():.0f} s ago"
            raise TransientError(f"the {resource.plural} of {namespace} were last read {since}")
        return cache


def resource_of(backend: Backend) -> Resource | None:
    """The kind of objects that a backend is one of; None for an adapter, and for what is KServe's alone."""
    return _BACKENDS.get(backend.kind)


def kept_pod(pod: Obj) -> Obj:
    """A pod without what nothing here reads, for the cache of pods: most of its size."""
    spec = mapping(pod.get("spec"))
    kept: Obj = {key: spec[key] for key in _KEPT_OF_PODS if key in spec}
    for listed in ("containers", "initContainers"):
        kept[listed] = [
            {key: each[key] for key in _KEPT_OF_CONTAINERS if key in each}
            for each in map(mapping, sequence(spec.get(listed)))
        ]
    metadata = {key: value for key, value in pod["metadata"].items() if key not in _DROPPED_METADATA}
    return {**pod, "metadata": metadata, "spec": kept}
