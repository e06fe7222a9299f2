"""One resource in all namespaces where policies may act: several reflectors that are read as one."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.reflector import Changed, Pace, Reflector, without_managed_fields
from controller.adapters.kube.resources import Obj, Resource
from controller.errors import ControllerError

EVERYWHERE = "*"


class Mirror:
    """Has the readers and writers of a `Reflector`. ``namespaces`` is ``["*"]`` or names."""

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        namespaces: Sequence[str],
        *,
        changed: Changed,
        keep: Callable[[Obj], Obj] = without_managed_fields,
        every_version: bool = False,
        pace: Pace = Pace(),  # noqa: B008 - frozen
    ) -> None:
        homes: list[str | None] = [None] if EVERYWHERE in namespaces else list(dict.fromkeys(namespaces))
        self.resource = resource
        self._by_home = {
            home: Reflector(
                client, resource, home, changed=changed, keep=keep, every_version=every_version, pace=pace
            )
            for home in homes
        }

    def get(self, namespace: str, name: str) -> Obj | None:
        """The object, shared: not to be changed. None in a namespace that is not followed."""
        reflector = self._of(namespace)
        return reflector.get(namespace, name) if reflector else None

    def all(self, namespace: str | None = None) -> list[Obj]:
        """The objects of one namespace, or all that are followed, in no order; shared."""
        return [obj for reflector in self._by_home.values() for obj in reflector.all(namespace)]

    def put(self, obj: Obj) -> None:
        """Take the answer to a write of our own."""
        if reflector := self._of(obj["metadata"].get("namespace", "")):
            reflector.put(obj)

    def drop(self, namespace: str, name: str) -> None:
        """Forget an object that we deleted."""
        if reflector := self._of(namespace):
            reflector.drop(namespace, name)

    def follows(self, namespace: str) -> bool:
        """Whether objects of the namespace are followed."""
        return self._of(namespace) is not None

    @property
    def age(self) -> timedelta:
        """How long ago the server last said what there is, of the namespace that it said least of."""
        return max(reflector.age for reflector in self._by_home.values())

    @property
    def failure(self) -> ControllerError | None:
        """Why the last attempt failed somewhere; None when none did."""
        return next((each.failure for each in self._by_home.values() if each.failure), None)

    async def synced(self) -> None:
        """Wait for the first list of each namespace."""
        for reflector in self._by_home.values():
            await reflector.synced()

    async def run(self) -> None:
        """Follow them for ever. Only defects end it."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._by_home.values():
                group.create_task(reflector.run())

    def _of(self, namespace: str) -> Reflector | None:
        return self._by_home.get(namespace) or self._by_home.get(None)
