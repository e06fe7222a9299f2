"""A new leader stamps all that its predecessor may still write."""

from typing import Any

import pytest

from controller.adapters.kube.fencing import epoch_of, fence
from controller.adapters.kube.resources import HTTP_ROUTES, Obj
from controller.adapters.kube.succession import Estate, succeed
from controller.errors import Conflict, TransientError
from tests import virtual_time
from tests.kube_fake import FakeApi


def a_world(*names: str, epoch: int = 3) -> FakeApi:
    api = FakeApi()
    for name in names:
        annotations = {"serinus.dev/epoch": str(epoch)} if epoch else {}
        api.put(HTTP_ROUTES, {"metadata": {"namespace": "ml", "name": name, "annotations": annotations}})
    return api


def routes(*names: str) -> list[Estate]:
    return [Estate(HTTP_ROUTES, "ml", name) for name in names]


def held(api: FakeApi, name: str) -> Obj:
    obj = api.get(HTTP_ROUTES, "ml", name)
    assert obj is not None
    return obj


async def test_every_object_bears_the_new_epoch_and_the_old_leader_writes_none_of_them() -> None:
    api = a_world("a", "b")
    read_by_the_old = [held(api, "a"), held(api, "b")]
    stamped = await succeed(api.client(), 4, routes("a", "b"))
    assert [epoch_of(obj) for _, obj in stamped] == [4, 4]
    for obj in read_by_the_old:
        operation = {"op": "add", "path": "/metadata/labels", "value": {"old": "leader"}}
        with pytest.raises(Conflict):
            await api.client().json_patch(
                HTTP_ROUTES, "ml", obj["metadata"]["name"], [*fence(obj, 3), operation]
            )


async def test_what_is_known_is_not_read_again_unless_it_changed() -> None:
    api = a_world("a", "b")
    known = {name: held(api, name) for name in ("a", "b")}
    api.modify(HTTP_ROUTES, "ml", "b", lambda obj: obj["metadata"].update(labels={"n": "1"}))
    api.requests.clear()
    stamped = await succeed(api.client(), 4, routes("a", "b"), lambda estate: known[estate.name])
    assert [epoch_of(obj) for _, obj in stamped] == [4, 4]
    assert [request.path.rpartition("/")[2] for request in api.requests if request.method == "GET"] == ["b"]


async def test_what_is_gone_or_forbidden_is_left_out() -> None:
    api = a_world("a")
    assert len(await succeed(api.client(), 4, routes("a", "gone"))) == 1
    api.denied = {("patch", "httproutes")}
    assert await succeed(api.client(), 5, routes("a")) == []


def test_it_insists_through_faults_because_nothing_may_be_written_before() -> None:
    api = a_world("a")
    faults = 3

    async def fault(request: Any, serve: Any) -> Any:
        nonlocal faults
        if request.method == "PATCH" and faults:
            faults -= 1
            if faults == 1:
                api.modify(HTTP_ROUTES, "ml", "a", lambda obj: obj["metadata"].update(labels={"n": "1"}))
            if faults == 2:
                serve(request)  # done, and the answer lost
            raise TransientError("time-out")
        return serve(request)

    api.fault = fault
    [(_, obj)] = virtual_time.run(succeed(api.client(), 4, routes("a")))
    assert epoch_of(obj) == 4


def test_a_later_leader_was_faster() -> None:
    api = a_world("a", epoch=9)
    with pytest.raises(Conflict, match="epoch 9"):
        virtual_time.run(succeed(api.client(), 4, routes("a")))
