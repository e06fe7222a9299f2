"""What stands in the way of a rollout on KServe, and what is in force: with the words that people get."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.resources import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    LLM_INFERENCE_SERVICES,
    REVISIONS,
    Obj,
)
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.kserve import INFERENCE_SERVICE
from controller.adapters.traffic.kserve_canary import entry_name, service_name
from controller.adapters.traffic.llm_service import LLM_INFERENCE_SERVICE
from controller.adapters.traffic.object_router import ObjectRouter
from controller.domain.observation import Survey
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TargetError
from tests.contract.route_stages.cluster import Leader, NoCache
from tests.json_patch import patched
from tests.kserve_world import (
    NAMESPACE,
    NEW,
    OLD,
    Deployments,
    Knative,
    a_member,
    a_service,
    group_status,
    taken,
)
from tests.kube_fake import FakeApi

S = Release("v6", backend=Backend(BackendKind.STORAGE_URI, OLD))
C = Release("v7", backend=Backend(BackendKind.STORAGE_URI, NEW))
STEP = Split(S, C, 50)


def routed(**changes: Any) -> RoutedModel:
    model = RoutedModel(
        "fraud",
        RouteRef("inferenceService", "fraud"),
        NAMESPACE,
        stable=S,
        canary=C,
        steps_permille=(50, 250),
    )
    return replace(model, **changes)


def serverless(*models: Callable[[Obj], None]) -> tuple[Obj, Knative]:
    """The service after each change, with KServe having looked every time."""
    knative, service = Knative(), a_service()
    for change in (lambda _: None, *models):
        change(service)
        service["status"] = knative.look(service)
    return service, knative


def standing(service: Obj, knative: Knative) -> Standing:
    by_name = {each["metadata"]["name"]: each for each in knative.revisions}
    beside = INFERENCE_SERVICE.companions(service, routed())
    assert {each.resource for each in beside} <= {REVISIONS}
    return Standing(service, tuple(by_name.get(each.name) for each in beside))


def standard(service: Obj, *, splits: bool = True) -> Standing:
    kserve = Deployments(splits=splits)
    service["status"], routes = kserve.look(service)
    for route in routes:
        route["metadata"]["generation"] = 1
        route["status"] = taken(1)
    assert [each.name for each in INFERENCE_SERVICE.companions(service, routed())] == [
        route["metadata"]["name"] for route in routes
    ]
    return Standing(service, tuple(routes))


def given(percent: int | None, uri: str = NEW) -> Callable[[Obj], None]:
    def change(service: Obj) -> None:
        predictor = service["spec"]["predictor"]
        predictor["model"]["storageUri"] = uri
        predictor.pop("canaryTrafficPercent", None)
        if percent is not None:
            predictor["canaryTrafficPercent"] = percent

    return change


def surveyed(found: Standing, **changes: Any) -> Survey:
    return INFERENCE_SERVICE.survey(found, routed(stable=None, **changes), S).survey


def test_the_model_that_serves_is_found_by_its_revision_and_named_by_the_record() -> None:
    survey = surveyed(standing(*serverless()))
    assert survey == Survey(S)
    unknown = INFERENCE_SERVICE.survey(standing(*serverless()), routed(stable=None), None).survey
    assert unknown.serving == Release("fraud-predictor-00001", backend=S.backend)


def test_a_revision_that_cannot_be_seen_is_waited_for() -> None:
    found = standing(*serverless())
    survey = surveyed(replace(found, companions=(None,)))
    assert survey.problem is Reason.WAITING_FOR_ROUTE
    assert "which files fraud-predictor-00001 of fraud load is not known" in survey.message


def test_a_prepared_canary_does_not_serve() -> None:
    found = standing(*serverless(given(0)))
    assert surveyed(found) == Survey(S)
    assert INFERENCE_SERVICE.seen(found, routed(), "").split == Split(S)


@pytest.mark.parametrize(
    ("percent", "split"),
    [(0, Split(S)), (5, STEP), (35, Split(S, C, 350)), (100, Split(S, C, 1000)), (None, Split(C))],
)
def test_a_percentage_is_a_split_that_is_in_force_when_the_revisions_have_it(
    percent: int | None, split: Split
) -> None:
    seen = INFERENCE_SERVICE.seen(standing(*serverless(given(0), given(percent))), routed(), "")
    assert (seen.split, seen.accepted, seen.problem) == (split, True, None)
    assert dict(seen.series)["v7"] == "fraud-predictor-00002"


def test_the_last_good_revision_is_believed_only_with_stable_s_files() -> None:
    """KServe fell back on an older model: the percentages are right, and the files are not."""
    service, knative = serverless(given(0))
    given(5)(service)
    service["status"] = knative.look(service)
    knative.revisions[0]["metadata"]["annotations"] = {
        "internal.serving.kserve.io/storage-initializer-sourceuri": "gs://models/fraud/0"
    }
    seen = INFERENCE_SERVICE.seen(standing(service, knative), routed(), "")
    assert (seen.split, seen.accepted) == (STEP, False)
    assert "95% to gs://models/fraud/0" in seen.message


def test_a_revision_that_never_gets_ready_is_said_in_kserve_s_words() -> None:
    service, knative = serverless()
    knative.broken.add(NEW)
    given(5)(service)
    service["status"] = knative.look(service)
    seen = INFERENCE_SERVICE.seen(standing(service, knative), routed(), "")
    assert not seen.accepted
    assert seen.message.endswith("LatestDeploymentReady is False: no such model")


def test_after_a_promotion_a_rollback_returns_to_the_revision_before() -> None:
    service, knative = serverless(given(0), given(100))
    service = patched(service, INFERENCE_SERVICE.change(service, routed(), Split(S), Split(S, C, 1000)))
    service["status"] = knative.look(service)
    seen = INFERENCE_SERVICE.seen(standing(service, knative), routed(), "")
    assert (seen.split, seen.accepted) == (Split(S), True)


def test_the_model_and_its_percentage_are_one_patch() -> None:
    service, knative = serverless()
    after = patched(service, INFERENCE_SERVICE.change(service, routed(), STEP, Split(S)))
    predictor = after["spec"]["predictor"]
    assert (predictor["model"]["storageUri"], predictor["canaryTrafficPercent"]) == (NEW, 5)
    assert predictor["labels"] == {"serinus.dev/model": "fraud", "serinus.dev/version": "v7"}
    after["status"] = knative.look(after)
    assert INFERENCE_SERVICE.seen(standing(after, knative), routed(), "").accepted


def test_somebody_else_s_model_is_drift_and_stays() -> None:
    service, knative = serverless(given(None, "gs://models/fraud/9"))
    seen = INFERENCE_SERVICE.seen(standing(service, knative), routed(), "")
    assert seen.split not in (Split(S), Split(C), STEP)
    with pytest.raises(Conflict, match="gs://models/fraud/9"):
        INFERENCE_SERVICE.change(service, routed(), STEP, Split(S))


def test_half_a_percent_and_nobody_cannot_be_written() -> None:
    service, _ = serverless()
    with pytest.raises(TargetError, match=r"whole percents, not by 0\.5%"):
        INFERENCE_SERVICE.change(service, routed(), Split(S, C, 5), Split(S))
    with pytest.raises(TargetError, match="always sends requests"):
        INFERENCE_SERVICE.change(service, routed(), Split(), Split(S))


def changed(**spec: Any) -> Callable[[Obj], None]:
    def change(service: Obj) -> None:
        service["spec"]["predictor"].update(spec)

    return change


def annotated(name: str, value: str) -> Callable[[Obj], None]:
    return lambda service: service["metadata"]["annotations"].update({name: value})


NO_FILES = {"modelFormat": {"name": "sklearn"}}


@pytest.mark.parametrize(
    ("change", "problem", "words"),
    [
        (changed(minReplicas=0), Reason.WORKLOAD_REFUSED, "write minReplicas: 1"),
        (changed(model=NO_FILES), Reason.BACKEND_NOT_FOUND, "has no model.storageUri"),
        (
            annotated("serving.knative.dev/rollout-duration", "60s"),
            Reason.ROUTE_REJECTED,
            "moves requests by itself",
        ),
    ],
)
def test_what_makes_a_rollout_impossible_on_knative_is_refused(
    change: Callable[[Obj], None], problem: Reason, words: str
) -> None:
    service, knative = serverless()
    change(service)
    survey = surveyed(standing(service, knative))
    assert (survey.problem, survey.hopeless) == (problem, True)
    assert words in survey.message


def test_a_service_that_is_stopped_is_waited_for() -> None:
    service, knative = serverless()
    annotated("serving.kserve.io/stop", "true")(service)
    survey = surveyed(standing(service, knative))
    assert (survey.problem, survey.hopeless) == (Reason.WAITING_FOR_ROUTE, False)
    assert "is stopped" in survey.message


@pytest.mark.parametrize(
    ("spec", "predictor", "words"),
    [
        ({}, {"canaryTrafficPercent": 10}, "is ignored in Standard mode, which has spec.canary"),
        ({"transformer": {"containers": [{"image": "t"}]}}, {}, "calls the predictor past the HTTPRoute"),
        ({}, {"workerSpec": {"pipelineParallelSize": 2}}, "runs on several nodes"),
    ],
)
def test_what_makes_a_rollout_impossible_in_standard_mode_is_refused(
    spec: Obj, predictor: Obj, words: str
) -> None:
    service = a_service(mode="Standard", **spec)
    service["spec"]["predictor"].update(predictor)
    survey = surveyed(standard(service))
    assert survey.hopeless
    assert words in survey.message


def test_a_release_of_another_kind_is_told_how_to_deploy() -> None:
    pod = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v7", 80))
    survey = surveyed(standing(*serverless()), canary=pod)
    assert (survey.problem, survey.hopeless) == (Reason.BACKEND_NOT_FOUND, True)
    assert "serinus deploy fraud v7 --storage-uri" in survey.message


def test_a_step_that_is_no_whole_percent_is_refused() -> None:
    survey = surveyed(standing(*serverless()), steps_permille=(5, 50))
    assert (survey.problem, survey.hopeless) == (Reason.WEIGHT_SUM_TOO_SMALL, True)
    assert "0.5% is none" in survey.message


def test_files_that_serve_already_are_no_canary() -> None:
    twin = Release("v7", backend=S.backend)
    survey = surveyed(standing(*serverless()), canary=twin)
    assert (survey.problem, survey.hopeless) == (Reason.ALREADY_SERVING, True)


def test_requests_that_somebody_divided_already_are_told() -> None:
    survey = surveyed(standing(*serverless(given(30))))
    assert survey.problem is Reason.DRIFT_DETECTED
    assert f"30% to {NEW} and 70% to {OLD}" in survey.message


def test_a_service_that_kserve_has_not_seen_or_that_runs_in_another_way() -> None:
    service = a_service()
    del service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"]
    assert surveyed(Standing(service)).problem is Reason.WAITING_FOR_ROUTE
    service["status"] = {"deploymentMode": "ModelMesh"}
    assert surveyed(Standing(service)).hopeless
    seen = INFERENCE_SERVICE.seen(Standing(service), routed(), "")
    assert (seen.split, seen.problem) == (Split(), Reason.DRIFT_DETECTED)


def test_routes_that_are_not_made_are_waited_for_with_the_setting() -> None:
    service = a_service(mode="Standard")
    found = replace(standard(service), companions=(None, None))
    survey = surveyed(found)
    assert survey.problem is Reason.WAITING_FOR_ROUTE
    assert "enableGatewayApi" in survey.message


def test_only_routes_that_have_the_weights_are_believed() -> None:
    service = a_service(mode="Standard")
    standard(service)
    service = patched(service, INFERENCE_SERVICE.change(service, routed(), STEP, Split(S)))
    found = standard(service)
    assert INFERENCE_SERVICE.seen(found, routed(), "").accepted
    found = standard(service, splits=False)
    assert service["status"]["canaryStatuses"] == [{"name": "v7", "ready": True, "trafficPercent": 5}]
    seen = INFERENCE_SERVICE.seen(found, routed(), "")
    assert (seen.accepted, seen.problem) == (False, Reason.ROUTE_NOT_HONOURED)


@pytest.mark.parametrize(
    ("indulgence", "problem"),
    [(timedelta(minutes=2), None), (timedelta(0), Reason.ROUTE_NOT_HONOURED)],
    ids=["at first", "after a while"],
)
async def test_a_route_without_the_weights_is_complained_of_only_when_it_lasts(
    indulgence: timedelta, problem: Reason | None
) -> None:
    service, api = a_service(mode="Standard"), FakeApi()
    standard(service)
    service = patched(service, INFERENCE_SERVICE.change(service, routed(), STEP, Split(S)))
    for route in standard(service, splits=False).companions:
        assert route is not None
        api.put(HTTP_ROUTES, route)
    api.put(INFERENCE_SERVICES, service)
    router = ObjectRouter(
        api.client(), INFERENCE_SERVICE, NoCache(), Leader(), allowed=lambda _: True, indulgence=indulgence
    )
    seen = await router.observe(routed())
    assert (seen.split, seen.accepted, seen.problem) == (STEP, False, problem)


def test_one_of_two_routes_with_the_weights_is_not_enough() -> None:
    service = a_service(mode="Standard")
    standard(service)
    service = patched(service, INFERENCE_SERVICE.change(service, routed(), STEP, Split(S)))
    found = standard(service)
    before = deepcopy(found.companions[1])
    assert before is not None
    before["spec"]["rules"][0]["backendRefs"] = [
        {"name": "fraud-predictor", "port": 80},
        {"name": "x", "weight": 0},
    ]
    seen = INFERENCE_SERVICE.seen(replace(found, companions=(found.companions[0], before)), routed(), "")
    assert not seen.accepted


def test_a_promotion_keeps_the_copies_and_takes_the_canary_s_name() -> None:
    service = a_service(mode="Standard")
    service["spec"]["predictor"]["maxReplicas"] = 8
    standard(service)
    service = patched(service, INFERENCE_SERVICE.change(service, routed(), Split(S, C, 1000), Split(S)))
    assert "maxReplicas" not in service["spec"]["canary"][0]["predictor"], "a canary may not have it"
    service = patched(service, INFERENCE_SERVICE.change(service, routed(), Split(C), Split(S, C, 1000)))
    predictor = service["spec"]["predictor"]
    assert "canary" not in service["spec"]
    assert (predictor["name"], predictor["minReplicas"], predictor["maxReplicas"]) == ("v7", 2, 8)
    assert predictor["model"]["storageUri"] == NEW
    assert INFERENCE_SERVICE.seen(standard(service), routed(), "").series == (("v7", "fraud-v7-predictor"),)


def test_a_name_for_a_canary_is_a_label_and_differs_where_versions_do() -> None:
    assert entry_name("v7") == "v7"
    names = {entry_name(version) for version in ("1.2.0", "1-2.0", "1.2.0-RC", "A" * 63, "_", "v" * 60)}
    assert len(names) == 6
    assert all(len(service_name("fraud", name)) <= 63 for name in names)


def test_the_emergency_without_versions_gives_every_canary_nothing() -> None:
    service, _ = serverless(given(30))
    nobody = routed(stable=None, canary=None)
    assert INFERENCE_SERVICE.emergency(service, nobody) == [
        {"op": "add", "path": "/spec/predictor/canaryTrafficPercent", "value": 0}
    ]
    service, _ = serverless()
    with pytest.raises(TargetError, match="set canaryTrafficPercent: 0 yourself"):
        INFERENCE_SERVICE.emergency(service, nobody)


def test_a_latch_never_touches_the_pods_that_serve() -> None:
    service, _ = serverless()
    assert INFERENCE_SERVICE.latch(service, Reason.CHECK_FAILED) == []
    service = a_service(mode="Standard")
    standard(service)
    assert INFERENCE_SERVICE.latch(service, Reason.CHECK_FAILED) == []


LS, LC = (Release(v, backend=Backend(BackendKind.LLM_INFERENCE_SERVICE, f"chat-{v}")) for v in ("v6", "v7"))


def grouped(**changes: Any) -> RoutedModel:
    model = RoutedModel(
        "chat",
        RouteRef("llmInferenceService", "chat"),
        NAMESPACE,
        stable=LS,
        canary=LC,
        steps_permille=(50, 250),
    )
    return replace(model, **changes)


def group(*members: Obj, unready: tuple[str, ...] = ()) -> Standing:
    """The canary's member with all of its group, KServe having looked at each."""
    for each in members:
        each["status"] = group_status(each, members, unready)
    canary = members[-1]
    return Standing(canary, ({"items": list(members)},))


def of_group(found: Standing, recorded: Release | None = LS, **changes: Any) -> Survey:
    return LLM_INFERENCE_SERVICE.survey(found, grouped(stable=None, **changes), recorded).survey


def test_stable_is_the_only_other_member_with_a_weight() -> None:
    found = group(a_member("chat-v1"), a_member("chat-v6", 9), a_member("chat-v7"))
    assert of_group(found, None) == Survey(Release("chat-v6", backend=LS.backend))
    assert of_group(found) == Survey(LS)


def test_a_group_without_anybody_is_a_first_deployment() -> None:
    assert of_group(group(a_member("chat-v7")), None) == Survey()


def test_of_two_members_with_a_weight_the_policy_has_to_name_one() -> None:
    found = group(a_member("chat-v5", 1), a_member("chat-v6", 9), a_member("chat-v7"))
    survey = of_group(found, None)
    assert (survey.problem, survey.hopeless) == (Reason.ROUTE_AMBIGUOUS, True)
    assert "stable: chat-v5" in survey.message
    survey = of_group(found, None, route=RouteRef("llmInferenceService", "chat", stable="chat-v6"))
    assert survey.problem is Reason.ROUTE_AMBIGUOUS
    assert "chat-v5: set it to 0" in survey.message


@pytest.mark.parametrize(
    ("members", "problem", "words"),
    [
        ((a_member("chat-v6", 9), a_member("chat-v7", 1)), Reason.DRIFT_DETECTED, "has the weight 1 already"),
        ((a_member("chat-v6", 9), a_member("chat-v7", group="other")), Reason.ROUTE_NOT_FOUND, "not other"),
        (
            (a_member("chat-v6", 9), a_member("chat-v7", model="x")),
            Reason.WAITING_FOR_ROUTE,
            "MemberDivergence",
        ),
        (
            (a_member("chat-v6", 9), a_member("chat-v7", annotations={"serving.kserve.io/stop": "true"})),
            Reason.WAITING_FOR_ROUTE,
            "serving.kserve.io/stop-",
        ),
    ],
)
def test_what_stands_in_the_way_in_a_group(members: tuple[Obj, ...], problem: Reason, words: str) -> None:
    survey = of_group(group(*deepcopy(members)))
    assert survey.problem is problem
    assert words in survey.message


def test_a_member_that_does_not_know_the_weight_yet_keeps_it_out_of_force() -> None:
    """The oldest of the routes wins, and it may be either member's."""
    members = [
        a_member("chat-v6", 10_000),
        a_member("chat-v7", 526, annotations={"serinus.dev/canary": "true"}),
    ]
    found = group(*members)
    seen = LLM_INFERENCE_SERVICE.seen(found, grouped(), "")
    assert (seen.split, seen.accepted) == (Split(LS, LC, 50), True)
    assert seen.series == (("v6", "chat-v6"), ("v7", "chat-v7"))
    for which in members:
        before = deepcopy(which["status"])
        which["status"]["router"]["group"]["members"][1]["weight"] = 0
        seen = LLM_INFERENCE_SERVICE.seen(found, grouped(), "")
        assert (seen.accepted, seen.problem) == (False, None)
        assert f"{which['metadata']['name']} routes to chat-v7 by 0 still, not 526" in seen.message
        which["status"] = before


def test_a_canary_that_kserve_does_not_route_to_is_not_in_force() -> None:
    found = group(a_member("chat-v6", 10_000), a_member("chat-v7", 526), unready=("chat-v7",))
    seen = LLM_INFERENCE_SERVICE.seen(found, grouped(), "")
    assert "chat-v6 does not route to chat-v7 yet" in seen.message


def test_a_stable_member_that_is_gone_is_drift() -> None:
    seen = LLM_INFERENCE_SERVICE.seen(group(a_member("chat-v7", 526)), grouped(), "")
    assert (seen.accepted, seen.problem) == (False, Reason.DRIFT_DETECTED)


def test_nobody_known_is_no_emergency_that_can_be_written() -> None:
    nobody = grouped(stable=None, canary=None)
    with pytest.raises(TargetError, match="set its weight to 0 yourself"):
        LLM_INFERENCE_SERVICE.written(nobody, None)


def test_who_takes_requests_is_written_before_who_loses_them() -> None:
    up, down = ("chat-v7", "chat-v6"), ("chat-v6", "chat-v7")
    for split in (Split(LS, LC, 1000), Split(LC)):
        assert LLM_INFERENCE_SERVICE.written(grouped(), split) == up
    for other in (Split(LS), Split(LS, LC, 250), None):
        assert LLM_INFERENCE_SERVICE.written(grouped(), other) == down


class TestBothMembersWritten:
    """Of a group two objects are written, and KServe writes into the second what the first became."""

    def world(self) -> tuple[FakeApi, ObjectRouter]:
        api = FakeApi()
        members = [
            a_member("chat-v6", 0),
            a_member("chat-v7", 500, annotations={"serinus.dev/canary": "true"}),
        ]
        for each in members:
            api.put(LLM_INFERENCE_SERVICES, {**each, "status": group_status(each, members)})
        router = ObjectRouter(
            api.client(),
            LLM_INFERENCE_SERVICE,
            NoCache(),
            Leader(),
            allowed=lambda _: True,
            patience=timedelta(0),
        )
        return api, router

    def weight(self, api: FakeApi, name: str) -> int:
        found = api.get(LLM_INFERENCE_SERVICES, NAMESPACE, name)
        assert found is not None
        weight: int = found["spec"]["router"]["route"]["weight"]
        return weight

    async def race(self, api: FakeApi, router: ObjectRouter, change: Callable[[Obj], None]) -> None:
        """Roll back while the canary's member is written by somebody else between our two writes."""
        done: list[str] = []

        async def meanwhile(request: Any, serve: Any) -> Any:
            answered = serve(request)
            if request.method == "PATCH" and request.path.endswith("chat-v6"):
                done.append("stable")
                if len(done) == 2:  # its epoch first, then its weight
                    api.modify(LLM_INFERENCE_SERVICES, NAMESPACE, "chat-v7", change)
            return answered

        api.fault = meanwhile
        await router.apply(grouped(), Split(LS), Split(LS, LC, 1000))

    async def test_the_second_is_read_again_where_only_its_status_changed(self) -> None:
        api, router = self.world()
        await self.race(api, router, lambda obj: obj["status"].update(note="routes to chat-v6 again"))
        assert (self.weight(api, "chat-v6"), self.weight(api, "chat-v7")) == (10_000, 0)

    async def test_what_somebody_wrote_there_is_a_conflict(self) -> None:
        api, router = self.world()
        with pytest.raises(Conflict):
            await self.race(api, router, lambda obj: obj["spec"]["router"]["route"].update(weight=77))
        assert self.weight(api, "chat-v7") == 77
