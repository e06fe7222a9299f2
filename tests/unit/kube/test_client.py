"""The verbs, on an API server in memory, in virtual time where something waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import pytest

from controller.adapters.kube.client import CallLimits, KubeClient
from controller.adapters.kube.errors import Deposed, Expired, Forbidden, NotFound, NotServed, Rejected
from controller.adapters.kube.resources import DEPLOYMENTS, HTTP_ROUTES, LEASES, NODES, Obj
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.errors import Conflict, TargetError, TransientError
from tests import virtual_time
from tests.kube_fake import FakeApi, Serve, answer

VERSION = "/metadata/resourceVersion"


def a_route(name: str = "fraud", **more: object) -> Obj:
    return {"metadata": {"name": name, "namespace": "ml"}, "spec": {"rules": []}, **more}


async def test_get_tells_an_absent_object_from_an_absent_kind() -> None:
    api = FakeApi()
    client = api.client()
    assert await client.get(HTTP_ROUTES, "ml", "fraud") is None
    api.put(HTTP_ROUTES, a_route())
    found = await client.get(HTTP_ROUTES, "ml", "fraud")
    assert found == api.get(HTTP_ROUTES, "ml", "fraud")
    api.unserved.add(HTTP_ROUTES)
    with pytest.raises(NotServed, match=r"no httproutes.gateway.networking.k8s.io v1. Install their CRD"):
        await client.get(HTTP_ROUTES, "ml", "fraud")


async def test_a_list_has_all_pages_and_its_items_their_kind() -> None:
    api = FakeApi()
    for number in range(7):
        api.put(HTTP_ROUTES, a_route(f"r{number}"))
    found, version = await api.client().list(HTTP_ROUTES, "ml", keep=lambda obj: {**obj, "spec": None})
    assert [obj["metadata"]["name"] for obj in found] == [f"r{number}" for number in range(7)]
    assert {(obj["apiVersion"], obj["kind"]) for obj in found} == {
        ("gateway.networking.k8s.io/v1", "HTTPRoute")
    }
    assert not any(obj["spec"] for obj in found)
    assert version == str(api.objects.version)
    assert len(api.requests) == 3


async def test_a_list_selects_by_label_and_namespace() -> None:
    api = FakeApi()
    api.put(HTTP_ROUTES, {"metadata": {"name": "a", "namespace": "ml", "labels": {"serinus.dev/model": "x"}}})
    api.put(HTTP_ROUTES, {"metadata": {"name": "b", "namespace": "ml"}})
    api.put(
        HTTP_ROUTES, {"metadata": {"name": "c", "namespace": "dev", "labels": {"serinus.dev/model": "x"}}}
    )
    client = api.client()

    async def names(namespace: str | None, labels: str = "") -> list[str]:
        found, _ = await client.list(HTTP_ROUTES, namespace, labels=labels)
        return [obj["metadata"]["name"] for obj in found]

    assert await names(None) == ["c", "a", "b"]
    assert await names("ml") == ["a", "b"]
    assert await names(None, "serinus.dev/model=x") == ["c", "a"]
    assert await names("ml", "!serinus.dev/model") == ["b"]


async def test_a_list_whose_rest_is_lost_has_expired() -> None:
    api = FakeApi()
    for number in range(7):
        api.put(HTTP_ROUTES, a_route(f"r{number}"))

    async def slow(request: ApiRequest, serve: Serve) -> ApiAnswer:
        if "continue" in request.query:
            api.compact()
        return serve(request)

    api.fault = slow
    with pytest.raises(Expired):
        await api.client().list(HTTP_ROUTES, "ml")


async def test_writes_name_their_manager_and_answer_with_the_object() -> None:
    api = FakeApi()
    client = api.client()
    made = await client.create(HTTP_ROUTES, "ml", a_route())
    assert made == api.get(HTTP_ROUTES, "ml", "fraud")
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["serinus"]
    with pytest.raises(Conflict, match="already exists"):
        await client.create(HTTP_ROUTES, "ml", a_route())
    test = {"op": "test", "path": VERSION, "value": made["metadata"]["resourceVersion"]}
    add = {"op": "add", "path": "/spec/rules/-", "value": {"name": "x"}}
    changed = await client.json_patch(HTTP_ROUTES, "ml", "fraud", [test, add])
    assert changed["spec"]["rules"] == [{"name": "x"}]
    with pytest.raises(Conflict, match="not as it was read"):
        await client.json_patch(HTTP_ROUTES, "ml", "fraud", [test, add])
    with pytest.raises(NotFound):
        await client.json_patch(HTTP_ROUTES, "ml", "other", [add])
    status = await client.json_patch(
        HTTP_ROUTES,
        "ml",
        "fraud",
        [{"op": "add", "path": "/status", "value": {"x": 1}}],
        subresource="status",
    )
    assert status["status"] == {"x": 1}
    assert status["metadata"]["generation"] == 2


async def test_delete_is_idempotent_and_minds_the_preconditions() -> None:
    api = FakeApi()
    client = api.client()
    await client.delete(DEPLOYMENTS, "ml", "fraud")
    made = api.put(DEPLOYMENTS, a_route())
    with pytest.raises(Conflict):
        await client.delete(DEPLOYMENTS, "ml", "fraud", uid="another")
    with pytest.raises(Conflict):
        await client.delete(DEPLOYMENTS, "ml", "fraud", resource_version="1")
    assert api.get(DEPLOYMENTS, "ml", "fraud") == made
    await client.delete(DEPLOYMENTS, "ml", "fraud", uid=made["metadata"]["uid"])
    assert api.get(DEPLOYMENTS, "ml", "fraud") is None
    assert api.requests[-1].body["propagationPolicy"] == "Background"


async def test_refusals_are_errors_of_ours() -> None:
    api = FakeApi()
    client = api.client()
    api.denied.add(("create", "httproutes"))
    with pytest.raises(Forbidden, match=r'"verbs": \["create"\]'):
        await client.create(HTTP_ROUTES, "ml", a_route())
    api.denied.clear()
    api.validators[HTTP_ROUTES] = lambda obj: None if obj["spec"] else "spec: Required value"
    with pytest.raises(Rejected, match="spec: Required value"):
        await client.create(HTTP_ROUTES, "ml", a_route(spec={}))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb"])
async def test_a_name_cannot_lead_elsewhere(name: str) -> None:
    api = FakeApi()
    client = api.client()
    with pytest.raises(TargetError, match="no Kubernetes object can be named"):
        await client.get(HTTP_ROUTES, "ml", name)
    with pytest.raises(TargetError, match="no Kubernetes object can be named"):
        await client.list(HTTP_ROUTES, name)
    assert not api.requests


async def test_a_write_asks_for_leave_and_a_reading_does_not() -> None:
    api = FakeApi()
    asked: list[str] = []

    def refuse() -> None:
        asked.append("asked")
        raise Deposed("not the leader")

    free = api.client()
    client = free.guarded(refuse)
    api.put(HTTP_ROUTES, a_route())
    await client.get(HTTP_ROUTES, "ml", "fraud")
    await client.list(HTTP_ROUTES, "ml")
    assert not asked
    for write in (
        client.create(HTTP_ROUTES, "ml", a_route("other")),
        client.json_patch(HTTP_ROUTES, "ml", "fraud", []),
        client.delete(HTTP_ROUTES, "ml", "fraud"),
    ):
        with pytest.raises(Deposed):
            await write
    assert len(asked) == 3
    assert not api.writes
    await free.delete(HTTP_ROUTES, "ml", "fraud")
    assert len(api.writes) == 1


def test_a_write_asks_for_leave_after_it_waited_for_its_turn() -> None:
    """Leave that was given before the wait could be over by the time of the writing."""

    async def scenario() -> None:
        api = FakeApi()
        asked: list[float] = []
        loop = asyncio.get_running_loop()
        client = KubeClient(
            api, before_write=lambda: asked.append(loop.time()), limits=CallLimits(in_flight=1)
        )

        async def slow(request: ApiRequest, serve: Serve) -> ApiAnswer:
            await asyncio.sleep(2)
            return serve(request)

        api.fault = slow
        await asyncio.gather(
            client.get(HTTP_ROUTES, "ml", "fraud"), client.create(HTTP_ROUTES, "ml", a_route())
        )
        assert asked == [2.0]

    virtual_time.run(scenario())


async def test_each_call_is_counted_once_with_its_status() -> None:
    api = FakeApi()
    counted: list[tuple[str, int]] = []
    client = api.client(count=lambda verb, status: counted.append((verb, status)))
    await client.get(HTTP_ROUTES, "ml", "fraud")
    await client.create(HTTP_ROUTES, "ml", a_route())
    await client.list(HTTP_ROUTES, "ml")
    await client.delete(HTTP_ROUTES, "ml", "fraud")

    async def broken(request: ApiRequest, serve: Serve) -> ApiAnswer:
        raise TransientError("connection reset")

    api.fault = broken
    with pytest.raises(TransientError, match="connection reset"):
        await client.get(HTTP_ROUTES, "ml", "fraud")
    assert counted == [("get", 404), ("create", 201), ("list", 200), ("delete", 200), ("get", 0)]


def test_a_call_ends_in_time_wherever_the_server_stops() -> None:
    async def scenario() -> None:
        api = FakeApi()
        loop = asyncio.get_running_loop()
        client = api.client(
            limits=CallLimits(timeout=timedelta(seconds=5), list_timeout=timedelta(seconds=30))
        )

        async def silent(request: ApiRequest, serve: Serve) -> ApiAnswer:
            await asyncio.sleep(3600)
            return serve(request)

        async def dripping(request: ApiRequest, serve: Serve) -> ApiAnswer:
            async def chunks() -> AsyncIterator[bytes]:
                while True:
                    await asyncio.sleep(1)
                    yield b" "

            return ApiAnswer(200, {}, chunks())

        for fault in (silent, dripping):
            api.fault = fault
            begun = loop.time()
            with pytest.raises(TransientError, match=r"no answer within 5 s$"):
                await client.get(HTTP_ROUTES, "ml", "fraud")
            with pytest.raises(TransientError, match="no answer within 5 s; it may have been done"):
                await client.create(HTTP_ROUTES, "ml", a_route())
            with pytest.raises(TransientError, match="no answer within 30 s"):
                await client.list(HTTP_ROUTES, "ml")
            assert loop.time() - begun == pytest.approx(40)

    virtual_time.run(scenario())


def test_all_pages_of_a_list_share_its_time() -> None:
    async def scenario() -> None:
        api = FakeApi()
        for number in range(100):
            api.put(HTTP_ROUTES, a_route(f"r{number:03}"))

        async def slow(request: ApiRequest, serve: Serve) -> ApiAnswer:
            await asyncio.sleep(4)
            return serve(request)

        api.fault = slow
        with pytest.raises(TransientError, match="no answer within 30 s"):
            await api.client().list(HTTP_ROUTES, "ml")

    virtual_time.run(scenario())


async def test_so_many_calls_are_in_flight_and_no_more() -> None:
    api = FakeApi()
    now = most = 0

    async def counting(request: ApiRequest, serve: Serve) -> ApiAnswer:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0)
        now -= 1
        return serve(request)

    api.fault = counting
    client = api.client(limits=CallLimits(in_flight=3))
    await asyncio.gather(*(client.get(HTTP_ROUTES, "ml", f"r{number}") for number in range(10)))
    assert most == 3


async def test_an_answer_that_is_too_large_is_not_kept() -> None:
    api = FakeApi()

    async def huge(request: ApiRequest, serve: Serve) -> ApiAnswer:
        return answer(200, b'{"x": "' + b"y" * 2000 + b'"}')

    api.fault = huge
    client = api.client(limits=CallLimits(largest_answer_bytes=1024))
    with pytest.raises(TransientError, match=r"larger than 0\.00\d+ MiB"):
        await client.get(HTTP_ROUTES, "ml", "fraud")
    with pytest.raises(TransientError, match="larger than"):
        async with aclosing(client.watch(HTTP_ROUTES, "ml", resource_version="1", seconds=9)) as events:
            await anext(events)


@pytest.mark.parametrize("body", ["<html>", "[]", "", '{"truncated'])
async def test_a_good_answer_that_is_no_json_is_none(body: str) -> None:
    api = FakeApi()

    async def odd(request: ApiRequest, serve: Serve) -> ApiAnswer:
        return answer(200, body)

    api.fault = odd
    with pytest.raises(TransientError, match="not the JSON of the Kubernetes API"):
        await api.client().get(HTTP_ROUTES, "ml", "fraud")


def test_a_watch_tells_what_changed_since_and_then_ends() -> None:
    async def scenario() -> None:
        api = FakeApi()
        client = api.client()
        first = api.put(HTTP_ROUTES, a_route("a"))
        api.put(HTTP_ROUTES, a_route("b"))
        since = first["metadata"]["resourceVersion"]

        async def later() -> None:
            await asyncio.sleep(5)
            api.delete(HTTP_ROUTES, "ml", "a")
            api.put(LEASES, a_route("b"))

        task = asyncio.create_task(later())
        events = client.watch(HTTP_ROUTES, "ml", resource_version=since, seconds=9.4)
        seen = [(event.type, event.object["metadata"].get("name")) async for event in events]
        await task
        assert seen == [("ADDED", "b"), ("DELETED", "a"), ("BOOKMARK", None)]
        assert asyncio.get_running_loop().time() == pytest.approx(9)
        assert api.watching == 0

    virtual_time.run(scenario())


def test_a_watch_that_the_server_does_not_end_is_ended() -> None:
    async def scenario() -> None:
        api = FakeApi()
        loop = asyncio.get_running_loop()

        async def endless(request: ApiRequest, serve: Serve) -> ApiAnswer:
            async def chunks() -> AsyncIterator[bytes]:
                await asyncio.sleep(3600)
                yield b""

            return ApiAnswer(200, {}, chunks())

        api.fault = endless
        with pytest.raises(TransientError, match="not ended within 13 s"):
            async for _ in api.client().watch(HTTP_ROUTES, "ml", resource_version="1", seconds=10):
                pass
        assert loop.time() == pytest.approx(13)

    virtual_time.run(scenario())


async def test_a_watch_from_too_long_ago_has_expired() -> None:
    api = FakeApi()
    api.put(HTTP_ROUTES, a_route())
    api.compact()
    with pytest.raises(Expired):
        async for _ in api.client().watch(HTTP_ROUTES, "ml", resource_version="7", seconds=10):
            pass


async def test_a_watch_that_is_left_is_closed() -> None:
    api = FakeApi()
    first = api.put(HTTP_ROUTES, a_route("a"))
    api.put(HTTP_ROUTES, a_route("b"))
    since = first["metadata"]["resourceVersion"]
    async with aclosing(api.client().watch(HTTP_ROUTES, "ml", resource_version=since, seconds=60)) as events:
        assert (await anext(events)).object["metadata"]["name"] == "b"
        assert api.watching == 1
    assert api.watching == 0


async def test_lines_may_come_in_any_pieces() -> None:
    lines = b"".join(
        json.dumps(
            {"type": "ADDED", "object": {"metadata": {"name": f"é{n}", "resourceVersion": "1"}}}
        ).encode()
        + b"\n"
        for n in range(3)
    )

    class Pieces:
        def __init__(self, size: int) -> None:
            self.size = size

        @asynccontextmanager
        async def send(self, request: ApiRequest) -> AsyncIterator[ApiAnswer]:
            async def chunks() -> AsyncIterator[bytes]:
                for start in range(0, len(lines), self.size):
                    yield lines[start : start + self.size]
                yield b'{"type": "cut off'

            yield ApiAnswer(200, {}, chunks())

        async def close(self) -> None: ...

    for size in (1, 2, 50, 10_000):
        client = KubeClient(Pieces(size))
        events = client.watch(NODES, resource_version="1", seconds=5)
        assert [event.object["metadata"]["name"] async for event in events] == ["é0", "é1", "é2"]
