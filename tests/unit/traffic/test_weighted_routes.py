"""What is special about VirtualService, AIGatewayRoute and Knative's Service; the contract has the rest."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.resources import HTTP_ROUTES, Obj, Resource
from controller.adapters.traffic.ai_gateway import AI_GATEWAY_ROUTE
from controller.adapters.traffic.dialect import Companion, Standing, Surveyed
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.knative import KNATIVE_SERVICE
from controller.adapters.traffic.virtual_service import VIRTUAL_SERVICE
from controller.domain.observation import Survey
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import TargetError
from tests.json_patch import patched
from tests.weighted_routes import (
    AI_GATEWAY_ROUTES,
    KNATIVE_SERVICES,
    SUBSETS,
    VIRTUAL_SERVICES,
    Kind,
    a_knative_service,
    a_virtual_service,
    an_ai_gateway_route,
    condition,
    destination,
    generate,
    revision,
    service_backend,
)

MARK = {"request": {"set": {"x-serinus-version": "v7"}}}


def changed(kind: Kind, route: Obj, split: Split, model: RoutedModel | None = None) -> Obj:
    """The route after a patch that expects what is there."""
    model = model or kind.routed()
    held = kind.dialect.seen(Standing(route), model, "serinus.dev/epoch").split
    after: Obj = patched(route, kind.dialect.change(route, model, split, held))
    return after


def at(kind: Kind, weight: int) -> Split:
    model = kind.routed()
    return Split(model.stable, model.canary, weight)


def before(kind: Kind, **changes: Any) -> RoutedModel:
    """The model before its first release, with a policy that tells its rule."""
    rule = "fraud" if kind.name == "virtualService" else None
    ref = RouteRef(kind.name, "fraud", rule=rule, stable=kind.stable.name)
    return kind.routed(**({"route": ref, "stable": None, "weight_sum": None} | changes))


def survey(kind: Kind, route: Obj, *companions: Obj | None, **changes: Any) -> Survey:
    model = before(kind, **changes)
    found: Surveyed = kind.dialect.survey(Standing(route, companions), model, None)
    return found.survey


def given(kind: Kind) -> Obj:
    """The Knative Service of the kind with what Knative says of it."""
    found: list[Obj] = []
    kind.run(lambda _, obj: found.append(obj), deepcopy(kind.route))
    return found[-1]


# VirtualService


def test_the_canary_s_destination_is_like_stable_s_with_a_mark_among_its_headers() -> None:
    theirs = {"request": {"set": {"x-team": "risk"}}, "response": {"remove": ["server"]}}
    route = a_virtual_service(destination("fraud-v6", 100, headers=theirs))
    after = VIRTUAL_SERVICES.refs(changed(VIRTUAL_SERVICES, route, at(VIRTUAL_SERVICES, 50)))
    assert after == [
        destination("fraud-v6", 950, headers=theirs),
        destination(
            "fraud-v7",
            50,
            headers={**theirs, "request": {"set": {"x-team": "risk", "x-serinus-version": "v7"}}},
        ),
    ]
    assert VIRTUAL_SERVICE.layout.unmarked(after[1]) == destination("fraud-v7", 50, headers=theirs)


def test_the_mark_leaves_nothing_behind() -> None:
    layout = VIRTUAL_SERVICE.layout
    plain = destination("fraud-v7")
    assert layout.marked(plain, "v7") == {**plain, "headers": MARK}
    assert layout.unmarked(layout.marked(plain, "v7")) == plain


@pytest.mark.parametrize("weight", [None, 0, 30, 100])
def test_a_destination_that_is_alone_gets_everything_whatever_its_weight(weight: int | None) -> None:
    route = a_virtual_service(destination("fraud-v6", weight))
    model = VIRTUAL_SERVICES.routed(weight_sum=None)
    seen = VIRTUAL_SERVICE.seen(Standing(route), model, "serinus.dev/epoch")
    assert (seen.split, seen.accepted) == (Split(model.stable), True)
    after = changed(VIRTUAL_SERVICES, route, Split(model.stable), VIRTUAL_SERVICES.routed())
    weights = [each.get("weight") for each in VIRTUAL_SERVICES.refs(after)]
    assert weights == [None if weight is None else 100]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("fraud-v6", "fraud-v6"),
        ("fraud-v6.ml.svc", "fraud-v6"),
        ("fraud-v6.ml.svc.cluster.local", "fraud-v6"),
        ("fraud-v6.other.svc.cluster.local", None),
        ("models.example.com", None),
        ("fraud-v6.ml", None),
        ("", None),
    ],
)
def test_hosts_of_the_cluster_are_services(host: str, found: str | None) -> None:
    route = a_virtual_service(destination(host, 100))
    model = VIRTUAL_SERVICES.routed()
    seen = VIRTUAL_SERVICE.seen(Standing(route), model, "serinus.dev/epoch").split
    assert (seen.stable == model.stable) is (found is not None)


def test_a_long_host_stays_as_long() -> None:
    after = SUBSETS.refs(changed(SUBSETS, SUBSETS.route, at(SUBSETS, 50)))
    assert after[1]["destination"] == {
        "host": "fraud.ml.svc.cluster.local",
        "subset": "v7",
        "port": {"number": 8080},
    }


def test_a_destination_outside_the_cluster_cannot_be_a_version() -> None:
    found = survey(VIRTUAL_SERVICES, a_virtual_service(destination("models.example.com", 100)))
    assert (found.problem, found.hopeless) == (Reason.BACKEND_NOT_FOUND, True)
    assert found.message == ("host models.example.com cannot be a version here: VirtualService takes Service")


def test_a_subset_gives_its_name_to_the_version_that_serves() -> None:
    surveyed = VIRTUAL_SERVICE.survey(Standing(SUBSETS.route), before(SUBSETS), None)
    assert surveyed.survey.serving == Release("v6", backend=SUBSETS.stable)
    assert surveyed.nameless is None


def test_whether_a_subset_is_defined_is_asked_until_it_is_on_the_route() -> None:
    model = SUBSETS.routed()
    (asked,) = VIRTUAL_SERVICE.companions(SUBSETS.route, model)
    assert (asked.resource.kind, asked.name) == ("DestinationRule", "")
    assert VIRTUAL_SERVICE.companions(changed(SUBSETS, SUBSETS.route, at(SUBSETS, 50)), model) == ()
    assert VIRTUAL_SERVICE.companions(VIRTUAL_SERVICES.route, VIRTUAL_SERVICES.routed()) == ()


@pytest.mark.parametrize(
    ("messages", "generation", "refused"),
    [
        ([], 1, False),
        ([{"level": "WARNING", "type": {"code": "IST0001"}}], 1, False),
        ([{"level": "ERROR", "type": {"code": "IST0101", "name": "ReferencedResourceNotFound"}}], 1, True),
        ([{"level": "ERROR", "type": {"code": "IST0101"}}], 0, False),
    ],
)
def test_what_istio_s_analysis_says_of_the_present_generation_counts(
    messages: list[Obj], generation: int, refused: bool
) -> None:
    route = deepcopy(VIRTUAL_SERVICES.route)
    route["status"] = {"observedGeneration": generation, "validationMessages": messages}
    verdict = VIRTUAL_SERVICE.accepted(Standing(route))
    assert (verdict.accepted, verdict.refused) == (not refused, refused)
    assert "IST0101" in verdict.message or not refused


@pytest.mark.parametrize(
    ("gateways", "found"),
    [
        (["models"], ("ml/models",)),
        (["istio-system/edge", "mesh"], ("istio-system/edge", "mesh")),
        ([], ("mesh",)),
    ],
)
def test_the_gateways_of_a_virtual_service(gateways: list[str], found: tuple[str, ...]) -> None:
    route = deepcopy(VIRTUAL_SERVICES.route)
    route["spec"]["gateways"] = gateways
    assert survey(VIRTUAL_SERVICES, route).gateways == found


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"labels": {"kiali_wizard": "weighted"}}, "Kiali's wizard"),
        (
            {"managedFields": [{"manager": "rollouts-controller", "fieldsV1": {"f:spec": {"f:http": {}}}}]},
            "Argo",
        ),
    ],
)
def test_a_virtual_service_that_somebody_else_steers_is_refused(metadata: Obj, said: str) -> None:
    route = deepcopy(VIRTUAL_SERVICES.route)
    route["metadata"] |= metadata
    found = survey(VIRTUAL_SERVICES, route)
    assert (found.problem, found.hopeless) == (Reason.ROUTE_OWNED, True)
    assert said in found.message


# AIGatewayRoute


def generated(route: Obj) -> Obj:
    found: dict[Resource, Obj] = {}
    generate(found.__setitem__, route)
    return found[HTTP_ROUTES]


@pytest.mark.parametrize(("override", "canary_s"), [("v6", "v7"), ("llama-3", "llama-3"), (None, None)])
def test_a_model_name_that_is_the_version_s_name_becomes_the_canary_s(
    override: str | None, canary_s: str | None
) -> None:
    more = {} if override is None else {"modelNameOverride": override}
    route = an_ai_gateway_route(service_backend("fraud-v6", 1, priority=0, **more))
    after = AI_GATEWAY_ROUTES.refs(changed(AI_GATEWAY_ROUTES, route, at(AI_GATEWAY_ROUTES, 50)))
    assert after[1].get("modelNameOverride") == canary_s
    assert after[1]["headerMutation"] == {"set": [{"name": "x-serinus-version", "value": "v7"}]}
    back = changed(AI_GATEWAY_ROUTES, _with(route, after), Split(AI_GATEWAY_ROUTES.routed().stable))
    assert back == route


def _with(route: Obj, refs: list[Obj]) -> Obj:
    route = deepcopy(route)
    AI_GATEWAY_ROUTES.refs(route)[:] = refs
    return route


def test_the_mark_of_an_ai_backend_keeps_what_people_wrote() -> None:
    layout = AI_GATEWAY_ROUTE.layout
    theirs = service_backend(
        "fraud-v7", headerMutation={"set": [{"name": "x", "value": "y"}], "remove": ["z"]}
    )
    assert layout.unmarked(layout.marked(theirs, "v7")) == theirs
    only_remove = service_backend("fraud-v7", headerMutation={"remove": ["z"]})
    assert layout.unmarked(layout.marked(only_remove, "v7")) == only_remove
    assert layout.marked(layout.marked(theirs, "v6"), "v7") == layout.marked(theirs, "v7")


def test_versions_are_told_apart_by_the_names_that_their_backends_are_asked_for() -> None:
    model = AI_GATEWAY_ROUTES.routed()

    def series(*refs: Obj) -> tuple[tuple[str, str], ...]:
        route = an_ai_gateway_route(*refs)
        return AI_GATEWAY_ROUTE.seen(Standing(route), model, "serinus.dev/epoch").series

    six, seven = service_backend("fraud-v6", 950), service_backend("fraud-v7", 50)
    named = {**six, "modelNameOverride": "six"}, {**seven, "modelNameOverride": "seven"}
    assert series(*named) == (("v6", "six"), ("v7", "seven"))
    assert series(six, seven) == ()
    assert series({**six, "modelNameOverride": "a"}, {**seven, "modelNameOverride": "a"}) == ()
    assert series(named[0]) == (("v6", "six"),)


POOL = Backend(BackendKind.INFERENCE_POOL, "fraud-v7")
POOL_REF = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "fraud-v6", "weight": 1}


def test_pools_are_refused_with_the_reason_and_the_route_to_write() -> None:
    for found in (
        survey(AI_GATEWAY_ROUTES, AI_GATEWAY_ROUTES.route, canary=Release("v7", backend=POOL)),
        survey(AI_GATEWAY_ROUTES, an_ai_gateway_route(POOL_REF)),
    ):
        assert (found.problem, found.hopeless) == (Reason.BACKEND_NOT_FOUND, True)
        assert "holds one InferencePool and nothing beside it" in found.message
        assert "{httpRoute: NAME}" in found.message


def test_a_route_is_accepted_by_the_http_route_that_is_made_from_it() -> None:
    route = AI_GATEWAY_ROUTES.route
    assert AI_GATEWAY_ROUTE.companions(route, AI_GATEWAY_ROUTES.routed()) == (
        Companion(HTTP_ROUTES, "fraud"),
    )
    assert AI_GATEWAY_ROUTE.accepted(Standing(route, (generated(route),))) == Verdict(accepted=True)


def verdict(change: Any = None, **route_s: Any) -> Verdict:
    """With an HTTPRoute that ``change`` makes another; None for none."""
    route = {**AI_GATEWAY_ROUTES.route, **route_s}
    made = None if change is None else generated(route)
    if made is not None:
        change(made)
    return AI_GATEWAY_ROUTE.accepted(Standing(route, (made,)))


def _weigh_otherwise(made: Obj) -> None:
    made["spec"]["rules"][1]["backendRefs"][0]["weight"] = 7


def _drop_a_backend(made: Obj) -> None:
    del made["spec"]["rules"][1]["backendRefs"][0]


def _forget_its_owner(made: Obj) -> None:
    made["metadata"].update(ownerReferences=[], annotations={})


def _refuse(made: Obj) -> None:
    made["status"]["parents"][0]["conditions"] = [condition("Accepted", 1, "False", "no")]


@pytest.mark.parametrize(
    ("change", "refused", "said"),
    [
        (None, False, "there is no HTTPRoute fraud made from it yet"),
        (_weigh_otherwise, False, "does not carry its weights"),
        (_drop_a_backend, False, "does not carry its weights"),
        (_forget_its_owner, True, "is not made from it"),
        (_refuse, True, "Accepted=False"),
    ],
)
def test_a_route_is_not_accepted_without_its_http_route(change: Any, refused: bool, said: str) -> None:
    found = verdict(change)
    assert (found.accepted, found.refused) == (False, refused)
    assert said in found.message


def test_what_the_ai_gateway_says_is_told_where_its_route_is_not_as_it_should_be() -> None:
    no = {"conditions": [condition("NotAccepted", 0, said="failed to get AIServiceBackend fraud-v7.ml")]}
    found = verdict(_drop_a_backend, status=no)
    assert "failed to get AIServiceBackend fraud-v7.ml" in found.message
    assert verdict(lambda _: None, status=no).accepted


# Knative


@pytest.mark.parametrize("duration", ["380s", "1m", "1h0m0s"])
def test_a_service_whose_traffic_moves_by_itself_is_refused(duration: str) -> None:
    route = given(KNATIVE_SERVICES)
    route["metadata"]["annotations"] = {"serving.knative.dev/rollout-duration": duration}
    found = survey(KNATIVE_SERVICES, route)
    assert (found.problem, found.hopeless) == (Reason.ROUTE_OWNED, True)
    assert f"is {duration}" in found.message
    assert "rollout-duration=0s" in found.message


@pytest.mark.parametrize("duration", ["0s", "0m0s", "0"])
def test_a_duration_of_nothing_moves_nothing(duration: str) -> None:
    route = given(KNATIVE_SERVICES)
    route["metadata"]["annotations"] = {"serving.knative.dev/rollout-duration": duration}
    assert survey(KNATIVE_SERVICES, route).problem is None


@pytest.mark.parametrize("targets", [(), ({"latestRevision": True, "percent": 100},)])
def test_a_service_that_follows_the_latest_revision_is_refused_with_what_to_type(
    targets: tuple[Obj, ...],
) -> None:
    route = a_knative_service(*targets)
    route["status"] = {"traffic": [{"revisionName": "fraud-00006", "percent": 100, "latestRevision": True}]}
    found = survey(KNATIVE_SERVICES, route)
    assert (found.problem, found.hopeless) == (Reason.ROUTE_OWNED, True)
    assert found.message.endswith("kn service update fraud --traffic fraud-00006=100")


def test_a_service_of_kserve_is_refused_with_what_to_write() -> None:
    route = given(KNATIVE_SERVICES)
    route["metadata"]["ownerReferences"] = [{"kind": "InferenceService", "name": "fraud", "controller": True}]
    found = survey(KNATIVE_SERVICES, route)
    assert found.problem is Reason.ROUTE_OWNED
    assert found.message.endswith("write route: {inferenceService: fraud} in the policy")


def test_steps_between_whole_percents_are_refused() -> None:
    found = survey(KNATIVE_SERVICES, given(KNATIVE_SERVICES), steps_permille=(5, 100))
    assert (found.problem, found.hopeless) == (Reason.WEIGHT_SUM_TOO_SMALL, True)
    assert found.message == "the step 0.5% cannot be given exactly: weights here are multiples of 1%"


def test_a_service_cannot_be_a_version_of_a_knative_service() -> None:
    canary = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v7"))
    found = survey(KNATIVE_SERVICES, given(KNATIVE_SERVICES), canary=canary)
    assert found.message == "Service fraud-v7 cannot be a version here: Knative Service takes Revision"


@pytest.mark.parametrize(
    ("change", "refused", "said"),
    [
        ({"observedGeneration": 0}, False, "has not looked"),
        ({"conditions": []}, False, "nothing yet"),
        ({"conditions": [condition("RoutesReady", 1, "Unknown", "moving")]}, False, "moving"),
        ({"conditions": [condition("RoutesReady", 1, "False", "no revision")]}, True, "no revision"),
        ({"traffic": [{"revisionName": "fraud-00005", "percent": 100}]}, False, "these percents"),
    ],
)
def test_knative_has_to_say_that_the_traffic_is_as_asked(change: Obj, refused: bool, said: str) -> None:
    route = given(KNATIVE_SERVICES)
    assert KNATIVE_SERVICE.accepted(Standing(route)) == Verdict(accepted=True)
    route["status"] |= change
    found = KNATIVE_SERVICE.accepted(Standing(route))
    assert (found.accepted, found.refused) == (False, refused)
    assert said in found.message


def test_a_tag_of_people_stays_with_what_serves_and_never_goes_with_the_canary() -> None:
    latest = {"latestRevision": True, "percent": 0, "tag": "next"}
    route = a_knative_service(revision("fraud-00006", 100, tag="current"), latest)
    model = KNATIVE_SERVICES.routed()
    step = changed(KNATIVE_SERVICES, route, at(KNATIVE_SERVICES, 50))
    assert KNATIVE_SERVICES.refs(step) == [
        revision("fraud-00006", 95, tag="current"),
        latest,
        revision("fraud-00007", 5),
    ]
    all_of_it = changed(KNATIVE_SERVICES, step, at(KNATIVE_SERVICES, 1000))
    promoted = changed(KNATIVE_SERVICES, all_of_it, Split(model.canary))
    assert KNATIVE_SERVICES.refs(promoted) == [revision("fraud-00007", 100, tag="current"), latest]


def test_a_canary_with_a_tag_of_people_stays_at_nothing_after_a_rollback() -> None:
    route = a_knative_service(revision("fraud-00006", 100), revision("fraud-00007", 0, tag="candidate"))
    step = changed(KNATIVE_SERVICES, route, at(KNATIVE_SERVICES, 50))
    assert changed(KNATIVE_SERVICES, step, Split(KNATIVE_SERVICES.routed().stable)) == route
    promoted = changed(KNATIVE_SERVICES, step, Split(KNATIVE_SERVICES.routed().canary))
    assert KNATIVE_SERVICES.refs(promoted) == [revision("fraud-00007", 100, tag="candidate")]


def test_percents_always_add_up_to_100() -> None:
    route = a_knative_service(revision("fraud-00006", 80), revision("audit", 20))
    model = replace(KNATIVE_SERVICES.routed(), weight_sum=80, steps_permille=(250, 500))
    for weight, parts in ((250, (60, 20)), (500, (40, 40)), (1000, (0, 80))):
        after = changed(KNATIVE_SERVICES, route, at(KNATIVE_SERVICES, weight), model)
        percents = {each["revisionName"]: each["percent"] for each in KNATIVE_SERVICES.refs(after)}
        assert percents == {"fraud-00006": parts[0], "audit": 20, "fraud-00007": parts[1]}


@pytest.mark.parametrize("kind", [VIRTUAL_SERVICES, AI_GATEWAY_ROUTES, KNATIVE_SERVICES])
def test_without_a_record_only_a_mark_tells_the_canary(kind: Kind) -> None:
    split = changed(kind, kind.route, at(kind, 50))
    nobody = kind.routed(stable=None, canary=None, weight_sum=None)
    named = replace(nobody, route=replace(nobody.route, stable=kind.stable.name))
    if kind is KNATIVE_SERVICES:
        with pytest.raises(TargetError, match="set the weights yourself"):
            kind.dialect.emergency(split, named)
        return
    after = patched(split, kind.dialect.emergency(split, named))
    assert {kind.version_of(each) for each in kind.refs(after)} == {"v6", None}
