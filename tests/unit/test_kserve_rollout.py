"""Whole rollouts on an InferenceService: the daemon's own passes, workload and aftercare, and a KServe."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.adapters.kube.aftercare import Aftercare
from controller.adapters.kube.resources import (
    ENDPOINT_SLICES,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    REVISIONS,
    SERVICES,
    Obj,
)
from controller.adapters.traffic.kserve import INFERENCE_SERVICE
from controller.adapters.traffic.object_router import ObjectRouter
from controller.domain.model import Rollout
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, Split
from controller.domain.vocabulary import Phase, Reason
from controller.errors import StoreUnavailable
from controller.reconciler import Reconciler
from tests.contract.route_stages.cluster import Leader, NoCache
from tests.fakes import FakeMetrics, a_policy, a_rollout
from tests.kserve_world import NAMESPACE, NEW, OLD, Deployments, Knative, a_service, taken
from tests.kube_fake import FakeApi
from tests.kube_workloads import endpoint_slice, service
from tests.unit.kube.test_aftercare import FakeRunning
from tests.unit.test_reconciler import Stage
from tests.unit.workload.cluster import adapter

S, C = (Release(v, backend=Backend(BackendKind.STORAGE_URI, uri)) for v, uri in (("v1", OLD), ("v2", NEW)))
POLICY = a_policy(namespace=NAMESPACE, route=RouteRef("inferenceService", "fraud"))


class Measured:
    """What the canary really gets, whatever was asked for: for the metrics of the test."""

    def __init__(self, stage: "KserveStage") -> None:
        self._stage = stage

    @property
    def splits(self) -> Mapping[str, Split]:
        return {"fraud": Split(S, C, 10 * self._stage.given)}


class KserveStage(Stage):
    """KServe looks at everything between the daemon's passes."""

    def __init__(self, mode: str, *, splits: bool = True) -> None:
        super().__init__()
        self.api, self.mode = FakeApi(), mode
        self.knative, self.deployments = Knative(), Deployments(splits=splits)
        self.most = 0
        self.api.put(INFERENCE_SERVICES, a_service(mode=mode))
        self.look()
        kserve = ObjectRouter(
            self.api.client(),
            INFERENCE_SERVICE,
            NoCache(),
            Leader(),
            allowed=lambda _: True,
            indulgence=timedelta(0),
        )
        self.copies = adapter(self.api)
        self.metrics = FakeMetrics(self.clock, Measured(self))  # type: ignore[arg-type]
        self.reconciler = Reconciler(
            replace(
                self.world,
                routers={"inferenceService": kserve},
                workload=self.copies,
                metrics=self.metrics,
            )
        )
        self.care = Aftercare(
            self.store, self.store, self.copies, FakeRunning(), dict, self.clock, drained=lambda *_: None
        )

    @property
    def service(self) -> Obj:
        found = self.api.get(INFERENCE_SERVICES, NAMESPACE, "fraud")
        assert found is not None
        return found

    @property
    def given(self) -> int:
        """Percent of the requests that go to the new files."""
        if self.mode == "Serverless":
            files = {each["metadata"]["name"]: self.knative.files(each) for each in self.knative.revisions}
            targets = self.service["status"]["components"]["predictor"]["traffic"]
            return sum(each["percent"] for each in targets if files[each["revisionName"]] == NEW)
        route = self.api.get(HTTP_ROUTES, NAMESPACE, "fraud")
        assert route is not None
        refs = route["spec"]["rules"][0]["backendRefs"]
        return sum(each.get("weight", 100) for each in refs if "v2" in each["name"])

    def look(self) -> None:
        if self.mode == "Serverless":
            status = self.knative.look(self.service)
            for each in self.knative.revisions:
                self.api.put(REVISIONS, each)
                self._copies(f"{each['metadata']['name']}-private")
        else:
            status, routes = self.deployments.look(self.service)
            for each in routes:
                made = self.api.put(HTTP_ROUTES, each)
                self.api.put(HTTP_ROUTES, {**made, "status": taken(made["metadata"]["generation"])})
            self._copies("fraud-predictor")
            for canary in status["canaryStatuses"]:
                self._copies(f"fraud-{canary['name']}-predictor")
        self.api.modify(INFERENCE_SERVICES, NAMESPACE, "fraud", lambda obj: obj.update(status=status))
        self.most = max(self.most, self.given)

    def _copies(self, name: str) -> None:
        made = service(name)
        made["spec"]["ports"] = [{"name": "http", "port": 80}]
        self.api.put(SERVICES, made)
        number = len(name) + sum(map(ord, name))
        addresses = [f"10.{number % 200}.{len(name)}.{n}" for n in (1, 2)]
        self.api.put(ENDPOINT_SLICES, endpoint_slice(name, addresses))

    async def one_pass(self) -> timedelta | None:
        wait = await super().one_pass()
        self.look()
        return wait

    async def tidy(self) -> None:
        """What is left once a rollout is over."""
        for _ in range(10):
            wait = await self.care.tend("fraud")
            self.look()
            if wait is None:
                return
            self.clock.advance(wait)
        pytest.fail("the aftercare never ends")


def released() -> Rollout:
    return replace(a_rollout(POLICY), release=C)


@pytest.fixture(params=["Serverless", "Standard"])
def stage(request: pytest.FixtureRequest) -> KserveStage:
    return KserveStage(request.param)


async def test_a_good_model_is_promoted_through_every_step(stage: KserveStage) -> None:
    await stage.deploy(released())
    shares: list[int] = []
    for _ in range(200):
        wait = await stage.one_pass()
        if not shares or stage.given != shares[-1]:
            shares.append(stage.given)
        if stage.newest().phase is Phase.SUCCEEDED:
            break
        stage.clock.advance(wait or timedelta(seconds=1))
    done = stage.newest()
    assert (done.phase, done.reason) == (Phase.SUCCEEDED, Reason.PROMOTED), done.message
    assert shares == [0, 5, 25, 100]
    await stage.tidy()
    spec = stage.service["spec"]
    assert spec["predictor"]["model"]["storageUri"] == NEW
    assert "canaryTrafficPercent" not in spec["predictor"]
    assert "canary" not in spec
    if stage.mode == "Serverless":
        assert len(stage.knative.revisions) == 2


async def test_a_bad_model_is_rolled_back_and_taken_back(stage: KserveStage) -> None:
    before = stage.service["spec"]["predictor"]
    await stage.deploy(released())
    stage.metrics.bad_ratio = 0.5
    done = await stage.run(Phase.ROLLED_BACK)
    assert (done.reason, stage.given, stage.most) == (Reason.CHECK_FAILED, 0, 5)
    await stage.tidy()
    after = stage.service["spec"]
    labels = after["predictor"].pop("labels", {})
    assert after == {"predictor": before}
    assert labels in ({}, {"serinus.dev/model": "fraud", "serinus.dev/version": "fraud-predictor-00001"})
    assert stage.given == 0


async def test_after_a_rollback_the_next_model_starts_from_the_one_that_serves(stage: KserveStage) -> None:
    await stage.deploy(released())
    stage.metrics.bad_ratio = 0.5
    await stage.run(Phase.ROLLED_BACK)
    third = Release("v3", backend=Backend(BackendKind.STORAGE_URI, "gs://models/fraud/3"))
    stage.metrics.bad_ratio = 0.0
    await stage.deploy(replace(a_rollout(POLICY, version="v3", number=2), release=third))
    rollout = await stage.run(Phase.PROGRESSING)
    assert rollout.stable is not None
    assert rollout.stable.backend == S.backend
    assert stage.given == 0


async def test_a_model_that_does_not_load_never_gets_a_request(stage: KserveStage) -> None:
    stage.knative.broken.add(NEW)
    stage.deployments.broken.add(NEW)
    stage._copies = lambda name: None  # type: ignore[method-assign]
    await stage.deploy(released())
    done = await stage.run(Phase.NOT_DEPLOYED, passes=1000)
    assert done.reason is Reason.READY_DEADLINE_EXCEEDED
    assert stage.most == 0


async def test_without_a_store_a_rollback_reaches_the_service_and_the_record_follows(
    stage: KserveStage,
) -> None:
    await stage.deploy(released())
    while stage.given != 25:
        stage.clock.advance((await stage.one_pass()) or timedelta(seconds=1))
    stage.metrics.bad_ratio = 0.5
    stage.store.broken = True
    for _ in range(20):
        stage.clock.advance(timedelta(seconds=15))
        with pytest.raises(StoreUnavailable):
            await stage.one_pass()
        stage.look()
        if not stage.given:
            break
    assert stage.given == 0
    stage.store.broken = False
    done = await stage.run(Phase.ROLLED_BACK)
    assert done.cause is Reason.CHECK_FAILED
    assert (stage.given, stage.most) == (0, 25)


async def test_a_kserve_that_splits_nothing_holds_the_first_step_with_the_reason() -> None:
    stage = KserveStage("Standard", splits=False)
    await stage.deploy(released())
    await stage.run(Phase.PROGRESSING)
    for _ in range(40):
        await stage.one_pass()
        stage.clock.advance(timedelta(seconds=15))
    rollout = stage.newest()
    assert (rollout.phase, rollout.weight_permille, rollout.reason) == (
        Phase.PROGRESSING,
        50,
        Reason.ROUTE_NOT_HONOURED,
    )
    assert "accepts spec.canary but does not split" in rollout.message
    assert stage.most == 0
