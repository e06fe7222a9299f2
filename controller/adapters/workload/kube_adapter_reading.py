"""Whether a LoRA adapter can take requests: all ready pods of its route's pool have loaded it.

It is looked at on every pass, so a pod that comes later without the adapter is found while the canary has
traffic.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from controller.adapters.kube.resources import MODEL_REWRITES
from controller.adapters.workload.kube_adapters import Loaded, adapter_readiness, nobody_ready
from controller.adapters.workload.kube_labels import pods_of
from controller.adapters.workload.kube_look import find_pool
from controller.adapters.workload.kube_pools import PoolPods, pool_pods, pool_ref
from controller.adapters.workload.kube_problem import Problem
from controller.adapters.workload.kube_view import ClusterView
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.release import Backend, BackendKind
from controller.domain.vocabulary import Reason


class Models(Protocol):
    """Asks engines what they have loaded, as `ServedModels` does."""

    async def of(self, endpoints: Iterable[str]) -> Mapping[str, Loaded]:
        """What each of them has loaded, by ``host:port``."""
        ...


class AdapterReader:
    """Reads only."""

    def __init__(self, view: ClusterView, models: Models) -> None:
        self._view = view
        self._models = models

    async def read(self, rollout: Rollout, adapter: Backend, *, everywhere: bool) -> Readiness | Problem:
        """The readiness of an adapter of the route's pool, on every engine or on one at least."""
        route, namespace = rollout.policy.route, rollout.policy.namespace
        rewrite = await self._view.get(MODEL_REWRITES, namespace, route.name)
        if rewrite is None:
            message = (
                f"the adapter {adapter.name} is of the pool that an InferenceModelRewrite names, "
                f"and there is none named {route.name} in {namespace}"
            )
            return Problem(Reason.BACKEND_NOT_FOUND, message)
        _, name = pool_ref(rewrite)
        pool = Backend(BackendKind.INFERENCE_POOL, name)
        pods = await self._pods(namespace, pool)
        if isinstance(pods, Problem):
            return pods
        none = nobody_ready(pods, name)
        if none is not None:
            return none
        found = await self._models.of(each.endpoint for each in pods.engines)
        return adapter_readiness(adapter.name, pods.engines, found, everywhere=everywhere)

    async def _pods(self, namespace: str, pool: Backend) -> PoolPods | Problem:
        found = await find_pool(self._view, namespace, pool)
        if isinstance(found, Problem):
            return found
        return pool_pods(await self._view.pods(namespace, pods_of(found)), found)
