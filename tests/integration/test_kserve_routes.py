"""KServe's kinds against a real API server: objects as their schemas are, a KServe that the test plays."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from controller.adapters.kube.client import connect
from controller.adapters.kube.errors import Forbidden
from controller.adapters.kube.permissions import rules
from controller.adapters.kube.reflector import Pace, Reflector, whole
from controller.adapters.kube.resources import INFERENCE_SERVICES, Obj, Resource
from controller.adapters.traffic import kserve, llm_service, object_router
from controller.adapters.traffic.dialects import DIALECTS
from controller.adapters.traffic.object_router import ObjectRouter
from controller.adapters.workload.kubernetes import KubernetesWorkload
from controller.adapters.workload.served_models import ServedModels
from controller.domain.model import Rollout
from controller.domain.observation import RouteSeen
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from controller.domain.vocabulary import Phase, Reason
from controller.errors import Conflict
from controller.features import Feature
from tests.fakes import a_policy, a_rollout
from tests.kserve_world import (
    NEW,
    OLD,
    SOURCE,
    Deployments,
    Knative,
    a_member,
    a_service,
    group_status,
    taken,
)

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

PACE = Pace(longest_wait=timedelta(seconds=1))
GATEWAY, KNATIVE = "gateway.networking.k8s.io/v1", "serving.knative.dev/v1"
RBAC = "rbac.authorization.k8s.io"


def a_release(version: str, kind: BackendKind, name: str) -> Release:
    return Release(version, backend=Backend(kind, name))


@dataclass
class Leader:
    epoch: int = 4

    def check(self) -> None: ...


class Stage:
    """A route of a kind in a namespace of its own. ``confirm`` lets KServe look at everything."""

    kind = ""
    name = "fraud"
    plural = "inferenceservices"
    stable = a_release("v6", BackendKind.STORAGE_URI, OLD)
    canary = a_release("v7", BackendKind.STORAGE_URI, NEW)

    def __init__(self, server: "ApiServer", namespace: str) -> None:
        self.server, self.namespace = server, namespace
        self.dialect = DIALECTS[self.kind]
        self.resource: Resource = self.dialect.resource

    def create(self) -> None: ...

    def confirm(self) -> None: ...

    def meddle(self) -> None:
        """kubectl gives the canary what no step has."""
        raise NotImplementedError

    @property
    def routed(self) -> RoutedModel:
        route = RouteRef(self.kind, self.route)
        return RoutedModel(
            "fraud",
            route,
            self.namespace,
            stable=self.stable,
            canary=self.canary,
            steps_permille=(50, 250, 500),
        )

    @property
    def route(self) -> str:
        return self.name

    def obj(self, name: str = "") -> Obj:
        found = self.server.admin.get(
            self.resource.api_version, self.resource.kind, self.namespace, name or self.name
        )
        assert found is not None
        return found

    def put(self, obj: Obj) -> Obj:
        """Create it in the stage's namespace, or replace its spec."""
        metadata = {**obj["metadata"], "namespace": self.namespace}
        found = self.server.admin.get(obj["apiVersion"], obj["kind"], self.namespace, metadata["name"])
        if found is None:
            return self.server.admin.create({**obj, "metadata": metadata})
        if found["spec"] == obj["spec"]:
            return found
        return self.server.admin.replace({**found, "spec": obj["spec"]})

    def says(self, obj: Obj, status: Obj) -> None:
        self.server.admin.replace({**obj, "status": status}, "status")

    def patch(self, name: str, *operations: Obj) -> None:
        self.server.kubectl(
            *("patch", self.plural, name, "--type=json", f"--patch={json.dumps(operations)}"),
            namespace=self.namespace,
        )

    def allow(self, identity: str) -> None:
        """The Role that the adapters' declarations make, and nothing else."""
        declared = [*kserve.PERMISSIONS, *llm_service.PERMISSIONS, *object_router.PERMISSIONS]
        features = [Feature.INFERENCE_SERVICES, Feature.LLM_INFERENCE_SERVICES]
        metadata = {"name": identity, "namespace": self.namespace}
        role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata}
        self.server.admin.create({**role, "rules": rules(declared, features)})
        subject = {"kind": "User", "name": identity, "apiGroup": RBAC}
        reference = {"kind": "Role", "name": identity, "apiGroup": RBAC}
        self.server.admin.create({**role, "kind": "RoleBinding", "subjects": [subject], "roleRef": reference})

    @asynccontextmanager
    async def router(self, identity: str = "serinus-a", epoch: int = 4) -> AsyncIterator[ObjectRouter]:
        client = await connect(self.server.kubeconfig(identity))
        known = Reflector(
            client, self.resource, self.namespace, changed=lambda *_: None, keep=whole, pace=PACE
        )
        following = asyncio.create_task(known.run())
        try:
            async with asyncio.timeout(20):
                await known.synced()
            yield ObjectRouter(
                client,
                self.dialect,
                known,
                Leader(epoch),
                allowed=lambda _: True,
                patience=timedelta(0),
                indulgence=timedelta(0),
            )
        finally:
            following.cancel()
            await client.close()

    async def until(self, router: ObjectRouter, wanted: Callable[[RouteSeen], bool]) -> RouteSeen:
        """Look until the cache has it."""
        async with asyncio.timeout(20):
            while True:
                seen = await router.observe(self.routed)
                if wanted(seen):
                    return seen
                await asyncio.sleep(0.02)

    async def go(self, router: ObjectRouter, split: Split, expected: Split) -> None:
        """Write, see that it is not in force yet, let KServe look, and see that it is."""
        await router.apply(self.routed, split, expected)
        self.confirm()
        await self.until(router, lambda seen: seen.split == split and seen.accepted and seen.latched is None)


class Serverless(Stage):
    kind = "inferenceService"

    def __init__(self, server: "ApiServer", namespace: str) -> None:
        super().__init__(server, namespace)
        self.knative = Knative()

    def create(self) -> None:
        self.put(a_service())

    def confirm(self) -> None:
        service = self.obj()
        status = self.knative.look(service)
        for each in self.knative.revisions:
            self.put(each)
        self.says(self.obj(), status)

    def meddle(self) -> None:
        self.patch(self.name, {"op": "add", "path": "/spec/predictor/canaryTrafficPercent", "value": 35})

    @property
    def files(self) -> list[str]:
        return [each["metadata"]["annotations"][SOURCE] for each in self.knative.revisions]


class Standard(Stage):
    kind = "inferenceService"

    def __init__(self, server: "ApiServer", namespace: str) -> None:
        super().__init__(server, namespace)
        self.kserve = Deployments()

    def create(self) -> None:
        self.put(a_service(mode="Standard"))

    def confirm(self) -> None:
        status, routes = self.kserve.look(self.obj())
        for each in routes:
            made = self.put(each)
            self.says(made, taken(made["metadata"]["generation"]))
        self.says(self.obj(), status)

    def meddle(self) -> None:
        self.patch(self.name, {"op": "replace", "path": "/spec/canary/0/trafficPercent", "value": 35})


class Group(Stage):
    kind = "llmInferenceService"
    name = "chat-v7"
    plural = "llminferenceservices"
    stable = a_release("v6", BackendKind.LLM_INFERENCE_SERVICE, "chat-v6")
    canary = a_release("v7", BackendKind.LLM_INFERENCE_SERVICE, "chat-v7")
    unready: tuple[str, ...] = ()
    models = ("chat", "chat")

    @property
    def route(self) -> str:
        return "chat"

    def create(self) -> None:
        self.put(a_member("chat-v6", 9, model=self.models[0]))
        self.put(a_member("chat-v7", 0, model=self.models[1]))

    def confirm(self) -> None:
        members = [self.obj("chat-v6"), self.obj("chat-v7")]
        for each in members:
            self.says(each, group_status(each, members, self.unready))

    def meddle(self) -> None:
        self.patch("chat-v7", {"op": "replace", "path": "/spec/router/route/weight", "value": 4321})

    def weights(self) -> dict[str, int]:
        return {name: self.obj(name)["spec"]["router"]["route"]["weight"] for name in ("chat-v6", "chat-v7")}


@pytest.fixture(params=[Serverless, Standard, Group], ids=lambda each: each.__name__)
def stage(request: pytest.FixtureRequest, apiserver: "ApiServer", namespace: str) -> Any:
    found = request.param(apiserver, namespace)
    found.create()
    found.confirm()
    found.allow("serinus-a")
    return found


def at(stage: Stage, weight: int) -> Split:
    return Split(stage.stable, stage.canary, weight)


async def test_a_whole_rollout_is_in_force_step_by_step_and_ends_with_the_canary_alone(stage: Stage) -> None:
    begun = Split(stage.stable)
    async with stage.router() as router:
        survey = await router.survey(replace(stage.routed, stable=None), None)
        assert (survey.problem, survey.message) == (None, "")
        assert survey.serving is not None
        assert survey.serving.backend == stage.stable.backend
        now = begun
        for weight in (50, 250, 500, 1000):
            await stage.go(router, at(stage, weight), now)
            now = at(stage, weight)
        await stage.go(router, Split(stage.canary), now)
        survey = await router.survey(replace(stage.routed, stable=None, canary=None), stage.canary)
    if not isinstance(stage, Group):  # of a group nobody knows the members then but who is named
        assert survey.serving == stage.canary


async def test_from_every_weight_a_rollback_gives_all_back(stage: Stage) -> None:
    begun = Split(stage.stable)
    async with stage.router() as router:
        for weight in (50, 500, 1000):
            await stage.go(router, at(stage, weight), begun)
            await stage.go(router, begun, at(stage, weight))


async def test_a_weight_that_kserve_has_not_taken_is_not_in_force(stage: Stage) -> None:
    async with stage.router() as router:
        await stage.go(router, at(stage, 50), Split(stage.stable))
        await router.apply(stage.routed, at(stage, 250), at(stage, 50))
        seen = await stage.until(router, lambda seen: seen.split == at(stage, 250))
        assert not seen.accepted
        assert seen.message
        stage.confirm()
        await stage.until(router, lambda seen: seen.accepted)


async def test_what_kubectl_changed_is_drift_that_names_kubectl(stage: Stage) -> None:
    async with stage.router() as router:
        await stage.go(router, at(stage, 50), Split(stage.stable))
        stage.meddle()
        stage.confirm()
        seen = await stage.until(router, lambda seen: seen.split != at(stage, 50))
        assert "(kubectl-patch wrote last, 20" in seen.message
        with pytest.raises(Conflict):
            await router.apply(stage.routed, at(stage, 250), at(stage, 50))
        await stage.go(router, Split(stage.stable), seen.split)


async def test_writers_that_race_for_one_step_leave_one_result(stage: Stage) -> None:
    async with stage.router() as router:
        await stage.go(router, at(stage, 50), Split(stage.stable))
        rise = (router.apply(stage.routed, at(stage, 250), at(stage, 50)) for _ in range(6))
        outcomes = await asyncio.gather(
            *rise, router.apply(stage.routed, Split(stage.stable), at(stage, 50)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} <= {type(None), Conflict}
        stage.confirm()
        wanted = (at(stage, 250), Split(stage.stable))
        await stage.until(router, lambda seen: seen.split in wanted and seen.accepted)


async def test_a_deposed_leader_cannot_write_what_the_next_one_has_written(stage: Stage) -> None:
    """Its cache is as it was: the version that it tests, and an epoch where the object bears one, stop it."""
    stage.allow("serinus-b")
    async with stage.router() as old, stage.router("serinus-b", 5) as new:
        await stage.go(old, at(stage, 50), Split(stage.stable))
        await stage.until(new, lambda seen: seen.split == at(stage, 50))
        await stage.go(new, Split(stage.stable), at(stage, 50))
        before = stage.obj()["spec"]
        with pytest.raises(Conflict):
            await old.apply(stage.routed, at(stage, 250), at(stage, 50))
        assert stage.obj()["spec"] == before


async def test_a_rollback_without_a_record_is_latched_over_a_restart(stage: Stage) -> None:
    async with stage.router() as router:
        await stage.go(router, at(stage, 250), Split(stage.stable))
        await router.roll_back_unrecorded(stage.routed, Reason.CHECK_FAILED)
        stage.confirm()
    async with stage.router(epoch=5) as router:
        seen = await stage.until(router, lambda seen: seen.latched is not None)
        assert (seen.split, seen.latched) == (Split(stage.stable), Reason.CHECK_FAILED)
        await stage.go(router, Split(stage.stable), seen.split)


async def test_one_that_another_controller_made_is_refused_with_its_owner(stage: Stage) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "boss", "uid": "1", "controller": True}
    stage.patch(stage.name, {"op": "add", "path": "/metadata/ownerReferences", "value": [owner]})
    async with stage.router() as router:
        survey = await router.survey(replace(stage.routed, stable=None), stage.stable)
    assert (survey.problem, survey.hopeless) == (Reason.ROUTE_OWNED, True)
    assert "belongs to Deployment boss" in survey.message


async def test_without_the_right_to_patch_a_write_is_refused_with_the_rule_to_add(stage: Stage) -> None:
    role = stage.server.admin.get(f"{RBAC}/v1", "Role", stage.namespace, "serinus-a")
    assert role is not None
    for rule in role["rules"]:
        rule["verbs"] = [verb for verb in rule["verbs"] if verb != "patch"]
    async with stage.router() as router:
        stage.server.admin.replace(role)
        with pytest.raises(Forbidden) as caught:
            await write_for_ever(stage, router)
    assert f'"resources": ["{stage.plural}"], "verbs": ["patch"]' in str(caught.value)


async def write_for_ever(stage: Stage, router: ObjectRouter) -> None:
    """The server's RBAC learns of a change in a while."""
    async with asyncio.timeout(20):
        while True:
            await stage.go(router, at(stage, 50), Split(stage.stable))
            await stage.go(router, Split(stage.stable), at(stage, 50))


@pytest.mark.parametrize("stage", [Serverless], indirect=True)
async def test_no_write_but_a_model_s_makes_a_revision(stage: Serverless) -> None:
    async with stage.router() as router:
        await stage.go(router, at(stage, 50), Split(stage.stable))
        for weight, before in ((250, 50), (500, 250), (1000, 500)):
            await stage.go(router, at(stage, weight), at(stage, before))
        await stage.go(router, Split(stage.canary), at(stage, 1000))
    assert stage.files == [OLD, NEW]
    assert stage.obj()["metadata"]["annotations"] == a_service()["metadata"]["annotations"]


@pytest.mark.parametrize("stage", [Standard], indirect=True)
async def test_a_kserve_that_takes_canaries_and_splits_nothing_is_found_out(stage: Standard) -> None:
    stage.kserve.splits = False
    async with stage.router() as router:
        await router.apply(stage.routed, at(stage, 50), Split(stage.stable))
        stage.confirm()
        echoed = stage.obj()["status"]["canaryStatuses"][0]
        assert (echoed["ready"], echoed["trafficPercent"]) == (True, 5)
        seen = await stage.until(router, lambda seen: seen.problem is not None)
        assert (seen.split, seen.accepted, seen.problem) == (at(stage, 50), False, Reason.ROUTE_NOT_HONOURED)
        assert "accepts spec.canary but does not split (0.20.0 and before)" in seen.message


@pytest.mark.parametrize("stage", [Standard], indirect=True)
async def test_a_canary_that_is_not_ready_is_waited_for(stage: Standard) -> None:
    stage.kserve.broken.add(NEW)
    async with stage.router() as router:
        await router.apply(stage.routed, at(stage, 50), Split(stage.stable))
        stage.confirm()
        seen = await stage.until(router, lambda seen: seen.split == at(stage, 50))
        assert (seen.accepted, seen.problem) == (False, None)
        assert "leaves fraud-v7-predictor out of its routes until it is ready" in seen.message


@pytest.mark.parametrize("stage", [Group], indirect=True)
async def test_each_step_is_one_write_to_the_canary(stage: Group) -> None:
    async with stage.router() as router:
        await stage.go(router, at(stage, 50), Split(stage.stable))
        assert stage.weights() == {"chat-v6": 10_000, "chat-v7": 526}
        before = stage.obj("chat-v6")["metadata"]["generation"]
        await stage.go(router, at(stage, 500), at(stage, 50))
        assert stage.weights() == {"chat-v6": 10_000, "chat-v7": 10_000}
        assert stage.obj("chat-v6")["metadata"]["generation"] == before
        await stage.go(router, at(stage, 1000), at(stage, 500))
        assert stage.weights() == {"chat-v6": 0, "chat-v7": 10_000}


@pytest.mark.parametrize("stage", [Group], indirect=True)
async def test_members_of_different_models_are_told_by_kserve_s_own_word(stage: Group) -> None:
    stage.patch("chat-v7", {"op": "replace", "path": "/spec/model/name", "value": "chat-mini"})
    stage.confirm()
    async with stage.router() as router:
        survey = await router.survey(replace(stage.routed, stable=None), stage.stable)
    assert survey.problem is Reason.WAITING_FOR_ROUTE
    assert "MemberDivergence" in survey.message


def a_rolled(stage: Stage, phase: Phase) -> Rollout:
    policy = a_policy(route=RouteRef(stage.kind, stage.name), namespace=stage.namespace)
    rollout = replace(a_rollout(policy), release=stage.canary, stable=stage.stable, phase=phase)
    return replace(rollout, model="fraud", supply_permille=50)


@asynccontextmanager
async def a_workload(stage: Stage) -> AsyncIterator[KubernetesWorkload]:
    client = await connect(stage.server.kubeconfig("serinus-a"))
    try:
        yield KubernetesWorkload(
            client,
            lambda *_: None,
            features=frozenset({Feature.CORE, Feature.INFERENCE_SERVICES}),
            namespaces=None,
            models=ServedModels(),
        )
    finally:
        await client.close()


@pytest.mark.parametrize("stage", [Serverless], indirect=True)
async def test_a_model_comes_with_its_percentage_and_goes_when_the_old_one_is_ready(
    stage: Serverless,
) -> None:
    async with a_workload(stage) as workload:
        await workload.supply(a_rolled(stage, Phase.PREPARING), 50)
        predictor = stage.obj()["spec"]["predictor"]
        assert (predictor["model"]["storageUri"], predictor["canaryTrafficPercent"]) == (NEW, 0)
        before = stage.obj()["metadata"]["resourceVersion"]
        await workload.supply(a_rolled(stage, Phase.PREPARING), 500)
        assert stage.obj()["metadata"]["resourceVersion"] == before
        stage.confirm()
        over = a_rolled(stage, Phase.ROLLED_BACK)
        assert not await workload.take_back(over)
        assert not await workload.take_back(over), "the newest revision is still the canary's"
        predictor = stage.obj()["spec"]["predictor"]
        assert (predictor["model"]["storageUri"], predictor["canaryTrafficPercent"]) == (OLD, 0)
        stage.confirm()
        assert await workload.take_back(over)
        assert "canaryTrafficPercent" not in stage.obj()["spec"]["predictor"]
        stage.confirm()
        assert await workload.take_back(over)
        assert stage.obj(stage.name)["status"]["components"]["predictor"]["traffic"][0]["percent"] == 100
        assert stage.files == [OLD, NEW, OLD]


@pytest.mark.parametrize("stage", [Standard], indirect=True)
async def test_a_canary_comes_with_its_copies_and_is_removed(stage: Standard) -> None:
    async with a_workload(stage) as workload:
        await workload.supply(a_rolled(stage, Phase.PREPARING), 50)
        (canary,) = stage.obj()["spec"]["canary"]
        assert (canary["trafficPercent"], canary["predictor"]["minReplicas"]) == (0, 1)
        assert canary["predictor"]["model"] == {
            **a_service()["spec"]["predictor"]["model"],
            "storageUri": NEW,
        }
        await workload.supply(a_rolled(stage, Phase.PROGRESSING), 600)
        assert stage.obj()["spec"]["canary"][0]["predictor"]["minReplicas"] == 2
        assert await workload.take_back(a_rolled(stage, Phase.ROLLED_BACK))
        assert "canary" not in stage.obj()["spec"]
        assert stage.obj()["spec"]["predictor"] == a_service()["spec"]["predictor"]


async def test_the_resource_is_the_published_one(apiserver: "ApiServer", namespace: str) -> None:
    """A percentage above 100 and a canary without a predictor are refused by the schema, not by us."""
    service = a_service(mode="Standard", canary=[{"trafficPercent": 101}])
    service["metadata"]["namespace"] = namespace
    with pytest.raises(Exception, match=r"trafficPercent|predictor"):
        apiserver.admin.create(service)
    assert INFERENCE_SERVICES.api_version == service["apiVersion"]
