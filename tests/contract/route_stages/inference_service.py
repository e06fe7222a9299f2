"""InferenceService on Knative."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller.adapters.kube.resources import INFERENCE_SERVICES, REVISIONS, Obj
from controller.adapters.traffic.kserve import INFERENCE_SERVICE
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel
from tests.contract.route_stages.cluster import ObjectStage
from tests.contract.route_stages.stage import RouteStage
from tests.kserve_world import NAMESPACE, NEW, OLD, SOURCE, Knative, a_service
from tests.kube_fake import FakeApi

VERSIONS = {OLD: "v6", NEW: "v7"}
S, C = (Release(name, backend=Backend(BackendKind.STORAGE_URI, uri)) for uri, name in VERSIONS.items())


def a_model() -> RoutedModel:
    return RoutedModel(
        "fraud",
        RouteRef("inferenceService", "fraud"),
        NAMESPACE,
        stable=S,
        canary=C,
        steps_permille=(10, 250, 990),
    )


class ServerlessStage(ObjectStage):
    """KServe and Knative look at it when the test says so."""

    def meddle(self) -> None:
        def change(service: Obj) -> None:
            service["spec"]["predictor"]["canaryTrafficPercent"] = 35

        self.edit(change)

    def theirs(self) -> object:
        service = self.without_marks()
        predictor = service["spec"]["predictor"]
        del predictor["model"]["storageUri"]
        for ours in ("canaryTrafficPercent", "labels"):
            predictor.pop(ours, None)
        return service

    def shares(self) -> dict[str, int]:
        self._accept(self.api, self.route)
        files = {
            each["metadata"]["name"]: each["metadata"]["annotations"][SOURCE]
            for each in self.api.objects.all(REVISIONS, NAMESPACE)
        }
        found: dict[str, int] = {}
        for target in self.route["status"]["components"]["predictor"]["traffic"]:
            version = VERSIONS[files[target["revisionName"]]]
            found[version] = found.get(version, 0) + 10 * target["percent"]
        return {version: share for version, share in found.items() if share}


@asynccontextmanager
async def stage(_: Path) -> AsyncIterator[RouteStage]:
    knative = Knative()

    def accept(api: FakeApi, service: Obj) -> None:
        status = knative.look(service)
        for revision in knative.revisions:
            api.put(REVISIONS, revision)
        api.modify(INFERENCE_SERVICES, NAMESPACE, "fraud", lambda obj: obj.update(status=status), "kserve")

    yield ServerlessStage(INFERENCE_SERVICE, a_model(), a_service(), accept=accept)
