"""Takes away the copies of versions that serve nobody any more, and what Serinus created for them.

**Invariant**: nothing is deleted that does not bear our labels for the very version, as it was read a moment
ago. Everything can be repeated, and says whether anything is left to do.
"""

from collections.abc import Sequence

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    Obj,
)
from controller.adapters.kube.retirable import Created
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.workload.kube_endpoints import Endpoints
from controller.adapters.workload.kube_labels import (
    CREATED,
    MODEL,
    VERSION,
    labels_of,
    name_of,
    version_of,
)
from controller.adapters.workload.kube_look import look
from controller.adapters.workload.kube_names import copy_name
from controller.adapters.workload.kube_scalable import Scalable
from controller.adapters.workload.kube_scaling import Scaling
from controller.adapters.workload.kube_view import ClusterView
from controller.domain.release import Backend, BackendKind, Image, Release
from controller.errors import TargetError

_DELETED = (HORIZONTAL_POD_AUTOSCALERS, POD_DISRUPTION_BUDGETS, SERVICES, DEPLOYMENTS)
"""In this order; the Deployment last, for as long as it is there the rest is looked for."""


class Retiring:
    """Fewer copies, none, or nothing at all; and back again."""

    def __init__(self, client: KubeClient, view: ClusterView, scaling: Scaling) -> None:
        self._client = client
        self._view = view
        self._scaling = scaling

    async def check_unused(self, namespace: str, backend: Backend, in_use: Sequence[Backend]) -> None:
        """Raise `TargetError` when a backend in use has the same copies: somebody re-pointed a Service."""
        target = await self.workload(namespace, backend) if in_use else None
        for other in in_use:
            theirs = await self._view.behind(namespace, other)
            if target is not None and str(target) in map(str, theirs):
                raise TargetError(f"{target} makes the copies of {other.name} too, which is in use: it stays")

    async def to_none(self, namespace: str, backend: Backend) -> None:
        """Take away all copies behind a backend. Raises `TargetError` when it is not clear which."""
        target = await self.workload(namespace, backend)
        if target is not None:
            await self._scaling.to_none(namespace, target)

    async def idle(self, namespace: str, backend: Backend) -> bool:
        """Whether a backend has no copies to take away. Raises `TargetError` when it is not clear which."""
        target = await self.workload(namespace, backend)
        return target is None or target.replicas == 0

    async def delete(self, namespace: str, release: Release) -> bool:
        """Delete what Serinus created for a version; whether nothing of it is left.

        What somebody else made under the same names stays.
        """
        assert release.backend is not None
        left = False
        for resource in _DELETED:
            obj = await self._client.get(resource, namespace, release.backend.name)
            if obj is None or not _ours(obj, release.version):
                continue
            if mapping(obj.get("metadata")).get("deletionTimestamp") is None:
                uid = obj["metadata"]["uid"]
                await self._client.delete(resource, namespace, release.backend.name, uid=uid)
                self._view.forget(resource, namespace, release.backend.name)
            left = True
        return not left

    async def created(self, namespace: str, model: str) -> list[Created]:
        """The versions of a model whose workload Serinus created and that are still there, oldest first."""
        labels = f"{CREATED}=true,{MODEL}={model}"
        found = [
            _created(each)
            for each in await self._view.all(DEPLOYMENTS, namespace, labels=labels)
            if labels_of(each).get(MODEL) == model and _ours(each, version_of(each) or "")
        ]
        return sorted(found, key=lambda each: (each.created_at, each.release.version))

    async def at_least(self, namespace: str, backend: Backend, copies: int) -> None:
        """Give a version copies again that had them taken away."""
        target = await self.workload(namespace, backend)
        if target is not None:
            await self._scaling.at_least(namespace, target, copies)

    async def settle(self, namespace: str, backend: Backend) -> None:
        """Let the autoscaler of a version that serves everyone take copies away again."""
        target = await self.workload(namespace, backend)
        if target is not None:
            await self._scaling.settle(namespace, target)

    async def workload(self, namespace: str, backend: Backend) -> Scalable | None:
        """What makes the pods of a backend; None when the backend or its workload is gone.

        Raises `TargetError` when several workloads do: whichever were scaled, it could be the wrong one.
        """
        if Feature.WORKLOADS not in self._view.features:
            raise TargetError("add workloads to SERINUS_KUBERNETES__FEATURES to let Serinus scale workloads")
        if backend.kind is BackendKind.REVISION:
            return None  # Knative scales it by itself
        selector = await self._view.selector(namespace, backend)
        if selector is None:
            left = await self._view.get(DEPLOYMENTS, namespace, backend.name) or {}
            created = CREATED in labels_of(left) and not backend.subset
            return Scalable(DEPLOYMENTS, left) if created else None
        found = await self._view.workloads(namespace, selector)
        if len(found) > 1:
            names = " and ".join(str(each) for each in found)
            raise TargetError(f"{names} are both behind {backend.kind} {backend.name}: scale them yourself")
        if not found and await self._has_copies(namespace, backend):
            raise TargetError(
                f"nothing that Serinus may scale makes the pods of {backend.kind} {backend.name}"
            )
        return found[0] if found else None

    async def _has_copies(self, namespace: str, backend: Backend) -> bool:
        seen = await look(self._view, namespace, backend)
        return isinstance(seen, Endpoints) and seen.known > 0


def _ours(obj: Obj, version: str) -> bool:
    """Whether Serinus created the object for this version: name and labels all agree."""
    labels = labels_of(obj)
    model = labels.get(MODEL, "")
    return (
        labels.get(CREATED) == "true"
        and labels.get(VERSION) == version
        and name_of(obj) == copy_name(model, version)
    )


def _created(deployment: Obj) -> Created:
    scalable = Scalable(DEPLOYMENTS, deployment)
    containers = sequence(mapping(scalable.template.get("spec")).get("containers"))
    image = text(mapping(containers[0]).get("image")) if containers else ""
    release = Release(
        version=version_of(deployment) or "",
        backend=Backend(BackendKind.SERVICE, name_of(deployment)),
        image=Image(image),
    )
    born = text(mapping(deployment.get("metadata")).get("creationTimestamp"))
    return Created(release, born, scalable.replicas)
