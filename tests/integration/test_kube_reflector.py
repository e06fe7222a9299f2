"""The reflector on a real API server that restarts, and behind a proxy that fails in every way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from controller.adapters.kube.calls import CallLimits
from controller.adapters.kube.client import connect
from controller.adapters.kube.reflector import Pace, Reflector
from controller.adapters.kube.resources import SERVICES, Obj
from tests.kube.apiserver import ApiServer
from tests.kube.fault_rules import Fault, at_random
from tests.kube.faults import FaultyProxy, Timings

pytestmark = pytest.mark.integration
QUICK = Pace(
    resync=timedelta(seconds=4), first_wait=timedelta(seconds=0.1), longest_wait=timedelta(seconds=0.5)
)
LIMITS = CallLimits(
    timeout=timedelta(seconds=1), list_timeout=timedelta(seconds=2), silence=timedelta(0), page=3
)


class Mirror:
    """What a reflector told, put together again: it must be what the server has, each change told once."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.changes = 0

    def __call__(self, old: Obj | None, new: Obj | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        assert self.objects.get(name) == old
        assert old != new
        self.changes += 1
        if new is None:
            del self.objects[name]
        else:
            self.objects[name] = new


@asynccontextmanager
async def following(
    server: ApiServer, namespace: str, url: str | None = None
) -> AsyncIterator[tuple[Reflector, Mirror]]:
    client = await connect(server.kubeconfig("admin", url), limits=LIMITS)
    mirror = Mirror()
    reflector = Reflector(client, SERVICES, namespace, changed=mirror, pace=QUICK)
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector, mirror
    finally:
        task.cancel()
        await asyncio.wait({task})
        await client.close()


def write(server: ApiServer, namespace: str, name: str, value: int) -> None:
    spec = {"clusterIP": "None", "ports": [{"port": 80, "protocol": "TCP"}]}
    metadata = {"name": name, "namespace": namespace, "labels": {"value": str(value)}}
    server.admin.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def truth(server: ApiServer, namespace: str) -> dict[str, str]:
    found = server.admin.list("v1", "Service", namespace)
    return {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in found}


def known(reflector: Reflector) -> dict[str, str]:
    return {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in reflector.all()}


async def until(condition: Callable[[], bool], within: float = 10) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what happens in a server sets no event
            await asyncio.sleep(0.02)


async def test_it_follows_what_others_write(apiserver: ApiServer, namespace: str) -> None:
    for number in range(5):
        write(apiserver, namespace, f"s{number}", 1)
    async with following(apiserver, namespace) as (reflector, mirror):
        await reflector.synced()
        assert known(reflector) == truth(apiserver, namespace)
        write(apiserver, namespace, "s0", 2)
        apiserver.admin.delete("v1", "Service", namespace, "s1")
        write(apiserver, namespace, "new", 1)
        await until(lambda: known(reflector) == truth(apiserver, namespace), within=2)
        assert mirror.changes == 8
        await asyncio.sleep(5)  # it lists again, and there is nothing to tell
        assert mirror.changes == 8
        assert reflector.failure is None
        assert mirror.objects == {obj["metadata"]["name"]: obj for obj in reflector.all()}


async def test_whatever_befalls_it_the_end_is_the_truth(apiserver: ApiServer, namespace: str) -> None:
    on_watches = dict.fromkeys((Fault.GONE, Fault.GONE_EVENT, Fault.DROPPED, Fault.SILENT), 0.15)
    on_all = dict.fromkeys((Fault.THROTTLED, Fault.BROKEN, Fault.RESET, Fault.DRIPPING), 0.05)
    timings = Timings(hold_seconds=3, watch_within_seconds=1, drip_seconds=0.01)
    with FaultyProxy(apiserver, seed=7, timings=timings) as proxy:
        async with following(apiserver, namespace, proxy.url) as (reflector, mirror):
            await reflector.synced()
            proxy.inject(at_random(7, {**on_watches, **on_all}))
            for number in range(40):
                name = f"s{number % 4}"
                if number % 7 == 6:
                    apiserver.admin.delete("v1", "Service", namespace, name)
                else:
                    write(apiserver, namespace, name, number)
                await asyncio.sleep(0.2)
            proxy.calm()
            await until(lambda: known(reflector) == truth(apiserver, namespace))
            assert mirror.objects == {obj["metadata"]["name"]: obj for obj in reflector.all()}
            befell = {recorded.fault for recorded in proxy.recorded if recorded.fault}
            assert len(befell) >= 4, befell
