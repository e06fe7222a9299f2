"""For every list of weighted backends: what is written is read back, and nobody else's part ever changes."""

from copy import deepcopy
from dataclasses import dataclass, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_patch import patch_for
from controller.adapters.traffic.gateway_rule import Pair, find_pair
from controller.adapters.traffic.gateway_split import Held, read_split
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.gateway_survey import survey_of
from controller.domain.release import RoutedModel, Split
from tests.json_patch import patched
from tests.weighted_routes import AI_GATEWAY_ROUTES, KNATIVE_SERVICES, SUBSETS, VIRTUAL_SERVICES, Kind

KINDS = st.sampled_from([VIRTUAL_SERVICES, SUBSETS, AI_GATEWAY_ROUTES, KNATIVE_SERVICES])
HEADERS = st.dictionaries(st.sampled_from(["x-team", "x-tier"]), st.just("a"), min_size=1, max_size=2)


@dataclass(frozen=True)
class Case:
    kind: Kind
    route: Obj
    model: RoutedModel

    def pair(self, route: Obj) -> Pair:
        found = find_pair(route, self.model, self.kind.dialect.layout)
        assert isinstance(found, Pair), found
        return found


def _adorned(draw: st.DrawFn, kind: Kind, entry: Obj) -> Obj:
    """With what people write into an entry beside the weight."""
    headers = draw(st.none() | HEADERS)
    if kind is KNATIVE_SERVICES:
        return entry | draw(st.sampled_from([{}, {"tag": "current"}]))
    if headers is None:
        return entry
    if kind is AI_GATEWAY_ROUTES:
        set_ = [{"name": name, "value": value} for name, value in headers.items()]
        return {
            **entry,
            "headerMutation": {"set": set_},
            "modelNameOverride": draw(st.sampled_from(["v6", "m"])),
        }
    return {**entry, "headers": {"request": {"set": headers}}}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kind = draw(KINDS)
    whole = draw(st.integers(40, 100)) if kind.sums_to == 100 else draw(st.integers(1, 1000))
    stable = _adorned(draw, kind, kind.entry(kind.stable.subset or kind.stable.name, whole))
    others = draw(st.lists(st.sampled_from(["audit", "chat", "spare"]), max_size=2, unique=True))
    weights = [draw(st.integers(0, (100 - whole) // 2 if kind.sums_to == 100 else 300)) for _ in others]
    refs = [stable, *map(kind.entry, others, weights)]
    finest = 10 if kind.sums_to == 100 else 1
    steps = draw(st.lists(st.integers(1, 999 // finest), min_size=1, max_size=4, unique=True))
    route = deepcopy(kind.route)
    kind.refs(route)[:] = draw(st.permutations(refs))
    steps_permille = tuple(step * finest for step in sorted(steps))
    return Case(kind, route, kind.routed(weight_sum=None, steps_permille=steps_permille))


def step_to(case: Case, route: Obj, split: Split) -> Obj:
    """The route with the split, checked for all that must hold after each write."""
    layout = case.kind.dialect.layout
    after: Obj = patched(route, patch_for(case.pair(route), case.model, split))
    assert _foreign(case, after) == _foreign(case, route)
    assert read_split(case.pair(after), case.model) == Held(split)
    assert patch_for(case.pair(after), case.model, split) == []
    refs = case.kind.refs(after)
    tags = [each["tag"] for each in refs if "tag" in each]
    assert len(tags) == len(set(tags))
    before = sum(int(each.get(layout.weight, 0)) for each in case.kind.refs(route))
    if case.kind is KNATIVE_SERVICES:
        assert sum(each.get("percent", 0) for each in refs) == before
    return after


def _foreign(case: Case, route: Obj) -> Obj:
    route = deepcopy(route)
    others = [ref.body for ref in case.pair(route).others]
    case.kind.refs(route)[:] = others
    return route


@settings(max_examples=300, deadline=None)
@given(cases())
def test_every_step_is_read_back_and_a_rollback_restores_the_route(case: Case) -> None:
    survey = survey_of(
        case.route, case.model, None, case.kind.dialect.layout, verdict=Verdict(accepted=True)
    ).survey
    assume(survey.problem is None)
    model = replace(case.model, weight_sum=survey.weight_sum)
    if case.kind is KNATIVE_SERVICES and case.pair(case.route).alone:
        assume(survey.weight_sum == 100)
    case = replace(case, model=model)
    route, last = case.route, -1
    for step in (*model.steps_permille, 1000):
        route = step_to(case, route, Split(model.stable, model.canary, step))
        canary = case.pair(route).canary[0].weight or 0
        assert canary > last
        last = canary
        assert step_to(case, route, Split(model.stable)) == case.route
    promoted = step_to(case, route, Split(model.canary))
    assert not case.pair(promoted).stable
