"""The caches of a daemon: what it must have seen before it leads, and what it may do without."""

import asyncio

from controller.adapters.fleet.hours import Hours
from controller.adapters.fleet.register import FleetRegister
from controller.adapters.kube.pauses import PAUSE_NAME
from controller.adapters.kube.resources import CONFIG_MAPS
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.adapters.kube.wakes import Wakes
from controller.app.caches import Caches
from controller.domain.fleet.line import Limits
from controller.fleet_settings import FleetSettings
from controller.kubernetes_settings import KubernetesSettings
from tests import virtual_time
from tests.fakes import FakeClock
from tests.kube_fake import FakeApi, Serve, failure

SETTINGS = KubernetesSettings(namespaces=("ml",), lease_namespace="serinus", identity="a-pod")


def caches_of(api: FakeApi) -> tuple[Caches, FleetRegister]:
    register = FleetRegister(Limits(), Hours(FleetSettings(), FakeClock().now), dict, lambda model: None)
    wakes = Wakes(lambda model, urgent: None, dict)
    return Caches(api.client(), SETTINGS, wakes, register), register


def test_a_daemon_that_may_not_see_the_pause_says_so_and_leads_all_the_same() -> None:
    async def old_role(request: ApiRequest, serve: Serve) -> ApiAnswer:
        if "configmaps" in request.path:
            return failure(403, "Forbidden", "configmaps is forbidden")
        return serve(request)

    async def scene() -> tuple[bool, list[str], float]:
        api = FakeApi()
        api.fault = old_role
        caches, _ = caches_of(api)
        running = asyncio.create_task(caches.run())
        began = asyncio.get_running_loop().time()
        await caches.synced()
        await caches.pause_known()
        took = asyncio.get_running_loop().time() - began
        found = caches.ready, [name for name, _ in caches.failures()], took
        running.cancel()
        return found

    ready, failing, took = virtual_time.run(scene())
    assert ready
    assert failing == ["configmaps"]
    assert took <= 5


def test_a_pause_is_known_before_anything_is_done() -> None:
    async def scene() -> str:
        api = FakeApi()
        caches, register = caches_of(api)
        await api.client().create(
            CONFIG_MAPS, "serinus", {"metadata": {"name": PAUSE_NAME}, "data": {"by": "ann"}}
        )
        running = asyncio.create_task(caches.run())
        await caches.synced()
        await caches.pause_known()
        running.cancel()
        assert register.pause is not None
        return register.pause.actor

    assert virtual_time.run(scene()) == "ann"
