"""Models of InferenceServices: put there beside what serves, found behind KServe's Services, and taken back.

A release's files are written once, before it has any requests, in one patch with the percentage 0; what was
there before is in the record by then, as the stable version's files. After a rollback they are put back, and
on Knative the percentage goes only when the revision with them is ready: until then KServe's newest revision
is still the one that was rolled back, and would get everything.
"""

from dataclasses import replace

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.fencing import same_version
from controller.adapters.kube.resources import INFERENCE_SERVICES, REVISIONS, SERVICES, Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.traffic.kserve_canary import (
    PORT,
    added,
    copies,
    entry_of,
    new_entry,
    removed,
    service_name,
)
from controller.adapters.traffic.kserve_serverless import Serverless
from controller.adapters.traffic.kserve_service import Mode, Service, files_of, source_of
from controller.adapters.traffic.kserve_split import Wanted
from controller.adapters.workload.kube_problem import quoted
from controller.adapters.workload.kube_readiness import ReadinessReader
from controller.adapters.workload.kube_shares import carried_by, copies_for
from controller.adapters.workload.kube_view import ClusterView
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Phase, Reason
from controller.errors import TargetError

_PRIVATE = "-private"
"""Of the Service that leads to a revision's own pods. **Source**: Knative Serving, names.PrivateService."""


class InferenceServiceModels:
    """What `KubernetesWorkload` does for releases that are files. ``reader`` reads those behind Services."""

    def __init__(self, client: KubeClient, view: ClusterView, reader: ReadinessReader) -> None:
        self._client = client
        self._view = view
        self._reader = reader

    async def supply(self, rollout: Rollout, share_permille: int) -> None:
        """Put the canary's model there without requests, once; in Standard mode with copies for the share.

        Raises `TargetError` when something else stands there than the record knows, or this KServe has no
        canaries, and `Conflict` when somebody else wrote meanwhile.
        """
        service = await self._service(rollout)
        if service.mode is Mode.SERVERLESS:
            await self._revise(service, rollout)
        elif service.mode is Mode.STANDARD:
            await self._stand_beside(service, rollout, copies_for(share_permille, max(service.least, 1)))

    async def readiness(self, rollout: Rollout, release: Release) -> Readiness:
        """Whether the copies with the release's files can take requests."""
        found = await self._view.get(INFERENCE_SERVICES, rollout.policy.namespace, rollout.policy.route.name)
        if found is None:
            message = f"there is no InferenceService {rollout.policy.route.name}"
            return Readiness(ready=False, message=message, problem=Reason.BACKEND_NOT_FOUND)
        service = Service(found)
        where = await self._behind(service, rollout, release)
        if where is None or await self._view.get(SERVICES, rollout.policy.namespace, where.name) is None:
            return Readiness(ready=False, message=f"{release.version} is not ready{_why(service)}")
        located = replace(release, backend=where)
        seen = await self._reader.read(_with(rollout, located), located)
        if service.mode is not Mode.STANDARD or release.version != rollout.release.version:
            return seen
        return replace(seen, carries_permille=carried_by(len(seen.endpoints), max(service.least, 1)))

    async def take_back(self, rollout: Rollout) -> bool:
        """Put stable's model in the place of one that was rolled back; whether nothing is left to do.

        Only where the model is still there, and has no requests.
        """
        service = await self._service(rollout)
        if service.mode is Mode.STANDARD:
            entry = entry_of(service, rollout.release)
            if entry is not None and not entry.percent:
                await self._patch(service, removed(service, entry))
            return True
        stable = files_of(rollout.stable)
        if service.percent != 0 or service.uri not in (stable, files_of(rollout.release)) or not stable:
            return True
        if service.uri != stable:
            assert rollout.stable is not None, "it has files"
            wanted = Wanted(rollout.stable, 0)
            writes = Serverless().change(service, rollout.routed, wanted)
            await self._patch(service, [*writes, *Serverless().latch(service, "")])
            return False
        newest = service.latest_created
        idle = [each.revision for each in service.targets if each.latest and not each.percent]
        if (
            [newest] != idle
            or service.latest_ready != newest
            or await self._source(rollout, newest) != stable
        ):
            return False
        await self._patch(service, [{"op": "remove", "path": "/spec/predictor/canaryTrafficPercent"}])
        return True

    async def _revise(self, service: Service, rollout: Rollout) -> None:
        if service.uri == files_of(rollout.release) or rollout.phase is not Phase.PREPARING:
            return
        if service.uri != files_of(rollout.stable) and service.percent != 0:
            raise TargetError(
                f"the InferenceService {service.name} has the model {service.uri or '(none)'}, "
                "which is not the one on record as serving: put it back"
            )
        await self._patch(service, Serverless().change(service, rollout.routed, Wanted(rollout.release, 0)))

    async def _stand_beside(self, service: Service, rollout: Rollout, least: int) -> None:
        entry = entry_of(service, rollout.release)
        if entry is not None:
            await self._patch(service, copies(entry, least))
            return
        if rollout.phase is not Phase.PREPARING:
            return
        new = new_entry(service, rollout.routed, rollout.release, 0, least)
        written = await self._patch(service, added(service, new))
        if written is not None and entry_of(Service(written), rollout.release) is None:
            raise TargetError(
                f"this KServe has no spec.canary, and divides nothing of {service.name} in Standard mode: "
                "update it to 0.21, or deploy on Knative"
            )

    async def _behind(self, service: Service, rollout: Rollout, release: Release) -> Backend | None:
        """The Service with the copies; None where there is none yet."""
        if service.mode is Mode.STANDARD:
            entry = entry_of(service, release)
            if files_of(release) == service.uri:
                name = service_name(service.name, text(service.predictor.get("name")))
            elif entry is not None:
                name = service_name(service.name, entry.name)
            else:
                return None
            return Backend(BackendKind.SERVICE, name, PORT)
        revision = await self._revision(service, rollout, release)
        return Backend(BackendKind.SERVICE, f"{revision}{_PRIVATE}", PORT) if revision else None

    async def _revision(self, service: Service, rollout: Rollout, release: Release) -> str:
        """The revision with the files: the newest if it has them and is ready, else one that serves."""
        newest = service.latest_ready if service.latest_ready == service.latest_created else ""
        serving = (each.revision for each in service.targets if each.percent)
        for name in dict.fromkeys(name for name in (newest, *serving) if name):
            if await self._source(rollout, name) == files_of(release):
                return name
        return ""

    async def _source(self, rollout: Rollout, revision: str) -> str:
        found = await self._client.get(REVISIONS, rollout.policy.namespace, revision)
        return source_of(found)

    async def _service(self, rollout: Rollout) -> Service:
        namespace, name = rollout.policy.namespace, rollout.policy.route.name
        found = await self._client.get(INFERENCE_SERVICES, namespace, name)
        if found is None:
            raise TargetError(f"there is no InferenceService {name} in the namespace {namespace}")
        return Service(found)

    async def _patch(self, service: Service, operations: list[Obj]) -> Obj | None:
        if not operations:
            return None
        metadata = service.obj["metadata"]
        where = metadata["namespace"], metadata["name"]
        tested = [same_version(service.obj), *operations]
        written = await self._client.json_patch(INFERENCE_SERVICES, *where, tested)
        self._view.keep(INFERENCE_SERVICES, written)
        return written


def _with(rollout: Rollout, located: Release) -> Rollout:
    """The rollout as a reader of Services understands it: it asks for nothing of the other version."""
    canary = located.version == rollout.release.version
    return replace(rollout, release=located if canary else rollout.release, stable=None)


def _why(service: Service) -> str:
    """What KServe says is wrong with the model."""
    failure = mapping(mapping(service.status.get("modelStatus")).get("lastFailureInfo"))
    said = " ".join(filter(None, (text(failure.get("reason")), text(failure.get("message")))))
    said = said or service.said("CanaryPredictorReady", "LatestDeploymentReady", "PredictorReady")
    return f": {quoted(said)}" if said else ""
