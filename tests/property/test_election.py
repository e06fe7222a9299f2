"""No two processes believe to lead, and epochs rise, whatever freezes, gets lost, comes late or goes wrong.

Hypothesis drives `tests.election_world`, which judges at every instant. ``SERINUS_FAULT_RUNS`` sets the
number of runs.
"""

import os
from datetime import timedelta
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from controller.adapters.kube.elector import LeaseTiming
from controller.domain.sharding import WHOLE, Shard
from tests.election_world import Network, Process, World

PROCESSES = 3
MOST_OF_A_NAME = 2
TIMINGS = [
    LeaseTiming(),
    LeaseTiming(lease=timedelta(seconds=15), renew=timedelta(seconds=14.9), retry=timedelta(seconds=2)),
    LeaseTiming(lease=timedelta(seconds=3), renew=timedelta(seconds=2), retry=timedelta(seconds=0.4)),
]
RATES = st.sampled_from([0.97, 0.99, 1.0, 1.01, 1.03])
WALLS = st.timedeltas(timedelta(days=-3650), timedelta(days=3650))
DELAYS = st.sampled_from([0.001, 0.005, 0.1, 1.0, 4.0, 6.0, 20.0, 60.0])
WHILE = st.sampled_from([0.5, 3.0, 9.0, 12.0, 16.0, 30.0, 60.0])
PAUSES = st.sampled_from([0.0, 0.001, 0.5, 2.0, 10.0, 16.0])
WHO = st.integers(0, PROCESSES - 1)


class Election(RuleBasedStateMachine):
    """Three identities that run, are frozen, cut off, stopped, killed and started again."""

    shards = (WHOLE, WHOLE, WHOLE)

    @initialize(timing=st.sampled_from(TIMINGS), rates=st.tuples(RATES, RATES, RATES))
    def begin(self, timing: LeaseTiming, rates: tuple[float, float, float]) -> None:
        self.world = World(timing)
        self.rates = rates
        for number in range(PROCESSES):
            self._start(number, timedelta(0))
        self.world.advance(0.5)

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(who=WHO, seconds=WHILE, pause=PAUSES)
    def frozen(self, who: int, seconds: float, pause: float) -> None:
        for process in self._runs(who):
            process.frozen = True
            self.world.after(seconds, partial(setattr, process, "frozen", False))
        self.world.advance(pause)

    @rule(who=WHO, seconds=WHILE, up=DELAYS, down=DELAYS, pause=PAUSES)
    def slow_network(self, who: int, seconds: float, up: float, down: float, pause: float) -> None:
        self._network(who, Network(up_seconds=up, down_seconds=down), seconds)
        self.world.advance(pause)

    @rule(who=WHO, seconds=WHILE, requests=st.booleans(), pause=PAUSES)
    def lossy_network(self, who: int, seconds: float, requests: bool, pause: float) -> None:
        self._network(who, Network(loses_requests=requests, loses_answers=True), seconds)
        self.world.advance(pause)

    @rule(who=WHO)
    def terminated(self, who: int) -> None:
        for process in self._runs(who):
            process.stop()

    @rule(who=WHO, seconds=WHILE, wall=WALLS)
    def killed_and_started_again(self, who: int, seconds: float, wall: timedelta) -> None:
        for process in self._runs(who):
            process.end()
            self.world.after(seconds, partial(self._start, who, wall))

    @rule(who=WHO, wall=WALLS)
    def started_once_more(self, who: int, wall: timedelta) -> None:
        self._start(who, wall)

    @precondition(lambda self: bool(self.world.highest_epochs) and self.world.deleted_at < 0)
    @rule(pause=PAUSES)
    def somebody_deletes_the_lease(self, pause: float) -> None:
        """Once: `controller.adapters.kube.elector` says what happens when it is done again and again."""
        self.world.delete_lease()
        self.world.advance(pause)

    def teardown(self) -> None:
        """Once all is well again, somebody leads, and goes on leading."""
        if not hasattr(self, "world"):
            return
        try:
            self.world.start("serinus-new", shard=self.shards[0])
            longest = self.world.timing.lease.total_seconds()
            self.world.advance(120.0)  # the faults are over, and what was under way has arrived
            self.world.advance(3 * longest)
            self.all_is_led()
            reigns = self.world.reigns
            self.world.advance(3 * longest)
            assert self.world.reigns == reigns
        finally:
            self.world.close()

    def all_is_led(self) -> None:
        """One leads."""
        assert sum(process.believes for process in self.world.processes) == 1

    def _network(self, who: int, network: Network, seconds: float) -> None:
        for process in self._runs(who):
            process.network = network
            self.world.after(seconds, partial(setattr, process, "network", Network()))

    def _start(self, who: int, wall: timedelta) -> None:
        if len(self._runs(who)) < MOST_OF_A_NAME:
            self.world.start(f"serinus-{who}", self.rates[who], wall, self.shards[who])

    def _runs(self, who: int) -> list[Process]:
        alive = [process for process in self.world.processes if process.alive]
        return [process for process in alive if process.identity == f"serinus-{who}"]


class TwoShardings(Election):
    """While the operator changes from all models in one to two shards, or back, the daemons of both run."""

    shards = (Shard(1, 2), Shard(2, 2), WHOLE)

    @precondition(lambda _: False)
    @rule()
    def somebody_deletes_the_lease(self) -> None:
        """Who waits for a Lease cannot know of one that is gone: the marks on the objects are for that."""

    def all_is_led(self) -> None:
        """All models are dealt out in one way. The processes of one way may all be gone."""
        led = {process.shard for process in self.world.processes if process.believes}
        alive = {process.shard for process in self.world.processes}
        assert led == {WHOLE} or led == alive - {WHOLE}


RUNS = settings(
    max_examples=int(os.environ.get("SERINUS_FAULT_RUNS", "25")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
Election.TestCase.settings = TwoShardings.TestCase.settings = RUNS
test_at_most_one_leads_and_epochs_rise = Election.TestCase
test_models_are_dealt_out_in_one_way = TwoShardings.TestCase
