"""What the leader does: one pass over one model, from what people wrote to what is left to clean up."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from controller.adapters.kube.aftercare import Aftercare
from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.discovery import Discovery, appeared
from controller.adapters.kube.fencing import Leadership
from controller.adapters.kube.inbox import Inbox, Unfit
from controller.adapters.kube.mirror import EVERYWHERE
from controller.adapters.kube.modelrollout import ModelRolloutSpec
from controller.adapters.kube.resources import INFERENCE_POOLS, SERVICES, Resource
from controller.adapters.kube.sharding import mark_on_routes
from controller.adapters.kube.succession import Estate, succeed
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.store.kubernetes import KubernetesStore
from controller.adapters.store.kubernetes_objects import RolloutObjects
from controller.adapters.traffic.dialect import Unstamped
from controller.adapters.traffic.dialects import DIALECTS, dialects
from controller.adapters.traffic.object_router import ObjectRouter
from controller.adapters.workload.kube_adapter_reading import Models
from controller.adapters.workload.kube_finding import find_backend
from controller.adapters.workload.kube_names import copy_name
from controller.adapters.workload.kube_problem import Problem
from controller.adapters.workload.kubernetes import KubernetesWorkload
from controller.app.caches import Caches
from controller.app.measuring import MeasuredAside
from controller.control.policies import PolicyFiles
from controller.control.service import ControlService
from controller.domain.model import CommandKind, Entry, Rollout
from controller.domain.release import Backend, BackendKind, RoutedModel
from controller.domain.vocabulary import Reason
from controller.errors import StoreUnavailable, TransientError
from controller.features import Feature
from controller.kubernetes_settings import KubernetesSettings
from controller.observer import World
from controller.ports import (
    Clock,
    Engines,
    Fleet,
    Gates,
    Notifier,
    Probes,
    Telemetry,
    Tracing,
    Trials,
    Validator,
)
from controller.reconciler import Reconciler
from controller.runtime.waking import Wake, apart, soonest

log = structlog.get_logger(__name__)

_MOST_SHOWN = 10_000


@dataclass(frozen=True, slots=True)
class Outside:
    """What the leader is given. ``client`` asks for leave before each write."""

    client: KubeClient
    leadership: Leadership
    caches: Caches
    store: KubernetesStore
    metrics: MeasuredAside
    validator: Validator
    gates: Gates
    trials: Trials
    fleet: Fleet
    engines: Engines
    probes: Probes
    models: Models
    notifier: Notifier
    telemetry: Telemetry
    tracing: Tracing
    clock: Clock
    policies: PolicyFiles
    recorded: Callable[[Rollout, Entry], None]
    drained: Callable[[Rollout, Entry], None]
    take_up: Callable[[], None]
    """Called when we lead: what an earlier leader left untold is told."""
    wake: Callable[[str, bool], None]


class Leader:
    """Made in every replica; works only in the one that leads, and on the models of its shard."""

    def __init__(self, outside: Outside, settings: KubernetesSettings) -> None:
        self._outside = outside
        self._settings = settings
        self._shard = settings.share
        caches, client = outside.caches, outside.client
        self._store = outside.store
        self._objects = RolloutObjects(self._store, caches.index, outside.clock, self._shard)
        self._routers = {
            kind: ObjectRouter(
                client,
                dialect,
                caches.routes[dialect.resource],
                outside.leadership,
                allowed=settings.allows,
                mark=mark_on_routes(self._shard),
                classes=Feature.GATEWAY_CLASSES in settings.features,
            )
            for kind, dialect in dialects(settings.features).items()
        }
        workload = KubernetesWorkload(
            client,
            caches.of,
            features=settings.features | {Feature.CORE},
            namespaces=None if EVERYWHERE in settings.namespaces else frozenset(settings.namespaces),
            models=outside.models,
        )
        self._aftercare = Aftercare(
            self._store,
            self._store,
            workload,
            outside.metrics,
            outside.policies.current,
            outside.clock,
            drained=outside.drained,
        )
        self._discovery = Discovery(client, copy_name)
        self._inbox = self._make_inbox()
        world = World(
            store=self._store,
            routers=self._routers,
            metrics=outside.metrics,
            workload=workload,
            validator=outside.validator,
            gates=outside.gates,
            trials=outside.trials,
            fleet=outside.fleet,
            engines=outside.engines,
            probes=outside.probes,
            notifier=outside.notifier,
            telemetry=outside.telemetry,
            tracing=outside.tracing,
            clock=outside.clock,
        )
        self._reconciler = Reconciler(world)

    def _make_inbox(self) -> Inbox:
        outside = self._outside
        service = ControlService(
            store=self._store,
            history=self._store,
            policies=outside.policies,
            routers=self._routers,
            wake=outside.wake,
            clock=outside.clock,
            recorded=outside.recorded,
            fleet=outside.fleet,
            next_id=self._store.next_id,
        )

        async def follow(
            rollout: Rollout, kind: CommandKind, actor: str, request_id: str, note: str, asking: int | None
        ) -> object:
            return await service.follow(
                rollout, kind, actor=actor, request_id=request_id, note=note, asking=asking
            )

        return Inbox(
            self._objects,
            self._store,
            outside.policies,
            allows=self._settings.allows,
            find=self._find_backend,
            follow=follow,
            clean=self._aftercare.clean,
            recorded=outside.recorded,
        )

    async def succeed(self) -> None:
        """Take over every rollout that is not over, and its route. Nothing else is written before."""
        caches = self._outside.caches
        await caches.synced()
        await caches.pause_known()
        estates = [*self._objects.estates(), *await self._routes()]
        epoch = self._outside.leadership.epoch
        taken = await succeed(self._outside.client, epoch, estates, caches.known)
        for estate, obj in taken:
            caches.put(estate.resource, obj)
        caches.fellows.lead()
        self._outside.take_up()
        log.info("leading", epoch=epoch, taken_over=len(taken))

    async def _routes(self) -> list[Estate]:
        found: set[Estate] = set()
        mark = mark_on_routes(self._shard)
        for model in filter(self._shard.owns, self._outside.caches.index.models()):
            try:
                opened = await self._store.open_rollouts(model)
            except StoreUnavailable as error:  # the passes of this model say the same
                log.warning("record_unreadable", model=model, error=str(error))
                continue
            for each in opened:
                policy = each.rollout.policy
                dialect = DIALECTS.get(policy.route.kind)
                stamped = dialect is not None and not isinstance(dialect, Unstamped)
                if dialect and stamped and dialect.resource in self._outside.caches.routes:
                    name = dialect.object_name(each.rollout.routed)
                    found.add(Estate(dialect.resource, policy.namespace, name, mark))
        return sorted(found, key=lambda estate: (estate.namespace, estate.name))

    def models(self) -> list[str]:
        """The shard's models that may have something to do."""
        known = {*self._outside.caches.index.models(), *self._outside.policies.current()}
        return sorted(filter(self._shard.owns, known))

    async def newest(self) -> Sequence[Rollout]:
        """The shard's rollouts, oldest first, to be shown in the metrics: others' are shown by their own."""
        found = await self._store.rollouts(None, _MOST_SHOWN)
        return [rollout for rollout in reversed(found) if self._shard.owns(rollout.model)]

    async def run_pass(self, model: str, interrupt: asyncio.Event) -> Wake | None:
        """What people wrote, then the rollouts, then what ended ones left. When the next pass is due.

        Whatever fails in the first does not keep the second from looking for harm.
        """
        failure: TransientError | None = None
        wakes: list[Wake | None] = []
        try:
            wakes.append(apart(await self._inbox.take_in(model)))
            await self._discover(model)
        except TransientError as error:
            failure = error
        wakes.append(await self._reconciler.reconcile(model, interrupt))
        if failure is not None:
            raise failure
        wakes.append(apart(await self._aftercare.tend(model)))
        return soonest(wakes)

    async def _discover(self, model: str) -> None:
        """Begin a release of a new labelled version, where the policy says so."""
        outside = self._outside
        policy = outside.policies.current().get(model)
        router = self._routers.get(policy.route.kind) if policy else None
        wanted = policy is not None and policy.workload.discover and self._settings.allows(policy.namespace)
        if policy is None or router is None or not wanted or Feature.DISCOVERY not in self._settings.features:
            return
        recorded = await self._store.serving(model)
        survey = await router.survey(RoutedModel(model, policy.route, policy.namespace), recorded)
        candidates = [
            *self._labelled(SERVICES, policy.namespace),
            *self._labelled(INFERENCE_POOLS, policy.namespace),
        ]
        found = appeared(policy, candidates, self._released(model), survey.serving)
        if found is not None:
            await self._discovery.release(policy, found)

    def _released(self, model: str) -> list[str]:
        """The versions that have a ModelRollout, however it ended."""
        held = self._outside.caches.index.of(model)
        return [text(mapping(each.obj.get("spec")).get("version")) for each in held]

    def _labelled(self, resource: Resource, namespace: str) -> list[dict[str, object]]:
        """With the kind that items of a list lack."""
        return [{"kind": resource.kind, **obj} for obj in self._outside.caches.all(resource, namespace)]

    def _find_backend(self, namespace: str, spec: ModelRolloutSpec) -> Backend | Unfit | None:
        if spec.image is not None:
            return Backend(BackendKind.SERVICE, copy_name(spec.model, spec.version))
        named = spec.backend is not None and spec.backend.name is not None
        if named or spec.storage_uri is not None:
            return None
        caches = self._outside.caches
        services, pools = caches.all(SERVICES, namespace), caches.all(INFERENCE_POOLS, namespace)
        found = find_backend(services, pools, spec.model, spec.version)
        if isinstance(found, Problem):
            return Unfit(found.reason or Reason.BACKEND_NOT_FOUND, found.message)
        return found
