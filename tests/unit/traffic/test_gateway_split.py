"""What weights on a route mean."""

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_split import Held, read_split
from controller.domain.release import Backend, BackendKind, Release, Split
from tests.gateway_routes import C, S, a_route, a_rule, ours, pair_of, ref, routed

ALONE = routed()
BESIDE = routed(weight_sum=200)
AUDIT = ref("audit", 300)


def held(*refs: Obj, **changes: Any) -> Held:
    model = routed(**changes)
    return read_split(pair_of(a_route(a_rule(*refs)), model), model)


def test_a_stable_version_alone_is_everything_whatever_its_weight() -> None:
    assert held(ref("fraud-v6")) == held(ref("fraud-v6", 17)) == Held(Split(S))


def test_people_may_have_put_the_canary_there_with_nothing() -> None:
    assert held(ref("fraud-v6"), ref("fraud-v7", 0)) == Held(Split(S))


def test_what_serinus_put_there_is_not_taken_for_theirs() -> None:
    assert held(ref("fraud-v6", 1000), ours(weight=0)) == Held(Split(S, C, 0))


@pytest.mark.parametrize(
    ("units", "weight"), [(10, 10), (50, 50), (250, 250), (300, 300), (1, 1), (999, 999)]
)
def test_thousandths_are_read_where_the_pair_is_alone(units: int, weight: int) -> None:
    assert held(ref("fraud-v6", 1000 - units), ours(weight=units)) == Held(Split(S, C, weight))


@pytest.mark.parametrize(("units", "weight"), [(2, 10), (10, 50), (50, 250)])
def test_beside_others_a_step_is_read_from_its_units(units: int, weight: int) -> None:
    found = held(ref("fraud-v6", 200 - units), AUDIT, ours(weight=units), weight_sum=200)
    assert found == Held(Split(S, C, weight))


def test_a_share_that_had_to_be_rounded_is_read_as_the_step_that_it_stands_for() -> None:
    steps = (33, 333)
    refs = (ref("fraud-v6", 97), AUDIT, ours(weight=3))
    assert held(*refs, weight_sum=100, steps_permille=steps) == Held(Split(S, C, 33))


def test_everything_to_the_canary_is_a_promotion_while_stable_is_still_named() -> None:
    assert held(ref("fraud-v6", 0), ours(weight=1000)) == Held(Split(S, C, 1000))


def test_the_canary_alone_is_promoted_or_a_first_deployment_by_its_mark() -> None:
    assert held(ref("fraud-v7", 1)) == Held(Split(C))
    assert held(ours(weight=1), stable=None) == Held(Split(None, C, 1000))


def test_nobody_before_a_first_deployment() -> None:
    assert held(stable=None) == held(ref("fraud-v7", 0), stable=None) == Held(Split())


@pytest.mark.parametrize(
    ("refs", "sum_"),
    [
        ((ref("fraud-v6", 90), ref("fraud-v7", 10)), 1),  # the right shares in other units
        ((ref("fraud-v6", 949), ours(weight=50)), 1),  # does not add up
        ((ref("fraud-v6", 0), ours(weight=50)), 1),
        ((ref("fraud-v6", 9), ours(weight=1), AUDIT), 200),
        ((ref("fraud-v6", 150), ours(weight=51), AUDIT), 200),
        ((ref("fraud-v6", 999_999), ours(weight=1)), 1),
    ],
)
def test_other_weights_are_a_split_that_nobody_asks_for(refs: tuple[Obj, ...], sum_: int) -> None:
    found = held(*refs, weight_sum=sum_, steps_permille=(1, 10, 50, 100, 250))
    assert not found.strange
    assert (found.split.stable, found.split.canary) == (S, C)
    assert 0 < found.split.weight_permille < 1000
    assert found.split.weight_permille not in (1, 10, 50, 100, 250)


@pytest.mark.parametrize("weight", [199, 201, 1000])
def test_beside_others_stable_alone_must_have_what_the_pair_had(weight: int) -> None:
    assert held(ref("fraud-v6", 200), AUDIT, weight_sum=200) == Held(Split(S))
    assert held(ref("fraud-v6", weight), AUDIT, weight_sum=200) == Held(Split(S, C, 0))


def test_beside_others_the_canary_alone_must_have_what_the_pair_had() -> None:
    assert held(ref("fraud-v7", 200), AUDIT, weight_sum=200) == Held(Split(C))
    assert held(ref("fraud-v7", 190), AUDIT, weight_sum=200) == Held(Split(None, C, 999))


def test_a_stable_ref_that_somebody_removed_leaves_everything_to_the_canary() -> None:
    assert held(ours(weight=50)) == Held(Split(None, C, 1000))


def test_a_ref_that_somebody_renamed_is_another_version() -> None:
    other = Release("fraud-v5", backend=Backend(BackendKind.SERVICE, "fraud-v5", 8080))
    assert held(ref("fraud-v5", 7), ref("audit", 1)) == Held(Split(other))
    assert held(ref("bucket", 7, kind="Bucket", group="x")) == Held(Split(Release("bucket")))
    assert held() == Held(Split())


@pytest.mark.parametrize(
    "refs",
    [
        (ref("fraud-v6", 0),),
        (ref("fraud-v6", 0), ref("fraud-v7", 0)),
        (ref("fraud-v6", 0), ours(weight=0)),
        (ours(weight=0),),
        (ref("fraud-v6", 950), ours(weight=50), ours(weight=50)),
        (ref("fraud-v6", 950), ref("fraud-v6", 0), ours(weight=50)),
        ({**ref("fraud-v6"), "weight": "all"},),
        ({**ref("fraud-v6"), "weight": True},),
        ({**ref("fraud-v6"), "weight": -1}, ours(weight=50)),
    ],
)
def test_what_cannot_be_read_as_a_split_is_strange(refs: tuple[Obj, ...]) -> None:
    found = held(*refs)
    assert found.strange
    assert found.split.weight_permille not in (*ALONE.steps_permille, 1000)
    assert found.split not in (Split(S), Split(C))


def test_a_sum_that_nobody_knows_is_the_one_that_is_there() -> None:
    model = replace(BESIDE, weight_sum=None)
    route = a_route(a_rule(ref("fraud-v6", 90), AUDIT, ours(weight=10)))
    assert read_split(pair_of(route, model), model) == Held(Split(S, C, 100))


def test_without_steps_the_share_itself_is_read() -> None:
    assert held(ref("fraud-v6", 800), ours(weight=200), steps_permille=()) == Held(Split(S, C, 200))
