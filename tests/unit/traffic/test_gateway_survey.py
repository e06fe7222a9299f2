"""What is found on a route before a rollout, and what people are told to do about it."""

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Surveyed
from controller.adapters.traffic.gateway_status import gateways_of
from controller.adapters.traffic.gateway_survey import survey_of
from controller.domain.observation import Survey
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Reason
from tests.gateway_routes import POOL_C, C, S, a_route, a_rule, ours, pool, ref, routed

AUDIT = ref("audit", 300)
STEPS = (10, 50)

AT = ("ml/gateway",)


def surveyed(*refs: Obj, recorded: Release | None = None, **changes: Any) -> Surveyed:
    model = routed(**({"stable": None, "weight_sum": None, "steps_permille": STEPS} | changes))
    return survey_of(a_route(a_rule(*refs)), model, recorded)


def survey(*refs: Obj, recorded: Release | None = None, **changes: Any) -> Survey:
    return surveyed(*refs, recorded=recorded, **changes).survey


def by_policy(stable: str) -> RouteRef:
    return RouteRef("httpRoute", "fraud", stable=stable)


def test_a_single_backend_serves_and_is_called_by_its_own_name_until_a_version_is_known() -> None:
    found = surveyed(ref("fraud-v6", 7))
    assert found.survey == Survey(
        Release("fraud-v6", backend=S.backend), weight_sum=7, gateways=AT, unmirrored=""
    )
    assert found.nameless == S.backend
    assert found.named("v6").serving == S


def test_what_is_on_record_lends_its_version_and_gets_the_port() -> None:
    portless = replace(S, backend=Backend(BackendKind.SERVICE, "fraud-v6"))
    for known in ({"recorded": portless}, {"stable": portless}):
        found = surveyed(ref("fraud-v6"), AUDIT | {"weight": 0}, **known)
        assert (found.survey.serving, found.nameless) == (S, None)


def test_what_is_on_record_but_not_on_the_route_lends_nothing() -> None:
    old = Release("v5", backend=Backend(BackendKind.SERVICE, "fraud-v5", 8080))
    found = surveyed(ref("fraud-v6"), recorded=old)
    assert found.survey.serving == Release("fraud-v6", backend=S.backend)


def test_the_record_tells_which_of_several_is_the_model_s_then_the_policy_then_the_weight() -> None:
    refs = (ref("fraud-v5", 1), ref("fraud-v6", 10), ref("more", 2))
    assert _backend(survey(*refs, recorded=S, route=by_policy("more"), steps_permille=(500,))) == "fraud-v6"
    assert _backend(survey(*refs, route=by_policy("fraud-v6"), steps_permille=(200,))) == "fraud-v6"
    assert _backend(survey(ref("fraud-v5", 0), ref("fraud-v6", 5), ref("fraud-v7", 0))) == "fraud-v6"


def _backend(found: Survey) -> str:
    assert found.problem is None, found.message
    assert found.serving is not None
    assert found.serving.backend is not None
    return found.serving.backend.name


def test_a_name_of_the_policy_that_is_outdated_does_not_stand_in_the_way_of_the_only_one() -> None:
    assert _backend(survey(ref("fraud-v6"), route=by_policy("fraud-v1"))) == "fraud-v6"


def test_several_that_nothing_tells_apart_are_told_with_what_to_write() -> None:
    found = survey(ref("fraud-v6", 7), AUDIT, route=by_policy("fraud-v1"))
    assert (found.problem, found.hopeless, found.serving) == (Reason.ROUTE_AMBIGUOUS, True, None)
    assert found.message == (
        "the rule has fraud-v6 and audit, and nothing says which is the model's; "
        "write route: {httpRoute: {name: fraud, stable: fraud-v6}} in the policy, or another of them"
    )
    assert survey(ref("a", 0), ref("b", 0)).problem is Reason.ROUTE_AMBIGUOUS


def test_one_that_stands_there_twice_is_ambiguous() -> None:
    found = survey(ref("fraud-v6", 7), ref("fraud-v6", 3), recorded=S)
    assert (found.problem, found.hopeless) == (Reason.ROUTE_AMBIGUOUS, True)
    assert found.message == "2 entries of the rule name fraud-v6; leave one, or name the port"
    assert survey(ref("fraud-v6", 7), ours(), ours(), stable=S).problem is Reason.ROUTE_AMBIGUOUS


def test_a_first_deployment_has_nobody_to_be_stable() -> None:
    assert survey() == Survey(gateways=AT, unmirrored="")
    assert survey(ref("fraud-v7", 3)) == Survey(weight_sum=3, gateways=AT, unmirrored="")


def test_who_is_on_record_as_serving_must_be_there() -> None:
    for found in (
        survey(recorded=S),
        survey(ref("fraud-v7"), recorded=S),
        survey(ref("fraud-v5"), stable=S),
    ):
        assert (found.problem, found.hopeless) == (Reason.DRIFT_DETECTED, False)
    assert found.message == ("the rule has fraud-v5, but v6 is on record as serving: put its backend back")
    assert "the rule has no backend, but v6" in survey(recorded=S).message


def test_a_canary_that_serves_already_is_refused() -> None:
    same = Release("v7", backend=S.backend)
    found = survey(ref("fraud-v6"), recorded=S, canary=same)
    assert (found.problem, found.hopeless) == (Reason.ALREADY_SERVING, True)
    assert found.message == "Service fraud-v6 serves already: give v7 one of its own"
    anywhere = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v6"))
    assert survey(ref("fraud-v6"), stable=S, canary=anywhere).problem is Reason.ALREADY_SERVING
    other_port = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v6", 9090))
    assert survey(ref("fraud-v6"), stable=S, canary=other_port).problem is None


def test_a_canary_without_a_backend_yet_is_no_problem() -> None:
    assert survey(ref("fraud-v6"), canary=Release("v7")).problem is None


def test_a_canary_whose_port_nobody_knows_is_refused() -> None:
    portless = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v7"))
    assert survey(ref("fraud-v6"), canary=portless).problem is None
    for found in (survey(pool("chat-v6"), canary=portless), survey(canary=portless)):
        assert (found.problem, found.hopeless) == (Reason.BACKEND_NOT_FOUND, True)
    assert survey(pool("chat-v6"), canary=POOL_C).problem is None


def test_a_backend_of_another_kind_is_refused() -> None:
    found = survey(ref("images", kind="Bucket", group="example.com"))
    assert (found.problem, found.message) == (
        Reason.BACKEND_NOT_FOUND,
        "Bucket images cannot be a version here: HTTPRoute takes InferencePool or Service",
    )


def test_a_canary_that_has_weight_already_is_waited_for() -> None:
    found = survey(ref("fraud-v6", 9), ref("fraud-v7", 1))
    assert (found.problem, found.hopeless, found.weight_sum) == (Reason.DRIFT_DETECTED, False, 10)
    assert found.message == "fraud-v7 has the weight 1 already: set it to 0 first"


def test_alone_in_its_rule_any_weight_will_do() -> None:
    assert survey(ref("fraud-v6", 1), steps_permille=(1,)).problem is None
    assert survey(ref("fraud-v6", 1), AUDIT | {"weight": 0}, recorded=S, steps_permille=(1,)).problem is None


def test_weights_that_are_too_small_are_told_with_the_numbers_to_write() -> None:
    found = survey(ref("fraud-v6", 20), AUDIT, recorded=S)
    assert (found.problem, found.hopeless) == (Reason.WEIGHT_SUM_TOO_SMALL, True)
    assert found.message == (
        "the model's weights add up to 20 beside other backends, too few for 1%; "
        "multiply all weights of the rule by 5: fraud-v6 20 -> 100, audit 300 -> 1500"
    )


@pytest.mark.parametrize(
    ("weight", "steps", "step"),
    [
        (90, (50,), "5%"),  # 4 of 4.5: a ninth too little
        (100, (50, 54), "5.4%"),  # both would be 5
        (10, (250,), "25%"),
        (99, (10,), "1%"),
    ],
)
def test_a_step_must_be_told_from_nothing_and_from_the_others(
    weight: int, steps: tuple[int, ...], step: str
) -> None:
    found = survey(ref("fraud-v6", weight), AUDIT, recorded=S, steps_permille=steps)
    assert found.problem is Reason.WEIGHT_SUM_TOO_SMALL
    assert f"too few for {step};" in found.message


@pytest.mark.parametrize(
    ("weight", "steps"), [(100, (10, 50, 250)), (97, (500,)), (100, (333,)), (1000, (1, 2))]
)
def test_a_tenth_less_than_asked_is_near_enough(weight: int, steps: tuple[int, ...]) -> None:
    assert survey(ref("fraud-v6", weight), AUDIT, recorded=S, steps_permille=steps).problem is None


def test_where_weights_cannot_grow_a_coarser_policy_is_the_way_out() -> None:
    found = survey(ref("fraud-v6", 9), AUDIT | {"weight": 900_000}, recorded=S)
    assert found.message.endswith(
        "larger weights are not allowed: use larger steps, or give the model its own rule"
    )


def test_a_stable_without_weight_serves_nobody() -> None:
    found = survey(ref("fraud-v6", 0), recorded=S)
    assert (found.problem, found.hopeless) == (Reason.WEIGHT_SUM_TOO_SMALL, True)


def test_a_rule_that_is_full_is_told() -> None:
    full = [ref(f"b{number}", 0) for number in range(15)]
    found = survey(ref("fraud-v6", 1), *full)
    assert (found.problem, found.hopeless) == (Reason.ROUTE_REJECTED, True)
    assert survey(ref("fraud-v6", 1), *full[1:], ref("fraud-v7", 0)).problem is None


def test_somebody_s_controller_would_undo_every_change() -> None:
    route = a_route(a_rule(ref("fraud-v6")))
    references = [{"kind": "InferenceService", "name": "fraud", "controller": True}]
    route["metadata"]["ownerReferences"] = references
    found = survey_of(route, routed(), None).survey
    assert (found.problem, found.hopeless) == (Reason.ROUTE_OWNED, True)
    assert found.message == (
        "the route fraud belongs to InferenceService fraud, which would undo every change: "
        "write route: {inferenceService: fraud} in the policy"
    )


def test_a_rule_that_cannot_be_found_is_told() -> None:
    model = routed(route=RouteRef("httpRoute", "fraud", rule="main"))
    found = survey_of(a_route(a_rule(ref("fraud-v6"))), model, None).survey
    assert (found.problem, found.hopeless) == (Reason.ROUTE_NOT_FOUND, False)


def test_a_route_that_no_gateway_took_is_waited_for_last_of_all() -> None:
    route = {**a_route(a_rule(ref("fraud-v6"))), "status": {}}
    model = routed(stable=None)
    found = survey_of(route, model, None).survey
    assert (found.problem, found.hopeless) == (Reason.WAITING_FOR_ROUTE, False)
    assert found.message == "no gateway has taken the route yet"
    assert found.serving is not None
    same = replace(model, canary=replace(C, backend=S.backend))
    assert survey_of(route, same, S).survey.problem is Reason.ALREADY_SERVING


@pytest.mark.parametrize(
    ("parents", "gateways"),
    [
        ([{"name": "public"}, {"name": "inner", "namespace": "infra"}], ("infra/inner", "ml/public")),
        ([{"name": "mesh", "kind": "Service"}], ()),
        ("nonsense", ()),
        (None, ()),
    ],
)
def test_the_gateways_of_a_route_are_told_by_their_full_names(
    parents: object, gateways: tuple[str, ...]
) -> None:
    assert gateways_of({"metadata": {"namespace": "ml"}, "spec": {"parentRefs": parents}}) == gateways
