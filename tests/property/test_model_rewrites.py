"""Whatever else a rewrite has: a split that is written is read back, and nobody else's part ever changes."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.model_rewrite import MODEL_REWRITE
from controller.adapters.traffic.rewrite_patch import patch_for
from controller.adapters.workload.kube_adapters import Unknown, loaded
from controller.domain.release import RoutedModel, Split
from tests.model_rewrites import (
    CANARY,
    MODEL,
    STABLE,
    C,
    S,
    given_split,
    held_split,
    pair_of,
    rewrite,
    routed,
    rule,
    target,
)

NAMES = st.sampled_from(["audit", "base", "food-review", "food-review-v10"])
WEIGHTS = st.one_of(st.integers(1, 3), st.integers(1, 1000))
OTHERS = st.lists(st.builds(target, NAMES, WEIGHTS), max_size=3, unique_by=lambda each: each["modelRewrite"])
FOREIGN = st.lists(st.builds(lambda refs: rule(*refs, models=("chat",)), OTHERS), max_size=2)
STEPS = st.lists(st.integers(1, 999), min_size=1, max_size=5, unique=True).map(lambda s: tuple(sorted(s)))
Case = tuple[Obj, RoutedModel]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A rewrite as the survey accepts it, with the sum that it found."""
    others = draw(OTHERS)
    bare = not others and draw(st.booleans())
    refs = draw(st.permutations([target(STABLE, None if bare else draw(WEIGHTS)), *others]))
    rules = draw(FOREIGN)
    models = draw(st.sampled_from([(MODEL,), ("alias", MODEL)]))
    rules.insert(draw(st.integers(0, len(rules))), rule(*refs, models=models))
    obj = rewrite(*rules)
    if draw(st.booleans()):
        obj["metadata"]["annotations"] = {"team": "reviews"}
    model = routed(steps_permille=draw(STEPS), weight_sum=None)
    found = MODEL_REWRITE.survey(Standing(obj), model, S).survey
    assume(found.problem is None)
    assert found.serving == S
    return obj, replace(model, weight_sum=found.weight_sum)


def walk(model: RoutedModel) -> list[Split]:
    return [Split(S, C, step) for step in (*model.steps_permille, 1000)]


def foreign(obj: Obj, model: RoutedModel) -> Any:
    """The rewrite without the pair and the note."""
    obj = deepcopy(obj)
    pair = pair_of(obj, model)
    obj["spec"]["rules"][pair.rule.index]["targets"] = [other.body for other in pair.others]
    annotations = obj["metadata"].pop("annotations", {})
    kept = {key: value for key, value in annotations.items() if not key.startswith("canary.serinus.dev/")}
    return obj, kept


def step_to(case: Case, obj: Obj, split: Split) -> Obj:
    """The rewrite with the split, checked for all that must hold after each write."""
    _, model = case
    after = given_split(obj, model, split)
    assert foreign(after, model) == foreign(obj, model)
    assert held_split(after, model) == split
    assert patch_for(after, pair_of(after, model), model, split) == []
    for each in after["spec"]["rules"][pair_of(after, model).rule.index]["targets"]:
        assert 1 <= each.get("weight", 1) <= 1_000_000
    return after


@settings(max_examples=300, deadline=None)
@given(cases(), st.data())
def test_every_step_is_read_back_and_a_rollback_restores_the_rewrite(case: Case, data: st.DataObject) -> None:
    start, model = case
    splits, obj = walk(model), start
    for split in splits[: data.draw(st.integers(1, len(splits)))]:
        obj = step_to(case, obj, split)
        pair = pair_of(obj, model)
        assert pair.present_sum == (1000 if pair.alone else model.weight_sum)
    back = step_to(case, obj, Split(S))
    index = pair_of(start, model).rule.index
    expected = [{"weight": 1, **each} for each in start["spec"]["rules"][index]["targets"]]
    assert back["spec"]["rules"][index]["targets"] == expected


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_promotion_leaves_the_canary_where_stable_was(case: Case) -> None:
    start, model = case
    obj = start
    for split in (*walk(model), Split(C)):
        obj = step_to(case, obj, split)
    index = pair_of(start, model).rule.index
    expected = [{"weight": 1, **each} for each in start["spec"]["rules"][index]["targets"]]
    for each in expected:
        if each["modelRewrite"] == STABLE:
            each["modelRewrite"] = CANARY
    assert obj["spec"]["rules"][index]["targets"] == expected


@st.composite
def damaged(draw: st.DrawFn) -> Case:
    """Somebody else was at the targets or the note."""
    obj, model = draw(cases())
    for split in walk(model)[: draw(st.integers(0, 3))]:
        obj = step_to((obj, model), obj, split)
    obj = deepcopy(obj)
    targets = obj["spec"]["rules"][pair_of(obj, model).rule.index]["targets"]
    for each in [one for one in targets if one["modelRewrite"] in (STABLE, CANARY)]:
        match draw(st.sampled_from(["weight", "weight", "twice", "gone", "kept"])):
            case "weight":
                each["weight"] = draw(st.sampled_from([1, 10, 50, 500, 950, 1000, 1_000_000]))
            case "twice":
                targets.append(deepcopy(each))
            case "gone":
                targets.remove(each)
    if draw(st.booleans()):
        note = draw(st.sampled_from(["{", json.dumps({"canary": CANARY}), json.dumps({"canary": STABLE})]))
        obj["metadata"].setdefault("annotations", {})[f"canary.serinus.dev/{MODEL}"] = note
    return obj, model


@settings(max_examples=300, deadline=None)
@given(damaged(), st.data())
def test_from_wherever_people_brought_it_any_split_can_be_restored(case: Case, data: st.DataObject) -> None:
    obj, model = case
    step_to(case, obj, data.draw(st.sampled_from([*walk(model), Split(S), Split(C)])))


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_a_split_that_is_asked_for_is_read_only_where_it_stands_exactly(case: Case) -> None:
    obj, model = case
    held = held_split(obj, model)
    if held not in [*walk(model), Split(S), Split(C)]:
        return
    pair = pair_of(obj, model)
    after = given_split(obj, model, held)
    before = obj["spec"]["rules"][pair.rule.index]["targets"]
    if not pair.alone or held.canary is not None:
        for one, other in zip(before, after["spec"]["rules"][pair.rule.index]["targets"], strict=True):
            lone = pair.alone and len(before) == 1
            assert one["modelRewrite"] == other["modelRewrite"]
            assert lone or one == other


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "id", "object", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), JSON.map(lambda each: json.dumps(each).encode())))
def test_any_answer_of_an_engine_is_a_list_of_names_or_a_reason(body: bytes) -> None:
    found = loaded(body)
    assert isinstance(found, Unknown) or all(isinstance(name, str) for name in found)


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_what_an_engine_lists_is_read(names: list[str]) -> None:
    answer = {"object": "list", "data": [{"id": name} for name in names]}
    assert loaded(json.dumps(answer).encode()) == frozenset(names)
