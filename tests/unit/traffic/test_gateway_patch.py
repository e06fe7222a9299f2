"""The patches themselves, operation by operation."""

from typing import Any

import pytest

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_patch import patch_for
from controller.domain.release import Backend, BackendKind, Release, Split
from controller.errors import InvariantError, TargetError
from tests.gateway_routes import (
    MARK,
    POOL_C,
    POOL_S,
    C,
    S,
    a_route,
    a_rule,
    given,
    ours,
    pair_of,
    pool,
    ref,
    routed,
)

AUDIT = ref("audit", 300)
REFS = "/spec/rules/0/backendRefs"


def operations(route: Obj, split: Split, **changes: Any) -> list[Obj]:
    model = routed(**changes)
    return patch_for(pair_of(route, model), model, split)


def refs_after(*refs: Obj, split: Split, **changes: Any) -> list[Obj]:
    model = routed(**changes)
    after: list[Obj] = given(a_route(a_rule(*refs)), model, split)["spec"]["rules"][0]["backendRefs"]
    return after


def test_the_first_step_writes_one_weight_and_adds_one_marked_ref() -> None:
    route = a_route(a_rule(ref("fraud-v6", 1), name="main"))
    assert operations(route, Split(S, C, 50)) == [
        {"op": "test", "path": "/spec/rules/0/name", "value": "main"},
        {"op": "test", "path": f"{REFS}/0/name", "value": "fraud-v6"},
        {"op": "replace", "path": f"{REFS}/0/weight", "value": 950},
        {"op": "add", "path": f"{REFS}/-", "value": ours(weight=50)},
    ]


def test_the_next_steps_write_two_weights() -> None:
    route = a_route(a_rule(ref("audit", 0), ref("fraud-v6", 950), ours(weight=50)))
    assert operations(route, Split(S, C, 250)) == [
        {"op": "test", "path": f"{REFS}/1/name", "value": "fraud-v6"},
        {"op": "test", "path": f"{REFS}/2/name", "value": "fraud-v7"},
        {"op": "replace", "path": f"{REFS}/1/weight", "value": 750},
        {"op": "replace", "path": f"{REFS}/2/weight", "value": 250},
    ]


def test_a_rollback_is_one_patch_that_restores_the_sum_and_removes_our_ref() -> None:
    route = a_route(a_rule(ref("fraud-v6", 750), ours(weight=250), AUDIT | {"weight": 0}))
    assert operations(route, Split(S), weight_sum=3) == [
        {"op": "test", "path": f"{REFS}/0/name", "value": "fraud-v6"},
        {"op": "test", "path": f"{REFS}/1/name", "value": "fraud-v7"},
        {"op": "replace", "path": f"{REFS}/0/weight", "value": 3},
        {"op": "remove", "path": f"{REFS}/1"},
    ]


def test_the_end_of_a_promotion_puts_the_canary_in_stable_s_place() -> None:
    route = a_route(a_rule(AUDIT, ref("fraud-v6", 0), ref("more", 1), ours(weight=200)))
    assert operations(route, Split(C), weight_sum=200) == [
        {"op": "test", "path": f"{REFS}/1/name", "value": "fraud-v6"},
        {"op": "test", "path": f"{REFS}/3/name", "value": "fraud-v7"},
        {"op": "replace", "path": f"{REFS}/1/name", "value": "fraud-v7"},
        {"op": "replace", "path": f"{REFS}/1/weight", "value": 200},
        {"op": "remove", "path": f"{REFS}/3"},
    ]


def test_an_absent_weight_is_added_and_left_absent_where_it_is_one() -> None:
    route = a_route(a_rule(ref("fraud-v6")))
    assert operations(route, Split(S)) == []
    first, *_ = (each for each in operations(route, Split(S, C, 10)) if each["op"] != "test")
    assert first == {"op": "add", "path": f"{REFS}/0/weight", "value": 990}


def test_filters_of_stable_are_copied_and_the_mark_joins_the_one_header_modifier_that_may_be() -> None:
    modifier = {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"set": [{"name": "x-team", "value": "risk"}], "remove": ["x-debug"]},
    }
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "internal"}}
    stable = ref("fraud-v6", 1, filters=[rewrite, modifier])
    canary = refs_after(stable, split=Split(S, C, 50))[1]
    team, mark = {"name": "x-team", "value": "risk"}, {"name": "x-serinus-version", "value": "v7"}
    signed = {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"set": [team, mark], "remove": ["x-debug"]},
    }
    assert canary == ref("fraud-v7", 50, filters=[rewrite, signed])
    promoted = refs_after(stable | {"weight": 0}, canary | {"weight": 1000}, split=Split(C))
    assert promoted == [ref("fraud-v7", 1, filters=[rewrite, modifier])]


def test_a_canary_that_people_wrote_is_kept_as_they_wrote_it() -> None:
    theirs = ref("fraud-v7", 0, filters=[{"type": "ExtensionRef", "extensionRef": {"name": "x"}}])
    for split, weights in ((Split(S, C, 50), [950, 50]), (Split(S, C, 1000), [0, 1000]), (Split(S), [1, 0])):
        after = refs_after(ref("fraud-v6", 900), theirs | {"weight": 100}, split=split)
        assert after == [ref("fraud-v6", weights[0]), theirs | {"weight": weights[1]}]
    assert refs_after(ref("fraud-v6", 0), theirs | {"weight": 1000}, split=Split(C)) == [
        theirs | {"weight": 1}
    ]


def test_pools_have_no_port_and_name_their_group() -> None:
    after = refs_after(pool("chat-v6", 1), split=Split(POOL_S, POOL_C, 50), stable=POOL_S, canary=POOL_C)
    assert after == [pool("chat-v6", 950), pool("chat-v7", 50, filters=[MARK])]


def test_a_model_can_move_from_a_service_to_a_pool_and_back() -> None:
    split = Split(S, POOL_C, 50)
    route = a_route(a_rule(ref("fraud-v6", 1, group="", kind="Service")))
    model = routed(canary=POOL_C)
    moved = given(route, model, split)
    assert moved["spec"]["rules"][0]["backendRefs"][1] == pool("chat-v7", 50, filters=[MARK])
    promoted = given(moved, model, Split(POOL_C))
    assert promoted["spec"]["rules"][0]["backendRefs"] == [pool("chat-v7", 1)]
    back = routed(stable=POOL_C, canary=C)
    (first, second) = given(promoted, back, Split(POOL_C, C, 10))["spec"]["rules"][0]["backendRefs"]
    assert (first, second) == (pool("chat-v7", 990), ours(weight=10, group="", kind="Service"))


def test_a_port_that_is_not_known_is_stable_s() -> None:
    canary = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v7"))
    after = refs_after(ref("fraud-v6", 1, 9000), split=Split(S, canary, 50), canary=canary, stable=_at(9000))
    assert after[1]["port"] == 9000


def _at(port: int) -> Release:
    return Release("v6", backend=Backend(BackendKind.SERVICE, "fraud-v6", port))


def test_without_any_port_there_is_no_ref() -> None:
    canary = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v7"))
    with pytest.raises(TargetError, match="the port of the Service fraud-v7 is not known"):
        refs_after(split=Split(None, canary, 1000), canary=canary, stable=None)


def test_a_first_deployment_fills_an_empty_rule_and_is_marked_until_its_bake_is_over() -> None:
    model = routed(stable=None, weight_sum=None)
    route = a_route({"matches": []})
    served = given(route, model, Split(None, C, 1000))
    assert served["spec"]["rules"] == [{"matches": [], "backendRefs": [ours(weight=1)]}]
    assert given(served, model, Split(C))["spec"]["rules"][0]["backendRefs"] == [ref("fraud-v7", 1)]
    assert given(served, model, Split())["spec"]["rules"][0]["backendRefs"] == []


def test_a_first_deployment_that_people_routed_is_marked_in_place_and_restored() -> None:
    model = routed(stable=None, weight_sum=5)
    theirs = a_route(a_rule(ref("fraud-v7", 5)))
    served = given(theirs, model, Split(None, C, 1000))
    assert served["spec"]["rules"][0]["backendRefs"] == [ours(weight=5)]
    assert given(served, model, Split(C)) == theirs


def test_a_rollback_after_the_end_of_a_promotion_brings_stable_s_ref_back_where_it_was() -> None:
    assert refs_after(AUDIT, ref("fraud-v7", 200), split=Split(S), weight_sum=200) == [
        AUDIT,
        ref("fraud-v6", 200),
    ]


def test_refs_that_are_missing_are_made_and_those_that_are_twice_are_removed() -> None:
    assert refs_after(split=Split(S)) == [ref("fraud-v6", 1)]
    assert refs_after(ours(weight=50), split=Split(S, C, 50)) == [ours(weight=50), ref("fraud-v6", 950)]
    twice = refs_after(
        ref("fraud-v6", 1), ours(weight=1), ref("fraud-v6", 2), ours(weight=2), split=Split(S, C, 50)
    )
    assert twice == [ref("fraud-v6", 950), ours(weight=50)]


def test_a_share_that_the_weights_cannot_express_is_refused() -> None:
    with pytest.raises(TargetError, match="add up to 9 beside other backends: 10% of that is less than 1"):
        refs_after(ref("fraud-v6", 9), AUDIT, split=Split(S, C, 100), weight_sum=9)


def test_a_version_without_a_backend_cannot_be_written() -> None:
    with pytest.raises(TargetError, match="v7 has no backend yet"):
        refs_after(ref("fraud-v6", 9), split=Split(S, Release("v7"), 50), canary=Release("v7"))


def test_a_split_of_somebody_else_s_versions_is_a_defect() -> None:
    with pytest.raises(InvariantError, match="a split of v6, v9 is not this rollout's"):
        refs_after(ref("fraud-v6", 9), split=Split(S, Release("v9"), 50))


def test_rules_around_it_may_be_of_any_kind() -> None:
    redirect = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}
    route = a_route(redirect, a_rule(ref("fraud-v6", 1)), a_rule(ref("chat", 1)))
    after = given(route, routed(), Split(S, C, 50))
    assert after["spec"]["rules"][0] == redirect
    assert after["spec"]["rules"][2] == a_rule(ref("chat", 1))
    assert after["spec"]["rules"][1]["backendRefs"] == [ref("fraud-v6", 950), ours(weight=50)]
