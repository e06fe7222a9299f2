"""LLMInferenceServices: whether they can take requests, and how they are stopped so that their GPUs are free.

**Source**: serving.kserve.io/v1alpha2 of KServe 0.20: conditions, status.workloads, and the annotation
``serving.kserve.io/stop``, which takes all copies away and keeps the object.
"""

from dataclasses import replace

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.fencing import same_version
from controller.adapters.kube.resources import LLM_INFERENCE_SERVICES, SERVICES, Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.traffic.llm_group import STOP, Member
from controller.adapters.workload.kube_problem import quoted
from controller.adapters.workload.kube_readiness import ReadinessReader
from controller.adapters.workload.kube_view import ClusterView
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Reason

_PORT = 8000
_SERVICE = "-kserve-workload-svc"
_STOP_PATH = f"/metadata/annotations/{STOP.replace('/', '~1')}"


class LlmServices:
    """What `KubernetesWorkload` does for releases that are LLMInferenceServices."""

    def __init__(self, client: KubeClient, view: ClusterView, reader: ReadinessReader) -> None:
        self._client = client
        self._view = view
        self._reader = reader

    async def readiness(self, rollout: Rollout, release: Release) -> Readiness:
        """As KServe says it, and as the Service of its copies has them."""
        assert release.backend is not None, "it is one"
        found = await self._view.get(LLM_INFERENCE_SERVICES, rollout.policy.namespace, release.backend.name)
        if found is None:
            message = (
                f"there is no LLMInferenceService {release.backend.name}: create it, or correct its name"
            )
            return Readiness(ready=False, message=message, problem=Reason.BACKEND_NOT_FOUND)
        ready, said = Member(found).condition("Ready")
        if ready != "True":
            message = f"{release.version} is not ready{f': {quoted(said)}' if said else ''}"
            return Readiness(ready=False, message=message)
        where = Backend(BackendKind.SERVICE, _service(found), _PORT)
        if await self._view.get(SERVICES, rollout.policy.namespace, where.name) is None:
            message = f"{release.version} is not ready: KServe has not made the Service {where.name}"
            return Readiness(ready=False, message=message)
        located = replace(release, backend=where)
        canary = release.version == rollout.release.version
        alone = replace(rollout, release=located if canary else rollout.release, stable=None)
        return await self._reader.read(alone, located)

    async def stopped(self, namespace: str, name: str) -> bool:
        """Whether it is not to have any copies, or is gone."""
        found = await self._client.get(LLM_INFERENCE_SERVICES, namespace, name)
        return found is None or Member(found).stopped

    async def stop(self, namespace: str, name: str, *, stopped: bool) -> None:
        """Have KServe take all copies away, or bring them back. Idempotent."""
        found = await self._client.get(LLM_INFERENCE_SERVICES, namespace, name)
        if found is None or Member(found).stopped == stopped:
            return
        annotations = mapping(found["metadata"].get("annotations"))
        change: Obj = {"op": "remove", "path": _STOP_PATH}
        if stopped and annotations:
            change = {"op": "add", "path": _STOP_PATH, "value": "true"}
        elif stopped:
            change = {"op": "add", "path": "/metadata/annotations", "value": {STOP: "true"}}
        operations = [same_version(found), change]
        written = await self._client.json_patch(LLM_INFERENCE_SERVICES, namespace, name, operations)
        self._view.keep(LLM_INFERENCE_SERVICES, written)


def _service(found: Obj) -> str:
    """The Service of its copies."""
    workloads = mapping(mapping(found.get("status")).get("workloads"))
    return text(mapping(workloads.get("service")).get("name")) or f"{Member(found).name}{_SERVICE}"
