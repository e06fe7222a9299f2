"""Several models' worlds under one register of the fleet, on one clock that moves from pass to pass."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from controller.adapters.fleet.hours import Hours
from controller.adapters.fleet.register import FleetRegister
from controller.domain.fleet.facts import FleetSeen
from controller.domain.fleet.members import member_of
from controller.domain.fleet.rules import FleetRules
from controller.domain.model import Rollout
from controller.domain.policy import Policy
from controller.domain.vocabulary import Phase
from controller.fleet_settings import FleetSettings
from tests.domain_outside import EPOCH
from tests.domain_scenes import a_policy
from tests.domain_world import World

_REVIEW = timedelta(seconds=5)


def fleet_policy(model: str, *, namespace: str = "default", **rules: object) -> Policy:
    """The policy of `tests.domain_scenes` for another model, with rules of the fleet."""
    return a_policy(model=model, namespace=namespace, fleet=FleetRules(**rules))  # type: ignore[arg-type]


class FleetWorld:
    """What a daemon does for many models: passes when they are due, and when somebody wakes a model."""

    def __init__(
        self, *policies: Policy, settings: FleetSettings | None = None, start: datetime = EPOCH
    ) -> None:
        self.policies = {policy.model: policy for policy in policies}
        self.seconds = 0.0
        self._start = start
        self._settings = settings or FleetSettings()
        self._due: dict[str, float] = {}
        self._reviewed = 0.0
        self.commits: list[tuple[Rollout, bool]] = []
        """Every record as it was committed, in order, and whether all was closed to it then."""
        self.passes: list[tuple[float, str]] = []
        self.worlds = {model: World(policy, rate=200.0) for model, policy in self.policies.items()}
        self.register = self.restart()

    def restart(self) -> FleetRegister:
        """A new process: what is known is read from the records."""
        hours = Hours(self._settings, self.now)
        register = FleetRegister(self._settings.limits, hours, lambda: self.policies, self.wake)
        records = (rollout for world in self.worlds.values() for rollout in world.records.values())
        register.load(map(member_of, records))
        for model, world in self.worlds.items():
            world.wall_offset = self._start - EPOCH
            world.fleet = self
            world.restart()
            if world.open_rollouts():
                self.wake(model)
        self.register = register
        return register

    def seen(self, rollout: Rollout, gateways: Sequence[str] | None) -> FleetSeen | None:
        return self.register.seen(rollout, gateways)

    def committed(self, rollout: Rollout) -> None:
        hold = self.register.seen(rollout, None)
        self.commits.append((rollout, hold is not None and hold.closed is not None))
        self.register.committed(rollout)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def wake(self, model: str) -> None:
        self._due[model] = self.seconds

    def deploy(self, *models: str, version: str = "v2") -> None:
        for model in models:
            answer = self.worlds[model].deploy(version)
            assert isinstance(answer, Rollout), answer
            self.wake(model)

    def newest(self, model: str) -> Rollout:
        return list(self.worlds[model].records.values())[-1]

    def phases(self) -> dict[str, Phase]:
        """Each model's newest rollout's phase."""
        return {model: self.newest(model).phase for model, world in self.worlds.items() if world.records}

    def under_way(self) -> list[str]:
        """The models whose rollout has begun and is not over."""
        return [m for m, p in self.phases().items() if p is not Phase.PENDING and not p.terminal]

    def live(self, seconds: float, passes: int = 200_000) -> None:
        """Passes when they are due, for so long."""
        until = self.seconds + seconds
        for _ in range(passes):
            model, at = min(self._due.items(), key=lambda each: each[1], default=("", until))
            review = self._reviewed + _REVIEW.total_seconds()
            if min(at, review) > until or (not model and review > until):
                self._advance(until)
                return
            if review <= at:
                self._advance(review)
                self._reviewed = review
                self.register.review()
            else:
                self._advance(at)
                self._pass(model)
        raise AssertionError("the daemon spins")

    def until(self, model: str, phase: Phase, within: float = 3600.0) -> Rollout:
        """Live until a model's newest rollout is in a phase."""
        end = self.seconds + within
        while self.seconds < end:
            if self.newest(model).phase is phase:
                return self.newest(model)
            self.live(1.0)
        found = self.newest(model)
        raise AssertionError(f"{model} never came to {phase}: {found.phase}, {found.reason}: {found.message}")

    def _pass(self, model: str) -> None:
        del self._due[model]
        self.passes.append((self.seconds, model))
        wait = self.worlds[model].run()
        if wait is not None and model not in self._due:
            self._due[model] = self.seconds + max(wait.total_seconds(), 0.01)

    def _advance(self, seconds: float) -> None:
        for world in self.worlds.values():
            world.advance(seconds - self.seconds)
        self.seconds = max(self.seconds, seconds)
