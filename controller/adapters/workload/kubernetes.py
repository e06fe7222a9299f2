"""Where versions run in a cluster: found behind a Service or an InferencePool, or cloned from the stable one.

A version can take requests when its backend has ready endpoints. Serinus scales what it created, and with
``workload.scale`` in the policy what it found; it adds copies here, and takes copies away only from versions
that serve nobody, in `retire`. All reads come from caches where there are any, and all writes test what they
were decided on.
"""

from collections.abc import Sequence
from typing import TypeGuard

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import (
    AI_SERVICE_BACKENDS,
    DEPLOYMENTS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    ENVOY_BACKENDS,
    HORIZONTAL_POD_AUTOSCALERS,
    INFERENCE_POOLS,
    LEADER_WORKER_SETS,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REVISIONS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from controller.adapters.kube.retirable import Created
from controller.adapters.workload import kube_room
from controller.adapters.workload.kserve import InferenceServiceModels
from controller.adapters.workload.kube_adapter_reading import Models
from controller.adapters.workload.kube_cloning import Cloning
from controller.adapters.workload.kube_full import full_copies, scales
from controller.adapters.workload.kube_readiness import ReadinessReader
from controller.adapters.workload.kube_retiring import Retiring
from controller.adapters.workload.kube_room import Room
from controller.adapters.workload.kube_scalable import Scalable
from controller.adapters.workload.kube_scaling import Scaling
from controller.adapters.workload.kube_shares import copies_for
from controller.adapters.workload.kube_view import ClusterView, FindCache
from controller.adapters.workload.llm_services import LlmServices
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.release import Backend, BackendKind, Release
from controller.errors import TargetError

WATCHED: tuple[tuple[Resource, Feature], ...] = (
    (SERVICES, Feature.CORE),
    (ENDPOINT_SLICES, Feature.CORE),
    (DEPLOYMENTS, Feature.WORKLOADS),
    (PODS, Feature.WORKLOADS),
    (INFERENCE_POOLS, Feature.INFERENCE_POOLS),
    (PODS, Feature.INFERENCE_POOLS),
    (DESTINATION_RULES, Feature.ISTIO),
    (PODS, Feature.ISTIO),
    (AI_SERVICE_BACKENDS, Feature.AI_GATEWAY),
    (ENVOY_BACKENDS, Feature.AI_GATEWAY),
    (REVISIONS, Feature.KNATIVE),
    (STATEFUL_SETS, Feature.STATEFUL_SETS),
    (LEADER_WORKER_SETS, Feature.LEADER_WORKER_SETS),
)
"""What is read on every pass, so that it should be cached; a change of any of it can change a readiness."""

"""What leads to pods by a selector of its own."""
_READ = frozenset({"list", "watch"})
_MADE = frozenset({"get", "create", "delete"})
_SCALED = frozenset({"patch"})
PERMISSIONS = (
    *(Permission(resource, _READ, feature) for resource, feature in WATCHED),
    Permission(DEPLOYMENTS, _MADE, Feature.WORKLOADS),
    Permission(DEPLOYMENTS, _SCALED, Feature.WORKLOADS, subresource="scale"),
    Permission(SERVICES, _MADE, Feature.WORKLOADS),
    Permission(HORIZONTAL_POD_AUTOSCALERS, _MADE | {"list", "patch"}, Feature.WORKLOADS),
    Permission(POD_DISRUPTION_BUDGETS, _MADE | {"list"}, Feature.WORKLOADS),
    Permission(PERSISTENT_VOLUME_CLAIMS, frozenset({"get"}), Feature.WORKLOADS),
    Permission(STATEFUL_SETS, _SCALED, Feature.STATEFUL_SETS, subresource="scale"),
    Permission(LEADER_WORKER_SETS, _SCALED, Feature.LEADER_WORKER_SETS, subresource="scale"),
    *kube_room.PERMISSIONS,
)

_WITHOUT_COPIES = (BackendKind.LORA_ADAPTER, BackendKind.STORAGE_URI)


class KubernetesWorkload:
    """Implements `Workload`, and what `Aftercare` needs.

    ``cache`` finds the cache of a kind of objects in a namespace, None where the API shall be asked;
    ``models`` asks engines what they have loaded.
    ``namespaces`` are those in which the operator lets policies act, None for all.
    """

    def __init__(
        self,
        client: KubeClient,
        cache: FindCache,
        *,
        features: frozenset[Feature],
        namespaces: frozenset[str] | None,
        models: Models,
    ) -> None:
        self._namespaces = namespaces
        self._view = view = ClusterView(client, cache, features)
        scaling = Scaling(client, view)
        self._scaling = scaling
        self._cloning = Cloning(client, view, scaling)
        self._retiring = Retiring(client, view, scaling)
        room = Room(client) if Feature.CAPACITY in features else None
        self._readiness = ReadinessReader(view, room, models)
        self._files = InferenceServiceModels(client, view, self._readiness)
        self._llms = LlmServices(client, view, self._readiness)

    async def supply(self, rollout: Rollout, share_permille: int) -> None:
        """Create or raise the canary's copies until they can carry the share; never takes any away.

        Does nothing for an existing workload that the policy does not let Serinus scale. Too few nodes are no
        error: `readiness` says so. Raises `TargetError` when stable cannot be cloned, or it is not clear what
        to scale, and `Conflict` when somebody else changed the workload meanwhile.
        """
        namespace, backend = self._allowed(rollout.policy.namespace), rollout.release.backend
        if backend is not None and backend.kind is BackendKind.STORAGE_URI and share_permille > 0:
            await self._files.supply(rollout, share_permille)
        if not _has_copies(backend) or share_permille <= 0:
            return
        if backend.kind is BackendKind.LLM_INFERENCE_SERVICE:
            if rollout.policy.workload.scale:
                await self._llms.stop(namespace, backend.name, stopped=False)
            return
        target = await self._target(rollout, backend, share_permille)
        if target is not None:
            full = await full_copies(self._view, rollout, target)
            await self._scaling.at_least(namespace, target, copies_for(share_permille, full or 1))

    async def readiness(self, rollout: Rollout, release: Release) -> Readiness:
        """Whether the release's backend has endpoints enough for its present share, and what is missing."""
        self._allowed(rollout.policy.namespace)
        kind = release.backend.kind if release.backend is not None else None
        if kind is BackendKind.STORAGE_URI:
            return await self._files.readiness(rollout, release)
        if kind is BackendKind.LLM_INFERENCE_SERVICE:
            return await self._llms.readiness(rollout, release)
        return await self._readiness.read(rollout, release)

    async def retire(
        self, namespace: str, release: Release, *, delete: bool, in_use: Sequence[Backend] = ()
    ) -> bool:
        """Take all copies away, or delete what Serinus created; whether nothing is left to do.

        Only for a version that serves nobody. Deleting leaves alone what Serinus did not create. Raises
        `TargetError` when it is not clear which workload it is, or the copies are those of a backend
        ``in_use`` too.
        """
        self._allowed(namespace)
        if not _has_copies(release.backend):
            return True
        if release.backend.kind is BackendKind.LLM_INFERENCE_SERVICE:
            await self._llms.stop(namespace, release.backend.name, stopped=True)
            return True
        if Feature.WORKLOADS in self._view.features:
            await self._retiring.check_unused(namespace, release.backend, in_use)
        if delete:
            self._needs_workloads(f"what was created for {release.version} is to be deleted")
            return await self._retiring.delete(namespace, release)
        await self._retiring.to_none(namespace, release.backend)
        return True

    async def take_back(self, rollout: Rollout) -> bool:
        """Put back what the rollout's release took the place of; whether nothing is left to do. Idempotent.

        Only for a release that is files, and was rolled back.
        """
        self._allowed(rollout.policy.namespace)
        return await self._files.take_back(rollout)

    async def idle(self, namespace: str, release: Release) -> bool:
        """Whether the version has no copies to take away. Raises `TargetError` where that is not clear."""
        if not _has_copies(release.backend):
            return True
        if release.backend.kind is BackendKind.LLM_INFERENCE_SERVICE:
            return await self._llms.stopped(self._allowed(namespace), release.backend.name)
        return await self._retiring.idle(self._allowed(namespace), release.backend)

    async def created(self, namespace: str, model: str) -> Sequence[Created]:
        """What Serinus created for a model and is still there, oldest first."""
        if Feature.WORKLOADS not in self._view.features:
            return ()
        return await self._retiring.created(self._allowed(namespace), model)

    async def revive(self, namespace: str, release: Release, copies: int) -> None:
        """Give a version that was scaled to 0 at least so many copies again, for a way back to it."""
        if not _has_copies(release.backend):
            return
        if release.backend.kind is BackendKind.LLM_INFERENCE_SERVICE:
            await self._llms.stop(self._allowed(namespace), release.backend.name, stopped=False)
        else:
            await self._retiring.at_least(self._allowed(namespace), release.backend, copies)

    async def settle(self, namespace: str, release: Release) -> None:
        """Let the autoscaler of a promoted version go down again to the least copies that stable had.

        While it was the canary its minimum was what its weight needed. Idempotent, and nothing without one.
        """
        if not _has_copies(release.backend) or release.backend.kind is BackendKind.LLM_INFERENCE_SERVICE:
            return
        if Feature.WORKLOADS in self._view.features:
            await self._retiring.settle(self._allowed(namespace), release.backend)

    async def _target(self, rollout: Rollout, backend: Backend, share_permille: int) -> Scalable | None:
        """What is to be given copies; None where that is not for Serinus to do."""
        namespace = rollout.policy.namespace
        if rollout.release.image is not None:
            self._needs_workloads(f"{rollout.release.version} is to be created")
            return await self._cloning.ensure(rollout, share_permille)
        if rollout.policy.workload.scale:
            self._needs_workloads("the policy's workload.scale is set")
            return await self._retiring.workload(namespace, backend)
        found = await self._view.behind(namespace, backend)
        return found[0] if len(found) == 1 and scales(rollout, found[0]) else None

    def _allowed(self, namespace: str) -> str:
        if self._namespaces is not None and namespace not in self._namespaces:
            raise TargetError(
                f"Serinus may not act in namespace {namespace}: add it to SERINUS_KUBERNETES__NAMESPACES"
            )
        return namespace

    def _needs_workloads(self, why: str) -> None:
        if Feature.WORKLOADS not in self._view.features:
            raise TargetError(f"{why}: add workloads to SERINUS_KUBERNETES__FEATURES")


def _has_copies(backend: Backend | None) -> TypeGuard[Backend]:
    """Whether the version has pods that are scaled; an adapter shares its pool's, files have KServe's."""
    return backend is not None and backend.kind not in _WITHOUT_COPIES
