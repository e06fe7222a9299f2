"""Models of InferenceServices and LLMInferenceServices: how they come, when they are ready, how they go."""

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.resources import (
    ENDPOINT_SLICES,
    INFERENCE_SERVICES,
    LLM_INFERENCE_SERVICES,
    REVISIONS,
    SERVICES,
    Obj,
)
from controller.adapters.workload.kubernetes import KubernetesWorkload
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Phase, Reason
from controller.errors import Conflict, TargetError
from tests.kserve_world import NAMESPACE, NEW, OLD, Deployments, Knative, a_condition, a_member, a_service
from tests.kube_fake import FakeApi
from tests.kube_workloads import endpoint_slice, service
from tests.unit.workload.cluster import adapter, rollout

S, C = (Release(v, backend=Backend(BackendKind.STORAGE_URI, uri)) for v, uri in (("v6", OLD), ("v7", NEW)))
PREPARING = Phase.PREPARING


class World:
    """An InferenceService, and KServe when the test lets it look."""

    def __init__(self, mode: str = "Serverless", **spec: Any) -> None:
        self.api, self.knative, self.deployments = FakeApi(), Knative(), Deployments()
        self.mode = mode
        self.api.put(INFERENCE_SERVICES, a_service(mode=mode, **spec))
        self.look()

    @property
    def workload(self) -> KubernetesWorkload:
        return adapter(self.api)

    @property
    def spec(self) -> Obj:
        found = self.api.get(INFERENCE_SERVICES, NAMESPACE, "fraud")
        assert found is not None
        spec: Obj = found["spec"]
        return spec

    @property
    def model(self) -> tuple[str, int | None]:
        predictor = self.spec["predictor"]
        return predictor["model"]["storageUri"], predictor.get("canaryTrafficPercent")

    def look(self) -> None:
        found = self.api.get(INFERENCE_SERVICES, NAMESPACE, "fraud")
        assert found is not None
        if self.mode == "Standard":
            status, _ = self.deployments.look(found)
        else:
            status = self.knative.look(found)
            for each in self.knative.revisions:
                self.api.put(REVISIONS, each)
        self.edit(lambda obj: obj.update(status=status))

    def edit(self, change: Any) -> None:
        self.api.modify(INFERENCE_SERVICES, NAMESPACE, "fraud", change)

    def runs(self, name: str, copies: int) -> None:
        """KServe's Service for a predictor, or Knative's for a revision, with ready copies."""
        made = service(name)
        made["spec"]["ports"] = [{"name": "http", "port": 80}]
        self.api.put(SERVICES, made)
        addresses = [f"10.0.{len(name)}.{n}" for n in range(copies)]
        self.api.put(ENDPOINT_SLICES, endpoint_slice(name, addresses))

    async def ready(self, release: Release = C, **changes: Any) -> Readiness:
        return await self.workload.readiness(rolled(**changes), release)


def rolled(phase: Phase = PREPARING, **changes: Any) -> Rollout:
    found = rollout(C, stable=S, phase=phase, **changes)
    return replace(found, policy=replace(found.policy, route=RouteRef("inferenceService", "fraud")))


@pytest.fixture(params=["Serverless", "Standard"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


async def test_a_model_comes_without_requests_and_once(world: World) -> None:
    await world.workload.supply(rolled(), 50)
    if world.mode == "Serverless":
        assert world.model == (NEW, 0)
    else:
        assert world.model == (OLD, None)
        assert [each["trafficPercent"] for each in world.spec["canary"]] == [0]
    world.look()
    before = world.spec
    await world.workload.supply(rolled(), 50)
    assert world.spec == before


async def test_once_it_has_requests_a_model_that_somebody_took_away_is_not_put_back(world: World) -> None:
    """That is for the route to see, and for a person to decide."""
    before = world.spec
    await world.workload.supply(rolled(Phase.PROGRESSING), 50)
    assert world.spec == before


async def test_a_model_that_nobody_knows_is_not_overwritten() -> None:
    world = World()
    world.edit(lambda obj: obj["spec"]["predictor"]["model"].update(storageUri="gs://models/fraud/9"))
    with pytest.raises(TargetError, match="not the one on record as serving"):
        await world.workload.supply(rolled(), 50)


async def test_the_model_of_an_earlier_rollback_makes_room() -> None:
    world = World()

    def rolled_back(obj: Obj) -> None:
        obj["spec"]["predictor"]["model"]["storageUri"] = "gs://models/fraud/bad"
        obj["spec"]["predictor"]["canaryTrafficPercent"] = 0

    world.edit(rolled_back)
    world.look()
    await world.workload.supply(rolled(), 50)
    assert world.model == (NEW, 0)


async def test_a_canary_gets_copies_for_its_share_and_never_loses_any() -> None:
    world = World("Standard")
    for share, copies in ((50, 1), (500, 1), (900, 2), (10, 2)):
        await world.workload.supply(rolled(), share)
        assert world.spec["canary"][0]["predictor"]["minReplicas"] == copies


async def test_a_kserve_without_canaries_is_told_apart_from_one_that_has_them() -> None:
    world = World("Standard")
    world.api.validators[INFERENCE_SERVICES] = lambda obj: obj["spec"].pop("canary", None) and None
    with pytest.raises(TargetError, match=r"this KServe has no spec\.canary"):
        await world.workload.supply(rolled(), 50)


async def test_somebody_who_wrote_meanwhile_is_not_overwritten() -> None:
    world = World()

    async def raced(request: Any, serve: Any) -> Any:
        if request.method == "PATCH":
            world.api.fault = None
            world.edit(lambda obj: obj["spec"]["predictor"].update(minReplicas=5))
        return serve(request)

    world.api.fault = raced
    with pytest.raises(Conflict):
        await world.workload.supply(rolled(), 50)
    assert world.model == (OLD, None)


async def test_the_new_revision_is_the_canary_when_it_is_ready_and_has_the_files() -> None:
    world = World()
    world.knative.broken.add(NEW)
    await world.workload.supply(rolled(), 50)
    world.look()
    seen = await world.ready()
    assert (seen.ready, seen.message) == (
        False,
        "v7 is not ready: LatestDeploymentReady is False: no such model",
    )
    world.knative.broken.clear()
    world.look()
    world.runs("fraud-predictor-00002-private", 2)
    world.runs("fraud-predictor-00001-private", 3)
    seen = await world.ready()
    assert (seen.ready, len(seen.endpoints)) == (True, 2)
    assert len((await world.ready(S)).endpoints) == 3


async def test_a_canary_in_standard_mode_carries_what_its_copies_can() -> None:
    world = World("Standard")
    world.runs("fraud-predictor", 2)
    assert not (await world.ready()).ready
    await world.workload.supply(rolled(), 50)
    world.runs("fraud-v7-predictor", 1)
    seen = await world.ready()
    assert (seen.ready, seen.carries_permille) == (True, 500)
    assert (await world.ready(S)).ready


async def test_what_kserve_says_of_a_model_that_does_not_load_is_passed_on() -> None:
    world = World()
    failure = {"reason": "ModelLoadFailed", "message": "bucket not found"}
    world.edit(lambda obj: obj["status"].update(modelStatus={"lastFailureInfo": failure}))
    assert (await world.ready()).message == "v7 is not ready: ModelLoadFailed bucket not found"


async def test_a_service_that_is_gone_is_not_ready() -> None:
    world = World()
    world.api.delete(INFERENCE_SERVICES, NAMESPACE, "fraud")
    seen = await world.ready()
    assert (seen.ready, seen.problem) == (False, Reason.BACKEND_NOT_FOUND)
    with pytest.raises(TargetError, match="there is no InferenceService fraud"):
        await world.workload.supply(rolled(), 50)


async def test_taking_back_waits_for_the_old_model_to_be_ready_again() -> None:
    world = World()
    await world.workload.supply(rolled(), 50)
    world.look()
    over = rolled(Phase.ROLLED_BACK)
    assert not await world.workload.take_back(over)
    assert world.model == (OLD, 0)
    assert world.spec["predictor"]["labels"]["serinus.dev/version"] == "v6"
    world.knative.broken.add(OLD)
    assert not await world.workload.take_back(over), "the status is that of before"
    world.look()
    assert not await world.workload.take_back(over), "the old model does not load at the moment"
    world.knative.broken.clear()
    world.look()
    assert await world.workload.take_back(over)
    assert "canaryTrafficPercent" not in world.spec["predictor"]


@pytest.mark.parametrize(("uri", "percent"), [(NEW, None), (NEW, 5), ("gs://models/fraud/9", 0)])
async def test_what_has_requests_or_is_another_s_is_not_taken_back(uri: str, percent: int | None) -> None:
    world = World()

    def theirs(obj: Obj) -> None:
        obj["spec"]["predictor"]["model"]["storageUri"] = uri
        if percent is not None:
            obj["spec"]["predictor"]["canaryTrafficPercent"] = percent

    world.edit(theirs)
    before = world.spec
    assert await world.workload.take_back(rolled(Phase.ROLLED_BACK))
    assert world.spec == before


async def test_a_canary_with_requests_is_not_removed() -> None:
    world = World("Standard")
    await world.workload.supply(rolled(), 50)
    world.edit(lambda obj: obj["spec"]["canary"][0].update(trafficPercent=5))
    before = world.spec
    assert await world.workload.take_back(rolled(Phase.ROLLED_BACK))
    assert world.spec == before


LLM = Release("v7", backend=Backend(BackendKind.LLM_INFERENCE_SERVICE, "chat-v7"))


def an_llm(ready: str = "True", said: str = "") -> World:
    world = World()
    member = a_member("chat-v7", 0)
    status = {"conditions": [a_condition("Ready", ready, said or "Ready")]}
    world.api.put(LLM_INFERENCE_SERVICES, {**member, "status": status})
    return world


async def test_an_llm_is_ready_when_kserve_says_so_and_its_copies_are_there() -> None:
    world = an_llm()
    assert not (await world.ready(LLM)).ready
    made = service("chat-v7-kserve-workload-svc")
    made["spec"]["ports"] = [{"name": "https", "port": 8000}]
    world.api.put(SERVICES, made)
    slices = endpoint_slice("chat-v7-kserve-workload-svc", ["10.0.0.1"], port=8000, port_name="https")
    world.api.put(ENDPOINT_SLICES, slices)
    assert (await world.ready(LLM)).ready
    seen = await an_llm("False", "WorkloadsNotReady").ready(LLM)
    assert (seen.ready, seen.message) == (False, "v7 is not ready: WorkloadsNotReady")
    seen = await World().ready(LLM)
    assert (seen.ready, seen.problem) == (False, Reason.BACKEND_NOT_FOUND)


async def test_an_llm_is_stopped_and_started_by_its_annotation() -> None:
    world = an_llm()

    def stops() -> str | None:
        found = world.api.get(LLM_INFERENCE_SERVICES, NAMESPACE, "chat-v7")
        assert found is not None
        value: str | None = found["metadata"].get("annotations", {}).get("serving.kserve.io/stop")
        return value

    for _ in range(2):
        assert await world.workload.retire(NAMESPACE, LLM, delete=False)
        assert stops() == "true"
    await world.workload.revive(NAMESPACE, LLM, 1)
    assert stops() is None
    await world.workload.retire(NAMESPACE, LLM, delete=False)
    scaling = rollout(LLM, scale=True)
    await world.workload.supply(scaling, 50)
    assert stops() is None
