"""The reflector on an API server in memory, in virtual time."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.adapters.kube.reflector import Pace, Reflector, whole
from controller.adapters.kube.resources import HTTP_ROUTES, Obj
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.errors import TransientError
from tests import virtual_time
from tests.kube_fake import FakeApi, Serve, answer, failure


def a_route(name: str = "fraud", weight: int = 0, namespace: str = "ml") -> Obj:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"weight": weight}}


class Told:
    """What a reflector reported: the weight before and after, None for no object."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, int | None, int | None]] = []

    def __call__(self, old: Obj | None, new: Obj | None) -> None:
        some = new or old
        assert some is not None
        before, after = (obj["spec"]["weight"] if obj else None for obj in (old, new))
        self.changes.append((some["metadata"]["name"], before, after))


@asynccontextmanager
async def following(api: FakeApi, told: Told | None = None, **more: Any) -> AsyncIterator[Reflector]:
    reflector = Reflector(api.client(), HTTP_ROUTES, "ml", changed=told or Told(), **more)
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector
    finally:
        task.cancel()
        await asyncio.wait({task})


async def settled() -> None:
    """Long enough for events that are there to be read, and for no time-out."""
    await asyncio.sleep(0.001)


def in_virtual_time(scenario: Callable[[FakeApi], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        virtual_time.run(scenario(FakeApi()))

    test.__name__ = test.__qualname__ = scenario.__name__
    return test


def lists(api: FakeApi) -> int:
    return sum("watch" not in request.query for request in api.requests)


def watches(api: FakeApi) -> int:
    return len(api.requests) - lists(api)


def set_weight(api: FakeApi, name: str, weight: int) -> None:
    api.modify(HTTP_ROUTES, "ml", name, lambda obj: obj["spec"].update(weight=weight))


def weight_in(reflector: Reflector, name: str = "a") -> int | None:
    found = reflector.get("ml", name)
    return None if found is None else found["spec"]["weight"]


@in_virtual_time
async def test_it_lists_and_then_follows(api: FakeApi) -> None:
    told = Told()
    api.put(HTTP_ROUTES, a_route("a"))
    async with following(api, told) as reflector:
        assert reflector.age == timedelta.max
        await reflector.synced()
        assert [obj["metadata"]["name"] for obj in reflector.all()] == ["a"]
        await settled()
        api.put(HTTP_ROUTES, a_route("b", 1))
        api.put(HTTP_ROUTES, a_route("c", 1, namespace="other"))
        set_weight(api, "a", 7)
        await settled()
        api.delete(HTTP_ROUTES, "ml", "b")
        await settled()
        assert reflector.get("ml", "b") is None
        assert [obj["spec"] for obj in reflector.all("ml")] == [{"weight": 7}]
        assert reflector.all("other") == []
    assert told.changes == [("a", None, 0), ("b", None, 1), ("a", 0, 7), ("b", 1, None)]
    assert api.watching == 0


@in_virtual_time
async def test_what_is_not_kept_takes_no_memory_and_makes_no_noise(api: FakeApi) -> None:
    told = Told()
    api.put(HTTP_ROUTES, a_route("a"))
    async with following(api, told) as reflector, following(api, keep=whole) as complete:
        await settled()
        set_weight(api, "a", 1)
        await settled()
        seen, everything = reflector.get("ml", "a"), complete.get("ml", "a")
        assert seen is not None
        assert "managedFields" not in seen["metadata"]
        assert everything == api.get(HTTP_ROUTES, "ml", "a")
        assert everything is not None
        assert everything["metadata"]["managedFields"][0]["manager"] == "tests"

    def only_weight(obj: Obj) -> Obj:
        names = ("name", "namespace", "uid", "resourceVersion")
        metadata = {name: obj["metadata"][name] for name in names}
        return {"metadata": metadata, "spec": {"weight": obj["spec"]["weight"]}}

    told.changes.clear()
    async with following(api, told, keep=only_weight) as reflector:
        await settled()
        api.modify(HTTP_ROUTES, "ml", "a", lambda obj: obj["spec"].update(other=9))
        await settled()
        assert reflector.all()[0]["spec"] == {"weight": 1}
        last = api.get(HTTP_ROUTES, "ml", "a")
        assert last is not None
        assert reflector.all()[0]["metadata"]["resourceVersion"] == last["metadata"]["resourceVersion"]
    assert told.changes == [("a", None, 1)]


@in_virtual_time
async def test_it_lists_again_before_a_minute_is_over_and_asks_little(api: FakeApi) -> None:
    async with following(api) as reflector:
        await asyncio.sleep(3600.5)  # between two lists: watches last whole seconds
        assert reflector.failure is None
        assert 60 <= lists(api) <= 90
        assert watches(api) == lists(api)
        assert reflector.age < timedelta(seconds=60)


@in_virtual_time
async def test_what_the_watch_misses_the_next_list_finds(api: FakeApi) -> None:
    """A watch that stands and says nothing."""
    told = Told()

    async def mute(request: ApiRequest, serve: Serve) -> ApiAnswer:
        if "watch" not in request.query:
            return serve(request)

        async def silence() -> AsyncIterator[bytes]:
            await asyncio.sleep(600)
            yield b""

        return ApiAnswer(200, {}, silence())

    api.fault = mute
    api.put(HTTP_ROUTES, a_route("a"))
    api.put(HTTP_ROUTES, a_route("b"))
    async with following(api, told) as reflector:
        await settled()
        set_weight(api, "a", 7)
        api.delete(HTTP_ROUTES, "ml", "b")
        await asyncio.sleep(60)
        assert weight_in(reflector) == 7
        await asyncio.sleep(600)
    assert told.changes[2:] == [("a", 0, 7), ("b", 0, None)]


@in_virtual_time
async def test_after_a_lost_connection_it_goes_on(api: FakeApi) -> None:
    told = Told()
    api.put(HTTP_ROUTES, a_route("a"))
    async with following(api, told) as reflector:
        for weight in range(1, 20):
            await asyncio.sleep(5)
            api.drop_watches()
            set_weight(api, "a", weight)
            await asyncio.sleep(0.6)
            assert weight_in(reflector) == weight
    assert told.changes == [("a", None, 0), *(("a", weight - 1, weight) for weight in range(1, 20))]


@in_virtual_time
async def test_when_the_history_is_gone_it_lists_again(api: FakeApi) -> None:
    api.put(HTTP_ROUTES, a_route("a"))
    gone = True

    async def expired(request: ApiRequest, serve: Serve) -> ApiAnswer:
        if not gone or "watch" not in request.query:
            return serve(request)
        if len(api.requests) % 4:
            return failure(410, "Expired", "too old resource version")
        status = {"kind": "Status", "code": 410, "message": "too old resource version"}
        return answer(200, {"type": "ERROR", "object": status})

    async with following(api) as reflector:
        await settled()
        api.fault = expired
        api.drop_watches()
        await asyncio.sleep(10)
        set_weight(api, "a", 5)
        await asyncio.sleep(11)
        assert weight_in(reflector) == 5
        assert reflector.failure is not None
        gone = False
        await asyncio.sleep(11)
        assert reflector.failure is None


@in_virtual_time
async def test_it_is_never_in_a_hurry_whatever_the_server_does(api: FakeApi) -> None:
    """Empty streams, and each kind of failure: some requests at first, and then few."""

    async def empty(request: ApiRequest, serve: Serve) -> ApiAnswer:
        return answer(200, b"") if "watch" in request.query else serve(request)

    async def refused(request: ApiRequest, serve: Serve) -> ApiAnswer:
        raise TransientError("connection refused")

    async def forbidden(request: ApiRequest, serve: Serve) -> ApiAnswer:
        return failure(403, "Forbidden", 'User "serinus" cannot list')

    async def broken(request: ApiRequest, serve: Serve) -> ApiAnswer:
        return answer(200, "<html>")

    for fault in (empty, refused, forbidden, broken):
        api.fault = fault
        api.requests.clear()
        async with following(api) as reflector:
            await asyncio.sleep(300)
            assert reflector.failure is not None
            assert 30 <= len(api.requests) <= 140, fault.__name__
            api.fault = None
            await asyncio.sleep(11)
            assert reflector.failure is None


@in_virtual_time
async def test_it_waits_as_long_as_the_server_asks(api: FakeApi) -> None:
    async def busy(request: ApiRequest, serve: Serve) -> ApiAnswer:
        return answer(429, {"message": "too many requests"}, {"Retry-After": "30"})

    api.fault = busy
    async with following(api):
        await asyncio.sleep(299)
        assert len(api.requests) == 10


@in_virtual_time
async def test_old_news_does_not_take_it_back(api: FakeApi) -> None:
    told = Told()
    api.put(HTTP_ROUTES, a_route("a", 1))
    old = api.get(HTTP_ROUTES, "ml", "a")
    assert old is not None
    set_weight(api, "a", 2)

    async def replayed(request: ApiRequest, serve: Serve) -> ApiAnswer:
        if "watch" not in request.query:
            return serve(request)
        events = [{"type": kind, "object": old} for kind in ("ADDED", "MODIFIED", "DELETED", "UNHEARD_OF")]
        lines = "".join(json.dumps(event) + "\n" for event in events)
        return answer(200, lines)

    api.fault = replayed
    async with following(api, told) as reflector:
        await asyncio.sleep(100)
        assert weight_in(reflector) == 2
    assert told.changes == [("a", None, 2)]


@in_virtual_time
async def test_our_own_writes_are_read_at_once_and_told_once(api: FakeApi) -> None:
    told = Told()
    api.put(HTTP_ROUTES, a_route("a"))
    async with following(api, told) as reflector:
        await settled()
        client = api.client()
        operation = {"op": "replace", "path": "/spec/weight", "value": 5}
        reflector.put(await client.json_patch(HTTP_ROUTES, "ml", "a", [operation]))
        assert weight_in(reflector) == 5
        assert told.changes == [("a", None, 0), ("a", 0, 5)]
        await client.delete(HTTP_ROUTES, "ml", "a")
        reflector.drop("ml", "a")
        assert reflector.all() == []
        await asyncio.sleep(100)
        assert told.changes == [("a", None, 0), ("a", 0, 5), ("a", 5, None)]


@in_virtual_time
async def test_a_listener_that_breaks_is_logged_and_the_rest_is_told(api: FakeApi) -> None:
    told = Told()

    def broken(old: Obj | None, new: Obj | None) -> None:
        told(old, new)
        raise KeyError("a defect")

    api.put(HTTP_ROUTES, a_route("a"))
    api.put(HTTP_ROUTES, a_route("b"))
    reflector = Reflector(api.client(), HTTP_ROUTES, "ml", changed=broken)
    with capture_logs() as logs:
        task = asyncio.create_task(reflector.run())
        await settled()
        set_weight(api, "a", 1)
        await settled()
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})
    assert told.changes == [("a", None, 0), ("b", None, 0), ("a", 0, 1)]
    assert [entry["event"] for entry in logs] == ["change_listener_broke"] * 3
    assert all(entry["exc_info"] for entry in logs)


@in_virtual_time
async def test_a_list_that_is_older_than_the_last_is_believed_the_second_time(api: FakeApi) -> None:
    """As from a proxy that replays an answer, and as from a server that was restored from a backup."""
    told = Told()
    restored = FakeApi()
    restored.put(HTTP_ROUTES, a_route("a", 3))
    for weight in range(9):
        api.put(HTTP_ROUTES, a_route("a", weight))

    async def replayed_once(request: ApiRequest, serve: Serve) -> ApiAnswer:
        api.fault = None
        return restored.answer(request)

    async with following(api, told) as reflector:
        await settled()
        for _ in range(2):
            api.fault = replayed_once
            api.drop_watches()
            await asyncio.sleep(10)
            assert weight_in(reflector) == 8
        api.objects, api.fault = restored.objects, None
        api.drop_watches()
        await asyncio.sleep(10)
        assert weight_in(reflector) == 3
        set_weight(api, "a", 4)
        await settled()
        assert weight_in(reflector) == 4
    assert told.changes == [("a", None, 8), ("a", 8, 3), ("a", 3, 4)]


@in_virtual_time
async def test_the_age_is_that_of_the_last_word_of_the_server(api: FakeApi) -> None:
    async with following(api) as reflector:
        await reflector.synced()
        await asyncio.sleep(30)
        assert reflector.age.total_seconds() == pytest.approx(30, abs=0.1)
        api.put(HTTP_ROUTES, a_route("a"))
        await settled()
        assert reflector.age < timedelta(seconds=0.1)

        async def refused(request: ApiRequest, serve: Serve) -> ApiAnswer:
            raise TransientError("connection refused")

        api.fault = refused
        api.drop_watches()
        await asyncio.sleep(600)
        assert reflector.age > timedelta(seconds=599)
        assert str(reflector.failure) == "connection refused"


@in_virtual_time
async def test_it_can_be_quicker(api: FakeApi) -> None:
    pace = Pace(resync=timedelta(seconds=4), longest_wait=timedelta(seconds=1))
    async with following(api, pace=pace):
        await asyncio.sleep(100)
        assert 25 <= lists(api) <= 40
