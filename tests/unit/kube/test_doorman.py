"""Who bears a token in a cluster: only one that the API server knows, and that was made for us."""

from typing import Any

import pytest

from controller.adapters.kube.doorman import ClusterDoorman
from controller.adapters.kube.resources import LOCAL_ACCESS_REVIEWS, TOKEN_REVIEWS
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.control.steering import Person
from controller.errors import TargetError, TransientError
from tests.kube_fake import FakeApi, Serve, answer, failure

TOKEN = "M4RKER0of0a0secret"
GOOD: dict[str, Any] = {
    "authenticated": True,
    "audiences": ["serinus"],
    "user": {"username": "ann", "uid": "7", "groups": ["ml", "system:authenticated"]},
}


class World:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.status: Any = GOOD
        self.allowed = True
        self.fails: int | None = None
        self.api.fault = self._serve
        self.doorman = ClusterDoorman(self.api.client(), "serinus")

    async def _serve(self, request: ApiRequest, serve: Serve) -> ApiAnswer:
        if self.fails is not None:
            return failure(self.fails, "Forbidden" if self.fails == 403 else "InternalError", "no")
        if TOKEN_REVIEWS.plural in request.path:
            return answer(201, {"kind": TOKEN_REVIEWS.kind, "status": self.status})
        assert LOCAL_ACCESS_REVIEWS.plural in request.path
        return answer(201, {"kind": LOCAL_ACCESS_REVIEWS.kind, "status": {"allowed": self.allowed}})


async def test_the_person_is_who_the_api_server_says() -> None:
    world = World()
    assert await world.doorman.person(TOKEN) == Person("ann", ("ml", "system:authenticated"))
    [asked] = world.api.requests
    assert asked.path == "/apis/authentication.k8s.io/v1/tokenreviews"
    assert asked.body["spec"] == {"token": TOKEN, "audiences": ["serinus"]}


@pytest.mark.parametrize(
    "change",
    [
        {"authenticated": False},
        {"authenticated": "true"},
        {"audiences": ["https://kubernetes.default.svc"]},
        {"audiences": []},
        {"audiences": "serinus"},
        {"audiences": None},
        {"user": {}},
        {"user": None},
        {"user": {"username": 7}},
    ],
)
async def test_whoever_is_not_clearly_known_is_nobody(change: dict[str, Any]) -> None:
    world = World()
    world.status = {**GOOD, **change}
    assert await world.doorman.person(TOKEN) is None


@pytest.mark.parametrize("status", [None, "yes", [], {}])
async def test_an_answer_that_says_nothing_knows_nobody(status: Any) -> None:
    world = World()
    world.status = status
    assert await world.doorman.person(TOKEN) is None


@pytest.mark.parametrize(("status", "error"), [(500, TransientError), (403, TargetError)])
async def test_without_an_answer_it_is_an_error_that_bears_no_token(
    status: int, error: type[Exception]
) -> None:
    world = World()
    world.fails = status
    with pytest.raises(error) as caught:
        await world.doorman.person(TOKEN)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "asked"), [("", None), ("fraud-v2", "fraud-v2"), ("fraud-v2.3", "fraud-v2")]
)
async def test_rbac_is_asked_about_the_namespace_or_the_object(name: str, asked: str | None) -> None:
    world = World()
    assert await world.doorman.may(Person("ann", ("ml",)), "promote", "team-a", name)
    [review] = world.api.requests
    assert review.path.endswith("/namespaces/team-a/localsubjectaccessreviews")
    attributes = review.body["spec"]["resourceAttributes"]
    assert (attributes["verb"], attributes.get("name")) == ("promote", asked)
    world.allowed = False
    assert not await world.doorman.may(Person("ann"), "promote", "team-a", name)
