"""The router against a real API server: what kubectl and others do to a route, and what becomes of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from controller.adapters.kube.client import KubeClient, connect
from controller.adapters.kube.errors import Forbidden
from controller.adapters.kube.fencing import EPOCH_ANNOTATION
from controller.adapters.kube.permissions import rules
from controller.adapters.kube.reflector import Pace, Reflector, whole
from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.traffic import gateway_api, gateway_classes, object_router
from controller.adapters.traffic.gateway_api import GRPC_ROUTE, HTTP_ROUTE
from controller.adapters.traffic.object_router import ObjectRouter
from controller.domain.observation import RouteSeen
from controller.domain.policy import RouteRef
from controller.domain.release import RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TransientError
from controller.features import Feature
from tests.gateway_routes import C, S, a_rule, pool, ref, routed

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration
T = TypeVar("T")

API = "gateway.networking.k8s.io/v1"
STEP = Split(S, C, 50)
PACE = Pace(longest_wait=timedelta(seconds=1))
FOREIGN = a_rule(
    pool("chat-v1", 3),
    ref("audit", 7, filters=[{"type": "URLRewrite", "urlRewrite": {"hostname": "internal"}}]),
    name="chat",
    matches=[{"path": {"type": "PathPrefix", "value": "/chat"}}],
)


@dataclass
class Leader:
    epoch: int

    def check(self) -> None: ...


class World:
    """A route in a namespace of its own, and a router that may do what it declares and nothing else."""

    def __init__(self, server: "ApiServer", namespace: str, kind: str) -> None:
        self.server, self.namespace, self.kind = server, namespace, kind
        self.dialect = HTTP_ROUTE if kind == "HTTPRoute" else GRPC_ROUTE
        self.resource: Resource = self.dialect.resource
        self.leader = Leader(4)

    def routed(self, **changes: Any) -> RoutedModel:
        return routed(namespace=self.namespace, route=RouteRef("httpRoute", "fraud"), **changes)

    def create(self, *refs: Obj) -> None:
        model = (
            {**a_rule(*refs), "timeouts": {"request": "9s"}} if self.kind == "HTTPRoute" else a_rule(*refs)
        )
        foreign = FOREIGN if self.kind == "HTTPRoute" else a_rule(ref("chat"), name="chat")
        metadata = {"name": "fraud", "namespace": self.namespace, "annotations": {"team": "risk"}}
        spec = {"parentRefs": [{"name": "gateway"}], "rules": [foreign, model]}
        self.server.admin.create({"apiVersion": API, "kind": self.kind, "metadata": metadata, "spec": spec})

    def route(self) -> Obj:
        found = self.server.admin.get(API, self.kind, self.namespace, "fraud")
        assert found is not None
        return found

    def weights(self) -> dict[str, int]:
        return {each["name"]: each["weight"] for each in self.route()["spec"]["rules"][1]["backendRefs"]}

    def accept(self, *, resolved: str = "True", reason: str = "ResolvedRefs") -> None:
        """What a gateway's controller does."""
        route = self.route()
        common = {
            "observedGeneration": route["metadata"]["generation"],
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "message": "said by the test",
        }
        found = [
            {"type": "Accepted", "status": "True", "reason": "Accepted", **common},
            {"type": "ResolvedRefs", "status": resolved, "reason": reason, **common},
        ]
        parent = {"parentRef": {"name": "gateway"}, "controllerName": "example.com/g", "conditions": found}
        self.server.admin.replace({**route, "status": {"parents": [parent]}}, "status")

    def kubectl_patch(self, *operations: Obj) -> None:
        plural = self.resource.plural
        self.server.kubectl(
            *("patch", plural, "fraud", "--type=json", f"--patch={json.dumps(operations)}"),
            namespace=self.namespace,
        )

    def allow(self, identity: str) -> None:
        """The Role that the adapter's declarations make."""
        role = f"{identity}-routes"
        metadata = {"name": role, "namespace": self.namespace}
        granted = rules([*gateway_api.PERMISSIONS, *object_router.PERMISSIONS], [Feature.GRPC_ROUTES])
        group = "rbac.authorization.k8s.io"
        api = f"{group}/v1"
        self.server.admin.create({"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": granted})
        subject = {"kind": "User", "name": identity, "apiGroup": group}
        reference = {"kind": "Role", "name": role, "apiGroup": group}
        binding = {"subjects": [subject], "roleRef": reference}
        self.server.admin.create({"apiVersion": api, "kind": "RoleBinding", "metadata": metadata, **binding})

    def allow_classes(self, identity: str) -> None:
        """The ClusterRole of the feature."""
        name = f"{identity}-classes-{self.namespace}"
        metadata, group = {"name": name}, "rbac.authorization.k8s.io"
        granted = rules(gateway_classes.PERMISSIONS, [Feature.GATEWAY_CLASSES])
        role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": granted}
        self.server.admin.create(role)
        binding = {
            "subjects": [{"kind": "User", "name": identity, "apiGroup": group}],
            "roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": group},
        }
        kind = {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": metadata}
        self.server.admin.create({**kind, **binding})

    @asynccontextmanager
    async def router(
        self, identity: str = "serinus-a", leader: Leader | None = None, *, classes: bool = False
    ) -> AsyncIterator[ObjectRouter]:
        client = await connect(self.server.kubeconfig(identity))
        routes = Reflector(
            client, self.resource, self.namespace, changed=lambda *_: None, keep=whole, pace=PACE
        )
        following = asyncio.create_task(routes.run())
        try:
            async with asyncio.timeout(20):
                await routes.synced()
            yield self._router(client, routes, leader or self.leader, classes=classes)
        finally:
            following.cancel()
            await client.close()

    def _router(
        self, client: KubeClient, routes: Reflector, leader: Leader, *, classes: bool
    ) -> ObjectRouter:
        return ObjectRouter(
            client,
            self.dialect,
            routes,
            leader,
            allowed=lambda _: True,
            patience=timedelta(0),
            classes=classes,
        )

    async def until(self, router: ObjectRouter, wanted: Split, *, accepted: bool) -> RouteSeen:
        """Look until the cache has it: the watch brings what others did."""
        async with asyncio.timeout(20):
            while True:
                seen = await router.observe(self.routed())
                if (seen.split, seen.accepted) == (wanted, accepted):
                    return seen
                await asyncio.sleep(0.02)

    async def until_problem(self, router: ObjectRouter) -> RouteSeen:
        async with asyncio.timeout(20):
            while True:
                seen = await router.observe(self.routed())
                if seen.problem is not None:
                    return seen
                await asyncio.sleep(0.02)


async def until(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """What is seen, once it is as it shall be."""
    async with asyncio.timeout(20):
        while True:
            if holds(found := await look()):
                return found
            await asyncio.sleep(0.02)


@pytest.fixture(params=["HTTPRoute"])
def world(request: pytest.FixtureRequest, apiserver: "ApiServer", namespace: str) -> World:
    world = World(apiserver, namespace, request.param)
    world.create(ref("fraud-v6"))
    world.allow("serinus-a")
    return world


@pytest.mark.parametrize("world", ["HTTPRoute", "GRPCRoute"], indirect=True)
async def test_a_whole_rollout_leaves_nothing_but_the_backend_s_name_and_the_epoch(world: World) -> None:
    before = world.route()
    steps = (STEP, Split(S, C, 250), Split(S, C, 1000), Split(C))
    async with world.router() as router:
        survey = await router.survey(world.routed(stable=None), S)
        assert (survey.problem, survey.weight_sum) == (Reason.WAITING_FOR_ROUTE, 1)
        world.accept()
        expected = Split(S)
        await world.until(router, expected, accepted=True)
        for split in steps:
            await router.apply(world.routed(), split, expected)
            await world.until(router, split, accepted=False)
            world.accept()
            await world.until(router, split, accepted=True)
            expected = split
    after = world.route()
    assert after["metadata"]["annotations"] == {"team": "risk", EPOCH_ANNOTATION: "4"}
    model, promoted = before["spec"]["rules"][1]["backendRefs"], after["spec"]["rules"][1]["backendRefs"]
    assert promoted == [{**model[0], "name": "fraud-v7"}]
    after["spec"]["rules"][1]["backendRefs"] = model
    assert after["spec"] == before["spec"]


async def test_a_rolled_back_route_is_what_it_was_but_for_the_epoch(world: World) -> None:
    before = world.route()["spec"]
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        assert world.weights() == {"fraud-v6": 950, "fraud-v7": 50}
        await router.apply(world.routed(), Split(S), STEP)
    assert world.route()["spec"] == before


@pytest.mark.parametrize("world", ["HTTPRoute", "GRPCRoute"], indirect=True)
@pytest.mark.parametrize("share", [100, 125, 1000])
async def test_copies_come_and_go_and_leave_the_route_as_it_was(world: World, share: int) -> None:
    before = world.route()["spec"]
    shadow = Split(S, C, mirror_permille=share)
    async with world.router() as router:
        world.accept()
        await world.until(router, Split(S), accepted=True)
        survey = await router.survey(world.routed(stable=None), S)
        assert (survey.problem, survey.unmirrored) == (None, "")
        await router.apply(world.routed(), shadow, Split(S))
        await world.until(router, shadow, accepted=False)
        world.accept()
        seen = await world.until(router, shadow, accepted=True)
        assert dict(seen.series)["v7"] == f"{world.kind.lower()}/{world.namespace}/fraud/rule/1-mirror-0"
        (filtered,) = world.route()["spec"]["rules"][1]["filters"]
        shares: dict[int, Obj] = {
            100: {"percent": 10},
            125: {"fraction": {"numerator": 125, "denominator": 1000}},
            1000: {},
        }
        named = {key: filtered["requestMirror"]["backendRef"][key] for key in ("name", "port")}
        assert named == {"name": "fraud-v7", "port": 8080}
        assert {k: v for k, v in filtered["requestMirror"].items() if k != "backendRef"} == shares[share]
        assert world.weights() == {"fraud-v6": 1}
        await router.apply(world.routed(), STEP, shadow)
        assert "filters" not in world.route()["spec"]["rules"][1]
        assert world.weights() == {"fraud-v6": 950, "fraud-v7": 50}
        await router.apply(world.routed(), Split(S), STEP)
    assert world.route()["spec"] == before


async def test_copies_that_a_person_ends_are_drift_and_their_share_is_read_back(world: World) -> None:
    shadow = Split(S, C, mirror_permille=100)
    async with world.router() as router:
        await router.apply(world.routed(), shadow, Split(S))
        path = "/spec/rules/1/filters"
        world.kubectl_patch({"op": "replace", "path": f"{path}/0/requestMirror/percent", "value": 40})
        seen = await world.until(router, Split(S, C, mirror_permille=400), accepted=False)
        assert "copies 40% of its requests (kubectl-patch wrote last" in seen.message
        world.kubectl_patch({"op": "remove", "path": path})
        await world.until(router, Split(S), accepted=False)
        with pytest.raises(Conflict):
            await router.apply(world.routed(), STEP, shadow)


async def test_a_gateway_that_refuses_the_filter_is_one_that_copies_nothing(world: World) -> None:
    shadow = Split(S, C, mirror_permille=100)
    async with world.router() as router:
        await router.apply(world.routed(), shadow, Split(S))
        world.accept(resolved="False", reason="InvalidKind")
        seen = await until(lambda: router.observe(world.routed()), lambda found: bool(found.unmirrored))
        assert (seen.split, seen.problem) == (shadow, None)
        await router.roll_back_unrecorded(world.routed(), Reason.CHECK_FAILED)
    assert "filters" not in world.route()["spec"]["rules"][1]


async def test_what_gateways_support_is_asked_of_their_classes_with_the_right_to(world: World) -> None:
    controller, name = "example.com/g", f"class-of-{world.namespace}"
    made = {"apiVersion": API, "kind": "GatewayClass", "metadata": {"name": name}}
    world.server.admin.create({**made, "spec": {"controllerName": controller}})
    try:
        found = world.server.admin.get(API, "GatewayClass", "", name)
        assert found is not None
        status = {"supportedFeatures": [{"name": "HTTPRouteRequestMirror"}]}
        world.server.admin.replace({**found, "status": status}, "status")
        world.accept()
        asking = world.routed(mirrors_permille=(100,))
        async with world.router(classes=True) as router:
            assert (await router.survey(asking, S)).unmirrored == ""  # it may not look
            world.allow_classes("serinus-a")
            said = await until(lambda: router.survey(asking, S), lambda found: bool(found.unmirrored))
            assert (
                said.unmirrored
                == f"the GatewayClass {name} does not support HTTPRouteRequestPercentageMirror"
            )
            assert (await router.survey(world.routed(mirrors_permille=(1000,)), S)).unmirrored == ""
    finally:
        world.server.admin.delete(API, "GatewayClass", "", name)


async def test_weights_that_kubectl_changed_are_drift_that_names_kubectl(world: World) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        path = "/spec/rules/1/backendRefs"
        world.kubectl_patch(
            {"op": "replace", "path": f"{path}/0/weight", "value": 400},
            {"op": "replace", "path": f"{path}/1/weight", "value": 600},
        )
        seen = await world.until(router, Split(S, C, 600), accepted=False)
        assert seen.message.startswith(
            "the route fraud has the weights fraud-v6 400, fraud-v7 600 (kubectl-patch wrote last, 20"
        )
        with pytest.raises(Conflict, match="fraud-v6 400, fraud-v7 600"):
            await router.apply(world.routed(), Split(S, C, 250), STEP)
        assert world.weights() == {"fraud-v6": 400, "fraud-v7": 600}
        await router.apply(world.routed(), Split(S), seen.split)
    assert world.weights() == {"fraud-v6": 1}


async def test_server_side_apply_of_a_gitops_tool_is_named_too(world: World) -> None:
    manifest = {
        "apiVersion": API,
        "kind": "HTTPRoute",
        "metadata": {"name": "fraud", "namespace": world.namespace},
        "spec": {"rules": [FOREIGN, a_rule(ref("fraud-v6"))]},
    }
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        world.server.admin.apply(manifest, manager="argocd-controller")
        seen = await world.until(router, Split(S), accepted=False)
    assert "(argocd-controller wrote last, 20" in seen.message


async def test_our_own_writes_are_nobody_else_s(world: World) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        seen = await world.until(router, STEP, accepted=False)
        assert seen.message == "the route fraud has the weights fraud-v6 950, fraud-v7 50"
        world.accept()
        seen = await world.until(router, STEP, accepted=True)
        assert "wrote last" not in seen.message


async def test_a_backend_that_is_not_there_yet_is_waited_for_and_a_forbidden_one_is_not(world: World) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        world.accept(resolved="False", reason="BackendNotFound")
        assert (await world.until(router, STEP, accepted=False)).problem is None
        world.accept(resolved="False", reason="RefNotPermitted")
        seen = await world.until_problem(router)
    assert seen.problem is Reason.ROUTE_REJECTED
    assert seen.message == "gateway says ResolvedRefs=False, RefNotPermitted: said by the test"


async def test_writers_that_race_for_one_step_leave_one_result(world: World) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        rise = (router.apply(world.routed(), Split(S, C, 250), STEP) for _ in range(8))
        outcomes = await asyncio.gather(
            *rise, router.apply(world.routed(), Split(S), STEP), return_exceptions=True
        )
    assert {type(outcome) for outcome in outcomes} <= {type(None), Conflict}
    assert world.weights() in ({"fraud-v6": 750, "fraud-v7": 250}, {"fraud-v6": 1})


async def test_a_deposed_leader_that_wakes_after_its_check_writes_nothing(world: World) -> None:
    """Its cache is as it was, and it does not know yet that it was deposed: only the fence stops it."""
    world.allow("serinus-b")
    async with world.router() as old, world.router("serinus-b", Leader(5)) as new:
        await old.apply(world.routed(), STEP, Split(S))
        await world.until(new, STEP, accepted=False)
        await new.apply(world.routed(), Split(S, C, 250), STEP)
        version = world.route()["metadata"]["resourceVersion"]
        for attempt in (
            old.apply(world.routed(), Split(S, C, 10), STEP),
            old.apply(world.routed(), Split(S), Split(S, C, 250)),
            old.roll_back_unrecorded(world.routed(), Reason.CHECK_FAILED),
        ):
            with pytest.raises(Conflict):
                await attempt
        assert world.route()["metadata"]["resourceVersion"] == version
    assert world.route()["metadata"]["annotations"][EPOCH_ANNOTATION] == "5"


async def test_a_rollback_without_a_record_is_latched_over_a_restart(world: World) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        await router.roll_back_unrecorded(world.routed(), Reason.CHECK_FAILED)
        assert world.weights() == {"fraud-v6": 1}
    async with world.router(leader=Leader(5)) as router:
        seen = await world.until(router, Split(S), accepted=False)
        assert seen.latched is Reason.CHECK_FAILED
        await router.apply(world.routed(), Split(S), Split(S))
        assert (await router.observe(world.routed())).latched is None


async def test_without_the_right_to_patch_a_write_is_refused_with_the_rule_to_add(world: World) -> None:
    metadata = {"name": "serinus-a-routes", "namespace": world.namespace}
    reading = rules([*gateway_api.PERMISSIONS, *object_router.PERMISSIONS], [])
    for rule in reading:
        rule["verbs"] = [verb for verb in rule["verbs"] if verb != "patch"]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": reading,
    }
    async with world.router() as router:
        world.server.admin.replace(role)
        with pytest.raises(Forbidden) as caught:
            await write_for_ever(world, router)
    assert '"resources": ["httproutes"], "verbs": ["patch"]' in str(caught.value)


async def write_for_ever(world: World, router: ObjectRouter) -> None:
    """The server's RBAC learns of a change in a while."""
    async with asyncio.timeout(20):
        while True:
            await router.apply(world.routed(), STEP, Split(S))
            await router.apply(world.routed(), Split(S), STEP)


async def test_a_route_that_is_deleted_is_gone_at_once(world: World) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        world.server.admin.delete(API, "HTTPRoute", world.namespace, "fraud")
        seen = await world.until_problem(router)
    assert (seen.problem, seen.split) == (Reason.ROUTE_NOT_FOUND, Split())


async def test_while_the_server_is_away_the_last_split_stands(world: World) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), STEP, Split(S))
        world.accept()
        await world.until(router, STEP, accepted=True)
        world.server.stop()
        try:
            with pytest.raises(TransientError):
                await router.apply(world.routed(), Split(S), STEP)
            seen = await world.until_problem(router)
            assert (seen.problem, seen.split, seen.accepted) == (Reason.GATEWAY_UNAVAILABLE, STEP, False)
        finally:
            await asyncio.to_thread(world.server.start)
        await world.until(router, STEP, accepted=True)
        await router.apply(world.routed(), Split(S), STEP)
    assert world.weights() == {"fraud-v6": 1}
