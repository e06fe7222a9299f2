"""Splits traffic with Envoy on one machine, through the two files that Envoy watches.

The files are the source of truth of what the gateway shall run, so they outlive a crash of Serinus and of
Envoy; Envoy's admin address says whether it does run them. Clusters are added, and confirmed, before routes
name them, and are removed some time after the last route did. A change that needs no new cluster, such as
every rollback, is one write and waits for nobody: when Envoy is down it is handed over all the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx2
import structlog

from controller.adapters.exchange import NoAnswer, plain_client
from controller.adapters.naming import testers_name
from controller.adapters.traffic.envoy_admin import EnvoyAdmin, Outcome, Resource, Versions
from controller.adapters.traffic.envoy_changes import ClusterChange, RouteChange, Step, Written, described
from controller.adapters.traffic.envoy_folder import EnvoyFolder, Look, Needs
from controller.adapters.traffic.envoy_lane import Lane
from controller.adapters.traffic.envoy_sweeper import ClusterSweeper
from controller.domain.observation import RouteSeen, Survey
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import TransientError

log = structlog.get_logger(__name__)

_GATEWAY = "envoy"
"""What the fleet's limits call it: a daemon on one machine has one."""

T = TypeVar("T")

_DISK_TIMEOUT_SECONDS = 10


class EnvoyRouter:
    """`TrafficRouter` for one Envoy.

    ``folder`` holds ``rds.json`` and ``cds.json``; ``admin_url`` is Envoy's admin address.
    ``acknowledgement_deadline`` bounds each question to Envoy and each wait for it to take a file;
    ``removal_grace`` is how long a cluster outlives the last route that named it.
    """

    def __init__(
        self,
        folder: Path,
        admin_url: str,
        *,
        client: httpx2.AsyncClient | None = None,
        acknowledgement_deadline: timedelta = timedelta(seconds=2),
        removal_grace: timedelta = timedelta(seconds=30),
    ) -> None:
        self._folder = EnvoyFolder(folder)
        self._client = plain_client() if client is None else client
        self._owns_client = client is None
        self._admin = admin = EnvoyAdmin(admin_url, self._client, acknowledgement_deadline)
        # One thread: each call of the folder is a critical section, and none blocks the event loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="envoy-files")
        self._closed = False
        self._routes = Lane(Resource.ROUTES, admin, self._write_routes, self._undo_routes)
        self._clusters = Lane(Resource.CLUSTERS, admin, self._write_clusters, self._undo_clusters)
        self._sweeper = ClusterSweeper(removal_grace, self._unused_clusters, self._remove_clusters)

    async def open(self) -> None:
        """Take the folder.

        Raises `TargetError` naming the process that has it, `TransientError` when the disk fails.
        """
        await self._on_disk(self._folder.open)
        for resource in (Resource.CLUSTERS, Resource.ROUTES):
            await self._take_back_refused(resource)
        self._sweeper.wake()

    async def close(self) -> None:
        """Stop writing and let go of the folder. What is in the files stays in force. Idempotent."""
        for part in (self._sweeper, self._routes, self._clusters, self._admin):
            await part.close()
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        self._folder.close()
        if self._owns_client:
            await self._client.aclose()

    async def survey(self, routed: RoutedModel, recorded: Release | None) -> Survey:  # noqa: ARG002 - nothing to ask
        """Nothing stands at this gateway but what Serinus wrote: the record says who serves."""
        return Survey(gateways=(_GATEWAY,), unmirrored="")

    async def observe(self, routed: RoutedModel) -> RouteSeen:
        """What the files say and whether Envoy runs them.

        An edit of the entry shows as a different split, a removed entry as an empty one.
        """
        look = await self._on_disk(self._folder.look, routed.model)
        seen = _seen(look, await self._admin.versions())
        return replace(seen, series=_series(routed.model, seen.split))

    async def apply(self, routed: RoutedModel, split: Split, expected: Split) -> None:
        """Write the split and wait until Envoy took it; return at once when Envoy is down.

        Envoy then reads the files when it starts, and `observe` says ``accepted`` False until it has. Raises
        `TransientError` when Envoy is there but does not confirm in time; the files then hold the split, or,
        if Envoy has not confirmed a cluster that it needs, only that cluster.
        """
        change = RouteChange(routed.model, routed.route, split, expected)
        needs = await self._on_disk(self._folder.needs, change)
        try:
            await self._prepare_clusters(change, needs)
            outcome = await self._routes.submit(change)
        finally:
            await self._on_disk(self._folder.release, change)
        if outcome is Outcome.DOWN:
            log.warning("gateway_down", model=routed.model, split=described(split))
        self._sweeper.wake()

    async def roll_back_unrecorded(self, routed: RoutedModel, reason: Reason) -> None:
        """Give the canary nothing, by one write that needs no disk space and no answer of Envoy."""
        await self._on_disk(self._folder.latch, routed.model, reason)

    async def _prepare_clusters(self, change: RouteChange, needs: Needs) -> None:
        if needs.missing:
            outcome = await self._clusters.submit(needs.missing)
        elif needs.fresh:
            # Written by an earlier attempt, perhaps one that Envoy did not confirm.
            outcome = await self._admin.wait_for(Resource.CLUSTERS, needs.clusters_version, None)
        else:
            return
        if outcome is Outcome.DOWN:
            return
        if outcome is Outcome.SILENT or not await self._admin.wait_until_resolved(needs.resolved):
            raise TransientError(f"Envoy has not taken the new clusters of {change.model} in time")

    async def _take_back_refused(self, resource: Resource) -> None:
        """A crash may have left a file that Envoy refuses: the one before, which it runs, comes back."""
        version = await self._on_disk(self._folder.version, resource)
        if await self._admin.wait_for(resource, version, 0) is not Outcome.REJECTED:
            return
        versions = await self._admin.versions()
        running = versions.of(resource) if isinstance(versions, Versions) else ()
        if len(set(running)) == 1 and await self._on_disk(self._folder.restore, resource, running[0]):
            log.warning("refused_file_taken_back", file=str(resource), version=running[0])

    async def _write_routes(self, changes: Sequence[RouteChange]) -> Written[RouteChange]:
        return await self._on_disk(self._folder.write_routes, changes)

    async def _undo_routes(self, steps: Sequence[Step[RouteChange]]) -> str:
        return await self._on_disk(self._folder.undo_routes, steps)

    async def _write_clusters(self, changes: Sequence[ClusterChange]) -> Written[ClusterChange]:
        return await self._on_disk(self._folder.write_clusters, changes)

    async def _undo_clusters(self, steps: Sequence[Step[ClusterChange]]) -> str:
        return await self._on_disk(self._folder.undo_clusters, steps)

    async def _unused_clusters(self) -> frozenset[str]:
        return await self._on_disk(self._folder.unused_clusters)

    async def _remove_clusters(self, names: frozenset[str]) -> None:
        """Remove them unless Envoy may still run routes that name them."""
        version = await self._on_disk(self._folder.version, Resource.ROUTES)
        outcome = await self._admin.wait_for(Resource.ROUTES, version, None)
        if outcome in (Outcome.ACCEPTED, Outcome.DOWN):
            await self._clusters.submit(ClusterChange("", dict.fromkeys(names)))

    async def _on_disk(self, call: Callable[..., T], *arguments: object) -> T:
        """Run a call of the folder in its thread. Raises `TransientError` when the disk fails or hangs."""
        if self._closed:
            raise TransientError("the gateway's files are closed: Serinus is stopping")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_DISK_TIMEOUT_SECONDS):
                return await loop.run_in_executor(self._thread, lambda: call(*arguments))
        except TimeoutError as error:
            raise TransientError(
                f"the gateway's files: no answer within {_DISK_TIMEOUT_SECONDS} s"
            ) from error
        except OSError as error:
            raise TransientError(f"the gateway's files: {error.strerror or error}") from error


def _series(model: str, split: Split) -> tuple[tuple[str, str], ...]:
    """Where the canary's requests are counted, while they are its testers' alone."""
    if split.canary is None or not split.testers_only:
        return ()
    return ((split.canary.version, testers_name(model, split.canary.version)),)


def _seen(look: Look, versions: Versions | NoAnswer) -> RouteSeen:
    entry = look.entry
    split = entry.running if entry else Split()
    latched = entry.latched if entry else None
    if look.problem:
        problem = Reason.DRIFT_DETECTED if look.lost else Reason.GATEWAY_UNAVAILABLE
        return RouteSeen(split, accepted=False, problem=problem, message=look.problem, latched=latched)
    if isinstance(versions, NoAnswer) or not versions.routes:
        why = versions.message if isinstance(versions, NoAnswer) else "it reports no version of its routes"
        message = f"Envoy's admin address: {why}"
        problem = Reason.GATEWAY_UNAVAILABLE
        return RouteSeen(split, accepted=False, problem=problem, message=message, latched=latched)
    message = ""
    if entry and entry.actual is not None:
        message = f"rds.json was edited: it has {described(split)}, Serinus wrote {described(entry.split)}"
    elif look.missing:
        message = f"cds.json lacks {', '.join(look.missing)}"
    runs = versions.run(Resource.ROUTES, look.routes_version) and versions.run(
        Resource.CLUSTERS, look.clusters_version
    )
    return RouteSeen(split, accepted=runs and not message, message=message, latched=latched)
