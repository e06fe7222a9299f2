"""From a committed decision to the patched route: store and router of a cluster, on a real API server.

Each round commits the next weight to a ModelRollout's status and then patches its HTTPRoute, as a pass does.
The API server of the tests and its etcd (without fsync) run on this machine; no proxy is in between.
Needs KUBEBUILDER_ASSETS.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.cluster_world import NAMESPACE, World
from bench.machine import quantile
from controller.adapters.kube.client import KubeClient, connect
from controller.adapters.kube.mirror import Mirror
from controller.adapters.kube.reflector import whole
from controller.adapters.kube.resources import HTTP_ROUTES
from controller.adapters.store.kubernetes import KubernetesStore, rollout_cache
from controller.adapters.store.kubernetes_index import RolloutIndex
from controller.adapters.traffic.gateway_api import HTTP_ROUTE
from controller.adapters.traffic.object_router import ObjectRouter
from controller.domain.commands import announce
from controller.domain.model import Rollout, Route
from controller.domain.release import Backend, BackendKind, Release, Split
from controller.ports import Stored
from deploy.local.stack import Stack
from tests.kube.apiserver import ApiServer
from tests.kube.crds.catalogue import definitions

ROUNDS = 20
AT_ONCE = (1, 16)
_PORT = 8080


class _Reign:
    """Leads without a lease: what is measured is what follows from a decision."""

    epoch = 1

    def check(self) -> None:
        """Nobody else is there."""


class _Rollouts:
    """One rollout for each model, whose weight goes up and down."""

    def __init__(self, client: KubeClient) -> None:
        index, reign = RolloutIndex(), _Reign()
        self.cache = rollout_cache(client, [NAMESPACE], index.changed)
        self.routes = Mirror(client, HTTP_ROUTES, [NAMESPACE], changed=lambda _old, _new: None, keep=whole)
        self._store = KubernetesStore(client, self.cache, index, reign)
        self._router = ObjectRouter(client, HTTP_ROUTE, self.routes, reign, allowed=lambda _: True)

    async def begin(self, rollout: Rollout) -> Stored:
        """Its record, before any weight."""
        decision = announce(rollout)
        assert decision.entry is not None
        return await self._store.create(decision.rollout, decision.entry)

    async def change(self, read: Stored, weight_permille: int) -> tuple[Stored, float]:
        """Commit another weight, then give it; the seconds from the one to the other."""
        before = read.rollout.route.intended
        split = Split(read.rollout.stable, read.rollout.release, weight_permille)
        seq = read.rollout.seq + 1
        after = replace(read.rollout, seq=seq, route=Route(before, split, weight_sum=1))
        first = announce(replace(read.rollout, seq=0)).entry
        assert first is not None
        stored = await self._store.commit(read, after, replace(first, seq=seq, event="step_advanced"))
        began = time.monotonic()
        await self._router.apply(after.routed, split, before)
        return stored, time.monotonic() - began


def _rollout(world: World, model: str) -> Rollout:
    stable, canary = (
        Release(version, backend=Backend(BackendKind.SERVICE, f"{model}-{version}", _PORT))
        for version in ("v1", "v2")
    )
    begun = world.rollout_of(f"{model}-v2", model, canary)
    return replace(begun, stable=stable, route=Route(Split(stable), Split(stable), weight_sum=1))


async def _measure(world: World, kubeconfig: Path) -> None:
    client = await connect(kubeconfig)
    rollouts = _Rollouts(client)
    following = [asyncio.create_task(each.run()) for each in (rollouts.cache, rollouts.routes)]
    await asyncio.gather(rollouts.cache.synced(), rollouts.routes.synced())
    records = [await rollouts.begin(_rollout(world, model)) for model in world.models]
    for at_once in AT_ONCE:
        waits: list[float] = []

        async def rounds(place: int, waits: list[float] = waits) -> None:
            for number in range(ROUNDS):
                records[place], seconds = await rollouts.change(records[place], 50 + 10 * (number % 2))
                waits.append(seconds)

        await asyncio.gather(*(rounds(place) for place in range(at_once)))
        p50, p99 = (quantile(waits, q) * 1e3 for q in (0.5, 0.99))
        print(f"  {at_once:>2} rollouts at once: p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(waits)} changes)")
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    await client.close()


def main() -> None:
    """Print the figures; takes half a minute."""
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS", ""))
    if not (assets / "kube-apiserver").is_file():
        print("commit to patched route: skipped, KUBEBUILDER_ASSETS names no kube-apiserver and etcd")
        return
    print("commit to patched route")
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as folder:
        (Path(folder) / "kube").mkdir()
        with ApiServer(assets, Path(folder) / "kube") as server, Stack(Path(folder) / "stack") as stack:
            server.admin.define(*definitions())
            server.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            world = World(server, stack, [f"m{number}" for number in range(max(AT_ONCE))])
            world.build(0)
            for model in world.models:
                world.release_object(f"{model}-v2", model, "v2")
            asyncio.run(_measure(world, server.kubeconfig("admin", server.direct_url)))


if __name__ == "__main__":
    main()
