"""Whether a version's copies can take requests, how many requests, and if not what keeps them from it."""

from collections.abc import Sequence
from dataclasses import replace

from controller.adapters.kube.resources import SERVICES, Obj
from controller.adapters.workload.kube_adapter_reading import AdapterReader, Models
from controller.adapters.workload.kube_diagnosis import diagnose, unready_pods, waits_for_node
from controller.adapters.workload.kube_endpoints import Endpoints
from controller.adapters.workload.kube_full import full_copies, scales, stable_workloads
from controller.adapters.workload.kube_grace import grace_cautions
from controller.adapters.workload.kube_labels import CREATED, labels_of, name_of, pods_of, selects
from controller.adapters.workload.kube_look import look
from controller.adapters.workload.kube_problem import Problem
from controller.adapters.workload.kube_revisions import ASLEEP
from controller.adapters.workload.kube_room import Room
from controller.adapters.workload.kube_scalable import Scalable
from controller.adapters.workload.kube_shares import carried_by, too_few
from controller.adapters.workload.kube_view import ClusterView
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Phase, Reason

_BEFORE_TRAFFIC = (Phase.PENDING, Phase.PREPARING, Phase.VALIDATING)
_NO_NODE = (Reason.UNSCHEDULABLE, Reason.INSUFFICIENT_CAPACITY)


class ReadinessReader:
    """Reads only. ``room`` is None where the nodes may not be looked at."""

    def __init__(self, view: ClusterView, room: Room | None, models: Models) -> None:
        self._view = view
        self._room = room
        self._adapters = AdapterReader(view, models)

    async def read(self, rollout: Rollout, release: Release) -> Readiness:
        """The readiness of the canary, or of the stable version: one endpoint is enough for that."""
        if release.backend is None:
            message = f"{release.version} names no backend in the cluster"
            return _not_ready(Problem(Reason.BACKEND_NOT_FOUND, message, hopeless=True))
        canary = release.version == rollout.release.version
        if release.backend.kind is BackendKind.LORA_ADAPTER:
            found = await self._adapters.read(rollout, release.backend, everywhere=canary)
            return _not_ready(found) if isinstance(found, Problem) else found
        seen = await look(self._view, rollout.policy.namespace, release.backend)
        if isinstance(seen, Problem):
            return _not_ready(seen)
        if not canary:
            return _of_endpoints(release, release.backend, seen, asleep=seen.asleep)
        return await self._canary(rollout, release.backend, seen)

    async def _canary(self, rollout: Rollout, backend: Backend, seen: Endpoints) -> Readiness:
        target = await self._target(rollout.policy.namespace, backend)
        if rollout.phase in _BEFORE_TRAFFIC:
            mixed = await self._shared(rollout, target, seen) or await self._reached(rollout, target)
            if mixed is not None:
                return replace(_not_ready(mixed), endpoints=seen.ready)
        if target is None:
            awake = rollout.phase in _BEFORE_TRAFFIC
            return _of_endpoints(rollout.release, backend, seen, asleep=seen.asleep and not awake)
        scaled = scales(rollout, target)
        full = await full_copies(self._view, rollout, target) if scaled else None
        count = len(seen.ready)
        few = full is not None and too_few(count, rollout.share_permille, full)
        carries = FULL_WEIGHT_PERMILLE if full is None else carried_by(count, full)
        ready = count > 0 and not few
        problem = None
        if not ready or (scaled and count < target.replicas):
            problem = await self._problem(rollout.policy.namespace, target, scaled=scaled)
        begins = scaled and rollout.phase in _BEFORE_TRAFFIC
        asked = max(target.replicas, count)
        counted = (
            f"{count} of {asked} {'copy' if asked == 1 else 'copies'} of {rollout.release.version} ready"
        )
        return Readiness(
            ready=ready,
            message=f"{counted}: {problem.message}" if problem else counted,
            endpoints=seen.ready,
            carries_permille=carries,
            problem=problem.reason if problem else None,
            hopeless=problem is not None and problem.hopeless,
            cautions=await self._cautions(rollout, target) if begins else (),
        )

    async def _cautions(self, rollout: Rollout, target: Scalable) -> tuple[str, ...]:
        """Pods that are stopped before their requests can have ended, of versions that Serinus scales."""
        rules, stable = rollout.policy.workload, rollout.stable
        ours = stable is not None and (stable.image is not None or rules.scale)
        others = await stable_workloads(self._view, rollout) if ours else []
        return grace_cautions([*others, target], rules.drain)

    async def _target(self, namespace: str, backend: Backend) -> Scalable | None:
        """What makes the canary's pods, where that may be read and is clear."""
        found = await self._view.behind(namespace, backend)
        return found[0] if len(found) == 1 else None

    async def _problem(self, namespace: str, target: Scalable, *, scaled: bool) -> Problem | None:
        if target.replicas == 0 and not scaled:
            message = f"{target} is asked for 0 copies: scale it up, or set workload.scale in the policy"
            return Problem(None, message)
        pods = await self._view.pods(namespace, target.selector)
        problem = diagnose(target.obj, pods)
        if problem is None or problem.reason not in _NO_NODE or self._room is None:
            return problem
        waiting = next(filter(waits_for_node, unready_pods(pods)), None)
        shortage = None if waiting is None else await self._room.shortage(waiting)
        return shortage or problem

    async def _shared(self, rollout: Rollout, target: Scalable | None, seen: Endpoints) -> Problem | None:
        """Whether both versions' backends lead to the same pods: a weight between them would mean nothing."""
        stable = rollout.stable
        if stable is None or stable.backend is None:
            return None
        other = await look(self._view, rollout.policy.namespace, stable.backend)
        both = sorted({*seen.ready} & {*other.ready}) if isinstance(other, Endpoints) else []
        if not both:
            return None
        message = (
            f"{both[0]} is behind both {stable.backend.name} and {rollout.release.version}: requests to one "
            "reach the other; give each backend a selector that only its own pods match"
        )
        return Problem(Reason.WORKLOAD_REFUSED, message, hopeless=_created(target))

    async def _reached(self, rollout: Rollout, target: Scalable | None) -> Problem | None:
        """Whether a Service of stable's pods selects the pods that we made, though we made sure it would not.

        Labels can change after that: an admission check adds them, or somebody widens a selector.
        """
        if target is None or not _created(target):
            return None
        namespace = rollout.policy.namespace
        stable = [each.pod_labels for each in await stable_workloads(self._view, rollout)]
        live = map(labels_of, await self._view.pods(namespace, target.selector))
        ours = [target.pod_labels, *live]
        for service in await self._view.all(SERVICES, namespace):
            selector, name = pods_of(service), name_of(service)
            if name != target.name and _selects_any(selector, stable) and _selects_any(selector, ours):
                message = (
                    f"Service {name} selects the pods of {target.name} too, which are not validated yet: "
                    "narrow its selector, then deploy again"
                )
                return Problem(Reason.WORKLOAD_REFUSED, message, hopeless=True)
        return None


def _created(target: Scalable | None) -> bool:
    return target is not None and labels_of(target.obj).get(CREATED) == "true"


def _selects_any(selector: Obj, labels: Sequence[Obj]) -> bool:
    return any(selects(selector, each) for each in labels)


def _of_endpoints(release: Release, backend: Backend, seen: Endpoints, *, asleep: bool) -> Readiness:
    """By the endpoints alone: one is enough, and how many more it would take nobody knows.

    ``asleep`` says that none is enough too: requests wake it.
    """
    counted = f"{len(seen.ready)} of {seen.known} endpoints of {backend} ready"
    message = f"{release.version}: {ASLEEP if seen.asleep and not asleep else counted}"
    return Readiness(ready=bool(seen.ready) or asleep, message=message, endpoints=seen.ready)


def _not_ready(problem: Problem) -> Readiness:
    return Readiness(
        ready=False,
        message=problem.message,
        carries_permille=0,
        problem=problem.reason,
        hopeless=problem.hopeless,
    )
