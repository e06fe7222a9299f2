"""A small battery with fixed seeds: every rule still behaves as it should, or as it is known to.

`make bench-judge` measures; this notices. Bounds are about twice what is seen, so that they hold while
constants are tuned; only the issue's own goals are taken as they are. Numbers of the peers that follow from
their rules alone are exact.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from statistics import median

import pytest

from bench.judge.battery import peek_once, run_once
from bench.judge.peeking import Peeks
from bench.judge.rules import Ended, Outcome
from bench.judge.scenarios import PEEK_SECONDS, SCENARIOS, PeekScenario, RunScenario
from bench.judge.versions import Version

SEED = 4
REPETITIONS = 5
LOOKS = 240
ALIKE = (
    "aa drift 10/s",
    "aa drift 100/s",
    "aa slow start",
    "aa outage 6min 30%",
    "aa flapping 20x20s 80%",
)
FAILURE = "total failure 100/s"
ERRORS = "errors 0.1->5% 100/s"
SLOW = "latency x1.5 100/s"
GOOD = "good 100/s"
OUTAGE = "good, outage 6min 30%"
BELOW_THE_LIMITS = "errors 0.1->0.6% 100/s"
"""Six times stable's errors, and yet too few for a fixed limit of 1 % or 5 %."""


def scenario_of(name: str) -> RunScenario:
    if name == BELOW_THE_LIMITS:
        known = scenario_of(ERRORS)
        return RunScenario(name, replace(known.scene, canary=Version(0.006)))
    found = SCENARIOS[name]
    assert isinstance(found, RunScenario)
    return found


@cache
def runs(name: str) -> tuple[dict[str, Outcome], ...]:
    return tuple(run_once(scenario_of(name), SEED, number) for number in range(REPETITIONS))


@cache
def peeks(name: str, number: int = 0) -> dict[str, Peeks]:
    return peek_once(alike(name), SEED, number, LOOKS)


def of(rule: str, name: str) -> list[Outcome]:
    return [one[rule] for one in runs(name)]


def ends(rule: str, name: str) -> set[Ended]:
    return {outcome.how for outcome in of(rule, name)}


def middle(outcomes: Iterable[Outcome], number: Callable[[Outcome], float]) -> float:
    return median(map(number, outcomes))


def seconds(outcome: Outcome) -> float:
    return outcome.seconds


def bad(outcome: Outcome) -> float:
    return outcome.bad


def alike(name: str) -> PeekScenario:
    """What happens to both versions happens while somebody looks."""
    found = SCENARIOS[name]
    assert isinstance(found, PeekScenario)
    around = found.scene.surroundings
    if around.outages is None:
        return found
    within = around.outages.within * LOOKS * 15 / PEEK_SECONDS / 2
    soon = replace(around, outages=replace(around.outages, within=within))
    return replace(found, scene=replace(found.scene, surroundings=soon))


# a version as good as stable


@pytest.mark.parametrize("name", ALIKE)
def test_however_often_it_looks_a_version_as_good_as_stable_is_not_accused(name: str) -> None:
    assert peeks(name)["sequential"].failed_at is None


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_flapping_fault_of_both_is_not_held_against_the_canary(number: int) -> None:
    """With these numbers it would be, if one block could say as much as it likes."""
    assert peeks("aa flapping 20x20s 80%", number)["sequential"].failed_at is None


@pytest.mark.parametrize("name", ["aa outage 6min 30%", "aa flapping 20x20s 80%"])
def test_the_classic_rule_takes_an_outage_of_both_for_the_canary_s(name: str) -> None:
    found = peeks(name)["threshold"]
    assert (found.failed_at is not None, found.blamed) == (True, "errors")


def test_a_good_version_is_promoted_in_the_time_of_the_issue() -> None:
    assert ends("sequential", GOOD) == {Ended.PROMOTED}
    took = [outcome.seconds for outcome in of("sequential", GOOD)]
    assert median(took) <= 330
    assert max(took) <= 2 * 400


def test_a_good_version_is_promoted_at_a_tenth_of_the_traffic() -> None:
    assert ends("sequential", "good 10/s") == {Ended.PROMOTED}
    assert middle(of("sequential", "good 10/s"), seconds) <= 2 * 700


def test_a_good_version_is_promoted_after_an_outage_of_both() -> None:
    assert ends("sequential", OUTAGE) == {Ended.PROMOTED}
    assert max(outcome.seconds for outcome in of("sequential", OUTAGE)) < 1800


# bad versions


def test_a_version_that_fails_one_request_in_twenty_is_rolled_back() -> None:
    found = of("sequential", ERRORS)
    assert ends("sequential", ERRORS) == {Ended.ROLLED_BACK}
    assert all("errors" in outcome.why for outcome in found)
    assert middle(found, seconds) <= 2 * 120
    assert middle(found, bad) <= 2 * 8
    assert max(outcome.bad for outcome in found) <= 2 * 15


def test_a_version_that_fails_always_is_rolled_back() -> None:
    found = of("sequential", FAILURE)
    assert ends("sequential", FAILURE) == {Ended.ROLLED_BACK}
    assert max(outcome.seconds for outcome in found) <= 150
    assert max(outcome.bad for outcome in found) <= 170


def test_a_version_half_as_slow_again_is_rolled_back() -> None:
    found = of("sequential", SLOW)
    assert ends("sequential", SLOW) == {Ended.ROLLED_BACK}
    assert all("latency_p99" in outcome.why for outcome in found)
    assert middle(found, seconds) <= 2 * 150


def test_a_version_that_keeps_every_fixed_limit_is_rolled_back_because_it_is_worse() -> None:
    found = of("sequential", BELOW_THE_LIMITS)
    assert ends("sequential", BELOW_THE_LIMITS) == {Ended.ROLLED_BACK}
    assert all("worse than stable" in outcome.why for outcome in found)


@pytest.mark.parametrize("name", [FAILURE, ERRORS])
def test_it_costs_far_fewer_bad_requests_than_any_peer(name: str) -> None:
    ours = middle(of("sequential", name), bad)
    for rule in ("flagger", "argo", "kayenta"):
        assert 5 * ours < middle(of(rule, name), bad), rule


# the others, as they are known


@pytest.mark.parametrize("name", [FAILURE, ERRORS, SLOW])
def test_the_classic_rule_finds_what_breaks_its_limits(name: str) -> None:
    assert ends("threshold", name) == {Ended.ROLLED_BACK}


def test_the_classic_rule_needs_its_steps_to_promote() -> None:
    took = [outcome.seconds for outcome in of("threshold", GOOD) if outcome.how is Ended.PROMOTED]
    assert len(took) >= 2
    assert all(4 * 300 <= each < 2 * 4 * 300 for each in took)


@pytest.mark.parametrize(("rule", "after"), [("flagger", 6 * 60), ("argo", 25 * 60), ("kayenta", 10 * 60)])
def test_how_long_a_peer_serves_a_version_that_always_fails(rule: str, after: float) -> None:
    for outcome in of(rule, FAILURE):
        assert outcome.how is Ended.ROLLED_BACK
        assert outcome.seconds == pytest.approx(after)
        assert outcome.bad == outcome.requests


@pytest.mark.parametrize(("rule", "after"), [("flagger", 5 * 60), ("argo", 40 * 60), ("kayenta", 50 * 60)])
def test_how_long_a_peer_needs_to_promote_a_good_version(rule: str, after: float) -> None:
    for outcome in of(rule, GOOD):
        assert outcome.how is Ended.PROMOTED
        assert outcome.seconds == pytest.approx(after)


@pytest.mark.parametrize("rule", ["flagger", "argo"])
def test_a_fixed_limit_lets_through_what_lies_below_it(rule: str) -> None:
    assert ends(rule, BELOW_THE_LIMITS) == {Ended.PROMOTED}


def test_kayenta_finds_it_at_one_of_its_judgements() -> None:
    found = [outcome for outcome in of("kayenta", BELOW_THE_LIMITS) if outcome.how is Ended.ROLLED_BACK]
    assert len(found) > REPETITIONS / 2
    assert {"error ratio High"} == {outcome.why for outcome in found}
    assert {round(outcome.seconds) % 600 for outcome in found} == {0}


def test_argo_s_example_looks_at_no_latency_and_flagger_s_does() -> None:
    assert ends("argo", SLOW) == {Ended.PROMOTED}
    assert ends("flagger", SLOW) == {Ended.ROLLED_BACK}


def test_an_outage_of_both_is_held_against_the_canary_where_stable_is_not_looked_at() -> None:
    rolled_back = [outcome.how is Ended.ROLLED_BACK for outcome in of("flagger", OUTAGE)]
    assert sum(rolled_back) > len(rolled_back) / 2
    assert ends("kayenta", OUTAGE) == {Ended.PROMOTED}
