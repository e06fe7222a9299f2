"""Probes in the rollout: when they are asked for, that each round counts once, and what they lead to."""

from dataclasses import replace

import pytest

from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.machine import decide
from controller.domain.model import Rollout
from controller.domain.observation import NoReading, Observation, Reading
from controller.domain.planning import plan
from controller.domain.policy import Check, CheckKind, Policy
from controller.domain.probed import ProbeMark, ProbeRound, with_probes
from controller.domain.probes import PROBES, ProbeRules
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.domain.wording import sentence
from tests.domain_facts import Committed
from tests.domain_outside import EPOCH
from tests.domain_scenes import ERRORS, a_policy, a_step, a_world, in_force, oldest, once, reach, seconds
from tests.domain_world import World

RULES = ProbeRules("/v1/chat/completions", "fraud", "x-serinus-version", requests=20)
CHECK = Check(PROBES, CheckKind.RATIO, max=0.05, measure=PROBES)


def probing(judge: str = "sequential", **changes: object) -> Policy:
    steps = (a_step(250, min_requests=20), a_step(500, min_requests=20))
    return a_policy(judge=judge, checks=(ERRORS, CHECK), probe=RULES, steps=steps, **changes)


def a_probing_world(judge: str = "sequential", spoilt: float = 0.0) -> World:
    world = World(probing(judge), rate=200.0)
    world.deploy("v2")
    world.versions["v2"].bad[PROBES] = spoilt
    return world


@pytest.mark.parametrize("judge", ["sequential", "threshold"])
def test_a_canary_whose_streams_fail_is_rolled_back_though_the_gateway_sees_no_error(judge: str) -> None:
    world = a_probing_world(judge, spoilt=0.3)
    rollout = reach(world, Phase.ROLLED_BACK)
    assert rollout.reason is Reason.CHECK_FAILED
    assert rollout.message.startswith("probes ")
    assert "is above its limit 5% over" in rollout.message
    errors = next(check for check in rollout.evidence.checks if check.name == "errors")
    assert errors.value == 0


@pytest.mark.parametrize("judge", ["sequential", "threshold"])
def test_a_good_canary_passes_its_probes(judge: str) -> None:
    world = a_probing_world(judge)
    rollout = reach(world, Phase.SUCCEEDED, passes=3000)
    probes = next(check for check in rollout.evidence.checks if check.name == PROBES)
    assert probes.value == 0


def test_probes_are_sent_while_the_canary_steps_and_bakes_and_at_no_other_time() -> None:
    world = a_probing_world()
    asked: dict[Phase, set[bool]] = {}
    for _ in range(3000):
        rollout = oldest(world)
        asked.setdefault(rollout.phase, set()).add(plan(rollout).probe)
        if rollout.phase.terminal:
            break
        once(world)
    assert asked.pop(Phase.PROGRESSING) == {True}
    assert asked.pop(Phase.BAKING) == {True, False}  # not once it is the stable version
    assert set().union(*asked.values()) == {False}


def test_a_policy_without_probes_asks_for_none() -> None:
    world = a_world()
    reach(world, Phase.PROGRESSING)
    assert not plan(oldest(world)).probe


def test_probes_spend_nothing_of_the_budget_of_users_bad_requests() -> None:
    """A handful of them leaves everything possible: it must not hold the weight of a good canary down."""
    world = a_probing_world()
    rollout = in_force(world)
    for _ in range(30):
        rollout = once(world)
    assert rollout.evidence.held is None
    assert rollout.evidence.ceiling_permille == 1000


def seen(rollout: Rollout, *rounds: ProbeRound, reading: Reading | NoReading | None = None) -> Observation:
    """A pass that finds these rounds, with a block of requests unless another reading is given."""
    start = rollout.evidence.cursor or EPOCH
    end = start + rollout.policy.interval
    block = Block(start, end, 50, 150, (CheckCounts("errors", Tally(50), Tally(150)),))
    mark = rollout.clocks.mark
    assert mark is not None
    tick = replace(mark, seconds=mark.seconds + 5)
    return Observation(EPOCH, tick, reading=reading or Reading(end, (block,)), probes=rounds)


TEN = Tally(10, 1)


def a_round(number: int, run: str = "r", canary: Tally = TEN, **more: object) -> ProbeRound:
    return replace(ProbeRound(ProbeMark(run, number), canary, Tally(10)), **more)  # type: ignore[arg-type]


def progressing() -> Rollout:
    world = a_probing_world()
    rollout = in_force(world)
    return replace(rollout, evidence=replace(rollout.evidence, probed=None))


def requests(rollout: Rollout) -> int:
    return next(check for check in rollout.evidence.checks if check.name == PROBES).requests


def test_a_round_that_is_seen_again_counts_once_and_a_new_process_begins_anew() -> None:
    before = progressing()
    usual = requests(before)
    first = decide(before, seen(before, a_round(1), a_round(2))).rollout
    assert requests(first) == usual + 20
    assert first.evidence.probed == ProbeMark("r", 2)
    again = decide(first, seen(first, a_round(1), a_round(2), a_round(3))).rollout
    assert requests(again) == usual + 30
    other = decide(again, seen(again, a_round(1, run="later"))).rollout
    assert requests(other) == usual + 40


def test_without_metrics_rounds_wait_and_are_counted_later() -> None:
    before = progressing()
    silent = NoReading(Reason.METRICS_UNAVAILABLE, "Prometheus does not answer")
    held = decide(before, seen(before, a_round(1), reading=silent)).rollout
    assert (requests(held), held.evidence.probed) == (requests(before), None)
    empty = decide(before, seen(before, a_round(1), reading=Reading(before.evidence.cursor or EPOCH))).rollout
    assert empty.evidence.probed is None
    later = decide(held, seen(held, a_round(1))).rollout
    assert requests(later) == requests(before) + 10


def test_what_was_wrong_is_among_the_warnings_and_counted() -> None:
    before = progressing()
    fault = "probes of canary v2: an error inside the stream"
    first = decide(before, seen(before, a_round(1, faults=(f"3 {fault}",)))).rollout
    second = decide(first, seen(first, a_round(2, faults=(f"2 {fault}",)))).rollout
    assert [flaw.line for flaw in second.evidence.warnings if "probes" in flaw.sentence] == [f"{fault}: 5"]


def test_a_canary_that_no_probe_has_met_is_not_judged_by_them() -> None:
    before = progressing()
    anew = replace(before, evidence=replace(before.evidence, judge_state=""))
    rollout = decide(anew, seen(anew, a_round(1, canary=Tally()))).rollout
    probes = next(check for check in rollout.evidence.checks if check.name == PROBES)
    assert (probes.verdict, probes.reason) == (Verdict.UNKNOWN, Reason.TOO_FEW_REQUESTS)


def test_each_round_is_counted_once_in_a_whole_rollout() -> None:
    world = a_probing_world()
    rollout = reach(world, Phase.SUCCEEDED, passes=3000)
    last = rollout.evidence.probed
    assert last is not None
    rounds = {
        one.mark: one
        for fact in world.history
        if isinstance(fact, Committed) and fact.entry.observation is not None
        for one in fact.entry.observation.probes
        if one.mark.number <= last.number
    }
    assert len(rounds) == last.number
    probes = next(check for check in rollout.evidence.checks if check.name == PROBES)
    assert probes.requests == sum(one.canary.requests for one in rounds.values())
    assert probes.stable_requests == sum(one.stable.requests for one in rounds.values())


def test_a_round_s_counts_take_the_place_of_what_a_block_says_of_the_check() -> None:
    block = Block(EPOCH, EPOCH + seconds(5), 1, 1, (CheckCounts(PROBES, Tally(), Tally()),))
    told = with_probes(block, [a_round(1), a_round(2)], PROBES)
    assert told.checks == (CheckCounts(PROBES, Tally(20, 2), Tally(20)),)


@pytest.mark.parametrize("judge", ["sequential", "threshold"])
def test_no_probe_meets_a_version_that_only_gets_copies_and_none_is_waited_for(judge: str) -> None:
    policy = probing(judge)
    world = World(replace(policy, steps=(a_step(0, mirror_permille=100), *policy.steps)), rate=200.0)
    world.deploy("v2")
    reach(world, Phase.PROGRESSING)
    in_force(world)
    rollout = oldest(world)
    assert not plan(rollout).probe
    probes = next(check for check in rollout.evidence.checks if check.name == PROBES)
    assert (probes.verdict, probes.requests) == (Verdict.SKIPPED, 0)
    assert sentence(CHECK, probes) == "probes ask the version as soon as users do"
    assert plan(reach(world, Phase.PROGRESSING, step=1)).probe
    reach(world, Phase.SUCCEEDED, passes=3000)
