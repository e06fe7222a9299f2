"""metrics: auto: which pack is chosen, when, and what happens where none is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.measures import AUTO
from controller.domain.observation import PackSeen
from controller.domain.planning import plan
from controller.domain.policy import Policy
from controller.domain.recognition import Signature, pack_of, recognise
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason
from tests.domain_facts import Committed
from tests.domain_outside import release
from tests.domain_scenes import a_policy, oldest, once, reach
from tests.domain_world import World

VLLM = Signature("vllm", frozenset({"vllm:running", "vllm:waiting"}))
KSERVE = Signature("kserve", frozenset({"request_predict_seconds"}), "which does not measure errors")
KNOWN = (VLLM, KSERVE)


def auto() -> Policy:
    return replace(a_policy(), metrics=AUTO)


def test_one_name_that_nothing_else_shows_is_enough() -> None:
    assert recognise({"up", "vllm:waiting"}, KNOWN) == PackSeen("vllm")


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (set(), "no engine that is known"),
        ({"python_info"}, "no engine that is known"),
        ({"vllm:running", "request_predict_seconds"}, "metrics of kserve and vllm"),
        ({"request_predict_seconds"}, "kserve, which does not measure errors"),
    ],
)
def test_without_one_pack_that_fits_none_is_chosen_and_it_is_said_why(shown: set[str], words: str) -> None:
    found = recognise(shown, KNOWN)
    assert not found.pack
    assert words in found.message


@given(st.frozensets(st.sampled_from(["a", "b", "c", "vllm:running", "request_predict_seconds"])))
def test_a_pack_is_chosen_only_by_a_name_of_its_own_and_none_of_another(shown: frozenset[str]) -> None:
    found = recognise(shown, KNOWN)
    alone = not VLLM.names.isdisjoint(shown) and KSERVE.names.isdisjoint(shown)
    assert found.pack == ("vllm" if alone else "")
    assert bool(found.message) is not alone


def test_the_pack_is_recognised_once_before_any_traffic_and_kept() -> None:
    world = World(auto())
    world.deploy("v2")
    while oldest(world).phase is not Phase.VALIDATING:
        assert world.gateway.running == Split(release("v1"))
        once(world)
    assert pack_of(oldest(world)) == "vllm"
    world.pack = PackSeen("sglang")
    rollout = reach(world, Phase.SUCCEEDED)
    messages = [fact.entry.message for fact in world.history if isinstance(fact, Committed)]
    assert (rollout.pack, rollout.policy.metrics) == ("vllm", AUTO)
    assert any(message.endswith("those of the pack vllm") for message in messages)


def test_stable_s_past_is_asked_for_after_the_pack_is_known() -> None:
    world = World(replace(auto(), judge="sequential"))
    world.deploy("v2")
    wanted = []
    while oldest(world).phase is not Phase.VALIDATING:
        once(world)
        wanted.append(plan(oldest(world)))
    asked = [(each.recognise, each.calibrate) for each in wanted if each.recognise or each.calibrate]
    assert asked == [(True, False), (False, True)]


def test_a_pack_that_is_not_recognised_holds_and_then_ends_without_traffic() -> None:
    world = World(auto())
    world.pack = PackSeen(message="the copy shows metrics of kserve and vllm")
    world.deploy("v2")
    once(world, 5)
    rollout = oldest(world)
    assert (rollout.phase, rollout.reason) == (Phase.PREPARING, Reason.METRICS_UNRECOGNISED)
    assert "kserve and vllm" in rollout.message
    rollout = reach(world, Phase.NOT_DEPLOYED)
    assert rollout.reason is Reason.METRICS_UNRECOGNISED
    assert world.gateway.running == Split(release("v1"))


def test_a_copy_that_shows_its_metrics_late_is_waited_for() -> None:
    world = World(auto())
    world.pack = PackSeen(message="no metrics")
    world.deploy("v2")
    once(world, 5)
    world.pack = PackSeen("vllm")
    assert reach(world, Phase.PROGRESSING).pack == "vllm"


def test_a_named_pack_is_never_looked_for() -> None:
    world = World(a_policy())
    world.deploy("v2")
    while oldest(world).phase is not Phase.PROGRESSING:
        assert not plan(oldest(world)).recognise
        once(world)
    assert oldest(world).pack == ""
