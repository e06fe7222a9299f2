"""The model's rule, and its backends in it, are found by what they are and not by where they stand."""

from typing import Any

import pytest

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_rule import Pair, Trouble, find_pair, rules_of
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Reason
from tests.gateway_routes import POOL_S, C, S, a_route, a_rule, pool, ref, routed

MINE = a_rule(ref("fraud-v6"))
OTHER = a_rule(ref("chat"))


def found(*rules: Obj, **changes: Any) -> Pair | Trouble:
    return find_pair(a_route(*rules), routed(**changes))


def index(*rules: Obj, **changes: Any) -> int:
    pair = found(*rules, **changes)
    assert isinstance(pair, Pair), pair
    return pair.rule.index


def trouble(*rules: Obj, **changes: Any) -> Trouble:
    pair = found(*rules, **changes)
    assert isinstance(pair, Trouble), pair
    return pair


def named(rule: str, stable: str | None = None) -> RouteRef:
    return RouteRef("httpRoute", "fraud", rule=rule, stable=stable)


def test_by_its_name_before_all_else() -> None:
    rules = (MINE, a_rule(ref("chat"), name="main"))
    assert index(*rules, route=named("main")) == 1


def test_a_name_that_no_rule_has_is_told_with_those_that_there_are() -> None:
    rules = (MINE, a_rule(ref("chat"), name="main"), a_rule(name="canary"))
    problem = trouble(*rules, route=named("mian"))
    assert (problem.reason, problem.hopeless) == (Reason.ROUTE_NOT_FOUND, False)
    assert problem.message == "the route fraud has no rule named mian; its rules: main, canary"
    assert "none has a name" in trouble(MINE, route=named("main")).message


def test_by_stable_s_backend_else_by_the_canary_s() -> None:
    assert index(OTHER, MINE) == 1
    assert index(OTHER, a_rule(ref("fraud-v7", 0)), OTHER) == 1
    assert index(a_rule(ref("fraud-v7", 0)), MINE) == 1
    assert index(MINE, a_rule(ref("fraud-v6"), ref("fraud-v7", 0)), OTHER) == 1


def test_the_only_rule_is_the_model_s_if_nothing_else_tells() -> None:
    assert index(OTHER) == 0


def test_the_backend_that_the_policy_names_tells_where_nothing_is_on_record() -> None:
    route = RouteRef("httpRoute", "fraud", stable="fraud-v5")
    assert index(OTHER, a_rule(ref("fraud-v5")), route=route, stable=None) == 1


def test_several_rules_that_could_be_it_are_told_with_what_to_write() -> None:
    problem = trouble(MINE, OTHER, MINE)
    assert (problem.reason, problem.hopeless) == (Reason.ROUTE_AMBIGUOUS, True)
    assert problem.message == (
        "2 rules of the route fraud could be the model's; "
        "write route: {httpRoute: {name: fraud, rule: NAME, and give the rule that name}} in the policy"
    )
    several = trouble(a_rule(ref("fraud-v6"), name="infer"), OTHER, a_rule(ref("fraud-v6"), name="health"))
    assert "rule: infer}} in the policy, or health instead" in several.message


def test_a_route_without_rules_has_none_for_the_model() -> None:
    assert trouble().reason is Reason.ROUTE_NOT_FOUND


@pytest.mark.parametrize(
    "backend",
    [
        ref("fraud-v6", port=9090),
        ref("fraud-v6", namespace="elsewhere"),
        ref("fraud-v6", group="example.com"),
        ref("fraud-v6", kind="ServiceImport", group="multicluster.x-k8s.io"),
        ref("fraud-v60"),
        pool("fraud-v6"),
    ],
)
def test_a_backend_that_differs_in_anything_is_another(backend: Obj) -> None:
    assert index(a_rule(backend), OTHER, MINE) == 2


@pytest.mark.parametrize(
    "backend",
    [
        ref("fraud-v6", group="", kind="Service"),
        ref("fraud-v6", namespace="ml"),
        ref("fraud-v6", port=None),
    ],
)
def test_what_is_left_out_has_the_api_s_default(backend: Obj) -> None:
    assert index(OTHER, a_rule(backend)) == 1


def test_a_port_that_is_not_known_yet_fits_any() -> None:
    anywhere = Release("v6", backend=Backend(BackendKind.SERVICE, "fraud-v6"))
    assert index(OTHER, a_rule(ref("fraud-v6", port=9090)), stable=anywhere) == 1


def test_a_pool_has_no_port() -> None:
    assert index(OTHER, a_rule(pool("chat-v6", port=9002)), stable=POOL_S) == 1


def test_who_is_who_in_the_rule() -> None:
    pair = found(a_rule(ref("fraud-v7", 0), ref("audit", 5), ref("fraud-v6")))
    assert isinstance(pair, Pair)
    assert [each.index for each in (*pair.stable, *pair.canary, *pair.others)] == [2, 0, 1]
    assert not pair.alone
    assert pair.shown == "the weights fraud-v7 0, fraud-v6 1 beside 1 more"
    assert pair.stable[0].backend == S.backend
    assert pair.canary[0].backend == C.backend


@pytest.mark.parametrize(
    "spec", [None, [], "x", {"rules": "x"}, {"rules": [None, {"backendRefs": [3, None]}]}]
)
def test_whatever_a_route_holds_it_can_be_read(spec: object) -> None:
    route = {**a_route(), "spec": spec}
    assert all(ref_.name == "" for rule in rules_of(route) for ref_ in rule.refs)
    find_pair(route, routed())
