"""A deposed leader writes nothing, on a real API server."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from controller.adapters.kube.client import KubeClient, connect
from controller.adapters.kube.fencing import EPOCH_ANNOTATION, epoch_of, fence, stamp, take_over
from controller.adapters.kube.resources import HTTP_ROUTES, Obj
from controller.domain.vocabulary import Reason
from controller.errors import Conflict
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration
FOREIGN = {"example.com/team": "ml"}


class Leader:
    """Reads and writes one route, in its epoch."""

    def __init__(self, client: KubeClient, namespace: str, epoch: int) -> None:
        self._client = client
        self._namespace = namespace
        self.epoch = epoch

    async def read(self) -> Obj:
        found = await self._client.get(HTTP_ROUTES, self._namespace, "fraud")
        assert found is not None
        return found

    async def take_over(self) -> Obj:
        return await take_over(self._client, HTTP_ROUTES, await self.read(), self.epoch)

    async def write(self, obj: Obj, *changes: Obj, subresource: str | None = None) -> Obj:
        operations = [*fence(obj, self.epoch), *changes]
        return await self._client.json_patch(
            HTTP_ROUTES, self._namespace, "fraud", operations, subresource=subresource
        )


def weight(value: int) -> Obj:
    return {"op": "add", "path": "/spec/rules/0/backendRefs/0/weight", "value": value}


def status(text: str) -> Obj:
    return {"op": "add", "path": "/status", "value": {"parents": [], "note": text}}


@pytest.fixture
async def leaders(apiserver: ApiServer, namespace: str) -> AsyncIterator[tuple[Leader, Leader]]:
    """The old one of epoch 6, whose stamp the route bears, and the new one of epoch 7."""
    client = await connect(apiserver.kubeconfig("admin"))
    metadata = {"name": "fraud", "namespace": namespace, "annotations": FOREIGN}
    spec = {"rules": [{"backendRefs": [{"name": "fraud-v1", "port": 80}]}]}
    body = {"apiVersion": HTTP_ROUTES.api_version, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
    await client.create(HTTP_ROUTES, namespace, body)
    old, new = (Leader(client, namespace, epoch) for epoch in (6, 7))
    await old.take_over()
    yield old, new
    await client.close()


async def test_the_stamp_is_all_that_taking_over_changes(leaders: tuple[Leader, Leader]) -> None:
    _, new = leaders
    before = await new.read()
    after = await new.take_over()
    assert epoch_of(after) == 7
    assert after["metadata"]["annotations"] == {**FOREIGN, EPOCH_ANNOTATION: "7"}
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert await new.take_over() == after


@pytest.mark.parametrize("subresource", [None, "status"])
@pytest.mark.parametrize("reads_again", [False, True])
async def test_after_the_stamp_the_old_leader_writes_nothing(
    leaders: tuple[Leader, Leader], subresource: str | None, reads_again: bool
) -> None:
    old, new = leaders
    change = weight if subresource is None else (lambda value: status(str(value)))
    read = await old.read()
    read = await old.write(read, change(1), subresource=subresource)
    taken = await new.take_over()
    if reads_again:
        read = await old.read()
    with pytest.raises(Conflict):
        await old.write(read, change(2), subresource=subresource)
    assert await new.read() == taken
    written = await new.write(taken, change(3), subresource=subresource)
    with pytest.raises(Conflict):
        await old.write(read, change(4), subresource=subresource)
    assert await new.read() == written


async def test_a_patch_that_was_under_way_does_not_get_past_the_stamp(leaders: tuple[Leader, Leader]) -> None:
    """Many patches of the old leader race the stamp: those that win do so before it."""
    old, new = leaders
    winners: list[int] = []

    async def hurry(value: int) -> None:
        try:
            done = await old.write(await old.read(), weight(value))
        except Conflict:
            return
        winners.append(int(done["metadata"]["resourceVersion"]))

    async def stamp_it() -> None:
        while True:
            with suppress(Conflict):
                await new.take_over()
                return

    await asyncio.gather(*(hurry(value) for value in range(1, 30)), stamp_it())
    taken = await new.read()
    assert epoch_of(taken) == 7
    stamped_at = int(taken["metadata"]["resourceVersion"])
    assert all(version < stamped_at for version in winners)


async def test_a_latch_stays_until_it_is_taken_away(leaders: tuple[Leader, Leader]) -> None:
    old, new = leaders
    await old.write(await old.read(), *stamp(await old.read(), 6, Reason.CHECK_FAILED))
    taken = await new.take_over()
    assert taken["metadata"]["annotations"][EPOCH_ANNOTATION] == "7 CheckFailed"
    freed = await new.write(taken, weight(9), *stamp(taken, 7, None))
    assert freed["metadata"]["annotations"] == {**FOREIGN, EPOCH_ANNOTATION: "7"}


async def test_in_every_order_the_last_word_is_the_new_leaders(leaders: tuple[Leader, Leader]) -> None:
    old, new = leaders
    steps = ("read", "write", "stamp")
    for order in itertools.permutations(steps):
        if order.index("read") > order.index("write"):
            continue
        read, done = await old.read(), []
        for step in order:
            if step == "read":
                read = await old.read()
            elif step == "stamp":
                await new.take_over()
            else:
                try:
                    await old.write(read, weight(old.epoch))
                    done.append("written")
                except Conflict:
                    done.append("refused")
        assert done == ["refused" if order.index("stamp") < order.index("write") else "written"]
        old.epoch, new.epoch = new.epoch, new.epoch + 1
