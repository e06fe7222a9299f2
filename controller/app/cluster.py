"""The daemon in a cluster: several replicas of which one leads, for all models or for those of its shard.

The caches, the policies and the health port live in every replica, so that the next leader is warm; passes
are made by the leader alone (`controller.app.leading`). Who loses the lease ends at once, with code 70.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog

from controller.adapters.kube.client import KubeClient, connect
from controller.adapters.kube.doorman import ClusterDoorman
from controller.adapters.kube.elector import Clocks, Elector, LeaseRef
from controller.adapters.kube.errors import Deposed, LeaseLost
from controller.adapters.kube.lease import LeaseTiming
from controller.adapters.kube.library import ClusterLibrary, shown_on
from controller.adapters.kube.rivals import Rivals
from controller.adapters.kube.sharding import suffixed
from controller.adapters.kube.speaking import Patience
from controller.adapters.kube.steering import ClusterSteering
from controller.adapters.kube.wakes import Wakes
from controller.adapters.kube.watchdog import Watchdog
from controller.adapters.notify.events import EventNotifier
from controller.adapters.notify.several import SeveralNotifiers
from controller.adapters.store.kubernetes import KubernetesStore
from controller.adapters.workload.kube_releasing import ClusterReleasing
from controller.adapters.workload.served_models import ServedModels
from controller.app.api import Served, serve_api
from controller.app.caches import Caches
from controller.app.daemon import Daemon
from controller.app.leading import Leader, Outside
from controller.app.overflow import log_overflow
from controller.app.slack import serve_slack
from controller.control.board import Board
from controller.domain.model import Entry, Rollout
from controller.errors import Conflict
from controller.kubernetes_settings import KubernetesSettings
from controller.policy.watcher import FolderChange
from controller.ports import Notifier
from controller.runtime.worker import Worker
from controller.settings import Settings

log = structlog.get_logger(__name__)

EXIT_DEPOSED = 70
"""The process' exit code when it lost the lease."""

_REPORT_SECONDS = 2.0
_FLOOR_SECONDS = 10.0
_LEAVE_SECONDS = 7.0
"""How long the passes in hand, and giving the lease back, may take together."""


class ClusterDaemon(Daemon):
    """Everything that runs while Serinus runs in a cluster."""

    def __init__(self, settings: Settings, kubernetes: KubernetesSettings) -> None:
        super().__init__(settings)
        self._kubernetes = kubernetes
        self._shard = kubernetes.share
        self._leads = False

    async def _live(self, stack: AsyncExitStack) -> None:
        await self._serve_health(stack)
        self._start_timers(stack)
        own = self._kubernetes
        self._telemetry.works_on(self._shard)
        client = await connect(own.kubeconfig, own.context, count=self._telemetry.api_called)
        stack.push_async_callback(client.close)
        steering = ClusterSteering(client, own.allows, Patience())
        await serve_slack(stack, self._settings, steering, self._telemetry.slack_called)
        wakes = Wakes(self._wake, self._policies.current)
        caches = await self._caches(stack, client, steering, wakes)
        rivals, elector = self._election(client, caches)
        stack.enter_context(Watchdog(lambda: elector.overdue, lambda: os._exit(EXIT_DEPOSED)))
        leader = self._leader(stack, client.guarded(elector.check), elector, caches)
        self._show_policies(await self._policies.load_all())
        background = [
            asyncio.create_task(caches.run()),
            asyncio.create_task(self._policies.watch(self._policies_changed)),
            asyncio.create_task(self._report(caches, rivals)),
        ]
        log.info("daemon_started", identity=own.identity, pid=os.getpid(), shard=str(self._shard))
        leading = asyncio.create_task(elector.run(lambda: self._lead(leader)))
        await self._until_the_end(leading, background)

    async def _caches(
        self, stack: AsyncExitStack, client: KubeClient, steering: ClusterSteering, wakes: Wakes
    ) -> Caches:
        """The caches; with the API, which any replica serves out of them."""
        own, api, clock = self._kubernetes, self._settings.api, self._clock
        if api is None:
            return Caches(client, own, wakes, self._fleet)
        board = Board()
        caches = Caches(client, own, wakes, self._fleet, shown_on(board))
        served = Served(
            library=ClusterLibrary(
                caches.index,
                client,
                self._policies,
                clock,
                listed=lambda: caches.listed,
                named=own.namespaces,
            ),
            shelf=self._policies,
            steering=steering,
            releasing=ClusterReleasing(client, self._policies, clock, own.allows, Patience()),
            doorman=ClusterDoorman(client.guarded(lambda: None), api.audience),
            board=board,
            clock=clock,
            count=self._telemetry.web_answered,
        )
        await serve_api(stack, api, served)
        return caches

    def _wake(self, model: str, urgent: bool) -> None:  # noqa: FBT001 - as `Wake` has it
        """Models of other shards are followed, for who looks on and for who counts, but not worked on."""
        if self._shard.owns(model):
            self._queue.add(model, urgent=urgent)

    def _wake_fellow(self, model: str) -> None:
        self._wake(model, False)  # noqa: FBT003 - not urgent

    def _election(self, client: KubeClient, caches: Caches) -> tuple[Rivals, Elector]:
        own, clocks = self._kubernetes, Clocks()

        async def floor() -> int:
            async with asyncio.timeout(_FLOOR_SECONDS):
                await caches.synced()
            return caches.highest_epoch(self._shard)

        timing = LeaseTiming(
            lease=timedelta(seconds=own.lease_seconds),
            renew=timedelta(seconds=own.renew_seconds),
            retry=timedelta(seconds=own.retry_seconds),
        )
        ref = LeaseRef(own.lease_namespace, suffixed(own.lease_name, self._shard), own.identity)
        rivals = Rivals(client, own.lease_namespace, own.lease_name, self._shard, timing, clocks.monotonic)
        return rivals, Elector(client, ref, floor, timing, clocks, rivals.lead)

    def _leader(self, stack: AsyncExitStack, client: KubeClient, elector: Elector, caches: Caches) -> Leader:
        store = KubernetesStore(
            client, caches.rollouts, caches.index, elector, shard=self._shard, overflow=log_overflow
        )
        courier = self._courier(stack, store.outbox)
        events = EventNotifier(
            client, caches.object_of, self._kubernetes.identity, count=self._telemetry.notified
        )
        stack.push_async_callback(events.close)
        models = ServedModels()
        stack.push_async_callback(models.close)
        notifier = SeveralNotifiers([courier, events])
        outside = Outside(
            client=client,
            leadership=elector,
            caches=caches,
            store=store,
            metrics=self._metrics(stack),
            validator=self._validator(stack),
            gates=self._gates(stack),
            trials=self._trials(stack),
            fleet=self._fleet,
            engines=self._engines(stack),
            probes=self._probes(stack),
            models=models,
            notifier=notifier,
            telemetry=self._telemetry,
            tracing=self._tracing,
            clock=self._clock,
            policies=self._policies,
            recorded=self._recorded(notifier),
            drained=self._drained(notifier),
            take_up=courier.start,
            wake=self._wake,
        )
        return Leader(outside, self._kubernetes)

    def _drained(self, notifier: Notifier) -> Callable[[Rollout, Entry], None]:
        """Tells of how the last requests of a version ended: an Event, for it is in nobody's outbox."""

        def tell(rollout: Rollout, entry: Entry) -> None:
            if rollout.drain is not None:
                self._telemetry.drained(rollout.drain.outcome)
            notifier.tell(rollout, entry)

        return tell

    async def _lead(self, leader: Leader) -> None:
        """Work until the word to stop. Nothing is written before the succession is complete."""
        await leader.succeed()
        self._leads = True
        self._telemetry.leads(leading=True)
        for rollout in await leader.newest():
            self._telemetry.show(rollout)
        worker = Worker(leader.run_pass, self._timers, self._telemetry.pass_ended)
        workers = asyncio.create_task(self._queue.run(worker.handle, self._settings.workers))
        for model in leader.models():
            self._queue.add(model)
        try:
            await self._work(workers, [])
        finally:
            self._telemetry.leads(leading=False)

    async def _until_the_end(self, leading: asyncio.Task[None], background: list[asyncio.Task[None]]) -> None:
        """Until the word to stop, the loss of the lease, or the end of a part that must never end."""
        stopping = asyncio.create_task(self._stopping.wait())
        tasks = {leading, stopping, *background}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()  # a leader finishes what it has in hand
            if not self._leads:
                leading.cancel()
            await asyncio.wait({leading}, timeout=_LEAVE_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
        for task in (leading, *background):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                self._end_with(error)

    def _end_with(self, error: BaseException) -> None:
        if not isinstance(error, LeaseLost | Conflict | Deposed):
            raise error
        # another leads already: nothing that still runs here may hold this process up
        log.error("lease_lost", error=str(error))
        os._exit(EXIT_DEPOSED)

    def _policies_changed(self, change: FolderChange) -> None:
        self._show_policies(change)
        for model in change.models:
            self._wake(model, False)  # noqa: FBT003 - not urgent

    async def _report(self, caches: Caches, rivals: Rivals) -> None:
        """Keep /readyz current: a candidate is ready as soon as it could lead."""
        while True:
            failures = dict(caches.failures())
            for part in [part for part in self._problems if part.startswith("watch ")]:
                del self._problems[part]
            self._problems.update({f"watch {name}": error for name, error in failures.items()})
            self._notes = {
                f"waits for {each}": "it is of another number of shards" for each in rivals.waits_for
            }
            if "start" in self._problems and caches.ready:
                del self._problems["start"]
            await asyncio.sleep(_REPORT_SECONDS)
