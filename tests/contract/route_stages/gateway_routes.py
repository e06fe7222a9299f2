"""The stage of HTTPRoute and GRPCRoute: a rule beside another, with a backend that is nobody's business."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.traffic.dialect import Dialect
from controller.domain.policy import RouteRef
from controller.domain.release import RoutedModel
from tests.contract.route_stages.cluster import ObjectStage
from tests.gateway_routes import a_route, a_rule, condition, parent, ref, routed
from tests.kube_fake import FakeApi

VERSIONS = {"fraud-v6": "v6", "fraud-v7": "v7"}


class GatewayStage(ObjectStage):
    """One gateway runs the route."""

    def meddle(self) -> None:
        def change(route: Obj) -> None:
            refs = [each for each in _refs(route) if each["name"] not in VERSIONS]
            _rule(route)["backendRefs"] = [ref("fraud-v6", 650), ref("fraud-v7", 350), *refs]

        self.edit(change)

    def theirs(self) -> object:
        route = self.without_marks()
        _rule(route)["backendRefs"] = [each for each in _refs(route) if each["name"] not in VERSIONS]
        return route

    def shares(self) -> dict[str, int]:
        return shares_of(
            {VERSIONS[each["name"]]: each for each in _refs(self.route) if each["name"] in VERSIONS}
        )


def shares_of(refs: dict[str, Any], field: str = "weight") -> dict[str, int]:
    """Thousandths of the sum, by version."""
    total = sum(each.get(field, 1) for each in refs.values())
    return {version: each.get(field, 1) * 1000 // total for version, each in refs.items()}


def accept(resource: Resource, api: FakeApi, route: Obj) -> None:
    """What a gateway's controller does."""
    now = route["metadata"]["generation"]
    found = [condition(kind, generation=now) for kind in ("Accepted", "ResolvedRefs")]
    where = route["metadata"]["namespace"], route["metadata"]["name"]
    api.modify(resource, *where, lambda obj: obj.update(status={"parents": [parent(*found)]}), "gateway")


@asynccontextmanager
async def gateway_stage(dialect: Dialect, kind: str) -> AsyncIterator[GatewayStage]:
    resource = dialect.resource
    foreign = a_rule(ref("chat", 3), name="chat", filters=[{"type": "URLRewrite"}])
    rule = a_rule(ref("fraud-v6", 1), ref("audit", 0), name="fraud", timeouts={"request": "9s"})
    model: RoutedModel = routed(route=RouteRef(kind, "fraud"), steps_permille=(1, 10, 250, 999))
    yield GatewayStage(
        dialect,
        model,
        a_route(foreign, rule, kind=resource.kind),
        accept=lambda api, route: accept(resource, api, route),
    )


def _rule(route: Obj) -> Obj:
    rule: Obj = route["spec"]["rules"][1]
    return rule


def _refs(route: Obj) -> list[Obj]:
    refs: list[Obj] = _rule(route)["backendRefs"]
    return refs
