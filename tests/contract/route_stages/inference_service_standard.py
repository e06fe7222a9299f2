"""InferenceService on Deployments, the other way of the same kind."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from controller.adapters.kube.resources import HTTP_ROUTES, INFERENCE_SERVICES, Obj
from controller.adapters.traffic.kserve import INFERENCE_SERVICE
from tests.contract.route_stages.cluster import ObjectStage
from tests.contract.route_stages.inference_service import VERSIONS, a_model
from tests.contract.route_stages.stage import RouteStage
from tests.kserve_world import NAMESPACE, Deployments, a_service, taken
from tests.kube_fake import FakeApi


class StandardStage(ObjectStage):
    """KServe looks at it, and the gateway at its routes, when the test says so."""

    def meddle(self) -> None:
        def change(service: Obj) -> None:
            service["spec"]["canary"][0]["trafficPercent"] = 35

        self.edit(change)

    def theirs(self) -> object:
        service = self.without_marks()
        predictor = service["spec"]["predictor"]
        del predictor["model"]["storageUri"]
        for ours in ("name", "labels"):
            predictor.pop(ours, None)
        service["spec"].pop("canary", None)
        return service

    def shares(self) -> dict[str, int]:
        self._accept(self.api, self.route)
        route = self.api.get(HTTP_ROUTES, NAMESPACE, "fraud-predictor")
        assert route is not None
        spec = self.route["spec"]
        predictors = [spec["predictor"], *(each["predictor"] for each in spec.get("canary", []))]
        names = {
            f"fraud-{each['name']}-predictor" if each.get("name") else "fraud-predictor": VERSIONS[
                each["model"]["storageUri"]
            ]
            for each in predictors
        }
        refs = route["spec"]["rules"][0]["backendRefs"]
        found = {names[ref["name"]]: 10 * ref.get("weight", 100) for ref in refs}
        return {version: share for version, share in found.items() if share}


@asynccontextmanager
async def stage(_: Path) -> AsyncIterator[RouteStage]:
    kserve = Deployments()

    def accept(api: FakeApi, service: Obj) -> None:
        status, routes = kserve.look(service)
        for route in routes:
            made = api.put(HTTP_ROUTES, route)
            generation = made["metadata"]["generation"]
            api.modify(HTTP_ROUTES, NAMESPACE, route["metadata"]["name"], _took(generation))
        api.modify(INFERENCE_SERVICES, NAMESPACE, "fraud", lambda obj: obj.update(status=status), "kserve")

    yield StandardStage(INFERENCE_SERVICE, a_model(), a_service(mode="Standard"), accept=accept)


def _took(generation: int) -> Callable[[Obj], None]:
    return lambda obj: obj.update(status=taken(generation))
