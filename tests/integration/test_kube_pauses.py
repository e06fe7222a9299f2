"""The pause of everything on a real API server: who may follow it, who may make it, and that it is heard."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from controller.adapters.kube.client import KubeClient, connect
from controller.adapters.kube.errors import Forbidden
from controller.adapters.kube.pauses import PAUSE_NAME, KubePauses, pause_in
from controller.adapters.kube.reflector import Reflector
from controller.adapters.kube.resources import CONFIG_MAPS
from controller.domain.fleet.facts import Pause
from tests.e2e.cluster.rights import grant
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

HEARD_SECONDS = 5


@asynccontextmanager
async def acting_as(server: ApiServer, identity: str) -> AsyncIterator[KubeClient]:
    client = await connect(server.kubeconfig(identity))
    try:
        yield client
    finally:
        await client.close()


def daemons_account(server: ApiServer, home: str) -> str:
    """The daemon's, with exactly the Role of the manifests, which has taken effect."""
    account = grant(server.admin, home, f"{home}-models", ())
    asked = ("auth", "can-i", "list", f"configmaps/{PAUSE_NAME}", f"--as={account}")
    server.admin.until(
        lambda: server.kubectl(*asked, namespace=home, check=False).returncode == 0, "the Role has effect"
    )
    return account


def config_map(server: ApiServer, namespace: str, name: str) -> None:
    metadata = {"name": name, "namespace": namespace}
    server.admin.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})


async def test_the_daemon_may_list_and_watch_that_one_and_nothing_else(
    apiserver: ApiServer, namespace: str
) -> None:
    account = daemons_account(apiserver, namespace)
    for name in (PAUSE_NAME, "serinus-policies"):
        config_map(apiserver, namespace, name)
    config_map(apiserver, f"{namespace}-models", PAUSE_NAME)
    async with acting_as(apiserver, account) as client:
        found, version = await client.list(CONFIG_MAPS, namespace, name=PAUSE_NAME)
        assert [each["metadata"]["name"] for each in found] == [PAUSE_NAME]
        watched = client.watch(CONFIG_MAPS, namespace, resource_version=version, seconds=1, name=PAUSE_NAME)
        assert [event async for event in watched if event.object.get("kind") == "ConfigMap"] == []

        async def watch(place: str, name: str) -> None:
            async for _ in client.watch(CONFIG_MAPS, place, resource_version=version, seconds=1, name=name):
                pass

        pause = Pause("daemon", datetime.now(UTC))
        other, models = "serinus-policies", f"{namespace}-models"
        refused: list[Callable[[], Awaitable[object]]] = [
            lambda: client.list(CONFIG_MAPS, namespace),
            lambda: client.list(CONFIG_MAPS, namespace, name=other),
            lambda: client.list(CONFIG_MAPS, models, name=PAUSE_NAME),
            lambda: client.list(CONFIG_MAPS, None, name=PAUSE_NAME),
            lambda: watch(namespace, ""),
            lambda: watch(namespace, other),
            lambda: watch(models, PAUSE_NAME),
            lambda: client.get(CONFIG_MAPS, namespace, PAUSE_NAME),
            lambda: client.get(CONFIG_MAPS, namespace, other),
            lambda: KubePauses(client, namespace).pause(pause),
            lambda: KubePauses(client, namespace).pause(None),
        ]
        for ask in refused:
            with pytest.raises(Forbidden):
                await ask()


async def test_the_daemon_hears_of_a_pause_and_of_its_end(apiserver: ApiServer, namespace: str) -> None:
    account = daemons_account(apiserver, namespace)
    heard: asyncio.Queue[Pause | None] = asyncio.Queue()

    async def next_heard() -> Pause | None:
        return await asyncio.wait_for(heard.get(), HEARD_SECONDS)

    async with acting_as(apiserver, account) as client, acting_as(apiserver, "admin") as person:
        reflector = Reflector(
            client,
            CONFIG_MAPS,
            namespace,
            changed=lambda _, new: heard.put_nowait(pause_in(new)),
            name=PAUSE_NAME,
        )
        following = asyncio.create_task(reflector.run())
        await reflector.synced()
        assert heard.empty()
        pauses = KubePauses(person, namespace)
        for _ in range(2):
            config_map(apiserver, namespace, "another")
            await pauses.pause(Pause("ann", datetime.now(UTC), "an incident"))
            paused = await next_heard()
            assert paused is not None
            assert (paused.actor, paused.note) == ("ann", "an incident")
            assert paused == await pauses.paused()
            await pauses.pause(None)
            assert await next_heard() is None
        following.cancel()
        await asyncio.wait({following})
    assert heard.empty()
    assert reflector.failure is None
