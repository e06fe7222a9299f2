"""Each store on a medium of its own, ready for the contract."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from controller.adapters.kube.identity import attempt_of
from controller.adapters.kube.mirror import EVERYWHERE, Mirror
from controller.adapters.kube.resources import MODEL_ROLLOUTS
from controller.adapters.store.kubernetes import KubernetesStore, rollout_cache
from controller.adapters.store.kubernetes_index import RolloutIndex
from controller.adapters.store.sqlite import SqliteStore
from controller.domain.model import Entry, Rollout
from controller.ports import Outbox, RolloutHistory, RolloutStore
from tests.kube_fake import FakeApi


class Store(RolloutStore, RolloutHistory, Protocol):
    """Both ports."""


class Stage(Protocol):
    """A medium."""

    @property
    def store(self) -> Store:
        """Open on the medium."""
        ...

    async def place(self, rollout: Rollout) -> None:
        """Make what must be there before the rollout can be created."""
        ...

    async def another(self) -> Store:
        """A further store on the same medium."""
        ...


class SqliteStage:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "state.db"
        self._opened: list[SqliteStore] = []
        self.store = self._open()

    async def place(self, rollout: Rollout) -> None:
        """Nothing is needed."""

    async def another(self) -> Store:
        return self._open()

    def _open(self) -> SqliteStore:
        self._opened.append(SqliteStore(self._path))
        return self._opened[-1]

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


class Reign:
    """The leadership of somebody who leads."""

    def __init__(self, epoch: int = 7) -> None:
        self.epoch = epoch
        self.lost: Exception | None = None

    def check(self) -> None:
        if self.lost is not None:
            raise self.lost


class ClusterStage:
    """An API server in memory, with every store's cache running."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.reign = Reign()
        self.fallen: list[tuple[str, Entry]] = []
        self.caches: list[Mirror] = []
        self.index = RolloutIndex()
        self._tasks: list[asyncio.Task[None]] = []
        self.store = self.open(self.index)

    async def place(self, rollout: Rollout) -> None:
        name, attempt = attempt_of(rollout.id)
        if attempt == 1 and self.api.get(MODEL_ROLLOUTS, rollout.policy.namespace, name) is None:
            self.put(name, rollout.model, rollout.release.version, rollout.policy.namespace)

    def put(self, name: str, model: str = "fraud", version: str = "v2", namespace: str = "ml") -> None:
        """Apply an object as a person does; every store knows it at once."""
        spec = {"model": model, "version": version}
        obj = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        stored = self.api.put(MODEL_ROLLOUTS, obj)
        for cache in self.caches:
            cache.put(stored)

    async def another(self) -> Store:
        store = self.open(RolloutIndex())
        await self.caches[-1].synced()
        return store

    def open(self, index: RolloutIndex, reign: Reign | None = None) -> KubernetesStore:
        reign = reign or self.reign
        client = self.api.client(before_write=reign.check)
        cache = rollout_cache(client, [EVERYWHERE], index.changed)
        self.caches.append(cache)
        self._tasks.append(asyncio.get_running_loop().create_task(cache.run()))
        return KubernetesStore(
            client,
            cache,
            index,
            reign,
            overflow=lambda rollout, entry: self.fallen.append((rollout.id, entry)),
        )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


def outbox_of(store: Store) -> Outbox:
    """The outbox that the store's commits fill."""
    if isinstance(store, KubernetesStore):
        return store.outbox
    assert isinstance(store, SqliteStore)
    return store


@asynccontextmanager
async def stage_of(kind: str, folder: Path) -> AsyncIterator[Stage]:
    stage = SqliteStage(folder) if kind == "sqlite" else ClusterStage()
    try:
        yield stage
    finally:
        await stage.close()
