"""A daemon wherever it runs: policies, a queue with its workers, timers, health, metrics, a way to stop."""

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import structlog

from controller.adapters import registry
from controller.adapters.fleet.hours import Hours
from controller.adapters.fleet.register import FleetRegister
from controller.adapters.gates.keeper import GateKeeper
from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.adapters.metrics.recognising import PackRecogniser
from controller.adapters.metrics.servers import PrometheusServers
from controller.adapters.notify.courier import Courier, Office
from controller.adapters.notify.links import links_at, no_links
from controller.adapters.probing.prober import Prober
from controller.adapters.telemetry import PrometheusTelemetry
from controller.adapters.tracing import tracing
from controller.adapters.trials.keeper import TrialKeeper
from controller.adapters.validation import HttpValidator
from controller.app.clock import SystemClock
from controller.app.measuring import MeasuredAside
from controller.domain.model import Entry, Rollout
from controller.policy.watcher import FolderChange, PolicyFolder
from controller.ports import Notifier, Outbox
from controller.prometheus_settings import PrometheusSettings
from controller.runtime.health import HealthServer
from controller.runtime.queue import KeyedQueue
from controller.runtime.timers import Timers
from controller.settings import Settings

log = structlog.get_logger(__name__)

_STOP_SECONDS = 4.0
"""How long the passes in hand may take to finish; the process is gone within 10 s of SIGTERM."""
_CANCEL_SECONDS = 1.0


class Daemon(ABC):
    """Everything that runs while Serinus runs, on one machine or in a cluster."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._telemetry = PrometheusTelemetry()
        self._tracing = tracing()
        self._queue = KeyedQueue(self._telemetry.pass_was_late)
        self._timers = Timers(self._queue.add)
        self._policies = PolicyFolder(settings.policies_dir, registry.catalogue())
        hours = Hours(settings.fleet, self._clock.now)
        self._fleet = FleetRegister(settings.fleet.limits, hours, self._policies.current, self._wake_fellow)
        self._telemetry.tell_of_commits(self._fleet.committed)
        self._problems: dict[str, str] = {"start": "the daemon is starting"}
        self._notes: dict[str, str] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start, work until SIGTERM or SIGINT, stop. Raises `TargetError` when it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._tracing.close)
            await self._live(stack)
        log.info("daemon_stopped")

    def _wake_fellow(self, model: str) -> None:
        """What other models wait for, or the hour, has come for a model."""
        self._queue.add(model)

    @abstractmethod
    async def _live(self, stack: AsyncExitStack) -> None:
        """Assemble the parts, which ``stack`` closes, and work until the word to stop."""

    async def _serve_health(self, stack: AsyncExitStack) -> None:
        health = HealthServer(
            self._settings.http_host,
            self._settings.http_port,
            lambda: self._problems,
            self._telemetry.registry,
            notes=lambda: self._notes,
        )
        await health.start()
        stack.push_async_callback(health.close)

    def _metrics(self, stack: AsyncExitStack) -> MeasuredAside:
        named = {name: self._source(each) for name, each in self._settings.prometheus_servers.items()}
        servers = PrometheusServers(self._source(self._settings.prometheus), named)
        stack.push_async_callback(servers.close)
        return MeasuredAside(servers, self._queue)

    def _source(self, prometheus: PrometheusSettings) -> PrometheusSource:
        access = registry.prometheus_access(prometheus)
        return PrometheusSource(prometheus.url, built_in_packs(), access, self._telemetry.query_took)

    def _validator(self, stack: AsyncExitStack) -> HttpValidator:
        validator = HttpValidator(self._settings.policies_dir)
        stack.push_async_callback(validator.close)
        return validator

    def _engines(self, stack: AsyncExitStack) -> PackRecogniser:
        engines = PackRecogniser(built_in_packs())
        stack.push_async_callback(engines.close)
        return engines

    def _probes(self, stack: AsyncExitStack) -> Prober:
        prober = Prober(registry.probe_gateways(self._settings.probe_gateways))
        stack.push_async_callback(prober.close)
        return prober

    def _courier(self, stack: AsyncExitStack, outbox: Outbox) -> Courier:
        buttons = self._settings.slack_callbacks is not None
        destinations = registry.destinations(self._settings.destinations, buttons=buttons)
        url = self._settings.api.public_url if self._settings.api is not None else None
        namespaced = self._settings.kubernetes is not None
        links = no_links if url is None else links_at(url, namespaced=namespaced)
        office = Office(outbox, self._clock, self._telemetry.notified, links=links)
        courier = Courier(office, destinations)
        stack.push_async_callback(courier.close)
        self._telemetry.watch_outbox(lambda: sum(courier.pending.values()))
        return courier

    def _gates(self, stack: AsyncExitStack) -> GateKeeper:
        keeper = GateKeeper(registry.gates(self._settings.gates), self._queue.add)
        stack.push_async_callback(keeper.close)
        return keeper

    def _trials(self, stack: AsyncExitStack) -> TrialKeeper:
        keeper = registry.trials(self._settings, self._queue.add)
        stack.push_async_callback(keeper.close)
        return keeper

    def _start_timers(self, stack: AsyncExitStack) -> None:
        self._timers.start()
        stack.callback(self._timers.close)
        watching = asyncio.create_task(self._fleet.watch_hours())
        stack.callback(watching.cancel)

    async def _work(self, workers: asyncio.Task[None], others: Sequence[asyncio.Task[None]]) -> None:
        """Until the word to stop, or until a part ends that must never end: its error is raised."""
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({stopping, workers, *others}, return_when=asyncio.FIRST_COMPLETED)
            self._problems["stop"] = "the daemon is stopping"
            self._queue.close()
            await asyncio.wait({workers}, timeout=_STOP_SECONDS)
        finally:
            tasks = {stopping, workers, *others}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)  # nobody works while the adapters close
        for task in (workers, *others):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _show_policies(self, change: FolderChange) -> None:
        for model in sorted(change.models):
            log.info("policy_in_force", model=model, digest=self._policies.current()[model].digest[:12])
        for faults in change.problems.values():
            for fault in faults:
                log.warning("policy_invalid", error=str(fault))
        self._telemetry.policies_are(self._policies.validity(), len(change.problems))

    def _recorded(self, notifier: Notifier) -> Callable[[Rollout, Entry], None]:
        """Tells of what a person's word led to as the reconciler tells of its own decisions."""

        def tell(rollout: Rollout, entry: Entry) -> None:
            self._telemetry.committed(rollout, entry)
            if entry.notable:
                notifier.tell(rollout, entry)

        return tell
