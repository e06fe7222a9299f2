"""The stage of the kinds that are lists of weighted backends, beside those of the Gateway API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from controller.adapters.kube.resources import Obj, Resource
from tests.contract.route_stages.cluster import ObjectStage
from tests.kube_fake import FakeApi
from tests.weighted_routes import Kind


class WeightedStage(ObjectStage):
    """Whoever runs the route does as `tests.weighted_routes` has it."""

    def __init__(self, kind: Kind) -> None:
        def accept(api: FakeApi, route: Obj) -> None:
            def write(resource: Resource, obj: Obj) -> None:
                api.put(resource, obj, "gateway")

            kind.run(write, route)

        model = replace(kind.routed(), steps_permille=())
        super().__init__(kind.dialect, model, kind.route, accept=accept)
        self.kind = kind

    def meddle(self) -> None:
        kind = self.kind
        stable, canary = (each.subset or each.name for each, _ in kind.versions)
        canary_part = 35 * kind.sums_to // 100

        def change(route: Obj) -> None:
            refs = kind.refs(route)
            others = [each for each in refs if kind.version_of(each) is None]
            ours = [kind.entry(stable, kind.sums_to - canary_part), kind.entry(canary, canary_part)]
            refs[:] = [*ours, *others]

        self.edit(change)

    def theirs(self) -> object:
        route = self.without_marks()
        refs = self.kind.refs(route)
        refs[:] = [each for each in refs if self.kind.version_of(each) is None]
        return route

    def shares(self) -> dict[str, int]:
        layout = self.kind.dialect.layout
        refs = self.kind.refs(self.route)
        found = {
            version: layout.weigh(each, len(refs) == 1)
            for each in refs
            if (version := self.kind.version_of(each)) is not None
        }
        weights = {version: weight for version, weight in found.items() if isinstance(weight, int)}
        total = sum(weights.values()) or 1
        return {version: weight * 1000 // total for version, weight in weights.items()}


@asynccontextmanager
async def weighted_stage(kind: Kind) -> AsyncIterator[WeightedStage]:
    yield WeightedStage(kind)
