"""A version that is deployed from outside a cluster: by whom RBAC allows it, once, with their name on it."""

from typing import Any

import pytest

from controller.adapters.kube.modelrollout import creator_of
from controller.adapters.kube.resources import LOCAL_ACCESS_REVIEWS, MODEL_ROLLOUTS, Obj
from controller.adapters.kube.speaking import Patience
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.adapters.workload.kube_releasing import ClusterReleasing
from controller.control.errors import InvalidRequest, NotPermitted, Refused
from controller.control.interface import Order
from controller.control.steering import Person
from controller.control.views import OutcomeView
from tests.fakes import FakeClock, FakePolicies, a_policy
from tests.kube_fake import FakeApi, Serve, answer, failure

ANN = Person("ann@example.com", ("ml-operators",))
ORDER = Order("fraud", "v9", image="models/fraud:v9")


class World:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.allowed = True
        self.rejects = False
        self.leader: dict[str, Any] | None = {"phase": "Preparing", "message": "accepted"}
        self.seconds = 0.0
        self.api.fault = self._serve
        self.releasing = ClusterReleasing(
            self.api.client(),
            FakePolicies(a_policy(namespace="ml")),
            FakeClock(),
            lambda namespace: namespace != "elsewhere",
            Patience(5.0, 0.5, self._sleep, lambda: self.seconds),
        )

    async def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.leader is not None:
            for obj in self.objects:
                obj_name = obj["metadata"]["name"]
                self.api.modify(
                    MODEL_ROLLOUTS, "ml", obj_name, lambda found: found.update(status=self.leader)
                )

    async def _serve(self, request: ApiRequest, serve: Serve) -> ApiAnswer:
        if LOCAL_ACCESS_REVIEWS.plural in request.path:
            return answer(201, {"kind": LOCAL_ACCESS_REVIEWS.kind, "status": {"allowed": self.allowed}})
        if self.rejects and request.method == "POST":
            return failure(422, "Invalid", "secret words of a webhook")
        return serve(request)

    @property
    def objects(self) -> list[Obj]:
        found = [self.api.get(MODEL_ROLLOUTS, "ml", name) for name in ("fraud-v9",)]
        return [each for each in found if each is not None]

    async def release(self, order: Order = ORDER, namespace: str | None = None) -> OutcomeView:
        return await self.releasing.release(order, ANN, namespace, "api-0123456789")


@pytest.fixture
def world() -> World:
    return World()


async def test_the_object_says_who_wanted_it(world: World) -> None:
    outcome = await world.release()
    assert (outcome.rollout, outcome.phase, outcome.message) == ("fraud-v9", "Preparing", "accepted")
    [made] = world.objects
    assert made["spec"] == {"model": "fraud", "version": "v9", "image": "models/fraud:v9"}
    assert creator_of(made) == "ann@example.com"
    [review] = [each for each in world.api.requests if LOCAL_ACCESS_REVIEWS.plural in each.path]
    assert review.body["spec"]["resourceAttributes"]["verb"] == "create"
    assert (review.body["spec"]["user"], review.body["spec"]["groups"]) == (ANN.name, ["ml-operators"])


async def test_the_same_order_again_is_the_same_and_another_is_refused(world: World) -> None:
    first = await world.release()
    assert await world.release() == first
    with pytest.raises(Refused, match="with another image"):
        await world.release(Order("fraud", "v9", image="models/fraud:other"))
    assert len(world.objects) == 1


async def test_who_may_not_makes_nothing(world: World) -> None:
    world.allowed = False
    with pytest.raises(NotPermitted, match=r"ann@example.com may not create modelrollouts.serinus.dev in ml"):
        await world.release()
    with pytest.raises(NotPermitted, match="may not act in the namespace elsewhere"):
        await world.release(namespace="elsewhere")
    assert world.objects == []


async def test_without_a_daemon_that_leads_it_is_said(world: World) -> None:
    world.leader = None
    outcome = await world.release()
    assert (outcome.phase, outcome.message) == (None, "created; no daemon has taken it up yet")


async def test_what_the_leader_does_not_deploy_is_refused(world: World) -> None:
    world.leader = {"phase": "NotDeployed", "message": "v9 already serves everyone"}
    with pytest.raises(Refused, match="v9 already serves everyone"):
        await world.release()


@pytest.mark.parametrize(
    "order",
    [Order("fraud", "v9", ["10.0.0.9:80"]), Order("fraud", "../x"), Order("fraud", "v9", backend="a/b/c")],
)
async def test_an_order_that_no_object_can_hold_is_refused(world: World, order: Order) -> None:
    with pytest.raises(InvalidRequest):
        await world.release(order)
    assert world.api.requests == []


async def test_a_model_that_no_policy_is_for_needs_a_namespace(world: World) -> None:
    with pytest.raises(InvalidRequest, match="say in which namespace"):
        await world.release(Order("other", "v1", image="a"))


async def test_what_the_api_server_said_stays_in_the_log(world: World) -> None:
    world.rejects = True
    with pytest.raises(InvalidRequest) as caught:
        await world.release()
    assert "secret words" not in str(caught.value)
