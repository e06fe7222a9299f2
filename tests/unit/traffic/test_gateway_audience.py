"""The rules that Serinus adds to a route for testers and for users who keep their version."""

import copy
import re
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from controller.adapters.kube.fencing import EPOCH_ANNOTATION
from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.gateway_api import HTTP_ROUTE
from controller.adapters.traffic.gateway_audience import KEPT, OTHERS, TESTERS, ours, role_of
from controller.adapters.traffic.gateway_rule import all_rules, rules_of
from controller.adapters.traffic.gateway_survey import survey_of
from controller.domain.audience import Audience, AudienceRules, Carrier, Digits, Key, Match, Sticky
from controller.domain.policy import RouteRef
from controller.domain.release import RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict
from tests.gateway_routes import C, S, a_route, a_rule, given, ref, routed
from tests.json_patch import patched

PATH = {"path": {"type": "PathPrefix", "value": "/fraud"}}
BY_HEADER = Match(Key(Carrier.HEADER, "x-tester"), "1")
BY_COOKIE = Match(Key(Carrier.COOKIE, "beta"), "yes")
BY_ID = Sticky(Key(Carrier.HEADER, "x-user-id"), Digits.DECIMAL)
RULES = AudienceRules((BY_HEADER, BY_COOKIE), BY_ID, requests_per_user=20)
MODEL = routed(audience=RULES, steps_permille=(50, 250, 500))
FIRST = Split(S, C, 0, audience=Audience(RULES.testers))


def at(weight: int) -> Split:
    return Split(S, C, weight, audience=Audience(RULES.testers, RULES.sticky))


def a_model_s_route(**more: Any) -> Obj:
    """The model's own rule between two of others."""
    own = a_rule(ref("fraud-v6", 1), name="fraud", matches=[PATH], timeouts={"request": "9s"}, **more)
    other = {"path": {"type": "PathPrefix", "value": "/chat"}}
    last = {"path": {"type": "PathPrefix", "value": "/"}}
    return a_route(a_rule(ref("chat"), matches=[other]), own, a_rule(ref("web"), name="web", matches=[last]))


def seen(route: Obj, model: RoutedModel = MODEL) -> Any:
    return HTTP_ROUTE.seen(Standing(route), model, EPOCH_ANNOTATION)


def added(route: Obj) -> list[Obj]:
    return [rule.body for rule in ours(all_rules(route), "fraud")]


def backend_of(route: Obj, headers: dict[str, str]) -> set[str]:
    """Which backends a request to the model may get, by the precedence of the Gateway API."""
    best: tuple[int, int] | None = None
    found: set[str] = set()
    for index, rule in enumerate(route["spec"]["rules"]):
        for match in rule["matches"]:
            wanted = match.get("headers", [])
            if match["path"] == PATH["path"] and all(fits(each, headers) for each in wanted):
                rank = (len(wanted), -index)
                if best is None or rank > best:
                    best = rank
                    found = {each["name"] for each in rule["backendRefs"] if each.get("weight", 1)}
    return found


def fits(wanted: Obj, headers: dict[str, str]) -> bool:
    value = headers.get(wanted["name"])
    if value is None:
        return False
    if wanted["type"] == "Exact":
        return bool(value == wanted["value"])
    whole, part = re.fullmatch(wanted["value"], value), re.search(wanted["value"], value)
    assert bool(whole) == bool(part), "it means the same to who matches and to who searches"
    return whole is not None


def test_only_testers_get_the_canary_at_their_step() -> None:
    route = given(a_model_s_route(), MODEL, FIRST)
    assert backend_of(route, {}) == {"fraud-v6"}
    assert backend_of(route, {"x-tester": "1"}) == {"fraud-v7"}
    assert backend_of(route, {"cookie": "a=b; beta=yes"}) == {"fraud-v7"}
    for nobody in ({"x-tester": "2"}, {"cookie": "beta=no"}, {"cookie": "alphabeta=yes"}):
        assert backend_of(route, nobody) == {"fraud-v6"}
    assert seen(route).split == FIRST
    assert route["spec"]["rules"][:3] == a_model_s_route()["spec"]["rules"], "everybody's rule is untouched"


def test_the_added_rule_is_as_the_model_s_own_but_for_whom_it_is() -> None:
    (rule,) = added(given(a_model_s_route(), MODEL, FIRST))
    assert rule["timeouts"] == {"request": "9s"}
    assert "name" not in rule
    assert [each["name"] for each in rule["backendRefs"]] == ["fraud-v7"]
    assert all(match["path"] == PATH["path"] and len(match["headers"]) == 1 for match in rule["matches"])


def test_every_split_is_read_back_from_the_route_alone_and_is_written_once() -> None:
    route = a_model_s_route()
    for split in (FIRST, at(50), at(250), at(500), Split(S, C, 1000)):
        route = given(route, MODEL, split)
        assert (seen(route).split, seen(route).accepted) == (split, True)
        assert HTTP_ROUTE.change(route, MODEL, split, split) == []


@pytest.mark.parametrize("held", [FIRST, at(50), at(500)])
def test_a_rollback_takes_everything_back_in_one_patch(held: Split) -> None:
    route = given(a_model_s_route(), MODEL, held)
    back = patched(route, HTTP_ROUTE.change(route, MODEL, Split(stable=S), held))
    assert back["spec"] == a_model_s_route()["spec"]
    emergency = patched(route, HTTP_ROUTE.emergency(route, MODEL))
    assert emergency["spec"] == a_model_s_route()["spec"]


@pytest.mark.parametrize("held", [FIRST, at(50)])
def test_an_emergency_without_a_record_finds_the_canary_in_the_rules_that_were_added(held: Split) -> None:
    route = given(a_model_s_route(), MODEL, held)
    named = RouteRef("httpRoute", "fraud", rule="fraud")
    unknown = routed(stable=None, canary=None, weight_sum=None, route=named)
    back = patched(route, HTTP_ROUTE.emergency(route, unknown))
    assert added(back) == []
    assert backend_of(back, {"x-tester": "1"}) == backend_of(back, {}) == {"fraud-v6"}


def test_a_ref_that_people_wrote_for_the_canary_is_what_testers_get() -> None:
    own = ref("fraud-v7", 0, filters=[{"type": "URLRewrite", "urlRewrite": {"hostname": "v7"}}])
    before = a_model_s_route()
    before["spec"]["rules"][1]["backendRefs"].append(own)
    route = given(before, MODEL, FIRST)
    assert added(route)[0]["backendRefs"] == [{**own, "weight": 1}]
    for split in (at(50), Split(stable=S)):
        route = given(route, MODEL, split)
        assert seen(route).split == split
    assert route["spec"] == before["spec"]


def test_a_promotion_leaves_no_rule_behind() -> None:
    route = given(given(a_model_s_route(), MODEL, at(500)), MODEL, Split(S, C, 1000))
    done = given(route, MODEL, Split(stable=C))
    assert added(done) == []
    assert backend_of(done, {"x-tester": "1", "x-user-id": "u000"}) == {"fraud-v7"}


EDITS = {
    "the value of a tester": lambda rules: rules[3]["matches"][0]["headers"][0].update(value="2"),
    "a tester less": lambda rules: rules[3]["matches"].pop(),
    "another backend": lambda rules: rules[4]["backendRefs"][0].update(name="fraud-v5"),
    "another share of users": lambda rules: rules[4]["matches"][0]["headers"][0].update(value="^.*[0-9]$"),
    "a rule less": lambda rules: rules.pop(),
    "all rules less": lambda rules: rules.__delitem__(slice(3, None)),
    "another order": lambda rules: rules.append(rules.pop(3)),
    "the model's own path": lambda rules: rules[1]["matches"][0]["path"].update(value="/other"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_what_somebody_changes_in_the_added_rules_is_drift_and_is_not_written_over(edit: Any) -> None:
    route = copy.deepcopy(given(a_model_s_route(), MODEL, at(50)))
    edit(route["spec"]["rules"])
    found = seen(route).split
    assert found not in (at(50), FIRST, Split(stable=S))
    with pytest.raises(Conflict):
        HTTP_ROUTE.change(route, MODEL, at(250), at(50))
    restored = patched(route, HTTP_ROUTE.change(route, MODEL, at(50), found))
    assert seen(restored).split == at(50), "who has consent to write over it can"


def test_a_rule_that_changes_between_reading_and_writing_fails_the_patch() -> None:
    route = given(a_model_s_route(), MODEL, FIRST)
    patch = HTTP_ROUTE.change(route, MODEL, at(50), FIRST)
    assert {"op": "test", "path": "/spec/rules/3", "value": route["spec"]["rules"][3]} in patch


def test_added_rules_are_nobody_s_own() -> None:
    """Another model on the route never takes them for its rule."""
    route = given(a_model_s_route(), MODEL, at(50))
    assert [rule.index for rule in rules_of(route)] == [0, 1, 2]
    assert [role_of(rule) for rule in ours(all_rules(route), "fraud")] == [TESTERS, KEPT, OTHERS]
    assert ours(all_rules(route), "frau") == ()


@pytest.mark.parametrize("digits", Digits)
def test_cohorts_only_grow_and_have_the_share_that_was_asked_for(digits: Digits) -> None:
    size = 10 if digits is Digits.DECIMAL else 16
    letters = "0123456789abcdef"[:size]
    users = [f"user-{a}{b}{c}" for a in letters for b in letters for c in letters]
    sticky = Sticky(Key(Carrier.HEADER, "x-user-id"), digits)
    model = routed(audience=AudienceRules((), sticky), steps_permille=(1, 50, 250, 333, 500, 999))
    before: set[str] = set()
    for weight in model.steps_permille:
        split = Split(S, C, weight, audience=Audience((), sticky))
        route = given(a_model_s_route(), model, split)
        assert seen(route, model).split == split
        cohort = {user for user in users if backend_of(route, {"x-user-id": user}) == {"fraud-v7"}}
        rest = {user for user in users if backend_of(route, {"x-user-id": user}) == {"fraud-v6"}}
        assert cohort | rest == set(users), "nobody of them is left to chance"
        assert before < cohort
        assert len(cohort) == size**3 * weight // 1000
        assert backend_of(route, {"x-user-id": "nobody"}) == {"fraud-v6", "fraud-v7"}
        assert backend_of(route, {}) == {"fraud-v6", "fraud-v7"}
        before = cohort


def test_hex_digits_are_taken_in_either_case_and_cookies_as_headers_are() -> None:
    sticky = Sticky(Key(Carrier.COOKIE, "sid"), Digits.HEX)
    model = routed(audience=AudienceRules((), sticky), steps_permille=(700,))
    route = given(a_model_s_route(), model, Split(S, C, 700, audience=Audience((), sticky)))
    for cookie, backend in (
        ("a=b; sid=xyz0aF; c=d", "fraud-v7"),
        ("sid=xyz0af", "fraud-v7"),
        ("sid=xyzFfF", "fraud-v6"),
        ("sid=xyzfff; other=000", "fraud-v6"),
    ):
        assert backend_of(route, {"cookie": cookie}) == {backend}


def test_a_tester_with_an_id_is_a_tester() -> None:
    route = given(a_model_s_route(), MODEL, at(50))
    assert backend_of(route, {"x-user-id": "u999"}) == {"fraud-v6"}
    assert backend_of(route, {"x-user-id": "u999", "x-tester": "1"}) == {"fraud-v7"}


def with_rule(*matches: Obj) -> Obj:
    route = a_model_s_route()
    route["spec"]["rules"].append(a_rule(ref("other"), matches=list(matches)))
    return route


REFUSED = {
    "sessions beat weights": (a_model_s_route(sessionPersistence={"type": "Cookie"}), "sessionPersistence"),
    "a rule by query": (with_rule({**PATH, "queryParams": [{"name": "q", "value": "1"}]}), "another rule"),
    "other backends": (
        a_route(a_rule(ref("fraud-v6", 1), ref("web", 1), name="fraud", matches=[PATH])),
        "other backends",
    ),
    "the header is taken": (
        a_route(
            a_rule(ref("fraud-v6", 1), matches=[{**PATH, "headers": [{"name": "X-Tester", "value": "9"}]}])
        ),
        "x-tester",
    ),
    "too many rules": (
        a_route(
            *[a_rule(ref(f"b{n}"), matches=[PATH]) for n in range(13)],
            a_rule(ref("fraud-v6", 1), matches=[PATH]),
        ),
        "more than 16",
    ),
}


@pytest.mark.parametrize(("route", "why"), REFUSED.values(), ids=REFUSED)
def test_a_route_where_testers_would_take_or_lose_requests_is_refused(route: Obj, why: str) -> None:
    found = survey_of(route, MODEL, None).survey
    assert found.hopeless
    assert why in found.message


def test_rules_above_and_below_both_are_left_in_peace() -> None:
    two = [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]
    method = {**PATH, "method": "POST"}
    for match in ({**PATH, "headers": two[:1]}, {**PATH, "headers": two}, method):
        assert survey_of(with_rule(match), MODEL, None).survey.problem is None


def test_a_rule_left_from_before_is_told_not_taken_over() -> None:
    route = given(a_model_s_route(), MODEL, FIRST)
    found = survey_of(route, MODEL, None).survey
    assert (found.problem, found.hopeless) == (Reason.DRIFT_DETECTED, False)
    assert "left from an earlier rollout" in found.message


def test_counts_of_testers_and_of_chance_are_never_of_one_series() -> None:
    root = "httproute/ml/fraud/rule"
    first = seen(given(a_model_s_route(), MODEL, FIRST))
    assert first.series == (("v6", f"{root}/1"), ("v7", f"{root}/3/backend/0"))
    later = seen(given(a_model_s_route(), MODEL, at(50)))
    assert later.series == (
        ("v6", f"{root}/1/backend/0"),
        ("v7", f"{root}/1/backend/1"),
        ("v7", f"{root}/4/backend/0"),
        ("v6", f"{root}/5"),
    )


splits = st.sampled_from([Split(stable=S), FIRST, at(50), at(250), at(500), Split(S, C, 1000)])


@drawn(st.lists(splits, max_size=6))
def test_whatever_was_run_before_a_rollback_gives_the_very_route_back(run: list[Split]) -> None:
    route = a_model_s_route()
    for split in run:
        route = given(route, MODEL, split)
        assert seen(route).split == split
    assert given(route, MODEL, Split(stable=S))["spec"] == a_model_s_route()["spec"]
