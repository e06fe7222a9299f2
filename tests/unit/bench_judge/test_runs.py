"""Whole runs: our real machine, the peers, a judge alone; and what a repetition depends on."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from bench.judge.arrivals import Traffic
from bench.judge.battery import PEERS, chance_of, crew, judges, run_once
from bench.judge.lane import Lane, Scene
from bench.judge.past import calibration_of
from bench.judge.peeking import WeightDrift, peek
from bench.judge.policies import Limits, policy_for
from bench.judge.rules import Ended, Outcome, roll_out
from bench.judge.scenarios import PEEKS, RUNS, SCENARIOS, RunScenario
from bench.judge.serinus import Serinus
from bench.judge.versions import Version
from tests.unit.bench_judge.stage import lane_of

LIMITS = Limits()
CLASSIC = policy_for("threshold", LIMITS)
QUICK = replace(
    CLASSIC,
    steps=tuple(replace(step, hold=timedelta(seconds=30)) for step in CLASSIC.steps),
    checks=CLASSIC.checks[:1],
)


def _run(canary: Version, rate: float = 100, seconds: float = 1500, seed: int = 1) -> Outcome:
    scene = Scene(Traffic(rate), canary=canary)
    lane = lane_of(scene, seed)
    return roll_out(Serinus(QUICK, calibration_of(scene, lane.chance.past, QUICK.checks)), lane, seconds)


def test_the_machine_promotes_a_good_version() -> None:
    outcome = _run(Version())
    assert outcome.how is Ended.PROMOTED
    assert outcome.requests > 4 * 100
    assert outcome.bad < 0.01 * outcome.requests


def test_the_machine_rolls_back_a_total_failure_and_says_why() -> None:
    outcome = _run(Version(errors=1.0))
    assert outcome.how is Ended.ROLLED_BACK
    assert "errors" in outcome.why
    assert outcome.bad == outcome.requests > 0
    assert 30 < outcome.seconds < 300


def test_whoever_has_not_decided_in_time_is_undecided() -> None:
    outcome = _run(Version(), rate=1, seconds=300)
    assert outcome.how is Ended.UNDECIDED
    assert outcome.seconds == pytest.approx(300)


def test_a_run_is_the_same_every_time() -> None:
    assert _run(Version(0.01)) == _run(Version(0.01))
    assert _run(Version(0.01)) != _run(Version(0.01), seed=2)


def test_all_rules_of_a_repetition_are_run_on_the_same_requests() -> None:
    scenario = RunScenario("one", Scene(Traffic(5.0), canary=Version(1.0)), rates=(0.001, 0.999))
    outcomes = run_once(scenario, 1, 1)
    assert list(outcomes) == [*judges(), *PEERS]
    assert all(one.how is Ended.ROLLED_BACK for one in outcomes.values())
    assert outcomes["flagger"].seconds == pytest.approx(360)
    assert outcomes["argo"].seconds == pytest.approx(1500)
    assert outcomes["kayenta"].seconds == pytest.approx(600)
    assert outcomes["threshold"].oracle_requests is not None
    assert outcomes["flagger"].oracle_requests is None
    assert 0 < outcomes["threshold"].counted <= outcomes["threshold"].requests


def test_a_judge_alone_is_looked_at_until_it_fails() -> None:
    scene = Scene(Traffic(50.0), canary=Version(errors=0.5))
    policies = {"threshold": policy_for("threshold", LIMITS)}
    lane = lane_of(scene)
    known = calibration_of(scene, lane.chance.past, policies["threshold"].checks)
    found = peek(policies, lane, 60, WeightDrift(low_permille=100), known)["threshold"]
    assert found.blamed == "errors"
    assert found.failed_at is not None
    assert 0 < found.failed_at < 20


def test_weights_drift_from_low_to_high_and_back() -> None:
    drift = WeightDrift(10, 500, period=240, every=20)
    weights = [drift.at(look) for look in range(481)]
    assert (weights[0], weights[120], weights[240]) == (10, 500, 10)
    assert all(a == b for a, b in pairwise(weights[20:40]))


def test_a_repetition_depends_on_seed_scenario_and_number() -> None:
    scenario = RUNS[0]
    phases = [chance_of(scenario, seed, number).phases.tolist() for seed, number in ((1, 1), (1, 2), (2, 1))]
    assert chance_of(scenario, 1, 1).phases.tolist() == phases[0]
    assert len({tuple(one) for one in phases}) == 3
    assert chance_of(RUNS[1], 1, 1).phases.tolist() not in phases


def test_repetitions_come_in_order() -> None:
    scenario = RunScenario("two", Scene(Traffic(5.0), canary=Version(1.0)))
    with crew(1) as hands:
        found = hands.runs(scenario, 1, 2)
    assert found == [run_once(scenario, 1, number) for number in range(2)]
    assert found[0] != found[1]


def test_names_of_scenarios_are_their_own() -> None:
    assert len(SCENARIOS) == len(PEEKS) + len(RUNS)


def test_a_lane_is_its_own() -> None:
    scenario = RUNS[0]
    chance = chance_of(scenario, 1, 1)
    first, second = Lane(scenario.scene, chance), Lane(scenario.scene, chance)
    first.give(500)
    first.advance(100)
    second.advance(100)
    assert first.requests > 0 == second.requests
