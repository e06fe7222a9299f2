"""Rollouts through every fault that the world can offer keep the guarantees.

Hypothesis drives `tests.domain_world` and `tests.domain_checker` judges what happened. ``SERINUS_FAULT_RUNS``
sets the number of runs (100 unless set); half of them have the sequential judge.
"""

import os
from collections.abc import Callable
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from controller.domain.model import CommandKind, Rollout
from controller.domain.observation import GateWord, NoReading
from controller.domain.observing import exposed
from controller.domain.policy import Policy
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason
from tests.domain_checker import judge
from tests.domain_facts import Committed, Crash, Written
from tests.domain_scenes import BAD
from tests.domain_strategies import GATES, PEOPLE, Fault, beginnings, policies, seconds
from tests.domain_world import World

MOST_PASSES = 3_000
MOST_VERSIONS = 12
WAITING = (Phase.FROZEN, Phase.HALTED, Phase.PENDING, Phase.PAUSED)


def during(fault: Fault) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """For rules that only runs with this fault have."""
    return precondition(lambda machine: fault in machine.faults)


few = st.integers(0, 6)


class Rollouts(RuleBasedStateMachine):
    """One model, its daemon, its people, and whatever goes wrong around them."""

    @initialize(
        policy=policies,
        first=st.sampled_from([False, False, False, True]),
        rate=st.sampled_from([20.0, 200.0, 5000.0]),
        faults=st.permutations(list(Fault)),
        kinds=st.integers(1, 6),
        until=beginnings,
        aborts=st.booleans(),
    )
    def begin(
        self,
        policy: Policy,
        first: bool,
        rate: float,
        faults: list[Fault],
        kinds: int,
        until: Phase | None,
        aborts: bool,
    ) -> None:
        self.world = World(policy, None if first else "v1", rate)
        self.faults = faults[:kinds]
        self.aborts = aborts
        self.ever_bad: set[str] = set()
        self.world.deploy("v2")
        for _ in range(100):
            if until is None or self.newest.phase in (until, Phase.SUCCEEDED):
                break
            self.passes(1)

    @property
    def newest(self) -> Rollout:
        return list(self.world.records.values())[-1]

    def passes(self, count: int, crash: Crash | None = None) -> None:
        for _ in range(count):
            wait = self.world.run(crash)
            self.world.advance(1.0 if wait is None else wait.total_seconds())

    # what goes right

    @rule(count=st.integers(1, 12))
    def time_goes_by(self, count: int) -> None:
        self.passes(count)

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 20.0, 61.0, 900.0]), then=few)
    def nobody_watches(self, seconds: float, then: int) -> None:
        self.world.advance(seconds)
        self.passes(then)

    @rule(kind=st.sampled_from(CommandKind), oldest=st.booleans(), then=few)
    def a_person_says(self, kind: CommandKind, oldest: bool, then: int) -> None:
        rollouts = self.world.open_rollouts() or [self.newest]
        self.world.say(kind, rollouts[0 if oldest else -1])
        self.passes(then)

    @precondition(lambda self: any(rollout.phase in WAITING for rollout in self.world.open_rollouts()))
    @rule(kind=st.sampled_from([CommandKind.RESUME, CommandKind.RETRY]), then=few)
    def a_person_helps(self, kind: CommandKind, then: int) -> None:
        for rollout in self.world.open_rollouts():
            self.world.say(kind, rollout)
        self.passes(then)

    @precondition(lambda self: any(rollout.asking for rollout in self.world.open_rollouts()))
    @rule(actor=st.sampled_from(PEOPLE), denies=st.sampled_from([False] * 9 + [True]), then=few)
    def a_person_answers(self, actor: str, denies: bool, then: int) -> None:
        for rollout in self.world.open_rollouts():
            self.world.say(CommandKind.DENY if denies else CommandKind.APPROVE, rollout, actor=actor)
        self.passes(then)

    @precondition(lambda self: any(rollout.asking for rollout in self.world.open_rollouts()))
    @rule(then=few)
    def all_agree(self, then: int) -> None:
        for rollout in self.world.open_rollouts():
            self.approve(rollout.id)
        self.passes(then)

    @precondition(lambda self: any(rollout.asking for rollout in self.world.open_rollouts()))
    @rule(gate=st.sampled_from(GATES), word=st.sampled_from([*GateWord, GateWord.ALLOW, None]), then=few)
    def a_gate_answers(self, gate: str, word: GateWord | None, then: int) -> None:
        if word is None:
            self.world.gates.pop(gate, None)
        else:
            self.world.gates[gate] = word
        self.passes(then)

    def approve(self, rollout_id: str) -> None:
        for actor in PEOPLE:
            self.world.say(CommandKind.APPROVE, self.world.records[rollout_id], actor=actor)

    @precondition(lambda self: self.newest.phase.terminal)
    @rule(then=few)
    def a_person_tries_again(self, then: int) -> None:
        self.world.retry(self.newest)
        self.passes(then)

    @precondition(lambda self: Fault.NEWER in self.faults or not self.world.open_rollouts())
    @rule(then=few)
    def the_next_version_is_deployed(self, then: int) -> None:
        if len(self.world.versions) < MOST_VERSIONS:
            self.world.deploy(f"v{len(self.world.versions) + 2}")
        self.passes(then)

    @precondition(lambda self: any(rollout.phase.terminal for rollout in self.world.records.values()))
    @rule(requests=st.sampled_from([None, 0, 3]), then=few)
    def what_the_losers_have_in_hand_is_counted(self, requests: int | None, then: int) -> None:
        for rollout in [each for each in self.world.records.values() if each.phase.terminal]:
            self.world.count(rollout, requests)
        self.passes(then)

    # what goes wrong

    @during(Fault.CRASH)
    @rule(crash=st.sampled_from(Crash), kind=st.none() | st.sampled_from(CommandKind), then=few)
    def the_daemon_dies(self, crash: Crash, kind: CommandKind | None, then: int) -> None:
        if kind is None or not self.world.open_rollouts():
            self.passes(1, crash)
        else:
            self.world.say(kind, self.world.open_rollouts()[0], crash=crash)
        self.passes(then)

    @during(Fault.CRASH)
    @rule(downtime=st.sampled_from([0.0, 2.0, 120.0]), then=few)
    def the_daemon_is_restarted(self, downtime: float, then: int) -> None:
        self.world.restart()
        self.world.advance(downtime)
        self.passes(then)

    @during(Fault.QUALITY)
    @rule(
        ratio=st.sampled_from([0.0, 0.002, BAD, 0.9]),
        check=st.sampled_from(["errors", "crashes", "odd"]),
        then=few,
    )
    def the_canary_turns(self, ratio: float, check: str, then: int) -> None:
        version = self.newest.release.version
        self.world.versions[version].bad[check] = ratio
        if ratio >= BAD and check != "odd":
            self.ever_bad.add(version)
        self.passes(then)

    @during(Fault.READINESS)
    @rule(
        stable=st.booleans(),
        canary=st.booleans(),
        field=st.sampled_from(["ready", "ready", "ready", "warm", "golden"]),
        then=few,
    )
    def versions_flip(self, stable: bool, canary: bool, field: str, then: int) -> None:
        rollout = self.newest
        for served, flips in ((rollout.stable, stable), (rollout.release, canary)):
            if served is not None and flips:
                how = self.world.versions[served.version]
                setattr(how, field, not getattr(how, field))
        self.passes(then)

    @during(Fault.READINESS)
    @rule(then=few)
    def nothing_is_ready(self, then: int) -> None:
        for how in self.world.versions.values():
            how.ready = False
        self.passes(then)

    @during(Fault.GATEWAY)
    @rule(fault=st.sampled_from(["available", "accepts", "rejects"]), then=few)
    def the_gateway_flips(self, fault: str, then: int) -> None:
        setattr(self.world.gateway, fault, not getattr(self.world.gateway, fault))
        self.passes(then)

    @during(Fault.EDIT)
    @rule(
        weight=st.sampled_from([0, 10, 50, 500, 1000]),
        mirror=st.sampled_from([0, 0, 100, 1000]),
        swap=st.booleans(),
        then=few,
    )
    def somebody_edits_the_route(self, weight: int, mirror: int, swap: bool, then: int) -> None:
        release = self.newest.release
        copied = mirror if not weight else 0
        canary = release if weight or copied else None
        edited = Split(self.world.serving, canary, weight, mirror_permille=copied)
        self.world.edit(Split(stable=release) if swap else edited)
        self.passes(then)

    @during(Fault.METRICS)
    @rule(reason=st.sampled_from([None, *(r for r in Reason if r.startswith("Metrics"))]), then=few)
    def the_metric_source_turns(self, reason: Reason | None, then: int) -> None:
        self.world.metrics.silence = NoReading(reason, "no answer to trust") if reason else None
        self.passes(then)

    @during(Fault.CLOCKS)
    @rule(by=seconds(3600, -3600, 86_400, -86_400), of_source=st.booleans(), then=few)
    def a_clock_jumps(self, by: timedelta, of_source: bool, then: int) -> None:
        if of_source:
            self.world.metrics.step_clock(by)
        else:
            self.world.wall_offset += by
        self.passes(then)

    @during(Fault.STORE)
    @rule(then=few)
    def the_store_flips(self, then: int) -> None:
        self.world.store_broken = not self.world.store_broken
        self.passes(then)

    @during(Fault.SHADOW)
    @rule(said=st.booleans(), then=few)
    def the_gateway_copies_no_more(self, said: bool, then: int) -> None:
        if said:
            self.world.unmirrored = "" if self.world.unmirrored else "a route of this kind copies nothing"
        else:
            self.world.gateway.copies = not self.world.gateway.copies
        self.passes(then)

    @during(Fault.TRAFFIC)
    @rule(rate=st.sampled_from([0.0, 3.0, 100.0, 5000.0]), then=few)
    def traffic_changes(self, rate: float, then: int) -> None:
        self.world.rate = rate
        self.passes(then)

    # what must hold

    @precondition(lambda self: self.only_waits())
    @rule()
    def what_waits_is_left_alone(self) -> None:
        """S18: looking again at what waits for somebody else writes nothing, after a restart neither."""
        for _ in range(10):  # those that wait for each other follow one after the other
            before = self.of_consequence()
            self.world.run()
            if self.of_consequence() == before:
                break
        self.world.restart()
        self.world.run()
        if self.only_waits():
            assert self.of_consequence() == before, "S18: a write with nothing to do"

    def only_waits(self) -> bool:
        """Whether every rollout waits for somebody else.

        One paused with traffic is still watched, and so is the time that people are given.
        """
        return all(
            rollout.phase in WAITING
            and (rollout.phase is not Phase.PAUSED or not exposed(rollout))
            and (rollout.phase is not Phase.PENDING or not self.time_runs(rollout))
            for rollout in self.world.open_rollouts()
        )

    @staticmethod
    def time_runs(rollout: Rollout) -> bool:
        policy = rollout.policy
        times = [policy.approval.within, *(gate.within for gate in policy.gates)]
        return any(within is not None for within in times)

    def of_consequence(self) -> int:
        return sum(isinstance(fact, Written | Committed) for fact in self.world.history)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.heal()
            self.finish()
            judge(self.world.history, self.world.initial, ever_bad=self.ever_bad)

    def heal(self) -> None:
        gateway = self.world.gateway
        gateway.available = gateway.accepts = True
        gateway.rejects = self.world.store_broken = False
        self.world.metrics.silence = None
        self.world.rate = 5000.0
        self.world.gates = dict.fromkeys(GATES, GateWord.ALLOW)
        for how in self.world.versions.values():
            how.ready = how.warm = True

    def finish(self) -> None:
        """S15: with the faults gone, people need only resume, approve or abort, and everything ends."""
        world = self.world
        for passes in range(MOST_PASSES):
            rollouts = world.open_rollouts()
            if not rollouts:
                break
            first = rollouts[0]
            # evidence may never suffice: just at a limit, or when all trials were taken
            undecided = passes > MOST_PASSES / 2
            if (self.aborts or undecided) and first.phase is not Phase.ROLLING_BACK:
                world.say(CommandKind.ABORT, first)
            elif first.phase in (Phase.PAUSED, Phase.FROZEN):
                world.say(CommandKind.RESUME, first)
            elif first.asking is not None:
                self.approve(first.id)
            wait = world.run()
            assert wait is not None or not world.open_rollouts() or world.open_rollouts()[0].phase in WAITING
            world.advance(0.0 if wait is None else max(wait.total_seconds(), 0.01))
        left = [f"{r.phase} ({r.reason}: {r.message})" for r in world.open_rollouts()]
        assert not left, f"S15: never ends: {left}"
        before = len(world.history)
        world.restart()
        world.run()
        assert len(world.history) == before, "S18: something happened after the end"


Rollouts.TestCase.settings = settings(
    max_examples=int(os.environ.get("SERINUS_FAULT_RUNS", "100")),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
test_rollouts_keep_the_guarantees_through_every_fault = Rollouts.TestCase
