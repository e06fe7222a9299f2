"""The daemon on one machine: a state file, an Envoy, versions at known addresses, a socket for people."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import count

import structlog

from controller.adapters import registry
from controller.adapters.folder_lock import FolderLock
from controller.adapters.store.sqlite import SqliteStore
from controller.adapters.token_file import TokenFile
from controller.adapters.workload.endpoints import EndpointWorkload
from controller.api_settings import ApiSettings
from controller.app.api import Served, serve_api
from controller.app.daemon import Daemon
from controller.app.slack import serve_slack
from controller.control.board import Board
from controller.control.doors import MACHINE
from controller.control.fleet import FleetControl
from controller.control.library import MachineLibrary
from controller.control.server import ControlServer
from controller.control.service import ControlService
from controller.control.steering import MachineReleasing, MachineSteering
from controller.control.views import status_view
from controller.domain.fleet.members import Member, member_of
from controller.domain.model import Rollout
from controller.domain.sharding import WHOLE
from controller.errors import InvariantError, StoreUnavailable
from controller.observer import World
from controller.ports import TrafficRouter
from controller.reconciler import Reconciler
from controller.runtime.worker import Worker
from controller.settings import Settings

log = structlog.get_logger(__name__)

_STORE_CHECK_SECONDS = 5.0
_CHECKS_PER_PRUNE = 720
_SHOWN_AT_ONCE = 250


class MachineDaemon(Daemon):
    """Everything that runs while Serinus runs on one machine."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        if settings.state_dir is None:
            error = "on one machine the settings have a state_dir"
            raise InvariantError(error)
        self._state_dir = settings.state_dir
        self._store = SqliteStore(settings.state_dir / "serinus.sqlite")

    async def _live(self, stack: AsyncExitStack) -> None:
        worker, control = await self._assemble(stack)
        self._show_policies(await self._policies.load_all())
        workers = asyncio.create_task(self._queue.run(worker.handle, self._settings.workers))
        watchers = [
            asyncio.create_task(self._watch_store()),
            asyncio.create_task(self._policies.watch(self._show_policies)),
        ]
        self._telemetry.works_on(WHOLE)
        self._telemetry.leads(leading=True)
        await control.start()
        stack.push_async_callback(control.close)
        self._problems.pop("start")
        log.info("daemon_started", socket=str(self._settings.socket), pid=os.getpid())
        await self._work(workers, watchers)

    async def _assemble(self, stack: AsyncExitStack) -> tuple[Worker, ControlServer]:
        settings = self._settings
        stack.push_async_callback(self._store.close)
        self._lock_state(stack)
        routers = await self._routers(stack)
        metrics = self._metrics(stack)
        workload = EndpointWorkload()
        stack.push_async_callback(workload.close)
        validator, courier = self._validator(stack), self._courier(stack, self._store)
        world = World(
            store=self._store,
            routers=routers,
            metrics=metrics,
            workload=workload,
            validator=validator,
            gates=self._gates(stack),
            trials=self._trials(stack),
            fleet=self._fleet,
            engines=self._engines(stack),
            probes=self._probes(stack),
            notifier=courier,
            telemetry=self._telemetry,
            tracing=self._tracing,
            clock=self._clock,
        )
        courier.start()
        await self._serve_health(stack)
        self._start_timers(stack)
        worker = Worker(Reconciler(world).reconcile, self._timers, self._telemetry.pass_ended)
        service = ControlService(
            store=self._store,
            history=self._store,
            policies=self._policies,
            routers=routers,
            wake=lambda model, urgent: self._queue.add(model, urgent=urgent),
            clock=self._clock,
            recorded=self._recorded(courier),
            fleet=self._fleet,
        )
        steering = MachineSteering(service, self._store)
        await serve_slack(stack, settings, steering, self._telemetry.slack_called)
        if settings.api is not None:
            await self._serve_api(stack, settings.api, service, steering)
        fleet = FleetControl(self._store, self._fleet.pause_is, self._clock.now)
        return worker, ControlServer(settings.socket, service, fleet, operators_gid=settings.operators_gid)

    async def _serve_api(
        self, stack: AsyncExitStack, api: ApiSettings, service: ControlService, steering: MachineSteering
    ) -> None:
        board, clock = Board(), self._clock

        def put(rollout: Rollout) -> None:
            board.put(MACHINE, rollout.model, rollout.id, lambda now: status_view(rollout, now))

        self._telemetry.tell_of_commits(put)
        assert api.token_file is not None, "the settings have one on one machine"
        tokens = TokenFile(api.token_file)
        log.info("api_tokens_read", tokens=tokens.check())
        served = Served(
            library=MachineLibrary(self._store, self._policies, clock),
            shelf=self._policies,
            steering=steering,
            releasing=MachineReleasing(service),
            doorman=tokens,
            board=board,
            clock=clock,
            count=self._telemetry.web_answered,
        )
        await serve_api(stack, api, served)

    def _lock_state(self, stack: AsyncExitStack) -> None:
        """Two daemons on one record would decide everything twice, even with a gateway each.

        Raises `TargetError` naming the other. A folder that cannot be written is the store's to tell of.
        """
        lock = FolderLock(self._state_dir)
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
        known: list[Member] = []
        for begin in range(0, len(models), _SHOWN_AT_ONCE):  # of thousands: not all in memory at once
            together = models[begin : begin + _SHOWN_AT_ONCE]
            for rollout in reversed(await self._store.current(together)):
                self._telemetry.show(rollout)
                known.append(member_of(rollout))
        self._fleet.load(known)
        self._fleet.pause_is(await self._store.paused())
        for model in models:
            self._queue.add(model)
