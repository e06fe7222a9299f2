"""A kind that moved from one group to another is found where the API server has it."""

import pytest

from controller.adapters.kube.errors import NotServed
from controller.adapters.kube.resources import FORMER_MODEL_REWRITES, MODEL_REWRITES, Resource
from controller.adapters.kube.served import Served
from controller.errors import TransientError
from tests.kube_fake import FakeApi
from tests.model_rewrites import MODEL, STABLE, rewrite, rule, target


class Server:
    """What it serves, and what it was asked; down where it serves None."""

    def __init__(self, *served: Resource) -> None:
        self.served: set[Resource] | None = set(served)
        self.asked: list[str] = []
        self.now = 100.0
        self.found = Served(lambda: self.now)

    async def knows(self, resource: Resource) -> bool:
        self.asked.append(resource.group)
        if self.served is None:
            raise TransientError("down")
        return resource in self.served

    async def choose(self) -> Resource:
        return await self.found.choose(MODEL_REWRITES, self.knows)


@pytest.mark.parametrize(
    ("served", "chosen"),
    [
        ({MODEL_REWRITES}, MODEL_REWRITES),
        ({FORMER_MODEL_REWRITES}, FORMER_MODEL_REWRITES),
        ({MODEL_REWRITES, FORMER_MODEL_REWRITES}, MODEL_REWRITES),
        (set(), MODEL_REWRITES),
    ],
)
async def test_the_newer_group_counts_wherever_it_is_served(served: set[Resource], chosen: Resource) -> None:
    assert await Server(*served).choose() == chosen


async def test_what_was_found_stands_for_a_minute() -> None:
    server = Server(FORMER_MODEL_REWRITES)
    for _ in range(3):
        assert await server.choose() == FORMER_MODEL_REWRITES
    assert server.asked == ["llm-d.ai", "inference.networking.x-k8s.io"]
    server.served = {MODEL_REWRITES, FORMER_MODEL_REWRITES}
    server.now += 59
    assert await server.choose() == FORMER_MODEL_REWRITES
    server.now += 2
    assert await server.choose() == MODEL_REWRITES


async def test_a_server_that_is_down_changes_nothing_and_says_so_only_at_first() -> None:
    server = Server(FORMER_MODEL_REWRITES)
    server.served = None
    with pytest.raises(TransientError):
        await server.choose()
    server.served = {FORMER_MODEL_REWRITES}
    await server.choose()
    server.now += 61
    server.served = None
    assert await server.choose() == FORMER_MODEL_REWRITES


async def test_a_client_reads_writes_and_lists_in_the_group_that_is_there() -> None:
    api = FakeApi()
    api.unserved = {MODEL_REWRITES}
    api.put(FORMER_MODEL_REWRITES, rewrite(rule(target(STABLE))))
    client = api.client()
    assert await client.get(MODEL_REWRITES, "ml", MODEL) is not None
    patch = [{"op": "replace", "path": "/spec/rules/0/targets/0/weight", "value": 5}]
    add = [{**patch[0], "op": "add"}]
    await client.guarded(lambda: None).json_patch(MODEL_REWRITES, "ml", MODEL, add)
    found, _ = await client.list(MODEL_REWRITES, "ml")
    assert found[0]["spec"]["rules"][0]["targets"] == [target(STABLE, 5)]
    looked = [request.path for request in api.requests if request.path.count("/") == 3]
    assert looked == ["/apis/llm-d.ai/v1alpha2", "/apis/inference.networking.x-k8s.io/v1alpha2"]


async def test_a_kind_that_is_nowhere_is_missing_under_its_newer_name() -> None:
    api = FakeApi()
    api.unserved = {MODEL_REWRITES, FORMER_MODEL_REWRITES}
    with pytest.raises(NotServed, match=r"no inferencemodelrewrites\.llm-d\.ai v1alpha2\. Install their CRD"):
        await api.client().get(MODEL_REWRITES, "ml", MODEL)
