"""Repeats scenarios on all cores. A repetition depends on the seed, the scenario and its number alone."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar
from zlib import crc32

from numpy.random import SeedSequence

from bench.judge.argo import Argo
from bench.judge.flagger import Flagger
from bench.judge.kayenta import Kayenta
from bench.judge.lane import Chance, Lane, drawn
from bench.judge.past import calibration_of
from bench.judge.peeking import Peeks, peek
from bench.judge.policies import policy_for
from bench.judge.rules import Outcome, Rule, roll_out
from bench.judge.scenarios import LOOKS, PEEK_SECONDS, RUN_SECONDS, PeekScenario, RunScenario, Scenario
from bench.judge.serinus import Serinus
from bench.judge.sprt import requests_to_detection
from controller.domain.judge import JUDGES

PEERS: Mapping[str, Callable[[], Rule]] = {"flagger": Flagger, "argo": Argo, "kayenta": Kayenta}
ORACLE_SECONDS = 4 * RUN_SECONDS


def judges() -> list[str]:
    """Our judges by name, the newest first."""
    return sorted(JUDGES, key=lambda name: (name == "threshold", name))


def peek_once(scenario: PeekScenario, seed: int, number: int, looks: int = LOOKS) -> dict[str, Peeks]:
    """One repetition: every judge of ours over the same blocks."""
    chance = chance_of(scenario, seed, number)
    policies = {name: policy_for(name, scenario.limits) for name in judges()}
    known = calibration_of(scenario.scene, chance.past, policies[judges()[0]].checks)
    return peek(policies, Lane(scenario.scene, chance), looks, scenario.drift, known)


def run_once(scenario: RunScenario, seed: int, number: int) -> dict[str, Outcome]:
    """One repetition: every rule's rollout, all on the same requests."""
    chance = chance_of(scenario, seed, number)
    policies = {name: policy_for(name, scenario.limits) for name in judges()}
    known = calibration_of(scenario.scene, chance.past, policies[judges()[0]].checks)
    rules: dict[str, Rule] = {name: Serinus(policy, known) for name, policy in policies.items()}
    rules |= {name: make() for name, make in PEERS.items()}
    return {name: _run(rule, scenario, chance) for name, rule in rules.items()}


def _run(rule: Rule, scenario: RunScenario, chance: Chance) -> Outcome:
    lane = Lane(scenario.scene, chance)
    outcome = roll_out(rule, lane, RUN_SECONDS)
    if scenario.rates is None or not isinstance(rule, Serinus):
        return outcome
    needed = requests_to_detection(lane, *scenario.rates, ORACLE_SECONDS)
    return replace(outcome, counted=rule.counted, oracle_requests=needed)


def chance_of(scenario: Scenario, seed: int, number: int) -> Chance:
    """What one repetition is drawn from."""
    seconds = PEEK_SECONDS if isinstance(scenario, PeekScenario) else ORACLE_SECONDS
    source = SeedSequence((seed, crc32(scenario.name.encode()), number))
    return drawn(scenario.scene, source, seconds=seconds)


_Result = TypeVar("_Result")


class Ordered(Protocol):
    """Does the work for each number, and gives the results in their order."""

    def __call__(self, work: Callable[[int], _Result], numbers: Iterable[int], /) -> Iterable[_Result]: ...


@dataclass(frozen=True, slots=True)
class Crew:
    """Processes that repeat scenarios. The results do not depend on how many they are."""

    ordered: Ordered

    def peeks(self, scenario: PeekScenario, seed: int, count: int) -> list[dict[str, Peeks]]:
        """The first so many repetitions, in order."""
        return list(self.ordered(partial(peek_once, scenario, seed), range(count)))

    def runs(self, scenario: RunScenario, seed: int, count: int) -> list[dict[str, Outcome]]:
        """The first so many repetitions, in order."""
        return list(self.ordered(partial(run_once, scenario, seed), range(count)))


@contextmanager
def crew(processes: int | None = None) -> Iterator[Crew]:
    """As many processes as there are cores; one needs none of its own."""
    wanted = processes or os.cpu_count() or 1
    if wanted == 1:
        yield Crew(_alone)
        return
    with multiprocessing.get_context("spawn").Pool(wanted) as pool:
        yield Crew(pool.imap)


def _alone(work: Callable[[int], _Result], numbers: Iterable[int], /) -> Iterable[_Result]:
    return map(work, numbers)
