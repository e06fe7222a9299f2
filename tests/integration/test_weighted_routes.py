"""VirtualService, AIGatewayRoute and Knative Service at a real API server; the test plays who runs them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from controller.adapters.kube.client import connect
from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.fencing import EPOCH_ANNOTATION
from controller.adapters.kube.permissions import rules
from controller.adapters.kube.reflector import Pace, Reflector, whole
from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.traffic.gateway_api import HTTP_ROUTE
from controller.adapters.traffic.object_router import ObjectRouter
from controller.domain.observation import RouteSeen
from controller.domain.policy import RouteRef
from controller.domain.release import RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict
from tests.weighted_routes import AI_GATEWAY_ROUTES, KNATIVE_SERVICES, SUBSETS, VIRTUAL_SERVICES, Kind

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

PACE = Pace(longest_wait=timedelta(seconds=1))
ALL = {
    "virtualService": VIRTUAL_SERVICES,
    "subsets": SUBSETS,
    "aiGatewayRoute": AI_GATEWAY_ROUTES,
    "knativeService": KNATIVE_SERVICES,
}


@dataclass
class Leader:
    epoch: int

    def check(self) -> None: ...


class World:
    """A route in a namespace of its own, who runs it, and a router with the rights of its feature alone."""

    def __init__(self, server: "ApiServer", namespace: str, kind: Kind) -> None:
        self.server, self.namespace, self.kind = server, namespace, kind
        self.dialect = kind.dialect
        self.stable, self.canary = (self.model.stable, self.model.canary)

    @property
    def model(self) -> RoutedModel:
        return self.kind.routed(self.namespace)

    def at(self, weight: int) -> Split:
        return Split(self.stable, self.canary, weight)

    def route(self) -> Obj:
        resource = self.dialect.resource
        found = self.server.admin.get(resource.api_version, resource.kind, self.namespace, "fraud")
        assert found is not None
        return found

    def write(self, resource: Resource, obj: Obj) -> None:
        """As a controller does: the spec, then the status."""
        name = obj["metadata"]["name"]
        found = self.server.admin.get(resource.api_version, resource.kind, self.namespace, name)
        if found is None:
            metadata = {key: value for key, value in obj["metadata"].items() if key != "generation"}
            found = self.server.admin.create({**obj, "metadata": metadata})
        found = self.server.admin.replace({**found, "spec": obj["spec"]})
        self.server.admin.replace({**found, "status": obj.get("status", {})}, "status")

    def run(self) -> None:
        """Whoever runs the route looks at it."""
        self.kind.run(self.write, self.route())

    def allow(self, identity: str) -> None:
        """The Role that the declarations of the kind's feature make."""
        name, group = f"{identity}-routes", "rbac.authorization.k8s.io"
        metadata = {"name": name, "namespace": self.namespace}
        granted = rules(PERMISSIONS, [self.dialect.feature], namespaced=True)
        api = f"{group}/v1"
        self.server.admin.create({"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": granted})
        subject = {"kind": "User", "name": identity, "apiGroup": group}
        binding = {"subjects": [subject], "roleRef": {"kind": "Role", "name": name, "apiGroup": group}}
        self.server.admin.create({"apiVersion": api, "kind": "RoleBinding", "metadata": metadata, **binding})

    @asynccontextmanager
    async def router(
        self, identity: str = "serinus-a", epoch: int = 4, dialect: Any = None
    ) -> AsyncIterator[ObjectRouter]:
        dialect = dialect or self.dialect
        client = await connect(self.server.kubeconfig(identity))
        routes = Reflector(
            client, dialect.resource, self.namespace, changed=lambda *_: None, keep=whole, pace=PACE
        )
        following = asyncio.create_task(routes.run())
        try:
            async with asyncio.timeout(20):
                await routes.synced()
            yield ObjectRouter(
                client, dialect, routes, Leader(epoch), allowed=lambda _: True, patience=timedelta(0)
            )
        finally:
            following.cancel()
            await client.close()

    async def until(self, router: ObjectRouter, wanted: Split, *, accepted: bool = True) -> RouteSeen:
        """Look until the cache has it: the watch brings what others did."""
        async with asyncio.timeout(20):
            while True:
                seen = await router.observe(self.model)
                if (seen.split, seen.accepted) == (wanted, accepted):
                    return seen
                await asyncio.sleep(0.02)

    async def until_problem(self, router: ObjectRouter) -> RouteSeen:
        async with asyncio.timeout(20):
            while True:
                seen = await router.observe(self.model)
                if seen.problem is not None:
                    return seen
                await asyncio.sleep(0.02)

    async def go(self, router: ObjectRouter, split: Split, expected: Split) -> RouteSeen:
        await router.apply(self.model, split, expected)
        self.run()
        return await self.until(router, split)

    def theirs(self) -> Obj:
        spec: Obj = self.route()["spec"]
        refs = self.kind.refs({"spec": spec})
        refs[:] = [each for each in refs if self.version_of(each) is None]
        return spec

    def version_of(self, ref: Obj) -> str | None:
        target = self.dialect.layout.target(ref, self.namespace)
        named = {(each.name, each.subset): version for each, version in self.kind.versions}
        return named.get((target.name, target.subset))

    def weights(self) -> dict[str, int]:
        field = self.dialect.layout.weight
        refs = self.kind.refs(self.route())
        return {version: int(each[field]) for each in refs if (version := self.version_of(each)) is not None}


@pytest.fixture(params=sorted(ALL))
def world(request: pytest.FixtureRequest, apiserver: "ApiServer", namespace: str) -> World:
    world = World(apiserver, namespace, ALL[request.param])
    apiserver.admin.create(world.kind.object_in(namespace))
    if world.kind is SUBSETS:
        define(world, "v6", "v7")
    world.allow("serinus-a")
    return world


def define(world: World, *subsets: str) -> None:
    found = [{"name": each, "labels": {"version": each}} for each in subsets]
    world.server.admin.create(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": "fraud-versions", "namespace": world.namespace},
            "spec": {"host": "fraud", "subsets": found},
        }
    )


async def test_a_whole_rollout_changes_the_pair_and_nothing_else(world: World) -> None:
    theirs, expected = world.theirs(), Split(world.stable)
    total = world.kind.sums_to
    async with world.router() as router:
        world.run()
        await world.until(router, expected)
        survey = await router.survey(world.model, None)
        assert (survey.problem, survey.serving) == (None, world.stable), survey.message
        for step in (10, 50, 250, 1000):
            await world.go(router, world.at(step), expected)
            assert world.weights() == {"v6": total - total * step // 1000, "v7": total * step // 1000}
            expected = world.at(step)
        await world.go(router, Split(world.canary), expected)
    assert set(world.weights()) == {"v7"}
    assert world.theirs() == theirs
    assert world.route()["metadata"]["annotations"][EPOCH_ANNOTATION] == "4"


async def test_a_rolled_back_route_is_what_it_was(world: World) -> None:
    before = world.route()["spec"]
    async with world.router() as router:
        for step in (50, 1000):
            await world.go(router, world.at(step), Split(world.stable))
            await world.go(router, Split(world.stable), world.at(step))
            assert world.route()["spec"] == before


async def test_a_split_counts_only_once_its_gateway_took_it(world: World) -> None:
    async with world.router() as router:
        world.run()
        await world.until(router, Split(world.stable))
        await router.apply(world.model, world.at(50), Split(world.stable))
        says_nothing = world.kind.name == "virtualService"
        await world.until(router, world.at(50), accepted=says_nothing)
        world.run()
        await world.until(router, world.at(50))


async def test_weights_that_kubectl_changed_are_drift_that_names_kubectl(world: World) -> None:
    resource, layout = world.dialect.resource, world.dialect.layout
    async with world.router() as router:
        await world.go(router, world.at(50), Split(world.stable))
        refs = world.kind.refs(world.route())
        root = f"/spec/{layout.rules}/1/{layout.refs}" if layout.rules else f"/spec/{layout.refs}"
        parts = {"v6": world.kind.sums_to * 4 // 10, "v7": world.kind.sums_to * 6 // 10}
        operations = [
            {"op": "replace", "path": f"{root}/{index}/{layout.weight}", "value": parts[version]}
            for index, each in enumerate(refs)
            if (version := world.version_of(each)) is not None
        ]
        world.server.kubectl(
            *("patch", f"{resource.plural}.{resource.version}.{resource.group}", "fraud"),
            *("--type=json", f"--patch={json.dumps(operations)}"),
            namespace=world.namespace,
        )
        world.run()
        seen = await world.until(router, world.at(600))
        assert "(kubectl-patch wrote last, 20" in seen.message
        version = world.route()["metadata"]["resourceVersion"]
        with pytest.raises(Conflict):
            await router.apply(world.model, world.at(250), world.at(50))
        assert world.route()["metadata"]["resourceVersion"] == version
        await world.go(router, Split(world.stable), seen.split)


async def test_a_rollback_without_a_record_is_latched_over_a_restart(world: World) -> None:
    before = world.route()["spec"]
    async with world.router() as router:
        await world.go(router, world.at(50), Split(world.stable))
        await router.roll_back_unrecorded(world.model, Reason.CHECK_FAILED)
        assert world.route()["spec"] == before
    world.run()
    async with world.router(epoch=5) as router:
        seen = await world.until(router, Split(world.stable))
        assert seen.latched is Reason.CHECK_FAILED
        await router.apply(world.model, Split(world.stable), Split(world.stable))
        assert (await router.observe(world.model)).latched is None


async def test_a_deposed_leader_writes_nothing(world: World) -> None:
    world.allow("serinus-b")
    async with world.router() as old, world.router("serinus-b", 5) as new:
        await world.go(old, world.at(50), Split(world.stable))
        await world.until(new, world.at(50))
        await world.go(new, world.at(250), world.at(50))
        version = world.route()["metadata"]["resourceVersion"]
        for attempt in (
            old.apply(world.model, Split(world.stable), world.at(250)),
            old.roll_back_unrecorded(world.model, Reason.CHECK_FAILED),
        ):
            with pytest.raises(Conflict):
                await attempt
        assert world.route()["metadata"]["resourceVersion"] == version


async def test_a_route_that_is_deleted_is_gone_at_once(world: World) -> None:
    resource = world.dialect.resource
    async with world.router() as router:
        await world.go(router, world.at(50), Split(world.stable))
        world.server.admin.delete(resource.api_version, resource.kind, world.namespace, "fraud")
        seen = await world.until_problem(router)
    assert (seen.problem, seen.split) == (Reason.ROUTE_NOT_FOUND, Split())


@pytest.mark.parametrize("world", ["aiGatewayRoute"], indirect=True)
async def test_the_route_that_another_controller_generates_is_refused_with_what_to_write(
    world: World,
) -> None:
    world.run()
    model = world.kind.routed(world.namespace, route=RouteRef("httpRoute", "fraud"))
    async with world.router(dialect=HTTP_ROUTE) as router:
        survey = await router.survey(model, None)
    assert (survey.problem, survey.hopeless) == (Reason.ROUTE_OWNED, True)
    assert survey.message == (
        "the route fraud belongs to AIGatewayRoute fraud, which would undo every change: "
        "write route: {aiGatewayRoute: fraud} in the policy"
    )


@pytest.mark.parametrize("world", ["aiGatewayRoute"], indirect=True)
async def test_a_route_that_people_wrote_as_v1alpha1_is_the_same_one(world: World) -> None:
    api = "aigateway.envoyproxy.io/v1alpha1"
    world.server.admin.delete(world.dialect.resource.api_version, "AIGatewayRoute", world.namespace, "fraud")
    world.server.admin.create({**world.kind.object_in(world.namespace), "apiVersion": api})
    async with world.router() as router:
        await world.go(router, world.at(50), Split(world.stable))
    found = world.server.admin.get(api, "AIGatewayRoute", world.namespace, "fraud")
    assert found is not None
    assert found["spec"] == world.route()["spec"]


@pytest.mark.parametrize("world", ["subsets"], indirect=True)
async def test_a_subset_that_nobody_defined_gets_no_requests(world: World) -> None:
    world.server.admin.delete("networking.istio.io/v1", "DestinationRule", world.namespace, "fraud-versions")
    async with world.router() as router:
        survey = await router.survey(world.model, None)
        assert (survey.problem, survey.hopeless) == (Reason.BACKEND_NOT_FOUND, False)
        assert "gives fraud a subset v7" in survey.message
        define(world, "v6", "v7")
        assert (await router.survey(world.model, None)).problem is None
