"""Our own rule: the real rollout machine, passes and all, with whatever judge the policy names."""

from dataclasses import replace
from datetime import datetime

from bench.judge.feed import blocks, instant
from bench.judge.lane import Lane
from bench.judge.rules import End, Ended
from controller.domain.judge.calibration import Calibration
from controller.domain.machine import decide
from controller.domain.model import Rollout, Route
from controller.domain.observation import Observation, Readiness, Reading, RouteSeen, Survey, Tick
from controller.domain.planning import plan
from controller.domain.policy import Policy
from controller.domain.release import Release, Split
from controller.domain.vocabulary import Phase

STABLE = Release("v1", ("10.0.0.1:80",))
CANARY = Release("v2", ("10.0.0.2:80",))
READY = Readiness(ready=True)


class Serinus:
    """A rollout whose canary is just getting ready, and a gateway that obeys at once."""

    def __init__(self, policy: Policy, known: Calibration) -> None:
        nobody = Split(stable=STABLE)
        self.gateway = nobody
        self.known = known
        self._counted: dict[datetime, int] = {}
        created = Rollout("bench-1", policy.model, CANARY, policy, instant(0), "bench", stable=STABLE)
        self.rollout = replace(created, phase=Phase.PREPARING, route=Route(nobody, nobody, in_force=True))

    @property
    def counted(self) -> int:
        """The canary's requests in all blocks that a pass was given."""
        return sum(self._counted.values())

    def begin(self, lane: Lane) -> float:
        """The passes up to that which gives the first weight: nothing stands in its way."""
        while True:
            answer = self.look(lane)
            assert not isinstance(answer, End), self.rollout.message
            if lane.permille:
                return answer
            assert answer == lane.now, self.rollout.message

    def look(self, lane: Lane) -> float | End:
        """One pass: plan, observe, decide, act."""
        decision = decide(self.rollout, self._observed(lane))
        self.rollout = decision.rollout
        if self.rollout.phase is Phase.PROMOTING:
            return End(Ended.PROMOTED)
        if self.rollout.phase is Phase.ROLLING_BACK:
            return End(Ended.ROLLED_BACK, self.rollout.message)
        for action in decision.actions:
            self.gateway = action.split
            lane.give(action.split.weight_permille)
        if decision.wake_after is None or self.rollout.phase.waits_for_person:
            return End(Ended.UNDECIDED, self.rollout.message)
        return lane.now + decision.wake_after.total_seconds()

    def _observed(self, lane: Lane) -> Observation:
        wanted = plan(self.rollout)
        now, reading = instant(lane.now), None
        if wanted.measure is not None:
            policy, since = self.rollout.policy, wanted.measure.since
            closed = () if since is None else blocks(lane, policy.checks, since, policy.interval)
            reading = Reading(now, closed)
            self._counted |= {block.start: block.canary_requests for block in closed}
        return Observation(
            at=now,
            survey=Survey() if wanted.survey else None,
            calibration=self.known if wanted.calibrate else None,
            tick=Tick("bench", lane.now),
            route=RouteSeen(self.gateway, accepted=True) if wanted.route else None,
            canary=READY if wanted.canary else None,
            stable=READY if wanted.stable else None,
            reading=reading,
        )
