"""Creates the workload of a release with an image: gathers what is cloned, and creates what is missing.

**Invariant**: the Deployment is created last, so where it is, the rest was made too. Everything can be
repeated: what exists is taken for ours only if its labels and what it was asked to run say so.
"""

from collections.abc import Sequence

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import attempt_of
from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INFERENCE_POOLS,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    Obj,
    Resource,
)
from controller.adapters.kube.untrusted import mapping
from controller.adapters.workload.kube_copy import Original, Wanted, asked, copy_of
from controller.adapters.workload.kube_isolation import Reach
from controller.adapters.workload.kube_labels import (
    ASKED,
    CREATED,
    MODEL,
    ROLLOUT,
    VERSION,
    annotations_of,
    covers,
    labels_of,
    name_of,
    pods_of,
)
from controller.adapters.workload.kube_scalable import Scalable
from controller.adapters.workload.kube_scaling import Scaling
from controller.adapters.workload.kube_shares import copies_for
from controller.adapters.workload.kube_view import ClusterView
from controller.adapters.workload.kube_volumes import claims_of, unshared
from controller.domain.model import Rollout
from controller.domain.release import Backend, BackendKind
from controller.errors import Conflict, TargetError, TransientError

_KINDS = {
    each.kind: each for each in (SERVICES, POD_DISRUPTION_BUDGETS, HORIZONTAL_POD_AUTOSCALERS, DEPLOYMENTS)
}
_OR_ELSE = "deploy the workload yourself and name it in spec.backend"


class Cloning:
    """Makes copies of the stable workload."""

    def __init__(self, client: KubeClient, view: ClusterView, scaling: Scaling) -> None:
        self._client = client
        self._view = view
        self._scaling = scaling

    async def ensure(self, rollout: Rollout, share_permille: int) -> Scalable:
        """The copy's Deployment; created, with its Service, where it is not there yet.

        Raises `TargetError` with the reason when stable cannot be cloned, or the name belongs to others.
        """
        backend = rollout.release.backend
        assert backend is not None
        namespace = rollout.policy.namespace
        deployment = await self._view.get(DEPLOYMENTS, namespace, backend.name)
        if deployment is not None:
            _recognised(deployment, DEPLOYMENTS, self._wanted(rollout, 1))
        if deployment is None or await self._view.get(SERVICES, namespace, backend.name) is None:
            deployment = await self._create(rollout, share_permille, deployment)
        return Scalable(DEPLOYMENTS, deployment)

    async def _create(self, rollout: Rollout, share_permille: int, present: Obj | None) -> Obj:
        namespace = rollout.policy.namespace
        original = await self._original(rollout)
        wanted = self._wanted(rollout, copies_for(share_permille, original.copies), present)
        created: Obj = {}
        for obj in copy_of(original, wanted):
            resource = _KINDS[obj["kind"]]
            try:
                created = await self._client.create(resource, namespace, obj)
            except Conflict:
                created = await self._existing(resource, namespace, wanted)
            self._view.keep(resource, created)
        return created

    async def _existing(self, resource: Resource, namespace: str, wanted: Wanted) -> Obj:
        found = await self._client.get(resource, namespace, wanted.name)
        if found is None:
            raise TransientError(f"{resource.kind} {wanted.name} comes and goes")
        _recognised(found, resource, wanted)
        return found

    def _wanted(self, rollout: Rollout, replicas: int, present: Obj | None = None) -> Wanted:
        release = rollout.release
        assert release.backend is not None
        assert release.image is not None
        # a copy that an earlier rollout of the very same image left keeps that rollout's name
        name = labels_of(present or {}).get(ROLLOUT) or attempt_of(rollout.id)[0]
        return Wanted(release.backend.name, rollout.model, release.version, name, release.image, replicas)

    async def _original(self, rollout: Rollout) -> Original:
        """Everything about the stable version that a copy is made from. Raises `TargetError`."""
        namespace, stable = rollout.policy.namespace, rollout.stable
        if stable is None or stable.backend is None:
            raise TargetError(f"no version serves yet whose workload could be cloned: {_OR_ELSE}")
        service = await self._service(namespace, stable.backend)
        workload = await self._workload(namespace, service)
        budgets = await self._view.all(POD_DISRUPTION_BUDGETS, namespace)
        covering = [
            each for each in budgets if covers(mapping(each.get("spec")).get("selector"), workload.pod_labels)
        ]
        return Original(
            deployment=workload.obj,
            service=service,
            autoscaler=await self._scaling.autoscaler(namespace, workload),
            budget=min(covering, key=name_of, default=None),
            reaches=await self._reaches(namespace, workload, rollout),
            copies=max(workload.replicas, 1),
        )

    async def _service(self, namespace: str, backend: Backend) -> Obj:
        if backend.kind is not BackendKind.SERVICE:
            raise TargetError(
                f"stable is InferencePool {backend.name}, which has an endpoint picker of its own and is not "
                f"cloned: {_OR_ELSE}"
            )
        service = await self._view.get(SERVICES, namespace, backend.name)
        if service is None:
            raise TransientError(f"stable's Service {backend.name} does not exist in {namespace}")
        return service

    async def _workload(self, namespace: str, service: Obj) -> Scalable:
        found = await self._view.workloads(namespace, pods_of(service))
        if not found:
            raise TargetError(
                f"no Deployment makes the pods of stable's Service {name_of(service)}: {_OR_ELSE}"
            )
        if len(found) > 1:
            names = " and ".join(str(each) for each in found)
            raise TargetError(f"{names} are both behind stable's Service {name_of(service)}: {_OR_ELSE}")
        if found[0].resource is not DEPLOYMENTS:
            raise TargetError(f"stable is {found[0]}, and only Deployments are cloned: {_OR_ELSE}")
        claims = {}
        for name in claims_of(found[0].template):
            claim = await self._client.get(PERSISTENT_VOLUME_CLAIMS, namespace, name)
            if claim is not None:
                claims[name] = claim
        alone = unshared(found[0].template, claims)
        if alone is not None:
            raise TargetError(f"stable's {found[0]} cannot be cloned, {alone}: {_OR_ELSE}")
        return found[0]

    async def _reaches(self, namespace: str, workload: Scalable, rollout: Rollout) -> Sequence[Reach]:
        """The selectors that must not match the copy's pods: all of the namespace but its own Service's."""
        assert rollout.release.backend is not None
        found = [Reach(str(workload), workload.selector)]
        for resource, feature in ((SERVICES, Feature.CORE), (INFERENCE_POOLS, Feature.INFERENCE_POOLS)):
            if feature is Feature.CORE or feature in self._view.features:
                found += [
                    Reach(f"{resource.kind} {name_of(each)}", pods_of(each))
                    for each in await self._view.all(resource, namespace)
                    if (resource, name_of(each)) != (SERVICES, rollout.release.backend.name)
                ]
        return found


def _recognised(obj: Obj, resource: Resource, wanted: Wanted) -> None:
    """Check that an object of the copy's name is the copy. Raises `TargetError` when it is not.

    The copy that another rollout made will do if it was asked to run the very same.
    """
    labels = labels_of(obj)
    ours = labels.get(CREATED) == "true"
    if ours and (labels.get(MODEL), labels.get(VERSION)) == (wanted.model, wanted.version):
        if labels.get(ROLLOUT) == wanted.rollout:
            return
        if resource is DEPLOYMENTS and annotations_of(obj).get(ASKED) == asked(wanted.image):
            return
    whose = f"was created by rollout {labels.get(ROLLOUT)}" if ours else "was not created by Serinus"
    raise TargetError(
        f"{resource.kind} {wanted.name} exists and {whose}: delete it, or give the version another name"
    )
