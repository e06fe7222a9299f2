"""A route that is an object of a cluster: what all stages of such kinds share."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta

from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.traffic.dialect import Dialect
from controller.adapters.traffic.object_router import ObjectRouter
from controller.domain.release import RoutedModel
from controller.errors import ControllerError
from tests.kube_fake import FakeApi


@dataclass
class Leader:
    """The one who leads."""

    epoch: int = 4

    def check(self) -> None: ...


@dataclass
class NoCache:
    """Nothing is remembered: every read asks the server."""

    age: timedelta = timedelta.max
    failure: ControllerError | None = None
    taken: list[Obj] = field(default_factory=list)

    def get(self, namespace: str, name: str) -> Obj | None:
        return None

    def put(self, obj: Obj) -> None:
        self.taken.append(obj)


class ObjectStage:
    """A route at an API server in memory. A kind says what it looks like, and who runs it."""

    def __init__(
        self,
        dialect: Dialect,
        routed: RoutedModel,
        route: Obj,
        *,
        accept: Callable[[FakeApi, Obj], None],
        beside: tuple[tuple[Resource, Obj], ...] = (),
    ) -> None:
        self.api, self.dialect, self.routed = FakeApi(), dialect, routed
        self._accept = accept
        for resource, obj in beside:
            self.api.put(resource, deepcopy(obj))
        self.api.put(dialect.resource, deepcopy(route))
        self.router = ObjectRouter(
            self.api.client(),
            dialect,
            NoCache(),
            Leader(),
            allowed=lambda _: True,
            patience=timedelta(0),
        )

    @property
    def name(self) -> str:
        return self.dialect.object_name(self.routed)

    @property
    def route(self) -> Obj:
        found = self.api.get(self.dialect.resource, self.routed.namespace, self.name)
        assert found is not None
        return found

    async def confirm(self) -> None:
        self._accept(self.api, self.route)

    def edit(self, change: Callable[[Obj], None], manager: str = "kubectl-edit") -> None:
        self.api.modify(self.dialect.resource, self.routed.namespace, self.name, change, manager)

    def remove(self) -> None:
        self.api.delete(self.dialect.resource, self.routed.namespace, self.name)

    def everything(self) -> object:
        return self.route

    def without_marks(self) -> Obj:
        """The route without what the server writes, our epoch and the status: for `theirs`."""
        route = self.route
        for written in ("resourceVersion", "generation", "managedFields"):
            route["metadata"].pop(written, None)
        annotations = route["metadata"].get("annotations", {})
        kept = {key: value for key, value in annotations.items() if not key.startswith("serinus.dev/")}
        route["metadata"]["annotations"] = kept
        route.pop("status", None)
        return route
