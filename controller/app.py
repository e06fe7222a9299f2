"""The composition root: the only module that names concrete classes; the daemon's life from start to stop."""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import count

import structlog

from controller import logs
from controller.adapters import registry
from controller.adapters.folder_lock import FolderLock
from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.adapters.notify.webhook import WebhookNotifier
from controller.adapters.store.sqlite import SqliteStore
from controller.adapters.telemetry import PrometheusTelemetry
from controller.adapters.validation import HttpValidator
from controller.adapters.workload.endpoints import EndpointWorkload
from controller.control.server import ControlServer
from controller.control.service import ControlService
from controller.domain.model import Entry, Rollout, Tick
from controller.errors import StoreUnavailable, TargetError
from controller.observer import World
from controller.policy.watcher import FolderChange, PolicyFolder
from controller.ports import Notifier, TrafficRouter
from controller.reconciler import Reconciler
from controller.runtime.health import HealthServer
from controller.runtime.queue import KeyedQueue
from controller.runtime.timers import Timers
from controller.runtime.worker import Worker
from controller.settings import Settings, load_settings

log = structlog.get_logger(__name__)

_STORE_CHECK_SECONDS = 5.0
_CHECKS_PER_PRUNE = 720
_MOST_SHOWN = 10_000
_STOP_SECONDS = 4.0
"""How long the passes in hand may take to finish; the process is gone within 10 s of SIGTERM."""
_CANCEL_SECONDS = 1.0


class SystemClock:
    """The machine's clocks. The monotonic one gets a name of its own in each process."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        return datetime.now(UTC)

    def tick(self) -> Tick:
        """The monotonic clock of this process."""
        return Tick(self._id, time.monotonic())


class Daemon:
    """Everything that runs while Serinus runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._telemetry = PrometheusTelemetry()
        self._queue = KeyedQueue(self._telemetry.pass_was_late)
        self._timers = Timers(self._queue.add)
        self._store = SqliteStore(settings.state_dir / "serinus.sqlite")
        self._policies = PolicyFolder(settings.policies_dir, registry.catalogue())
        self._problems: dict[str, str] = {"start": "the daemon is starting"}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start, work until SIGTERM or SIGINT, stop. Raises `TargetError` when it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with AsyncExitStack() as stack:
            worker, control = await self._assemble(stack)
            self._show_policies(await self._policies.load_all())
            workers = asyncio.create_task(self._queue.run(worker.handle, self._settings.workers))
            watchers = [
                asyncio.create_task(self._watch_store()),
                asyncio.create_task(self._policies.watch(self._show_policies)),
            ]
            await control.start()
            stack.push_async_callback(control.close)
            self._problems.pop("start")
            log.info("daemon_started", socket=str(self._settings.socket), pid=os.getpid())
            await self._work(workers, watchers)
        log.info("daemon_stopped")

    async def _assemble(self, stack: AsyncExitStack) -> tuple[Worker, ControlServer]:
        settings = self._settings
        stack.push_async_callback(self._store.close)
        self._lock_state(stack)
        routers = await self._routers(stack)
        metrics = PrometheusSource(
            settings.prometheus.url,
            built_in_packs(),
            registry.prometheus_access(settings.prometheus),
            self._telemetry.query_took,
        )
        stack.push_async_callback(metrics.close)
        workload, validator = EndpointWorkload(), HttpValidator(settings.policies_dir)
        stack.push_async_callback(workload.close)
        stack.push_async_callback(validator.close)
        notifier = WebhookNotifier(
            registry.destinations(settings.destinations), count=self._telemetry.notified
        )
        stack.push_async_callback(notifier.close)
        world = World(
            store=self._store,
            routers=routers,
            metrics=metrics,
            workload=workload,
            validator=validator,
            notifier=notifier,
            telemetry=self._telemetry,
            clock=self._clock,
        )
        health = HealthServer(
            settings.http_host, settings.http_port, lambda: self._problems, self._telemetry.registry
        )
        await health.start()
        stack.push_async_callback(health.close)
        self._timers.start()
        stack.callback(self._timers.close)
        worker = Worker(Reconciler(world).reconcile, self._timers, self._telemetry.pass_ended)
        service = ControlService(
            store=self._store,
            history=self._store,
            policies=self._policies,
            routers=routers,
            wake=lambda model, urgent: self._queue.add(model, urgent=urgent),
            clock=self._clock,
            recorded=self._recorded(notifier),
        )
        return worker, ControlServer(settings.socket, service, operators_gid=settings.operators_gid)

    def _lock_state(self, stack: AsyncExitStack) -> None:
        """Two daemons on one record would decide everything twice, even with a gateway each.

        Raises `TargetError` naming the other. A folder that cannot be written is the store's to tell of.
        """
        lock = FolderLock(self._settings.state_dir)
        stack.callback(lock.release)
        try:
            lock.take()
        except OSError as error:
            log.warning("state_not_locked", error=str(error))

    async def _routers(self, stack: AsyncExitStack) -> Mapping[str, TrafficRouter]:
        opened: dict[str, TrafficRouter] = {}
        for kind, router in registry.routers(self._settings).items():
            await router.open()
            stack.push_async_callback(router.close)
            opened[kind] = router
        return opened

    async def _work(self, workers: asyncio.Task[None], watchers: list[asyncio.Task[None]]) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            # whichever ends first: a word to stop, or a part that must never end
            await asyncio.wait({stopping, workers, *watchers}, return_when=asyncio.FIRST_COMPLETED)
            self._problems["stop"] = "the daemon is stopping"
            self._queue.close()
            await asyncio.wait({workers}, timeout=_STOP_SECONDS)
        finally:
            tasks = {stopping, workers, *watchers}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)  # nobody works while the adapters close
        for task in (workers, *watchers):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _watch_store(self) -> None:
        """Wake every model when the store can be read, at the start and after each failure of it."""
        readable = False
        for check in count():
            try:
                models = await self._store.models()
                if not readable:
                    await self._wake_all(models)
                if check % _CHECKS_PER_PRUNE == 0:
                    await self._store.prune()
                self._problems.pop("store", None)
                readable = True
            except StoreUnavailable as error:
                if self._problems.get("store") != str(error):
                    log.warning("store_unavailable", error=str(error))
                self._problems["store"] = str(error)
                readable = False
            await asyncio.sleep(_STORE_CHECK_SECONDS)

    async def _wake_all(self, models: Sequence[str]) -> None:
        for rollout in reversed(await self._store.rollouts(None, limit=_MOST_SHOWN)):
            self._telemetry.show(rollout)
        for model in models:
            self._queue.add(model)

    def _show_policies(self, change: FolderChange) -> None:
        for model in sorted(change.models):
            log.info("policy_in_force", model=model, digest=self._policies.current()[model].digest[:12])
        for faults in change.problems.values():
            for fault in faults:
                log.warning("policy_invalid", error=str(fault))
        for model, valid in self._policies.validity().items():
            self._telemetry.policy_is(model, valid=valid)

    def _recorded(self, notifier: Notifier) -> Callable[[Rollout, Entry], None]:
        """Tells of what a person's word led to as the reconciler tells of its own decisions."""

        def tell(rollout: Rollout, entry: Entry) -> None:
            self._telemetry.committed(rollout, entry)
            if entry.notable:
                notifier.tell(rollout, entry)

        return tell


def run() -> int:
    """Run the daemon until it is told to stop; returns the process' exit code."""
    try:
        settings = load_settings()
        logs.configure(settings.log_format, settings.log_level)
        asyncio.run(Daemon(settings).run())
    except TargetError as error:
        sys.stderr.write(f"serinus: {error}\n")
        return 1
    return 0
