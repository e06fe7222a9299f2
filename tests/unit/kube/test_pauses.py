"""The pause of everything in a cluster: one ConfigMap, whatever it holds."""

import asyncio
from typing import Any

import pytest

from controller.adapters.kube.pauses import PAUSE_NAME, KubePauses, pause_in
from controller.adapters.kube.reflector import Reflector
from controller.adapters.kube.resources import CONFIG_MAPS
from controller.control.errors import Refused
from controller.control.fleet import FleetControl
from controller.domain.fleet.facts import Pause
from tests import virtual_time
from tests.fakes import EPOCH
from tests.kube_fake import FakeApi
from tests.unit.cli.cluster_stage import Cluster, a_cluster

HOME = "serinus"


async def test_it_is_there_or_not() -> None:
    pauses = KubePauses(FakeApi().client(), HOME)
    assert await pauses.paused() is None
    await pauses.pause(Pause("ann", EPOCH, "an incident"))
    found = await pauses.paused()
    assert found is not None
    assert (found.actor, found.note) == ("ann", "an incident")
    await pauses.pause(None)
    await pauses.pause(None)
    assert await pauses.paused() is None


async def test_who_pauses_again_is_told_what_is_in_force() -> None:
    told: list[Pause | None] = []
    control = FleetControl(KubePauses(FakeApi().client(), HOME), told.append, lambda: EPOCH)
    first = await control.pause("ann", "an incident")
    again = await control.pause("ann", "another reason")
    assert again.message == first.message == (await control.view()).message
    assert again.message.endswith(": an incident")
    assert [each.note for each in told if each] == ["an incident"] * 2


async def test_of_two_at_the_same_time_the_first_is_the_one() -> None:
    pauses = KubePauses(FakeApi().client(), HOME)
    await pauses.pause(Pause("ann", EPOCH))
    await pauses.pause(Pause("ben", EPOCH))
    found = await pauses.paused()
    assert found is not None
    assert found.actor == "ann"


@pytest.mark.parametrize("data", [None, "text", [], {}, {"by": 7, "reason": ["x"]}, {"by": "\x1b[31m" * 90}])
def test_whatever_it_holds_it_is_a_pause_and_harmless(data: Any) -> None:
    found = pause_in({"metadata": {"name": PAUSE_NAME}, "data": data})
    assert found is not None
    assert found.actor
    assert len(found.sentence) < 1000
    assert found.sentence.isprintable()


def test_the_daemon_follows_that_one_alone() -> None:
    async def scene() -> list[str]:
        api, heard = FakeApi(), list[str]()
        client = api.client()

        def changed(old: object, new: Any) -> None:
            heard.append(new["metadata"]["name"] if new else "gone")

        following = asyncio.create_task(
            Reflector(client, CONFIG_MAPS, HOME, changed=changed, name=PAUSE_NAME).run()
        )
        for name in ("policies", PAUSE_NAME, "others"):
            await asyncio.sleep(1)
            await client.create(CONFIG_MAPS, HOME, {"metadata": {"name": name}})
        await asyncio.sleep(1)
        await client.delete(CONFIG_MAPS, HOME, PAUSE_NAME)
        await asyncio.sleep(1)
        following.cancel()
        return heard

    assert virtual_time.run(scene()) == [PAUSE_NAME, "gone"]


class TestCommandLine:
    @pytest.fixture
    def cluster(self) -> Any:
        with a_cluster() as cluster:
            yield cluster

    def test_it_pauses_where_the_daemon_lives(self, cluster: Cluster) -> None:
        cluster.install("serinus-system", namespaces=["ml"])
        cluster.install("elsewhere", namespaces=["ads"])
        assert cluster.client("ml").pause_all("an incident").paused is not None
        assert cluster.api.get(CONFIG_MAPS, "serinus-system", PAUSE_NAME) is not None
        assert cluster.api.get(CONFIG_MAPS, "elsewhere", PAUSE_NAME) is None
        assert cluster.client("ads").fleet().paused is None
        assert cluster.client("ml").fleet().paused is not None
        assert cluster.client("ml").resume_all().paused is None
        assert cluster.api.get(CONFIG_MAPS, "serinus-system", PAUSE_NAME) is None

    def test_for_all_namespaces_it_pauses_every_daemon(self, cluster: Cluster) -> None:
        for home, namespace in (("one", "ml"), ("two", "ads")):
            cluster.install(home, namespaces=[namespace])
        cluster.client(None).pause_all("")
        assert cluster.api.get(CONFIG_MAPS, "one", PAUSE_NAME) is not None
        assert cluster.api.get(CONFIG_MAPS, "two", PAUSE_NAME) is not None

    def test_where_no_daemon_can_be_seen_the_usual_home_is_asked(self, cluster: Cluster) -> None:
        cluster.client("ml").pause_all("")
        assert cluster.api.get(CONFIG_MAPS, HOME, PAUSE_NAME) is not None

    def test_the_namespace_where_a_daemon_lives_names_it_too(self, cluster: Cluster) -> None:
        cluster.install("one", namespaces=["ml"])
        cluster.install("two", namespaces=["ads"])
        cluster.client("two").pause_all("")
        assert cluster.api.get(CONFIG_MAPS, "one", PAUSE_NAME) is None
        assert cluster.api.get(CONFIG_MAPS, "two", PAUSE_NAME) is not None

    def test_one_that_refuses_keeps_no_other_from_being_paused(self, cluster: Cluster) -> None:
        for home, namespace in (("one", "ml"), ("two", "ads")):
            cluster.install(home, namespaces=[namespace])
        data = {"by": "somebody else", "reason": "an incident"}
        cluster.api.put(CONFIG_MAPS, {"metadata": {"name": PAUSE_NAME, "namespace": "one"}, "data": data})
        with pytest.raises(Refused, match="everything is paused by somebody else"):
            cluster.client(None).pause_all("")
        assert cluster.api.get(CONFIG_MAPS, "two", PAUSE_NAME) is not None
