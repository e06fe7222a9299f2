"""What the daemon follows in a cluster: each resource once, whoever reads it."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta

from controller.adapters.fleet.register import FleetRegister
from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.fellows import Fellows
from controller.adapters.kube.identity import key_of_rollout
from controller.adapters.kube.mirror import Mirror
from controller.adapters.kube.pauses import PAUSE_NAME, pause_in
from controller.adapters.kube.reflector import Changed, Reflector, whole, without_managed_fields
from controller.adapters.kube.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    MODEL_ROLLOUTS,
    PODS,
    Obj,
    Resource,
)
from controller.adapters.kube.sharding import highest_epoch
from controller.adapters.kube.succession import Estate
from controller.adapters.kube.wakes import Wakes
from controller.adapters.store.kubernetes import rollout_cache
from controller.adapters.store.kubernetes_index import RolloutIndex
from controller.adapters.traffic.dialects import dialects
from controller.adapters.workload.kube_view import kept_pod
from controller.adapters.workload.kubernetes import WATCHED
from controller.domain.model import Rollout
from controller.domain.sharding import Shard
from controller.features import Feature
from controller.kubernetes_settings import KubernetesSettings

_PAUSE_SECONDS = 3.0


def _nobody(_old: Obj | None, _new: Obj | None) -> None:
    """Nobody looks on."""


class Caches:
    """The caches of one daemon. They are warm in those that wait for the lease, too.

    ``shown`` hears of each change of a ModelRollout, for people who look on.
    """

    def __init__(
        self,
        client: KubeClient,
        settings: KubernetesSettings,
        wakes: Wakes,
        fleet: FleetRegister,
        shown: Changed = _nobody,
    ) -> None:
        self.index = RolloutIndex()
        self.fellows = Fellows(fleet, self.index, settings.share)

        def rollout_changed(old: Obj | None, new: Obj | None) -> None:
            self.index.changed(old, new)
            wakes.rollout_changed(old, new)
            self.fellows.changed(old, new)
            shown(old, new)

        self.rollouts = rollout_cache(client, settings.namespaces, rollout_changed)
        self._pause = Reflector(
            client,
            CONFIG_MAPS,
            settings.lease_namespace,
            changed=lambda _, new: fleet.pause_is(pause_in(new)),
            name=PAUSE_NAME,
        )
        self._mirrors = {MODEL_ROLLOUTS: self.rollouts}
        self._routes = frozenset(each.resource for each in dialects(settings.features).values())
        for resource in self._routes:
            self._mirrors[resource] = Mirror(
                client, resource, settings.namespaces, changed=wakes.route_changed, keep=whole
            )
        for resource, feature in WATCHED:
            if resource not in self._mirrors and _on(feature, settings.features):
                self._mirrors[resource] = Mirror(
                    client,
                    resource,
                    settings.namespaces,
                    changed=_listener(wakes, resource),
                    keep=kept_pod if resource == PODS else without_managed_fields,
                )

    @property
    def routes(self) -> Mapping[Resource, Mirror]:
        """The caches of routes, by their kind."""
        return {resource: mirror for resource, mirror in self._mirrors.items() if resource in self._routes}

    def of(self, resource: Resource, namespace: str) -> Mirror | None:  # noqa: ARG002 - one for all namespaces
        """The cache of a resource, None where it is not followed."""
        return self._mirrors.get(resource)

    def all(self, resource: Resource, namespace: str) -> list[Obj]:
        """The objects of a namespace that are followed; shared, not to be changed."""
        mirror = self._mirrors.get(resource)
        return mirror.all(namespace) if mirror else []

    def put(self, resource: Resource, obj: Obj) -> None:
        """Take the answer to a write of our own."""
        if mirror := self._mirrors.get(resource):
            mirror.put(obj)

    def known(self, estate: Estate) -> Obj | None:
        """The object as it was last heard of."""
        mirror = self._mirrors.get(estate.resource)
        return mirror.get(estate.namespace, estate.name) if mirror else None

    def highest_epoch(self, shard: Shard) -> int:
        """The highest that any object of the shard's bears."""
        routes = (route for mirror in self.routes.values() for route in mirror.all())
        return highest_epoch(shard, self.rollouts.all(), routes)

    def object_of(self, rollout: Rollout) -> Obj | None:
        """The ModelRollout of a rollout; None if it is gone."""
        key = key_of_rollout(rollout)
        return self.rollouts.get(key.namespace, key.name)

    @property
    def _followed(self) -> "list[Mirror | Reflector]":
        return [*self._mirrors.values(), self._pause]

    @property
    def listed(self) -> bool:
        """Whether the ModelRollouts were listed once."""
        return self.rollouts.age < timedelta.max

    @property
    def ready(self) -> bool:
        """Whether everything was listed once."""
        return all(each.age < timedelta.max for each in self._mirrors.values())

    async def run(self) -> None:
        """Follow everything for ever. Only defects end it."""
        async with asyncio.TaskGroup() as group:
            for each in self._followed:
                group.create_task(each.run())

    async def synced(self) -> None:
        """Wait until everything was listed once, but for the pause of everything."""
        await asyncio.gather(*(each.synced() for each in self._mirrors.values()))

    async def pause_known(self) -> None:
        """Wait until it is known whether everything is paused, but only for a moment.

        A daemon that may not see it (its Role is of an earlier Serinus) says so on /readyz, and leads all the
        same: who does not lead rolls nothing back.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE_SECONDS):
                await self._pause.synced()

    def failures(self) -> Iterator[tuple[str, str]]:
        """What cannot be followed now: resource and reason."""
        for each in self._followed:
            if each.failure is not None:
                yield each.resource.plural, str(each.failure)


def _on(feature: Feature, features: Collection[Feature]) -> bool:
    return feature is Feature.CORE or feature in features


def _listener(wakes: Wakes, resource: Resource) -> Changed:
    return wakes.slice_changed if resource == ENDPOINT_SLICES else wakes.labelled_changed
