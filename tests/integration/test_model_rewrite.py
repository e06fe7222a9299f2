"""LoRA adapters on a real API server, with the definitions of both groups, and on engines that answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from controller.adapters.kube.client import KubeClient, connect
from controller.adapters.kube.connection import open_connection
from controller.adapters.kube.fencing import EPOCH_ANNOTATION
from controller.adapters.kube.permissions import rules
from controller.adapters.kube.reflector import Pace, Reflector, whole
from controller.adapters.kube.resources import MODEL_REWRITES, Obj
from controller.adapters.kube.served import Served
from controller.adapters.traffic import model_rewrite, object_router
from controller.adapters.traffic.model_rewrite import MODEL_REWRITE
from controller.adapters.traffic.object_router import ObjectRouter
from controller.adapters.workload import kubernetes as workload_module
from controller.adapters.workload.kubernetes import KubernetesWorkload
from controller.adapters.workload.served_models import ServedModels
from controller.domain.model import Rollout
from controller.domain.observation import RouteSeen
from controller.domain.policy import Policy, RouteRef
from controller.domain.release import RoutedModel, Split
from controller.domain.vocabulary import Phase, Reason
from controller.errors import Conflict
from controller.features import Feature
from tests.kube.crds.inference import former_model_rewrite
from tests.kube.rewrite_groups import FORMER, NEWER, serve_newer
from tests.kube_workloads import pod, ready
from tests.model_rewrites import CANARY, MODEL, STABLE, C, S, rewrite, routed, rule, target

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

FEATURES = frozenset({Feature.CORE, Feature.INFERENCE_MODEL_REWRITES, Feature.INFERENCE_POOLS})
STEP = Split(S, C, 50)
PACE = Pace(longest_wait=timedelta(seconds=1))


@dataclass
class Leader:
    epoch: int = 4

    def check(self) -> None: ...


class World:
    """A rewrite in a namespace of its own, and adapters that may do what they declare and nothing else."""

    def __init__(self, server: "ApiServer", namespace: str, api: str = NEWER) -> None:
        self.server, self.namespace, self.api = server, namespace, api

    def routed(self, **changes: Any) -> RoutedModel:
        return routed(namespace=self.namespace, **changes)

    def create(self, *rules: Obj, name: str = MODEL) -> None:
        known = rewrite(*rules, name=name)
        metadata = {"name": name, "namespace": self.namespace, "annotations": {"team": "reviews"}}
        self.server.admin.create({**known, "apiVersion": self.api, "metadata": metadata})

    def route(self) -> Obj:
        found = self.server.admin.get(self.api, "InferenceModelRewrite", self.namespace, MODEL)
        assert found is not None
        return found

    def targets(self) -> dict[str, int]:
        found = self.route()["spec"]["rules"][1].get("targets", [])
        return {each["modelRewrite"]: each.get("weight", 1) for each in found}

    def say(self, status: str, *, generation: int | None = None) -> None:
        """What a controller that writes a status does."""
        obj = self.route()
        condition = {
            "type": "Accepted",
            "status": status,
            "reason": "Accepted" if status == "True" else "PoolNotFound",
            "message": "said by the test",
            "observedGeneration": generation or obj["metadata"]["generation"],
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.server.admin.replace({**obj, "status": {"conditions": [condition]}}, "status")

    def allow(self, identity: str) -> None:
        """The Role that the adapters' declarations make."""
        metadata = {"name": f"{identity}-rewrites", "namespace": self.namespace}
        declared = [*model_rewrite.PERMISSIONS, *object_router.PERMISSIONS, *workload_module.PERMISSIONS]
        group = "rbac.authorization.k8s.io"
        api = f"{group}/v1"
        granted = rules(declared, FEATURES)
        self.server.admin.create({"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": granted})
        subject = {"kind": "User", "name": identity, "apiGroup": group}
        reference = {"kind": "Role", "name": metadata["name"], "apiGroup": group}
        binding = {"subjects": [subject], "roleRef": reference}
        self.server.admin.create({"apiVersion": api, "kind": "RoleBinding", "metadata": metadata, **binding})

    @asynccontextmanager
    async def router(
        self, *, resync: float = 60, served: Served | None = None
    ) -> AsyncIterator[ObjectRouter]:
        transport, _ = await open_connection(self.server.kubeconfig("serinus-a"), None, None)
        client = KubeClient(transport, served=served)
        pace = replace(PACE, resync=timedelta(seconds=resync))
        routes = Reflector(
            client, MODEL_REWRITES, self.namespace, changed=lambda *_: None, keep=whole, pace=pace
        )
        following = asyncio.create_task(routes.run())
        try:
            async with asyncio.timeout(20):
                await routes.synced()
            yield ObjectRouter(
                client, MODEL_REWRITE, routes, Leader(), allowed=lambda _: True, patience=timedelta(0)
            )
        finally:
            following.cancel()
            await client.close()

    async def until(self, router: ObjectRouter, wanted: Split, *, accepted: bool = True) -> RouteSeen:
        """Look until the cache has it."""
        async with asyncio.timeout(20):
            while True:
                seen = await router.observe(self.routed())
                if (seen.split, seen.accepted) == (wanted, accepted):
                    return seen
                await asyncio.sleep(0.02)


@pytest.fixture(params=[NEWER, FORMER])
def group(request: pytest.FixtureRequest, apiserver: "ApiServer") -> Iterator[str]:
    """The group that the cluster knows: both, or only the former one."""
    chosen: str = request.param
    if chosen == FORMER:
        serve_newer(apiserver.admin, served=False)
    yield chosen
    if chosen == FORMER:
        serve_newer(apiserver.admin, served=True)


@pytest.fixture
def world(group: str, apiserver: "ApiServer", namespace: str) -> World:
    world = World(apiserver, namespace, group)
    world.create(rule(target("chat-v4"), models=("chat",)), rule(target(STABLE)))
    world.allow("serinus-a")
    return world


async def test_a_whole_rollout_leaves_nothing_but_the_adapter_s_name_and_the_epoch(world: World) -> None:
    before = world.route()
    async with world.router() as router:
        survey = await router.survey(world.routed(stable=None), S)
        assert (survey.problem, survey.serving, survey.weight_sum) == (None, S, 1)
        expected = Split(S)
        for split in (STEP, Split(S, C, 250), Split(S, C, 1000), Split(C)):
            await router.apply(world.routed(), split, expected)
            await world.until(router, split)
            expected = split
        assert world.targets() == {CANARY: 1}
    after = world.route()
    assert after["metadata"]["annotations"] == {"team": "reviews", EPOCH_ANNOTATION: "4"}
    assert after["spec"]["poolRef"] == before["spec"]["poolRef"]
    assert after["spec"]["rules"][0] == before["spec"]["rules"][0]


@pytest.mark.parametrize("group", [NEWER], indirect=True)
async def test_the_server_takes_no_weight_0_and_every_rollback_is_one_write(world: World) -> None:
    async with world.router() as router:
        for weight in (10, 1000):
            await router.apply(world.routed(), Split(S, C, weight), Split(S))
            await world.until(router, Split(S, C, weight))
            generation = world.route()["metadata"]["generation"]
            await router.apply(world.routed(), Split(S), Split(S, C, weight))
            assert world.targets() == {STABLE: 1}
            assert world.route()["metadata"]["generation"] == generation + 1
            await world.until(router, Split(S))


@pytest.mark.parametrize("group", [NEWER], indirect=True)
async def test_a_foreign_write_is_drift_that_names_the_writer(world: World) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        path = "/spec/rules/1/targets"
        change = [{"op": "replace", "path": f"{path}/{at}/weight", "value": 500} for at in (0, 1)]
        plural = f"inferencemodelrewrites.{MODEL_REWRITES.group}"
        world.server.kubectl(
            *("patch", plural, MODEL, "--type=json", f"--patch={json.dumps(change)}"),
            namespace=world.namespace,
        )
        seen = await world.until(router, Split(S, C, 500))
        assert "(kubectl-patch wrote last, 20" in seen.message
        with pytest.raises(Conflict, match="food-review-v1 500, food-review-v2 500"):
            await router.apply(world.routed(), Split(S, C, 250), STEP)
        await router.roll_back_unrecorded(
            world.routed(stable=None, canary=None, weight_sum=None), Reason.CHECK_FAILED
        )
        seen = await world.until(router, Split(S))
        assert (seen.latched, list(world.targets())) == (Reason.CHECK_FAILED, [STABLE])


@pytest.mark.parametrize("group", [NEWER], indirect=True)
async def test_a_status_counts_where_somebody_writes_it(world: World) -> None:
    async with world.router() as router:
        await world.until(router, Split(S))
        world.say("True")
        await router.apply(world.routed(), STEP, Split(S))
        await world.until(router, STEP, accepted=False)
        world.say("True")
        await world.until(router, STEP)
        world.say("False")
        seen = await world.until(router, STEP, accepted=False)
        assert (seen.problem, "PoolNotFound: said by the test" in seen.message) == (
            Reason.ROUTE_REJECTED,
            True,
        )


@pytest.mark.parametrize("group", [NEWER], indirect=True)
async def test_a_rewrite_beside_an_older_one_for_the_same_model_is_refused(world: World) -> None:
    other = world.routed(stable=None, route=RouteRef("inferenceModelRewrite", "late"))
    world.create(rule(target(STABLE)), name="late")
    async with world.router() as router:
        survey = await router.survey(other, S)
    assert (survey.problem, survey.hopeless) == (Reason.ROUTE_AMBIGUOUS, True)
    assert "the rewrite food-review is older and for the model food-review too" in survey.message


@pytest.mark.parametrize("group", [FORMER], indirect=True)
async def test_when_the_newer_group_is_installed_it_counts_within_a_resync(
    world: World, apiserver: "ApiServer"
) -> None:
    looking = Served(stands=timedelta(seconds=0.5))
    async with world.router(resync=1, served=looking) as router:
        await router.apply(world.routed(), STEP, Split(S))
        await world.until(router, STEP)
        serve_newer(apiserver.admin, served=True)
        newer = World(apiserver, world.namespace, NEWER)
        newer.create(rule(target("chat-v4"), models=("chat",)), rule(target(STABLE)))
        await world.until(router, Split(S))
        await router.apply(world.routed(), Split(S, C, 250), Split(S))
        assert newer.targets() == {STABLE: 750, CANARY: 250}
        assert world.targets() == {STABLE: 950, CANARY: 50}


def test_the_definition_s_own_default_of_a_pool_s_group_is_one_that_no_picker_serves(
    apiserver: "ApiServer", namespace: str
) -> None:
    obj = rewrite(rule(target(STABLE)))
    obj["metadata"] = {"name": MODEL, "namespace": namespace}
    del obj["spec"]["poolRef"]["group"]
    assert apiserver.admin.create(obj)["spec"]["poolRef"]["group"] == "llm-d.ai"
    default = former_model_rewrite()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    ref = default["properties"]["spec"]["properties"]["poolRef"]
    assert ref["properties"]["group"]["default"] == "inference.networking.k8s.io"


class Engines:
    """Engines of pods, on addresses of their own and one port."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.lists: dict[str, set[str]] = {}
        self.port = 0

    async def start(self, name: str, *adapters: str) -> str:
        address = f"127.0.0.{len(self.lists) + 1}"
        self.lists[name] = {"base", *adapters}

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps({"data": [{"id": each} for each in sorted(self.lists[name])]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            writer.close()

        server = await asyncio.start_server(handle, address, self.port)
        self._stack.callback(server.close)
        self.port = server.sockets[0].getsockname()[1]
        return address


def a_rollout(namespace: str, phase: Phase) -> Rollout:
    policy = Policy(
        MODEL, namespace, RouteRef("inferenceModelRewrite", MODEL), "epp-lora", steps=(), checks=()
    )
    born = datetime(2026, 11, 23, tzinfo=UTC)
    return Rollout("food-review-v2", MODEL, C, policy, born, "ann", stable=S, phase=phase)


@pytest.mark.parametrize("group", [NEWER, FORMER], indirect=True)
async def test_an_adapter_is_ready_when_each_ready_pod_of_the_rewrite_s_pool_lists_it(world: World) -> None:
    async with AsyncExitStack() as stack:
        engines = Engines(stack)
        for name in ("chat-a", "chat-7f9"):
            put_pod(world, name, await engines.start(name, STABLE))
        put_pool(world, engines.port)
        client: KubeClient = await connect(world.server.kubeconfig("serinus-a"))
        stack.push_async_callback(client.close)
        models = ServedModels()
        stack.push_async_callback(models.close)
        workload = KubernetesWorkload(
            client, lambda *_: None, features=FEATURES, namespaces=None, models=models
        )
        before, serving = (
            a_rollout(world.namespace, phase) for phase in (Phase.PREPARING, Phase.PROGRESSING)
        )
        assert (await workload.readiness(before, S)).ready
        engines.lists["chat-a"].add(CANARY)
        seen = await workload.readiness(before, C)
        assert (seen.ready, seen.problem) == (False, Reason.ADAPTER_MISSING)
        assert seen.message == (
            "1 of 2 pods list the adapter food-review-v2: chat-7f9 does not; "
            "load it there: POST /v1/load_lora_adapter"
        )
        engines.lists["chat-7f9"].add(CANARY)
        assert (await workload.readiness(before, C)).ready
        put_pod(world, "chat-new", await engines.start("chat-new", STABLE))
        assert (await workload.readiness(serving, C)).problem is Reason.ADAPTER_MISSING
        await workload.supply(serving, 500)
        assert await workload.retire(world.namespace, S, delete=True)


def put_pod(world: World, name: str, address: str) -> None:
    one = pod(name, {"app": "base"})
    one["metadata"]["namespace"] = world.namespace
    world.server.admin.create({key: value for key, value in one.items() if key != "status"})
    change = {"status": ready(address)}
    world.server.admin.patch("v1", "Pod", world.namespace, name, change, subresource="status")


def put_pool(world: World, port: int) -> None:
    world.server.admin.create(
        {
            "apiVersion": "inference.networking.k8s.io/v1",
            "kind": "InferencePool",
            "metadata": {"name": "base-pool", "namespace": world.namespace},
            "spec": {
                "selector": {"matchLabels": {"app": "base"}},
                "targetPorts": [{"number": port}],
                "endpointPickerRef": {"name": "epp", "port": {"number": 9002}, "failureMode": "FailOpen"},
            },
        }
    )
