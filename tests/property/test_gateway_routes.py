"""Whatever else a route has: a split that is written is read back, and nobody else's part ever changes."""

import re
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_marker import is_marked, marked, unmarked
from controller.adapters.traffic.gateway_patch import patch_for
from controller.adapters.traffic.gateway_split import Held, read_split
from controller.adapters.traffic.gateway_survey import survey_of
from controller.adapters.traffic.gateway_weights import fits
from controller.domain.policy import RouteRef
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from tests.gateway_routes import POOL_C, POOL_S, C, S, a_route, a_rule, pair_of, pool, ref, routed
from tests.json_patch import patched

OURS = re.compile(r"/spec/rules/\d+/backendRefs/(\d+|-)(/(name|group|kind|port|weight|filters|namespace))?")
NAMES = st.sampled_from(["audit", "chat", "fraud", "fraud-v5", "fraud-v6-shadow"])
HEADERS = st.fixed_dictionaries({"name": st.sampled_from(["x-team", "X-Serinus"]), "value": st.just("a")})
MODIFIER = st.lists(HEADERS, min_size=1, max_size=2).map(
    lambda entries: {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": entries}}
)
REMOVER = st.just({"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-debug"]}})
REWRITE = st.just({"type": "URLRewrite", "urlRewrite": {"hostname": "internal"}})
FILTERS = st.one_of(
    st.none(), MODIFIER.map(lambda f: [f]), REMOVER.map(lambda f: [f]), st.tuples(REWRITE, MODIFIER).map(list)
)
WEIGHTS = st.one_of(st.none(), st.integers(0, 3), st.integers(0, 1000))
EXTRAS = st.sampled_from([{}, {"kind": "Service"}, {"group": "", "kind": "Service"}, {"namespace": "ml"}])
OTHERS = st.builds(lambda n, w, f, e: ref(n, w, filters=f, **e), NAMES, WEIGHTS, FILTERS, EXTRAS)
FOREIGN_RULES = st.lists(
    st.builds(lambda refs, name: a_rule(*refs, name=name), st.lists(OTHERS, max_size=2), st.none()),
    max_size=2,
)
STEPS = st.lists(st.integers(1, 999), min_size=1, max_size=5, unique=True).map(lambda s: tuple(sorted(s)))


@dataclass(frozen=True)
class Case:
    route: Obj
    model: RoutedModel
    kept: bool
    """Whether people wrote the canary's ref themselves."""

    @property
    def rule(self) -> Obj:
        rule: Obj = self.route["spec"]["rules"][pair_of(self.route, self.model).rule.index]
        return rule


@st.composite
def cases(draw: st.DrawFn) -> Case:
    pools = draw(st.booleans())
    stable, canary, make = (POOL_S, POOL_C, pool) if pools else (S, C, ref)
    weight = draw(st.one_of(st.none(), st.integers(1, 1000)))
    extras: dict[str, Any] = {} if pools else draw(EXTRAS)
    serving = make(_name(stable), weight, filters=draw(FILTERS), **extras)
    refs = [serving, *draw(st.lists(OTHERS, max_size=3, unique_by=lambda each: str(each["name"])))]
    kept = draw(st.booleans())
    if kept:
        refs.append(make(_name(canary), 0, filters=draw(FILTERS)))
    rules = draw(FOREIGN_RULES)
    rules.insert(
        draw(st.integers(0, len(rules))), a_rule(*draw(st.permutations(refs)), timeouts={"request": "9s"})
    )
    model = routed(stable=stable, canary=canary, steps_permille=draw(STEPS), weight_sum=None)
    return Case(a_route(*rules), model, kept)


def _name(release: Release) -> str:
    assert release.backend is not None
    return release.backend.name


def surveyed(case: Case) -> Case:
    """With the sum that the survey found; cases in which it finds a problem are left out."""
    survey = survey_of(case.route, case.model, None).survey
    assume(survey.problem is None)
    assert survey.serving == case.model.stable
    return replace(case, model=replace(case.model, weight_sum=survey.weight_sum))


def walk(case: Case) -> list[Split]:
    shares = [Split(case.model.stable, case.model.canary, step) for step in case.model.steps_permille]
    return [*shares, Split(case.model.stable, case.model.canary, 1000)]


def plain(refs: list[Obj]) -> list[Obj]:
    """With the weight that the API puts where there is none."""
    return [{"weight": 1, **each} for each in refs]


def foreign(case: Case, route: Obj) -> Any:
    """The route without the pair."""
    route = deepcopy(route)
    pair = pair_of(route, case.model)
    route["spec"]["rules"][pair.rule.index]["backendRefs"] = [other.body for other in pair.others]
    return route


def step_to(case: Case, route: Obj, split: Split) -> Obj:
    """The route with the split, checked for all that must hold after each write."""
    operations = patch_for(pair_of(route, case.model), case.model, split)
    after: Obj = patched(route, operations)
    assert all(OURS.fullmatch(each["path"]) for each in operations if each["op"] != "test")
    assert foreign(case, after) == foreign(case, route)
    assert read_split(pair_of(after, case.model), case.model) == Held(split)
    assert patch_for(pair_of(after, case.model), case.model, split) == []
    return after


@settings(max_examples=300, deadline=None)
@given(cases(), st.data())
def test_every_step_is_read_back_and_a_rollback_restores_the_route(case: Case, data: st.DataObject) -> None:
    case = surveyed(case)
    start = Split(stable=case.model.stable)
    assert read_split(pair_of(case.route, case.model), case.model) == Held(start)
    splits, route = walk(case), case.route
    for split in splits[: data.draw(st.integers(1, len(splits)))]:
        route = step_to(case, route, split)
        _check_weights(case, route, split)
    back = step_to(case, route, start)
    index = pair_of(case.route, case.model).rule.index
    before, after = case.rule["backendRefs"], back["spec"]["rules"][index]["backendRefs"]
    assert plain(after) == plain(before)


def _check_weights(case: Case, route: Obj, split: Split) -> None:
    pair = pair_of(route, case.model)
    stable, canary = pair.stable[0].weight or 0, pair.canary[0].weight or 0
    assert stable + canary == (1000 if pair.alone else case.model.weight_sum)
    assert stable * 1000 >= (1000 - split.weight_permille) * (stable + canary)
    assert stable > 0 or split.weight_permille == 1000
    assert canary * 10_000 >= 9 * split.weight_permille * (stable + canary)
    assert is_marked(pair.canary[0].body) is not case.kept


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_promotion_leaves_the_canary_s_ref_where_stable_s_was(case: Case) -> None:
    case = surveyed(case)
    route = case.route
    for split in (*walk(case), Split(stable=case.model.canary)):
        route = step_to(case, route, split)
    pair = pair_of(case.route, case.model)
    serving = pair.stable[0]
    expected = plain(case.rule["backendRefs"])
    if case.kept:
        expected[pair.canary[0].index]["weight"] = case.model.weight_sum
        del expected[serving.index]
    else:
        assert case.model.canary is not None
        expected[serving.index] |= {"name": _name(case.model.canary), "weight": case.model.weight_sum}
    assert plain(route["spec"]["rules"][pair.rule.index]["backendRefs"]) == expected
    following = replace(case.model, stable=case.model.canary, canary=Release("v8"))
    assert read_split(pair_of(route, following), following) == Held(Split(stable=case.model.canary))


@st.composite
def damaged(draw: st.DrawFn) -> Case:
    """Somebody else was at the pair's refs: anything may stand there, or nothing."""
    case = surveyed(draw(cases()))
    for split in walk(case)[: draw(st.integers(0, 3))]:
        case = replace(case, route=step_to(case, case.route, split))
    route = deepcopy(case.route)
    refs = route["spec"]["rules"][pair_of(route, case.model).rule.index]["backendRefs"]
    mine = [
        each
        for each in refs
        if each["name"] in (_name(case.model.stable or S), _name(case.model.canary or C))
    ]
    for each in mine:
        match draw(st.sampled_from(["weight", "weight", "twice", "mark", "unmark"])):
            case "weight":
                each["weight"] = draw(st.sampled_from([0, 1, 10, 50, 500, 950, 1000, 1_000_000]))
            case "twice":
                refs.append(deepcopy(each))
            case "mark":
                each.update(marked(each, "v0"))
            case "unmark":
                bare = unmarked(each)
                each.clear()
                each.update(bare)
    if len(mine) > 1 and draw(st.booleans()):
        refs.remove(draw(st.sampled_from(mine)))
    return replace(case, route=route)


@settings(max_examples=300, deadline=None)
@given(damaged(), st.data())
def test_from_wherever_people_brought_it_any_split_can_be_restored(case: Case, data: st.DataObject) -> None:
    ends = [Split(stable=case.model.stable), Split(stable=case.model.canary)]
    split = data.draw(st.sampled_from([*walk(case), *ends]))
    step_to(case, case.route, split)


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_a_split_that_is_asked_for_is_read_only_where_it_stands_exactly(case: Case) -> None:
    """What reads as one of the rollout's splits is that split: writing it again only tidies a lone weight."""
    pair = pair_of(case.route, case.model)
    held = read_split(pair, case.model)
    asked = held.split in [*walk(case), *(Split(stable=r) for r in (case.model.stable, case.model.canary))]
    if not asked or held.strange:
        return
    writes = [each for each in patch_for(pair, case.model, held.split) if each["op"] != "test"]
    lone = held.split.canary is None and pair.alone
    assert not writes or (lone and all(each["path"].endswith("/weight") for each in writes))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 200), STEPS, st.integers(1, 5))
def test_weights_that_are_too_small_are_mended_by_the_factor_that_is_named(
    weight: int, steps: tuple[int, ...], other: int
) -> None:
    route = a_route(a_rule(ref("fraud-v6", weight), ref("audit", other)))
    model = routed(stable=None, route=RouteRef("httpRoute", "fraud", stable="fraud-v6"), steps_permille=steps)
    survey = survey_of(route, model, None).survey
    assert (survey.problem is None) == fits(weight, steps)
    if survey.problem is None:
        return
    assert (survey.problem, survey.hopeless) == (Reason.WEIGHT_SUM_TOO_SMALL, True)
    factor = int(re.findall(r"multiply all weights of the rule by (\d+)", survey.message)[0])
    mended = a_route(a_rule(ref("fraud-v6", weight * factor), ref("audit", other * factor)))
    assert survey_of(mended, model, None).survey.problem is None


@settings(deadline=None)
@given(FILTERS, st.sampled_from(["v7", "1.2.0"]))
def test_a_mark_comes_and_goes_without_a_trace(filters: list[Obj] | None, version: str) -> None:
    bare = ref("fraud-v7", 1, filters=filters)
    signed = marked(bare, version)
    assert is_marked(signed)
    assert not is_marked(bare)
    assert unmarked(signed) == bare
    assert marked(signed, version) == signed
