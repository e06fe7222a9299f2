"""A model's rule on an InferenceModelRewrite: how it is found, what its targets mean and how they change."""

import json
from typing import Any

import pytest

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.gateway_rule import Trouble
from controller.adapters.traffic.model_rewrite import MODEL_REWRITE
from controller.adapters.traffic.rewrite_mark import Mark, mark_of
from controller.adapters.traffic.rewrite_rule import find_pair, find_rule
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TargetError
from tests.json_patch import patched
from tests.model_rewrites import (
    CANARY,
    MODEL,
    STABLE,
    C,
    S,
    given_split,
    held_split,
    rewrite,
    routed,
    rule,
    target,
)

OURS = "serinus.dev/epoch"
MARK = f"canary.serinus.dev/{MODEL}"


def marked(obj: Obj, value: object) -> Obj:
    written = value if isinstance(value, str) else json.dumps(value)
    return {**obj, "metadata": {**obj["metadata"], "annotations": {MARK: written}}}


NOTE = {"canary": CANARY, "stable": STABLE}


def targets(obj: Obj, index: int = 0) -> list[Obj]:
    found: list[Obj] = obj["spec"]["rules"][index].get("targets", [])
    return found


class TestRule:
    def test_is_found_by_the_policy_s_name_or_the_model_that_it_says(self) -> None:
        obj = rewrite(rule(target("x"), models=("chat",)), rule(target(STABLE)))
        found = find_rule(obj, routed())
        assert not isinstance(found, Trouble)
        assert found.index == 1
        other = find_rule(obj, routed(route=RouteRef("inferenceModelRewrite", MODEL, rule="chat")))
        assert not isinstance(other, Trouble)
        assert other.index == 0

    def test_the_first_that_matches_counts_and_one_for_all_models_is_nobody_s(self) -> None:
        everyone = {"targets": [target("base")]}
        obj = rewrite(everyone, rule(target(STABLE), models=("a", MODEL)), rule(target("x")))
        found = find_rule(obj, routed())
        assert not isinstance(found, Trouble)
        assert found.index == 1

    def test_without_one_the_models_that_there_are_are_named(self) -> None:
        found = find_rule(rewrite(rule(target("x"), models=("chat", "org/Chat-2"))), routed())
        assert isinstance(found, Trouble)
        assert found.reason is Reason.ROUTE_NOT_FOUND
        assert (
            "no rule for the model food-review; its rules are for: chat, org/Chat-2; add one" in found.message
        )

    @pytest.mark.parametrize(
        "spec", [{}, {"rules": None}, {"rules": [None, 3, {"matches": [{"model": 5}, 1], "targets": 2}]}]
    )
    def test_nonsense_is_no_rule(self, spec: Obj) -> None:
        assert isinstance(find_rule({**rewrite(), "spec": spec}, routed()), Trouble)

    def test_a_version_that_is_no_adapter_is_none_of_its_targets(self) -> None:
        service = Release("v1", backend=Backend(BackendKind.SERVICE, STABLE, 80))
        found = find_pair(rewrite(rule(target(STABLE))), routed(stable=service))
        assert not isinstance(found, Trouble)
        assert (found.stable, len(found.others)) == ((), 1)


class TestSplit:
    def held(self, *found: Obj, note: object = None, **changes: Any) -> Split | None:
        obj = rewrite(rule(*found))
        return held_split(marked(obj, note) if note is not None else obj, routed(**changes))

    def test_stable_alone_is_everything_whatever_its_weight(self) -> None:
        assert self.held(target(STABLE)) == self.held(target(STABLE, 17)) == Split(S)

    def test_a_canary_that_has_no_target_has_nothing(self) -> None:
        assert self.held(target(STABLE, 1000), note=NOTE) == Split(S, C, 0)

    @pytest.mark.parametrize("weight", [1, 10, 50, 250, 300, 999])
    def test_thousandths_are_read_where_the_pair_is_alone(self, weight: int) -> None:
        assert self.held(target(STABLE, 1000 - weight), target(CANARY, weight)) == Split(S, C, weight)

    def test_beside_others_a_step_is_read_from_its_units(self) -> None:
        found = target(STABLE, 190), target("audit", 300), target(CANARY, 10)
        assert self.held(*found, weight_sum=200) == Split(S, C, 50)

    def test_the_canary_alone_is_promoted_unless_the_note_says_otherwise(self) -> None:
        assert self.held(target(CANARY, 1000)) == Split(C)
        assert self.held(target(CANARY, 1000), note=NOTE) == Split(S, C, 1000)
        assert self.held(target(CANARY, 1), note={"canary": CANARY}, stable=None) == Split(None, C, 1000)
        assert self.held(target(CANARY, 1), note={"canary": "food-review-v0"}) == Split(C)

    @pytest.mark.parametrize(
        "found",
        [
            (target(STABLE, 900), target(CANARY, 50)),
            (target(STABLE, 1), target(CANARY, 1)),
            (target(CANARY, 7), target("audit", 3)),
            (target("other", 5),),
            (target(STABLE, 3), target("audit", 3)),
        ],
    )
    def test_whatever_else_stands_there_is_nothing_that_a_rollout_asks_for(
        self, found: tuple[Obj, ...]
    ) -> None:
        steps = (1, 10, 50, 250, 500, 999)
        asked = [Split(S), Split(C), *(Split(S, C, step) for step in (0, *steps, 1000))]
        assert self.held(*found, weight_sum=200, steps_permille=steps) not in asked

    @pytest.mark.parametrize(
        "found",
        [
            (target(STABLE, 500), target(STABLE, 500)),
            (target(STABLE), target(CANARY, 5)),
            (target(STABLE, 0), target(CANARY, 5)),
            (target(STABLE, 10**9), target(CANARY, 5)),
            ({"modelRewrite": STABLE, "weight": "5"}, target(CANARY, 5)),
        ],
    )
    def test_what_nobody_can_read_is_strange(self, found: tuple[Obj, ...]) -> None:
        assert self.held(*found) is None

    def test_a_first_deployment_finds_nobody(self) -> None:
        assert self.held(stable=None) == Split()


class TestPatch:
    def test_the_canary_comes_after_stable_and_the_note_says_who_is_who(self) -> None:
        obj = rewrite(rule(target(STABLE, None, note="kept"), models=("chat", MODEL)), rule(target("x")))
        after = given_split(obj, routed(), Split(S, C, 50))
        assert targets(after) == [target(STABLE, 950, note="kept"), target(CANARY, 50)]
        assert after["spec"]["rules"][1] == obj["spec"]["rules"][1]
        assert mark_of(after, MODEL) == Mark(CANARY, STABLE)

    def test_no_target_ever_has_weight_0(self) -> None:
        obj = rewrite(rule(target(STABLE)))
        full = given_split(obj, routed(), Split(S, C, 1000))
        assert targets(full) == [target(CANARY, 1000)]
        assert held_split(full, routed()) == Split(S, C, 1000)
        none = given_split(full, routed(), Split(S, C, 0))
        assert targets(none) == [target(STABLE, 1000)]
        assert held_split(none, routed()) == Split(S, C, 0)

    def test_a_rollback_leaves_stable_alone_and_no_note(self) -> None:
        obj = rewrite(rule(target(STABLE, 1)))
        for weight in (10, 250, 1000):
            back = given_split(given_split(obj, routed(), Split(S, C, weight)), routed(), Split(S))
            assert (targets(back), mark_of(back, MODEL)) == ([target(STABLE, 1)], None)

    def test_a_promotion_puts_the_canary_where_stable_was(self) -> None:
        obj = rewrite(rule(target("audit", 100), target(STABLE, 200), target("late", 1)))
        model = routed(weight_sum=200)
        after = given_split(given_split(obj, model, Split(S, C, 1000)), model, Split(C))
        assert targets(after) == [target("audit", 100), target(CANARY, 200), target("late", 1)]
        assert mark_of(after, MODEL) is None

    def test_a_lone_target_without_a_weight_needs_none(self) -> None:
        obj = rewrite(rule(target(STABLE)))
        assert given_split(obj, routed(), Split(S)) == obj

    def test_of_a_first_deployment_the_target_comes_and_goes(self) -> None:
        model = routed(stable=None, weight_sum=None)
        first = given_split(rewrite(rule()), model, Split(None, C, 1000))
        assert targets(first) == [target(CANARY, 1)]
        assert mark_of(first, MODEL) == Mark(CANARY)
        assert held_split(first, model) == Split(None, C, 1000)
        assert "targets" not in given_split(first, model, Split())["spec"]["rules"][0]
        assert held_split(given_split(first, model, Split(C)), model) == Split(C)

    def test_beside_others_less_than_one_unit_is_an_error(self) -> None:
        obj = rewrite(rule(target(STABLE, 5), target("audit", 5)))
        with pytest.raises(TargetError, match="1% of that is less than 1; multiply all weights"):
            given_split(obj, routed(weight_sum=5), Split(S, C, 10))

    def test_a_version_without_an_adapter_is_an_error(self) -> None:
        service = Release("v2", backend=Backend(BackendKind.SERVICE, "food-review-v2", 80))
        with pytest.raises(TargetError, match="v2 names no adapter: deploy it with --backend lora/NAME"):
            given_split(rewrite(rule(target(STABLE))), routed(canary=service), Split(S, service, 50))


class TestMark:
    @pytest.mark.parametrize(
        "value",
        ["", "{", "[1]", '"x"', "{}", '{"canary": 5}', "[" * 3000, '{"canary": "' + "x" * 3000 + '"}'],
    )
    def test_what_is_none_of_ours_says_nothing(self, value: str) -> None:
        assert mark_of(marked(rewrite(rule(target(STABLE))), value), MODEL) is None

    def test_each_model_of_a_rewrite_has_its_own(self) -> None:
        obj = rewrite(rule(target(STABLE)), rule(target("a"), models=("chat",)))
        one = given_split(obj, routed(), Split(S, C, 50))
        chat = routed(
            model="chat",
            stable=Release("a", backend=Backend(BackendKind.LORA_ADAPTER, "a")),
            canary=Release("b", backend=Backend(BackendKind.LORA_ADAPTER, "b")),
        )
        both = given_split(one, chat, Split(chat.stable, chat.canary, 10))
        assert (mark_of(both, MODEL), mark_of(both, "chat")) == (Mark(CANARY, STABLE), Mark("b", "a"))
        assert held_split(given_split(both, routed(), Split(S)), chat) == Split(chat.stable, chat.canary, 10)


class TestDialect:
    def emergency(self, obj: Obj, model: RoutedModel) -> Obj:
        after: Obj = patched(obj, MODEL_REWRITE.emergency(obj, model))
        return after

    @pytest.mark.parametrize("weight", [10, 250, 1000])
    def test_an_emergency_finds_stable_in_the_note(self, weight: int) -> None:
        obj = given_split(rewrite(rule(target(STABLE))), routed(), Split(S, C, weight))
        unknown = routed(stable=None, canary=None, weight_sum=None)
        after = self.emergency(obj, unknown)
        assert [each["modelRewrite"] for each in targets(after)] == [STABLE]
        assert MODEL_REWRITE.emergency(after, routed(weight_sum=None)) == []

    def test_an_emergency_is_no_reason_to_guess(self) -> None:
        unknown = routed(stable=None, canary=None, weight_sum=None)
        bare = rewrite(rule(target(STABLE, 950), target(CANARY, 50)))
        with pytest.raises(TargetError, match="tells which adapter is the canary: set the targets yourself"):
            self.emergency(bare, unknown)
        first = marked(rewrite(rule(target(CANARY, 1))), {"canary": CANARY})
        with pytest.raises(TargetError, match="which adapter is the stable version"):
            self.emergency(first, unknown)

    def test_a_change_is_made_only_of_what_was_expected(self) -> None:
        obj = rewrite(rule(target(STABLE, 700), target(CANARY, 300)))
        with pytest.raises(
            Conflict, match="weights food-review-v1 700, food-review-v2 300; expected was v2 5%"
        ):
            MODEL_REWRITE.change(obj, routed(), Split(S, C, 250), Split(S, C, 50))

    def test_people_may_have_routed_the_first_version_themselves(self) -> None:
        obj, model = rewrite(rule(target(CANARY))), routed(stable=None, weight_sum=None)
        assert MODEL_REWRITE.change(obj, model, Split(None, C, 1000), Split()) != []

    def test_a_rule_that_was_taken_away_is_drift(self) -> None:
        seen = MODEL_REWRITE.seen(Standing(rewrite(rule(target("x"), models=("chat",)))), routed(), OURS)
        assert (seen.split, seen.accepted, seen.problem) == (Split(), False, Reason.DRIFT_DETECTED)
