"""What Envoy shall run, on disk: the source of truth of the gateway's splits.

Synchronous; all calls come from one thread (`EnvoyRouter`), so each is a critical section of its own: it
reads the files as they are, checks, and writes. Nothing is written unless the folder's lock is held and no
later epoch is seen.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.adapters.folder_lock import FolderLock
from controller.adapters.traffic.envoy_admin import Resource
from controller.adapters.traffic.envoy_changes import (
    ClusterChange,
    RouteChange,
    Step,
    Written,
    cluster_step,
    latched_entry,
    route_step,
)
from controller.adapters.traffic.envoy_config import (
    ModelRoute,
    cluster_names,
    is_ours,
    render_clusters,
    serving_names,
)
from controller.adapters.traffic.envoy_document_file import DocumentFile
from controller.adapters.traffic.envoy_documents import Clusters, Routes, order
from controller.domain.vocabulary import Reason
from controller.errors import ControllerError

# What a rollback of a model may add to its entry: the latch, and longer numbers.
_HEADROOM_PER_MODEL_BYTES = 128
_HEADROOM_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Look:
    """What the files say about a model; ``entry`` is None when it has no route."""

    entry: ModelRoute | None
    routes_version: str
    clusters_version: str
    missing: tuple[str, ...]
    """Clusters that the split needs and ``cds.json`` lacks."""
    problem: str
    lost: bool
    """Whether the problem is that somebody removed or broke a file."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What must happen to the clusters before a change of the routes."""

    missing: ClusterChange | None
    fresh: frozenset[str]
    """Clusters that are missing, or would get traffic and were not confirmed with the present route."""
    resolved: frozenset[str]
    """Those of them whose endpoints are host names, which Envoy resolves before it uses the cluster."""
    clusters_version: str


class EnvoyFolder:
    """The two files, the lock and the epoch. Methods raise `OSError` when the medium fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FolderLock(folder)
        self._routes = DocumentFile(folder / Resource.ROUTES, Routes())
        self._clusters = DocumentFile(folder / Resource.CLUSTERS, Clusters())
        self._sequence = 0
        self._held: Counter[str] = Counter()

    def open(self) -> None:
        """Take the lock and read the files. Raises `TargetError` when another daemon has the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock.take()
        clusters, routes = self._clusters.open(), self._routes.open()
        self._lock.raise_above(max(order(clusters.version)[0], order(routes.version)[0]))

    def close(self) -> None:
        """Let go of the folder."""
        self._lock.release()

    def look(self, model: str) -> Look:
        """The model's route as the files have it now."""
        routes, clusters = self._routes.load(), self._clusters.load()
        found = None if self._routes.lost else routes.models.get(model)
        entry = found[1] if found else None
        needed = cluster_names(model, entry.split) if entry else set()
        missing = tuple(sorted(needed - clusters.entries.keys()))
        problem = self._routes.problem or self._clusters.problem
        lost = self._routes.lost or self._clusters.lost
        return Look(entry, routes.version, clusters.version, missing, problem, lost)

    def needs(self, change: RouteChange) -> Needs:
        """What the change needs of the clusters; they are kept until `release`.

        Raises what `write_routes` would refuse the change with.
        """
        routes, clusters = self._routes.load(), self._clusters.load()
        route_step(routes, change, self._lock.epoch, lost=self._routes.lost)
        wanted = render_clusters(change.model, change.split)
        missing = {name: entry for name, entry in wanted.items() if clusters.entries.get(name) != entry}
        found = routes.models.get(change.model)
        known = cluster_names(change.model, found[1].split) if found else set()
        gaining = serving_names(change.model, change.split)
        fresh = frozenset(gaining - known | missing.keys())
        self._held.update(wanted.keys())
        return Needs(
            ClusterChange(change.model, missing) if missing or self._clusters.lost else None,
            fresh,
            frozenset(name for name in fresh if wanted[name]["type"] == "STRICT_DNS"),
            clusters.version,
        )

    def release(self, change: RouteChange) -> None:
        """The change was made or given up: its clusters stand or fall with the routes."""
        self._held.subtract(cluster_names(change.model, change.split))

    def write_routes(self, changes: Sequence[RouteChange]) -> Written[RouteChange]:
        """Make the changes that may be made, in one write."""
        document, lost = self._routes.load(), self._routes.lost
        version = self._next_version()
        steps: list[Step[RouteChange]] = []
        refused: list[tuple[RouteChange, ControllerError]] = []
        for change in changes:
            try:
                step = route_step(document, change, self._lock.epoch, lost=lost)
            except ControllerError as error:
                refused.append((change, error))
                continue
            if step:
                document = document.changed(step.wrote, version)
                steps.append(step)
        if steps:
            self._save_routes(document)
        return Written(version if steps else "", tuple(steps), tuple(refused))

    def write_clusters(self, changes: Sequence[ClusterChange]) -> Written[ClusterChange]:
        """Add, replace and remove clusters, in one write."""
        document, version = self._clusters.load(), self._next_version()
        removes = any(entry is None for change in changes for entry in change.clusters.values())
        unused = self.unused_clusters() if removes else frozenset()
        steps: list[Step[ClusterChange]] = []
        for change in changes:
            step = cluster_step(document, change, unused, lost=self._clusters.lost)
            if step:
                document = document.changed(step.wrote, version)
                steps.append(step)
        if steps:
            self._save_clusters(document)
        return Written(version if steps else "", tuple(steps))

    def undo_routes(self, steps: Sequence[Step[RouteChange]]) -> str:
        """Put back what the steps replaced, where nobody has written since; gives the new version."""
        document, version = self._routes.load(), self._next_version()
        for step in reversed(steps):
            document = document.changed(step.undone(document.entries), version)
        self._save_routes(document)
        return version

    def undo_clusters(self, steps: Sequence[Step[ClusterChange]]) -> str:
        """The same for clusters."""
        document, version = self._clusters.load(), self._next_version()
        for step in reversed(steps):
            document = document.changed(step.undone(document.entries), version)
        self._save_clusters(document)
        return version

    def latch(self, model: str, reason: Reason) -> None:
        """Take all traffic from the model's canary, whatever the file says otherwise."""
        document = self._routes.load()
        changed = latched_entry(document.models.get(model), reason, self._lock.epoch)
        if changed:
            self._save_routes(document.changed(changed, self._next_version()))

    def unused_clusters(self) -> frozenset[str]:
        """Clusters of ours that no route mentions and no change is about to."""
        routes, clusters = self._routes.load(), self._clusters.load()
        if self._routes.lost or self._clusters.lost:
            return frozenset()
        used = set(re.findall(r'"([^"\\]+@[^"\\]+)"', routes.rendered().decode())) | set(+self._held)
        for _, entry in routes.models.values():
            used.update(cluster_names(entry.model, entry.split))
        return frozenset(
            name for name, entry in clusters.entries.items() if is_ours(entry) and name not in used
        )

    def version(self, resource: Resource) -> str:
        """The version that the file has now."""
        file = self._routes if resource is Resource.ROUTES else self._clusters
        return file.load().version

    def restore(self, resource: Resource, running: str) -> bool:
        """Make the content before the last write live again, if that is what Envoy runs."""
        file = self._routes if resource is Resource.ROUTES else self._clusters
        self._lock.check(0)
        return file.restore(running)

    def _save_routes(self, document: Routes) -> None:
        self._lock.check(self._highest_epoch())
        self._routes.save(document, _HEADROOM_BYTES + _HEADROOM_PER_MODEL_BYTES * len(document.models))

    def _save_clusters(self, document: Clusters) -> None:
        self._lock.check(self._highest_epoch())
        self._clusters.save(document)

    def _highest_epoch(self) -> int:
        return max(order(self._routes.load().version)[0], order(self._clusters.load().version)[0])

    def _next_version(self) -> str:
        self._sequence += 1
        return f"{self._lock.epoch}-{self._sequence}"
