"""The router against an API server in memory: what it sees, what it writes, and what it leaves alone."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import Forbidden, NotFound
from controller.adapters.kube.fencing import EPOCH_ANNOTATION
from controller.adapters.kube.resources import (
    GATEWAY_CLASSES,
    GRPC_ROUTES,
    HTTP_ROUTES,
    INFERENCE_POOLS,
    SERVICES,
    Obj,
)
from controller.adapters.traffic.gateway_api import GRPC_ROUTE, HTTP_ROUTE
from controller.adapters.traffic.gateway_seen import described
from controller.adapters.traffic.object_router import ObjectRouter
from controller.domain.observation import RouteSeen
from controller.domain.policy import RouteRef
from controller.domain.release import RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, ControllerError, TargetError, TransientError
from tests.gateway_routes import POOL_S, C, S, a_route, a_rule, condition, ours, parent, pool, ref, routed
from tests.kube_fake import FakeApi, answer

STEP = Split(S, C, 50)
STALE = timedelta(hours=1)


@dataclass
class Leader:
    epoch: int = 4

    def check(self) -> None: ...


@dataclass
class Known:
    """The routes as they were last heard of."""

    routes: dict[tuple[str, str], Obj] = field(default_factory=dict)
    age: timedelta = timedelta(0)
    failure: ControllerError | None = None

    def get(self, namespace: str, name: str) -> Obj | None:
        return self.routes.get((namespace, name))

    def put(self, obj: Obj) -> None:
        self.routes[obj["metadata"]["namespace"], obj["metadata"]["name"]] = obj


class World:
    """One route at the server, and in the cache as it was then."""

    def __init__(self, *refs: Obj, rule: Obj | None = None) -> None:
        self.api = FakeApi()
        self.leader = Leader()
        self.known = Known()
        self.allowed: set[str] = {"ml"}
        self.client: KubeClient = self.api.client()
        self.router = self.new_router(self.leader)
        self.put(a_route(rule or a_rule(*refs)))
        self.hear()
        self.api.requests.clear()

    def new_router(
        self, leader: Leader, known: Known | None = None, patience: timedelta = timedelta(0)
    ) -> ObjectRouter:
        allowed: Callable[[str], bool] = lambda namespace: namespace in self.allowed  # noqa: E731
        return ObjectRouter(
            self.client, HTTP_ROUTE, known or self.known, leader, allowed=allowed, patience=patience
        )

    def put(self, route: Obj, manager: str = "kubectl-edit") -> None:
        self.api.put(HTTP_ROUTES, deepcopy(route), manager)

    def hear(self) -> None:
        """The watch brings the cache up to date."""
        self.known.put(self.route)

    def edit(self, *refs: Obj, manager: str = "kubectl-edit") -> None:
        def change(route: Obj) -> None:
            route["spec"]["rules"][0]["backendRefs"] = [*refs]

        self.api.modify(HTTP_ROUTES, "ml", "fraud", change, manager)

    def accept(self, *conditions: Obj) -> None:
        """The gateway looks at the route as it is now."""

        def change(route: Obj) -> None:
            now = route["metadata"]["generation"]
            found = conditions or (condition("Accepted"), condition("ResolvedRefs"))
            route["status"] = {"parents": [parent(*({**each, "observedGeneration": now} for each in found))]}

        self.api.modify(HTTP_ROUTES, "ml", "fraud", change, "gateway")
        self.hear()

    @property
    def route(self) -> Obj:
        found = self.api.get(HTTP_ROUTES, "ml", "fraud")
        assert found is not None
        return found

    @property
    def refs(self) -> list[Obj]:
        refs: list[Obj] = self.route["spec"]["rules"][0]["backendRefs"]
        return refs

    @property
    def annotation(self) -> str | None:
        value: str | None = self.route["metadata"].get("annotations", {}).get(EPOCH_ANNOTATION)
        return value

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.api.requests]

    async def see(self, **changes: Any) -> RouteSeen:
        return await self.router.observe(routed(**changes))

    async def apply(self, split: Split, expected: Split, model: RoutedModel | None = None) -> None:
        await self.router.apply(model or routed(), split, expected)


# Writing


async def test_a_new_leader_stamps_its_epoch_and_then_writes_one_patch() -> None:
    world = World(ref("fraud-v6", 1))
    await world.apply(STEP, Split(S))
    assert world.refs == [ref("fraud-v6", 950), ours(weight=50)]
    assert world.annotation == "4"
    assert world.methods == ["PATCH", "PATCH"]
    assert world.known.get("ml", "fraud") == world.route
    await world.apply(Split(S), STEP)
    assert world.refs == [ref("fraud-v6", 1)]
    assert world.methods == ["PATCH"] * 3
    tests = [each for each in world.api.requests[-1].body if each["op"] == "test"]
    assert [each["path"] for each in tests[:2]] == [
        "/metadata/resourceVersion",
        "/metadata/annotations/serinus.dev~1epoch",
    ]


async def test_only_the_epoch_and_the_pair_ever_differ() -> None:
    foreign = a_rule(ref("chat", 3), name="chat", filters=[{"type": "URLRewrite"}])
    world = World(rule=a_rule(ref("fraud-v6", 1), ref("audit", 0), timeouts={"request": "9s"}))
    world.api.modify(HTTP_ROUTES, "ml", "fraud", lambda route: route["spec"]["rules"].insert(0, foreign))
    world.hear()
    before = world.route
    for split, expected in ((STEP, Split(S)), (Split(S, C, 1000), STEP), (Split(S), Split(S, C, 1000))):
        await world.apply(split, expected)
    after = world.route
    assert after["metadata"].pop("annotations") == {EPOCH_ANNOTATION: "4"}
    assert after["spec"] == before["spec"]


async def test_a_split_that_is_there_is_not_written() -> None:
    world = World(ref("fraud-v6", 950), ours(weight=50))
    await world.apply(STEP, Split(S))
    assert world.methods == []


async def test_a_route_that_holds_neither_split_is_left_alone_and_named() -> None:
    world = World(ref("fraud-v6", 700), ours(weight=300))
    with pytest.raises(Conflict) as caught:
        await world.apply(STEP, Split(S))
    assert str(caught.value).startswith(
        "the route fraud has the weights fraud-v6 700, fraud-v7 300 (kubectl-edit wrote last, "
    )
    assert str(caught.value).endswith("expected was only v6")
    assert world.methods == ["GET"]


async def test_a_foreign_split_is_overwritten_when_that_was_agreed_to() -> None:
    world = World(ref("fraud-v6", 700), ours(weight=300))
    seen = await world.see()
    await world.apply(Split(S), seen.split)
    assert world.refs == [ref("fraud-v6", 1)]


async def test_a_stale_cache_costs_one_more_read() -> None:
    world = World(ref("fraud-v6", 1))
    world.accept(condition("Accepted"), condition("ResolvedRefs", said="anew"))
    world.known.put({**world.route, "metadata": {**world.route["metadata"], "resourceVersion": "1"}})
    await world.apply(STEP, Split(S))
    assert world.refs == [ref("fraud-v6", 950), ours(weight=50)]
    assert world.methods == ["PATCH", "GET", "PATCH", "PATCH"]


async def test_what_the_cache_missed_is_looked_at_before_the_second_try() -> None:
    world = World(ref("fraud-v6", 1))
    world.edit(ref("fraud-v6", 700), ours(weight=300))
    with pytest.raises(Conflict, match="fraud-v6 700, fraud-v7 300"):
        await world.apply(STEP, Split(S))
    assert world.refs == [ref("fraud-v6", 700), ours(weight=300)]


async def test_a_write_whose_answer_was_lost_is_found_done() -> None:
    world = World(ref("fraud-v6", 1))
    await world.router.roll_back_unrecorded(routed(), Reason.CHECK_FAILED)
    await world.apply(Split(S), Split(S))

    async def lost(request: Any, serve: Any) -> Any:
        serve(request)
        raise TransientError("connection reset")

    world.api.fault = lost
    with pytest.raises(TransientError, match="connection reset"):
        await world.apply(STEP, Split(S))
    world.api.fault = None
    world.api.requests.clear()
    await world.apply(STEP, Split(S))
    assert world.refs == [ref("fraud-v6", 950), ours(weight=50)]
    assert world.methods == ["PATCH", "GET"]


async def test_a_leader_of_an_older_epoch_writes_nothing() -> None:
    world = World(ref("fraud-v6", 1))
    old = world.new_router(Leader(epoch=3), deepcopy(world.known))
    await world.apply(STEP, Split(S))
    before = world.route
    for attempt in (
        old.apply(routed(), Split(S, C, 250), STEP),
        old.roll_back_unrecorded(routed(), Reason.CHECK_FAILED),
    ):
        with pytest.raises(Conflict, match=r"taken over by the leader of epoch 4; ours is 3"):
            await attempt
    assert world.route == before


async def test_an_epoch_that_somebody_removed_is_stamped_again() -> None:
    world = World(ref("fraud-v6", 1))
    await world.apply(STEP, Split(S))
    world.api.modify(HTTP_ROUTES, "ml", "fraud", lambda route: route["metadata"].pop("annotations"))
    world.hear()
    await world.apply(Split(S), STEP)
    assert (world.refs, world.annotation) == ([ref("fraud-v6", 1)], "4")


async def test_a_write_without_the_right_is_refused_with_the_rule_to_add() -> None:
    world = World(ref("fraud-v6", 1))
    world.api.denied.add(("patch", "httproutes"))
    with pytest.raises(Forbidden, match='"resources": \\["httproutes"\\], "verbs": \\["patch"\\]'):
        await world.apply(STEP, Split(S))


async def test_a_route_that_is_gone_cannot_be_written() -> None:
    world = World(ref("fraud-v6", 1))
    world.api.delete(HTTP_ROUTES, "ml", "fraud")
    for attempt in (
        world.apply(STEP, Split(S)),
        world.router.roll_back_unrecorded(routed(), Reason.CHECK_FAILED),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_rule_that_is_gone_cannot_be_written() -> None:
    world = World(ref("fraud-v6", 1))
    with pytest.raises(TargetError, match="has no rule named main"):
        await world.apply(STEP, Split(S), routed(route=RouteRef("httpRoute", "fraud", rule="main")))


async def test_nothing_is_written_in_a_namespace_that_the_operator_does_not_allow() -> None:
    world = World(ref("fraud-v6", 1))
    world.allowed.clear()
    for attempt in (
        world.apply(STEP, Split(S)),
        world.router.roll_back_unrecorded(routed(), Reason.CHECK_FAILED),
    ):
        with pytest.raises(TargetError, match="policies may not act in the namespace ml"):
            await attempt
    assert world.methods == []


async def test_a_first_deployment_over_the_canary_s_own_route_begins_and_ends() -> None:
    world = World(ref("fraud-v7", 1))
    model = routed(stable=None)
    first, done = Split(None, C, 1000), Split(C)
    await world.apply(first, Split(), model)
    assert (await world.router.observe(model)).split == first
    assert world.refs == [ours(weight=1)]
    await world.apply(done, first, model)
    assert (await world.router.observe(model)).split == done
    assert world.refs == [ref("fraud-v7", 1)]


async def test_a_split_of_nobody_has_no_weight() -> None:
    world = World()
    model = routed(stable=None)
    await world.apply(Split(None, C, 1000), Split(weight_permille=5), model)
    await world.apply(Split(weight_permille=7), Split(None, C, 1000), model)
    assert world.refs == []


# Rolling back without a record


async def test_a_rollback_without_a_record_is_one_patch_and_latched_until_the_next_write() -> None:
    world = World(ref("fraud-v6", 1))
    await world.apply(STEP, Split(S))
    await world.router.roll_back_unrecorded(routed(), Reason.CHECK_FAILED)
    assert (world.refs, world.annotation) == ([ref("fraud-v6", 1)], "4 CheckFailed")
    assert len(world.methods) == 3
    seen = await world.see()
    assert (seen.split, seen.latched) == (Split(S), Reason.CHECK_FAILED)
    await world.router.roll_back_unrecorded(routed(), Reason.CHECK_FAILED)
    assert len(world.methods) == 3
    await world.apply(Split(S), Split(S))
    assert world.annotation == "4"
    assert (await world.see()).latched is None


async def test_a_latch_outlives_a_change_of_leaders() -> None:
    world = World(ref("fraud-v6", 1))
    await world.apply(STEP, Split(S))
    await world.router.roll_back_unrecorded(routed(), Reason.CANARY_NOT_READY)
    world.leader.epoch = 5
    assert (await world.see()).latched is Reason.CANARY_NOT_READY
    await world.apply(Split(S), Split(S))
    assert world.annotation == "5"


async def test_a_rollback_without_a_record_asks_nobody_what_it_may_overwrite() -> None:
    world = World(ref("fraud-v6", 100), ours(weight=900))
    await world.router.roll_back_unrecorded(routed(), Reason.CHECK_FAILED)
    assert world.refs == [ref("fraud-v6", 1)]


def _unknown(stable: str | None = None) -> RoutedModel:
    return RoutedModel("fraud", RouteRef("httpRoute", "fraud", stable=stable), "ml")


@pytest.mark.parametrize("weight", [50, 1000])
async def test_without_any_record_the_route_tells_who_the_canary_is(weight: int) -> None:
    world = World(ref("fraud-v6", 1000 - weight), ours(weight=weight))
    await world.router.roll_back_unrecorded(_unknown(), Reason.ABORTED_BY_PERSON)
    assert (world.refs, world.annotation) == ([ref("fraud-v6", 1000)], "4 AbortedByPerson")
    seen = await world.see()
    assert (seen.split, seen.latched) == (Split(S), Reason.ABORTED_BY_PERSON)


async def test_beside_others_the_policy_tells_who_was_stable() -> None:
    world = World(ref("audit", 300), ref("fraud-v6", 190), ours(weight=10))
    await world.router.roll_back_unrecorded(_unknown("fraud-v6"), Reason.ABORTED_BY_PERSON)
    assert world.refs == [ref("audit", 300), ref("fraud-v6", 200)]


@pytest.mark.parametrize(
    ("refs", "what"),
    [
        ((ref("fraud-v6", 950), ref("fraud-v7", 50)), "canary"),
        ((ref("fraud-v6", 950),), "canary"),
        ((ref("audit", 1), ref("fraud-v6", 950), ours(weight=50)), "stable version"),
        ((ours(weight=50),), "stable version"),
    ],
)
async def test_what_the_route_does_not_tell_is_not_guessed(refs: tuple[Obj, ...], what: str) -> None:
    world = World(*refs)
    with pytest.raises(TargetError, match=f"tells which backend is the {what}: set the weights yourself"):
        await world.router.roll_back_unrecorded(_unknown(), Reason.ABORTED_BY_PERSON)
    assert world.methods == []


# Looking


async def test_a_split_is_in_force_when_the_gateway_took_the_route_as_it_is_now() -> None:
    world = World(ref("fraud-v6", 1))
    world.accept()
    assert (await world.see()).accepted
    await world.apply(STEP, Split(S))
    seen = await world.see()
    assert (seen.split, seen.accepted, seen.problem) == (STEP, False, None)
    world.accept()
    seen = await world.see()
    assert (seen.split, seen.accepted, seen.problem) == (STEP, True, None)
    assert dict(seen.series) == {
        "v6": "httproute/ml/fraud/rule/0/backend/0",
        "v7": "httproute/ml/fraud/rule/0/backend/1",
    }


async def test_drift_is_told_with_the_weights_and_with_who_wrote_them() -> None:
    world = World(ref("fraud-v6", 1))
    await world.apply(STEP, Split(S))
    world.edit(ref("fraud-v6", 500), ours(weight=500), manager="argocd-controller")
    world.accept()
    seen = await world.see()
    assert (seen.split, seen.problem) == (Split(S, C, 500), None)
    assert seen.message.startswith(
        "the route fraud has the weights fraud-v6 500, fraud-v7 500 (argocd-controller wrote last, 2026-"
    )


async def test_weights_that_serve_nobody_are_a_problem() -> None:
    world = World(ref("fraud-v6", 1))
    await world.apply(STEP, Split(S))
    world.edit(ref("fraud-v6", 0), ours(weight=0))
    world.accept()
    seen = await world.see()
    assert (seen.problem, seen.accepted) == (Reason.DRIFT_DETECTED, False)
    assert "fraud-v6 0, fraud-v7 0 (kubectl-edit wrote last" in seen.message


async def test_a_rule_that_was_renamed_is_a_problem_and_not_a_route_that_is_gone() -> None:
    world = World(ref("fraud-v6", 950), ours(weight=50))
    seen = await world.see(route=RouteRef("httpRoute", "fraud", rule="main"))
    assert (seen.problem, seen.split) == (Reason.DRIFT_DETECTED, Split())
    assert seen.message.startswith(
        "the route fraud has no rule named main; its rules: none has a name (kubectl"
    )


async def test_a_lasting_refusal_of_the_gateway_is_told_in_its_words() -> None:
    world = World(ref("fraud-v6", 950), ours(weight=50))
    world.accept(
        condition("Accepted", "False", "UnsupportedValue", said="no filters here"), condition("ResolvedRefs")
    )
    seen = await world.see()
    assert (seen.problem, seen.split) == (Reason.ROUTE_REJECTED, STEP)
    assert seen.message == "gateway says Accepted=False, UnsupportedValue: no filters here"


async def test_a_backend_that_the_gateway_does_not_know_yet_is_waited_for() -> None:
    world = World(ref("fraud-v6", 950), ours(weight=50))
    world.accept(condition("Accepted"), condition("ResolvedRefs", "False", "BackendNotFound"))
    seen = await world.see()
    assert (seen.problem, seen.accepted) == (None, False)


async def test_a_route_that_is_gone_is_a_problem() -> None:
    world = World(ref("fraud-v6", 1))
    world.api.delete(HTTP_ROUTES, "ml", "fraud")
    world.known.routes.clear()
    seen = await world.see()
    assert (seen.problem, seen.split, seen.accepted) == (Reason.ROUTE_NOT_FOUND, Split(), False)
    assert seen.message == "there is no HTTPRoute fraud in the namespace ml"


async def test_a_kind_that_is_gone_is_a_problem() -> None:
    world = World(ref("fraud-v6", 1))
    world.api.unserved.add(HTTP_ROUTES)
    world.known.age = STALE
    seen = await world.see()
    assert (seen.problem, seen.split) == (Reason.ROUTE_NOT_FOUND, Split())
    assert "Install their CRD" in seen.message


@pytest.mark.parametrize("heard", [True, False])
async def test_a_right_that_was_taken_away_is_a_fact_and_the_last_split_stands(heard: bool) -> None:
    world = World(ref("fraud-v6", 950), ours(weight=50))
    world.api.denied.add(("get", "httproutes"))
    world.known.failure = Forbidden("list httproutes is not allowed")
    if not heard:
        world.known.routes.clear()
    seen = await world.see()
    assert (seen.problem, seen.accepted) == (Reason.PERMISSION_LOST, False)
    assert seen.split == (STEP if heard else Split())
    assert '"verbs": ["get"]' in seen.message


async def test_a_cache_that_is_fresh_asks_nobody_and_a_stale_one_is_not_believed() -> None:
    world = World(ref("fraud-v6", 950), ours(weight=50))
    world.edit(ref("fraud-v6", 1))
    assert (await world.see()).split == STEP
    assert world.methods == []
    world.known.age = STALE
    assert (await world.see()).split == Split(S)
    world.known.age, world.known.failure = timedelta(0), TransientError("connection refused")
    assert (await world.see()).split == Split(S)
    assert world.methods == ["GET", "GET"]


async def test_without_an_answer_the_last_split_stands_and_is_not_in_force() -> None:
    world = World(ref("fraud-v6", 950), ours(weight=50))
    world.accept()
    world.known.age = STALE

    async def down(_request: Any, _serve: Any) -> Any:
        return answer(503, "<html>")

    world.api.fault = down
    seen = await world.see()
    assert (seen.split, seen.accepted, seen.problem) == (STEP, False, Reason.GATEWAY_UNAVAILABLE)
    world.known.routes.clear()
    with pytest.raises(TransientError, match="HTTP 503"):
        await world.see()


async def test_a_grpc_route_is_a_route_like_any_other() -> None:
    world = World()
    route = a_route(a_rule(ref("fraud-v6", 1)), kind="GRPCRoute")
    world.api.put(GRPC_ROUTES, route)
    router = ObjectRouter(world.client, GRPC_ROUTE, Known(), Leader(), allowed=lambda _: True)
    await router.apply(routed(), STEP, Split(S))
    seen = await router.observe(routed())
    assert seen.split == STEP
    assert seen.series[0] == ("v6", "grpcroute/ml/fraud/rule/0/backend/0")


# Surveying


async def test_the_survey_reads_the_version_from_the_label_of_the_backend_that_serves() -> None:
    world = World(ref("fraud-v6", 7))
    service = {"metadata": {"name": "fraud-v6", "namespace": "ml", "labels": {"serinus.dev/version": "v6"}}}
    world.api.put(SERVICES, service)
    world.accept()
    survey = await world.router.survey(routed(stable=None), None)
    assert (survey.serving, survey.weight_sum, survey.problem) == (S, 7, None)
    recorded = replace(S, version="2026-11")
    survey = await world.router.survey(routed(stable=None), recorded)
    assert survey.serving == recorded


async def test_a_pool_has_a_label_too() -> None:
    world = World(pool("chat-v6"))
    world.api.put(
        INFERENCE_POOLS,
        {"metadata": {"name": "chat-v6", "namespace": "ml", "labels": {"serinus.dev/version": "v6"}}},
    )
    survey = await world.router.survey(routed(stable=None), None)
    assert survey.serving == POOL_S


@pytest.mark.parametrize("denied", [True, False])
async def test_without_a_label_the_backend_s_own_name_is_its_version(denied: bool) -> None:
    world = World(ref("fraud-v6", 7))
    if denied:
        world.api.denied.add(("get", "services"))
    survey = await world.router.survey(routed(stable=None), None)
    assert survey.serving == replace(S, version="fraud-v6")


async def test_a_route_that_is_missing_may_come() -> None:
    world = World(ref("fraud-v6", 1))
    survey = await world.router.survey(routed(route=RouteRef("httpRoute", "fraude")), None)
    assert (survey.problem, survey.hopeless) == (Reason.ROUTE_NOT_FOUND, False)
    assert survey.message == "there is no HTTPRoute fraude in the namespace ml"


async def test_what_may_not_be_looked_at_may_be_allowed() -> None:
    world = World(ref("fraud-v6", 1))
    world.known.routes.clear()
    world.api.denied.add(("get", "httproutes"))
    survey = await world.router.survey(routed(), None)
    assert (survey.problem, survey.hopeless) == (Reason.PERMISSION_LOST, False)
    world.api.unserved.add(HTTP_ROUTES)
    survey = await world.router.survey(routed(), None)
    assert (survey.problem, survey.hopeless) == (Reason.ROUTE_NOT_FOUND, False)


async def test_a_namespace_that_the_operator_does_not_allow_is_hopeless() -> None:
    world = World(ref("fraud-v6", 1))
    world.allowed.clear()
    survey = await world.router.survey(routed(), None)
    assert (survey.problem, survey.hopeless) == (Reason.PERMISSION_LOST, True)
    assert "SERINUS_KUBERNETES__NAMESPACES" in survey.message
    assert world.methods == []


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (Split(S), "only v6"),
        (Split(), "no backend of the model"),
        (STEP, "v7 5% beside v6"),
        (Split(None, C, 1000), "only v7"),
        (Split(None, C, 999), "v7 99.9%"),
    ],
)
def test_splits_are_described_for_people(split: Split, words: str) -> None:
    assert described(split) == words


async def test_what_is_missing_for_a_moment_only_is_not_a_persons_business() -> None:
    world = World(ref("fraud-v6", 1))
    router = world.new_router(world.leader, patience=timedelta(seconds=20))
    world.api.denied.add(("patch", "httproutes"))
    with pytest.raises(TransientError, match="patch"):
        await router.apply(routed(), STEP, Split(S))
    world.known.failure = Forbidden("list httproutes is not allowed")
    world.api.denied.add(("get", "httproutes"))
    seen = await router.observe(routed())
    assert (seen.problem, seen.split) == (Reason.GATEWAY_UNAVAILABLE, Split(S))
    world.known.routes.clear()
    with pytest.raises(TransientError):
        await router.observe(routed())


SHARES = {"mirrors_permille": (100,)}
PERCENT, MIRROR = "HTTPRouteRequestPercentageMirror", "HTTPRouteRequestMirror"


def a_class(name: str, controller: str, *features: str) -> Obj:
    status = {"supportedFeatures": [{"name": feature} for feature in features]} if features else {}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": name},
        "spec": {"controllerName": controller},
        "status": status,
    }


def asking(world: World) -> ObjectRouter:
    return ObjectRouter(
        world.client, HTTP_ROUTE, world.known, world.leader, allowed=lambda _: True, classes=True
    )


@pytest.mark.parametrize(
    ("features", "shares", "said"),
    [
        ((MIRROR, PERCENT), (100,), ""),
        ((MIRROR,), (100, 500), f"the GatewayClass eg does not support {PERCENT}"),
        ((MIRROR,), (1000,), ""),
        (("HTTPRoute",), (1000,), f"the GatewayClass eg does not support {MIRROR}"),
        ((), (100,), ""),
        (("HTTPRoute",), (), ""),
    ],
)
async def test_what_the_gateway_says_that_it_cannot_copy_is_known_before(
    features: tuple[str, ...], shares: tuple[int, ...], said: str
) -> None:
    world = World(ref("fraud-v6"))
    world.api.put(GATEWAY_CLASSES, a_class("eg", "example.com/gateway", *features))
    world.api.put(GATEWAY_CLASSES, a_class("other", "example.com/other", "HTTPRoute"))
    survey = await asking(world).survey(routed(mirrors_permille=shares), None)
    assert survey.unmirrored == said


async def test_classes_that_may_not_be_read_say_nothing() -> None:
    world = World(ref("fraud-v6"))
    world.api.denied.add(("list", "gatewayclasses"))
    assert (await asking(world).survey(routed(**SHARES), None)).unmirrored == ""


async def test_without_the_feature_no_class_is_asked_for() -> None:
    world = World(ref("fraud-v6"))
    await world.router.survey(routed(**SHARES), None)
    assert not [each for each in world.api.requests if "gatewayclasses" in each.path]


async def test_copies_are_written_in_one_patch_and_an_emergency_removes_them() -> None:
    world = World(ref("fraud-v6"))
    shadow = Split(S, C, mirror_permille=100)
    await world.router.apply(routed(), shadow, Split(S))
    world.accept()
    seen = await world.router.observe(routed())
    assert (seen.split, seen.accepted) == (shadow, True)
    assert world.refs == [ref("fraud-v6")]
    with pytest.raises(Conflict):
        await world.router.apply(routed(), Split(S, C, 50), Split(S))
    await world.router.roll_back_unrecorded(routed(), Reason.CHECK_FAILED)
    assert "filters" not in world.route["spec"]["rules"][0]
