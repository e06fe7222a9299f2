"""Splits traffic with an object of a cluster: a route, whose `Dialect` says what it means.

The route is the source of truth of what the gateway shall run; its status says whether it was taken. Reads
come from a cache that follows the routes. Every write is conditional (`object_writing`), so a read that is
stale, or a leader that was deposed, costs a `Conflict` and changes nothing. A route that was written by
somebody else is read anew and looked at once more, because its gateway writes its status all the time.

What cannot be had is told, not raised, while a pass only looks: a route that is gone, a right that was taken
away. A write without the right raises `Forbidden`, a `TargetError`: trying again would not help, and the
message holds the rule of RBAC to add. Both only once it has been so for a while (`Patience`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import Forbidden, NotFound, NotServed
from controller.adapters.kube.fencing import EPOCH_ANNOTATION, Leadership
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import AI_SERVICE_BACKENDS, INFERENCE_POOLS, REVISIONS, SERVICES, Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.traffic.companions import companion_of
from controller.adapters.traffic.dialect import Dialect, Several, Standing
from controller.adapters.traffic.gateway_classes import unmirrored_by_class
from controller.adapters.traffic.gateway_patience import Patience
from controller.adapters.traffic.gateway_seen import normal
from controller.adapters.traffic.known_routes import Routes
from controller.adapters.traffic.object_writing import Change, Expect, ObjectWriter
from controller.adapters.workload.kube_labels import VERSION
from controller.adapters.workload.kube_view import resource_of
from controller.domain.observation import RouteSeen, Survey
from controller.domain.release import Backend, Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TargetError, TransientError

PERMISSIONS = (
    Permission(SERVICES, frozenset({"get"}), Feature.CORE),
    Permission(INFERENCE_POOLS, frozenset({"get"}), Feature.INFERENCE_POOLS),
    Permission(AI_SERVICE_BACKENDS, frozenset({"get"}), Feature.AI_GATEWAY),
    Permission(REVISIONS, frozenset({"get"}), Feature.KNATIVE),
)


class ObjectRouter:
    """`TrafficRouter` for the routes of one kind, which ``dialect`` understands.

    ``allowed`` tells in which namespaces policies may act, ``mark`` which annotation bears our epoch. A route
    last confirmed longer than ``stalest`` ago is asked for again; a healthy watch confirms every minute.
    ``classes`` lets it ask what gateways say that they support.
    """

    def __init__(  # noqa: PLR0913 - one for each thing outside
        self,
        client: KubeClient,
        dialect: Dialect,
        routes: Routes,
        leadership: Leadership,
        *,
        allowed: Callable[[str], bool],
        mark: str = EPOCH_ANNOTATION,
        stalest: timedelta = timedelta(seconds=75),
        patience: timedelta = timedelta(seconds=20),
        indulgence: timedelta = timedelta(minutes=2),
        classes: bool = False,
    ) -> None:
        """``indulgence`` is how long whoever makes a route of the object may take for a change of it."""
        self._client = client
        self._dialect = dialect
        self._routes = routes
        self._writer = ObjectWriter(client, dialect, leadership, mark)
        self._allowed = allowed
        self._mark = mark
        self._stalest = stalest
        self._patience = Patience(patience)
        self._indulgence = Patience(indulgence)
        self._classes = classes

    async def survey(self, routed: RoutedModel, recorded: Release | None) -> Survey:
        """Who serves on the route, and what stands in the way of a rollout. Raises `TransientError`."""
        if not self._allowed(routed.namespace):
            banned = self._banned(routed.namespace)
            return Survey(problem=Reason.PERMISSION_LOST, message=banned, hopeless=True)
        try:
            standing = await self._stand(routed)
        except Forbidden as error:
            return Survey(problem=Reason.PERMISSION_LOST, message=str(error))
        except NotServed as error:
            return Survey(problem=Reason.ROUTE_NOT_FOUND, message=str(error))
        if standing is None:
            return Survey(problem=Reason.ROUTE_NOT_FOUND, message=self._missing(*self._where(routed)))
        found = self._dialect.survey(standing, routed, recorded)
        version = await self._label(routed, found.nameless) if found.nameless else ""
        survey = found.named(version) if version else found.survey
        if survey.unmirrored or not self._classes:
            return survey
        said = await unmirrored_by_class(self._client, self._dialect.resource, standing.route, routed)
        return replace(survey, unmirrored=said)

    async def observe(self, routed: RoutedModel) -> RouteSeen:
        """What the route says, who wrote it last, and whether its gateways took it.

        Raises `TransientError` when the server does not answer and nothing is known of the route.
        """
        known = self._known(routed)
        try:
            standing = await self._stand(routed)
        except Forbidden as error:
            return self._lost(known, routed, Reason.PERMISSION_LOST, str(error))
        except NotServed as error:
            return self._lost(None, routed, Reason.ROUTE_NOT_FOUND, str(error))
        except TransientError as error:
            if known is None:
                raise
            return self._unseen(known, routed, Reason.GATEWAY_UNAVAILABLE, str(error))
        if standing is None:
            return self._lost(None, routed, Reason.ROUTE_NOT_FOUND, self._missing(*self._where(routed)))
        self._patience.restore(self._key("read", routed))
        return self._indulged(self._dialect.seen(standing, routed, self._mark), routed)

    async def apply(self, routed: RoutedModel, split: Split, expected: Split) -> None:
        """Write the split, unless the route has it, and undo a latch. Returns before the gateway took it."""
        split, expected = normal(split), normal(expected)

        def change(route: Obj) -> list[Obj]:
            changes = self._dialect.change(route, routed, split, expected)
            return [*changes, *self._writer.unlatching(route)]

        def expect(routes: Sequence[Obj]) -> None:
            if isinstance(self._dialect, Several):
                self._dialect.expect(routes, routed, split, expected)

        await self._write(routed, split, change, expect)

    async def roll_back_unrecorded(self, routed: RoutedModel, reason: Reason) -> None:
        """Give everything to stable and latch it, in one patch, whatever the route holds.

        Without versions the route must tell them itself: raises `TargetError` when it does not.
        """

        def change(route: Obj) -> list[Obj]:
            weights = self._dialect.emergency(route, routed)
            return [*weights, *self._writer.latching(route, reason, moves=bool(weights))]

        await self._write(routed, None, change)

    async def _write(
        self, routed: RoutedModel, split: Split | None, change: Change, expect: Expect = lambda _: None
    ) -> None:
        """Make a change of the route as it is known; after a `Conflict` once more, as it is by then."""
        names: tuple[str, ...] = (self._dialect.object_name(routed),)
        if isinstance(self._dialect, Several):
            names = self._dialect.written(routed, split)
        key = self._key("write", routed)

        async def write(*, fresh: bool) -> None:
            routes = [await self._for_writing(routed.namespace, name, fresh=fresh) for name in names]
            expect(routes)
            for written in await self._writer.patch_all(routes, change):
                self._routes.put(written)

        try:
            try:
                await write(fresh=False)
            except Conflict:
                await write(fresh=True)
        except (Forbidden, NotFound) as error:
            if self._patience.is_over(key):
                raise
            raise TransientError(str(error)) from error
        self._patience.restore(key)

    def _indulged(self, seen: RouteSeen, routed: RoutedModel) -> RouteSeen:
        """What is seen, without a complaint that may mend itself any moment: not in force all the same."""
        key = self._key("honour", routed)
        if seen.problem is not Reason.ROUTE_NOT_HONOURED:
            self._indulgence.restore(key)
            return seen
        return seen if self._indulgence.is_over(key) else replace(seen, problem=None)

    async def _for_writing(self, namespace: str, name: str, *, fresh: bool) -> Obj:
        if not self._allowed(namespace):
            raise TargetError(self._banned(namespace))
        route = await (self._ask(namespace, name) if fresh else self._look(namespace, name))
        if route is None:
            raise NotFound(self._missing(namespace, name))
        return route

    async def _stand(self, routed: RoutedModel) -> Standing | None:
        """The route and what its dialect wants looked at beside it; a companion is always asked for."""
        route = await self._look(*self._where(routed))
        if route is None:
            return None
        beside = self._dialect.companions(route, routed)
        found = [await companion_of(self._client, routed.namespace, each) for each in beside]
        return Standing(route, tuple(found))

    def _known(self, routed: RoutedModel) -> Obj | None:
        return self._routes.get(*self._where(routed))

    def _key(self, act: str, routed: RoutedModel) -> tuple[str, str, str]:
        """What patience is had with."""
        return act, *self._where(routed)

    def _where(self, routed: RoutedModel) -> tuple[str, str]:
        """The namespace and name of the object that is read."""
        return routed.namespace, self._dialect.object_name(routed)

    async def _look(self, namespace: str, name: str) -> Obj | None:
        """The route from the cache, if that is fresh and has it, else from the server."""
        known = self._routes.get(namespace, name)
        fresh = self._routes.failure is None and self._routes.age <= self._stalest
        return known if known is not None and fresh else await self._ask(namespace, name)

    async def _ask(self, namespace: str, name: str) -> Obj | None:
        return await self._client.get(self._dialect.resource, namespace, name)

    async def _label(self, routed: RoutedModel, backend: Backend) -> str:
        """The version that the backend's label gives; empty if that cannot be had."""
        resource = resource_of(backend)
        try:
            found = await self._client.get(resource, routed.namespace, backend.name) if resource else None
        except TargetError:
            return ""
        return text(mapping(mapping(mapping(found).get("metadata")).get("labels")).get(VERSION))

    def _lost(self, known: Obj | None, routed: RoutedModel, problem: Reason, message: str) -> RouteSeen:
        """What a person must mend, once it has lasted; until then the gateway cannot be asked."""
        if self._patience.is_over(self._key("read", routed)):
            return self._unseen(known, routed, problem, message)
        if known is None:
            raise TransientError(message)
        return self._unseen(known, routed, Reason.GATEWAY_UNAVAILABLE, message)

    def _unseen(self, known: Obj | None, routed: RoutedModel, problem: Reason, message: str) -> RouteSeen:
        """What is still known of a route that cannot be looked at."""
        if known is None:
            return RouteSeen(Split(), accepted=False, problem=problem, message=message)
        seen = self._dialect.seen(Standing(known), routed, self._mark)
        return RouteSeen(seen.split, accepted=False, problem=problem, message=message, latched=seen.latched)

    def _missing(self, namespace: str, name: str) -> str:
        return f"there is no {self._dialect.resource.kind} {name} in the namespace {namespace}"

    def _banned(self, namespace: str) -> str:
        return (
            f"policies may not act in the namespace {namespace}: "
            "the operator allows namespaces in SERINUS_KUBERNETES__NAMESPACES"
        )
