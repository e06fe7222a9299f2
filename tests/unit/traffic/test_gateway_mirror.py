"""RequestMirror filters for a canary that no user has: written, read back, removed; other people's stay."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.fencing import EPOCH_ANNOTATION
from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.gateway_api import HTTP_ROUTE
from controller.adapters.traffic.gateway_mirror import mirrored_permille
from controller.adapters.traffic.gateway_patch import patch_for
from controller.adapters.traffic.gateway_seen import held_in
from controller.adapters.traffic.gateway_series import series_of
from controller.adapters.traffic.gateway_split import read_split
from controller.adapters.traffic.gateway_survey import survey_of
from controller.domain.audience import Audience, AudienceRules, Carrier, Key, Match
from controller.domain.release import Split
from controller.domain.vocabulary import Reason
from controller.errors import TargetError
from tests.gateway_routes import (
    POOL_C,
    POOL_S,
    C,
    S,
    a_route,
    a_rule,
    condition,
    ours,
    pair_of,
    parent,
    pool,
    ref,
    routed,
)
from tests.json_patch import patched

SHADOW = Split(S, C, mirror_permille=100)
REWRITE = {"type": "URLRewrite", "urlRewrite": {"hostname": "models"}}


def copying(name: str = "fraud-v7", port: int | None = 8080, **share: Any) -> Obj:
    target = {key: value for key, value in (("name", name), ("port", port)) if value is not None}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": target, **share}}


def after(route: Obj, split: Split, **changes: Any) -> Obj:
    model = routed(**changes)
    found: Obj = patched(route, patch_for(pair_of(route, model), model, split))
    return found


def filtered(filters: list[Obj]) -> Obj:
    return a_rule(ref("fraud-v6"), filters=filters) if filters else a_rule(ref("fraud-v6"))


def rule(route: Obj) -> Obj:
    found: Obj = route["spec"]["rules"][0]
    return found


@pytest.mark.parametrize(
    ("permille", "share"),
    [
        (100, {"percent": 10}),
        (1000, {}),
        (1, {"fraction": {"numerator": 1, "denominator": 1000}}),
        (125, {"fraction": {"numerator": 125, "denominator": 1000}}),
    ],
)
def test_copies_are_a_filter_of_the_rule_and_no_backend_of_it(permille: int, share: Obj) -> None:
    found = rule(after(a_route(a_rule(ref("fraud-v6"))), Split(S, C, mirror_permille=permille)))
    assert found["filters"] == [copying(**share)]
    assert found["backendRefs"] == [ref("fraud-v6")]


@given(
    st.integers(1, 1000),
    st.lists(st.sampled_from([REWRITE, copying("audit"), copying("audit", percent=5)]), max_size=3),
    st.integers(0, 1000),
)
def test_what_is_written_is_read_back_and_goes_without_a_trace(
    permille: int, others: list[Obj], then: int
) -> None:
    before = a_route(filtered(others))
    split = Split(S, C, mirror_permille=permille)
    route = after(before, split)
    model = routed(steps_permille=(50, then) if 0 < then < 1000 and then != 50 else (50,))
    assert read_split(pair_of(route, model), model).split == split
    assert patch_for(pair_of(route, model), model, split) == []
    assert [each for each in rule(route)["filters"] if each not in others] == [
        each for each in rule(route)["filters"] if "fraud-v7" in str(each)
    ]
    assert after(route, Split(S)) == before
    weighted = after(route, Split(S, C, 50))
    assert not mirrored_permille(pair_of(weighted, model), model)
    assert read_split(pair_of(weighted, model), model).split == Split(S, C, 50)


def test_another_share_replaces_the_filter_where_it_stands() -> None:
    route = after(a_route(a_rule(ref("fraud-v6"), filters=[copying("audit")])), SHADOW)
    more = after(route, Split(S, C, mirror_permille=500))
    assert rule(more)["filters"] == [copying("audit"), copying(percent=50)]


def test_filters_that_somebody_doubled_become_one_and_then_none() -> None:
    twice = a_route(a_rule(ref("fraud-v6"), filters=[copying(percent=10), REWRITE, copying(percent=20)]))
    assert read_split(pair_of(twice, routed()), routed()).split == Split(S, C, mirror_permille=300)
    assert rule(after(twice, SHADOW))["filters"] == [copying(percent=10), REWRITE]
    assert rule(after(twice, Split(S)))["filters"] == [REWRITE]


def test_a_filter_that_lost_its_share_copies_every_request() -> None:
    """An older definition of HTTPRoute drops what it does not know."""
    route = after(a_route(a_rule(ref("fraud-v6"))), SHADOW)
    del rule(route)["filters"][0]["requestMirror"]["percent"]
    assert read_split(pair_of(route, routed()), routed()).split == Split(S, C, mirror_permille=1000)


def test_copies_beside_a_weight_are_a_split_that_no_rollout_asks_for() -> None:
    route = after(a_route(a_rule(ref("fraud-v6"))), Split(S, C, 50))
    rule(route)["filters"] = [copying(percent=10)]
    assert read_split(pair_of(route, routed()), routed()).split == Split(S, C, 50, mirror_permille=100)


def test_a_canary_s_ref_that_people_wrote_stays_with_its_weight_of_0() -> None:
    route = after(a_route(a_rule(ref("fraud-v6"), ref("fraud-v7", 0))), SHADOW)
    assert rule(route)["backendRefs"] == [ref("fraud-v6"), ref("fraud-v7", 0)]
    assert read_split(pair_of(route, routed()), routed()).split == SHADOW


def test_an_unknown_port_is_stable_s() -> None:
    assert C.backend is not None
    bare = replace(C, backend=replace(C.backend, port=None))
    found = rule(after(a_route(a_rule(ref("fraud-v6"))), Split(S, bare, mirror_permille=100), canary=bare))
    assert found["filters"] == [copying(percent=10)]


def test_a_pool_gets_no_copies() -> None:
    model = {"stable": POOL_S, "canary": POOL_C}
    route = a_route(a_rule(pool("chat-v6")))
    survey = survey_of(route, routed(**model), None).survey
    assert survey.unmirrored.startswith("requests cannot be copied to an InferencePool")
    with pytest.raises(TargetError, match="cannot be copied to an InferencePool"):
        after(route, Split(POOL_S, POOL_C, mirror_permille=100), **model)


def test_copies_to_the_canary_before_the_rollout_stand_in_its_way() -> None:
    route = a_route(a_rule(ref("fraud-v6"), filters=[copying(percent=5)]))
    survey = survey_of(route, routed(), None).survey
    assert (survey.problem, survey.hopeless) == (Reason.DRIFT_DETECTED, False)
    assert "remove that RequestMirror filter first" in survey.message
    other = survey_of(a_route(a_rule(ref("fraud-v6"), filters=[copying("audit")])), routed(), None).survey
    assert (other.problem, other.unmirrored) == (None, "")


def test_a_gateway_that_refuses_the_filter_refuses_the_copies_and_not_the_rollout() -> None:
    route = after(a_route(a_rule(ref("fraud-v6"))), SHADOW)
    refused = condition("Accepted", "False", "UnsupportedValue", said="RequestMirror")
    route["status"] = {"parents": [parent(refused)]}
    seen = HTTP_ROUTE.seen(Standing(route), routed(), EPOCH_ANNOTATION)
    assert (seen.split, seen.accepted, seen.problem) == (SHADOW, False, None)
    assert seen.unmirrored == "gateway says Accepted=False, UnsupportedValue: RequestMirror"
    plain = deepcopy(route)
    del rule(plain)["filters"]
    assert HTTP_ROUTE.seen(Standing(plain), routed(), EPOCH_ANNOTATION).problem is Reason.ROUTE_REJECTED


@pytest.mark.parametrize(("others", "place"), [([], 0), ([REWRITE], 1)])
def test_envoy_gateway_counts_copies_in_a_cluster_of_their_own(others: list[Obj], place: int) -> None:
    """The name is that of Envoy Gateway's own test data for mirrors: the place among the rule's filters."""
    route = after(a_route(filtered(others)), SHADOW)
    model = routed()
    root = "httproute/ml/fraud/rule/0"
    assert dict(series_of("HTTPRoute", model, pair_of(route, model), (), SHADOW)) == {
        "v6": root,
        "v7": f"{root}-mirror-{place}",
    }


def test_an_emergency_ends_copies_in_one_patch() -> None:
    route = after(a_route(a_rule(ref("fraud-v6"))), SHADOW)
    found = patched(route, HTTP_ROUTE.emergency(route, routed()))
    assert found == a_route(a_rule(ref("fraud-v6")))
    assert HTTP_ROUTE.emergency(found, routed()) == []


def test_what_stands_there_is_told_with_its_copies() -> None:
    route = after(a_route(a_rule(ref("fraud-v6"))), SHADOW)
    seen = HTTP_ROUTE.seen(Standing(route), routed(), EPOCH_ANNOTATION)
    assert seen.message == "the route fraud has the weights fraud-v6 1 and copies 10% of its requests"
    assert ours(weight=0) not in rule(route)["backendRefs"]


def test_the_rules_of_an_audience_take_no_copies_over() -> None:
    """From a shadow to a weight both happen in one patch."""
    rules = AudienceRules((Match(Key(Carrier.HEADER, "x-tester"), "1"),))
    model, weighted = routed(audience=rules), Split(S, C, 50, Audience(rules.testers))
    route, expected = a_route(filtered([REWRITE])), Split(S)
    for split, own_rules in ((SHADOW, 1), (weighted, 2), (Split(S), 1)):
        route = patched(route, HTTP_ROUTE.change(route, model, split, expected))
        assert held_in(route, pair_of(route, model), model).split == split
        assert len(route["spec"]["rules"]) == own_rules
        assert ("RequestMirror" in str(route)) is (split == SHADOW)
        expected = split
    assert rule(route)["filters"] == [REWRITE]
