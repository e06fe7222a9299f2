"""A world for the pure core: the daemon's passes over one model, people, clocks, crashes, a store.

It moves only when told to and knows the truth. Everything that happens goes into ``history``, from which
`tests.domain_checker` judges the core without asking it.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from controller.domain.commands import again, announce, obey, refuse_release
from controller.domain.fleet.facts import FleetSeen
from controller.domain.machine import decide
from controller.domain.mirroring import refused_write
from controller.domain.model import Command, CommandKind, Decision, Entry, Refusal, Rollout
from controller.domain.observation import (
    GateSeen,
    GateWord,
    InFlight,
    Observation,
    PackSeen,
    Readiness,
    Reading,
    Survey,
    Tick,
    ValidationReport,
    WarmUpReport,
)
from controller.domain.planning import plan
from controller.domain.policy import Policy
from controller.domain.release import Release, Split
from controller.domain.trials import Pairs, Score, Trial, TrialSeen
from controller.domain.vocabulary import Phase, Reason
from controller.errors import Conflict, StoreUnavailable, TargetError
from tests.domain_facts import Committed, Crash, Crashed, Edited, Fact, Looked, Written
from tests.domain_outside import EPOCH, Behaviour, Gateway, MetricSource, Probing, release, usual


class Fellows(Protocol):
    """What the model's passes see of other models, and who is told of its commits."""

    def seen(self, rollout: Rollout, gateways: Sequence[str] | None) -> FleetSeen | None: ...

    def committed(self, rollout: Rollout) -> None: ...


class World:
    """One model behind one gateway, and the daemon's passes over its rollouts."""

    def __init__(self, policy: Policy, serving: str | None = "v1", rate: float = 100.0) -> None:
        self.policy = policy
        self.rate = rate
        self.seconds = 0.0
        self.wall_offset = timedelta(0)
        self.process = 1
        self.gateway = Gateway()
        self.metrics = MetricSource()
        self.versions: dict[str, Behaviour] = {}
        self.serving = release(serving) if serving else None
        self.store_broken = False
        self.fleet: Fellows | None = None
        """What the model's passes see of others; nothing where it is None."""
        self.approvers: tuple[str, ...] = ()
        """Who says yes to whatever is asked, as soon as it is."""
        self.gates: dict[str, GateWord] = {}
        """What each gate says to whatever it is asked; one that is not here says nothing."""
        self.trials_fail = False
        """Whether no trial brings anything."""
        self.unmirrored = ""
        """Why the gateway cannot copy requests, as it says before it is asked to."""
        self.pack = PackSeen("vllm")
        """What a copy of the canary shows, where the policy says auto."""
        self.probing = Probing()
        self.records: dict[str, Rollout] = {}
        self.initial: dict[str, Rollout] = {}
        self.history: list[Fact] = []
        self._requests = 0
        if serving:
            self.versions[serving] = usual(self.policy)
        self.gateway.edit(Split(stable=self.serving))

    # time

    def advance(self, seconds: float) -> None:
        """Time that nobody watches: requests go on."""
        if seconds > 0:
            self.gateway.settle()
            self.metrics.flow(seconds, self.rate, self.gateway.running, self.versions)
            self.seconds += seconds

    def restart(self) -> None:
        """A new process: its monotonic clock cannot be compared with the last one's."""
        self.process += 1

    @property
    def clock_id(self) -> str:
        return f"process-{self.process}"

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds) + self.wall_offset

    # people

    def edit(self, split: Split) -> None:
        """Somebody else writes to the gateway."""
        if split != self.gateway.declared:
            self.gateway.edit(split)
            self.history.append(Edited(self.seconds, split))

    def deploy(self, version: str) -> Rollout | Refusal:
        self.versions.setdefault(version, usual(self.policy))
        running = self.open_rollouts()
        refusal = refuse_release(release(version), self.serving, running[-1] if running else None)
        if refusal is not None:
            return refusal
        number = len(self.records) + 1
        rollout = Rollout(
            id=f"{self.policy.model}-{number}",
            model=self.policy.model,
            release=release(version),
            policy=self.policy,
            created_at=self.now(),
            created_by="ann",
        )
        return self._create(rollout, None)

    def retry(self, ended: Rollout) -> Rollout | Refusal:
        command = self.command(CommandKind.RETRY)
        anew = again(ended, self.policy, f"{self.policy.model}-{len(self.records) + 1}", command)
        if isinstance(anew, Refusal):
            return anew
        running = self.open_rollouts()
        refusal = refuse_release(anew.release, self.serving, running[-1] if running else None)
        return refusal or self._create(anew, command)

    def say(
        self,
        kind: CommandKind,
        rollout: Rollout,
        *,
        actor: str = "ann",
        note: str = "",
        asking: int | None = None,
        crash: Crash | None = None,
    ) -> Decision | Refusal:
        """A person's word to a rollout."""
        said = self.fleet.seen(rollout, None) if self.fleet else None
        closed = said.closed if said else None
        decision = obey(rollout, self.command(kind, actor, note, asking), closed)
        if isinstance(decision, Decision):
            try:
                self._carry_out(rollout, decision, crash)
            except (Conflict, TargetError, StoreUnavailable):
                pass  # the next pass sees what is there
            except Crashed:
                self.restart()
        return decision

    def command(
        self, kind: CommandKind, actor: str = "ann", note: str = "", asking: int | None = None
    ) -> Command:
        self._requests += 1
        return Command(kind, f"request-{self._requests}", actor, self.now(), note, asking)

    def _create(self, rollout: Rollout, command: Command | None) -> Rollout:
        decision = announce(rollout, command)
        assert decision.entry is not None
        self.initial[rollout.id] = rollout
        self._commit(decision.rollout, decision.entry)
        return decision.rollout

    # the daemon

    def open_rollouts(self) -> list[Rollout]:
        return [rollout for rollout in self.records.values() if not rollout.phase.terminal]

    def run(self, crash: Crash | None = None) -> timedelta | None:
        """One pass over each open rollout; returns when the next is due."""
        waits: list[timedelta] = []
        for actor in self.approvers:
            for asking in [rollout for rollout in self.open_rollouts() if rollout.asking is not None]:
                self.say(CommandKind.APPROVE, asking, actor=actor)
        rollouts = self.open_rollouts()
        try:
            for index, rollout in enumerate(rollouts):
                older = rollouts[index - 1].id if index else None
                newer = rollouts[-1].id if index < len(rollouts) - 1 else None
                wait = self._advance(rollout, self._observe(rollout, older, newer), crash)
                waits += [] if wait is None else [wait]
        except (Conflict, TargetError):
            return timedelta(seconds=1)
        except StoreUnavailable:
            self._forget_look()
            return timedelta(seconds=1)
        except Crashed:
            if crash is Crash.BEFORE_COMMIT:
                self._forget_look()
            self.restart()
            return timedelta(0)
        return min(waits, default=None)

    def count(self, ended: Rollout, requests: int | None) -> None:
        """Somebody counts what the version that lost has in hand, before its copies go."""
        found = InFlight(requests, "by a gauge" if requests is not None else "there is no gauge")
        decision = decide(ended, Observation(at=self.now(), tick=self.tick(), in_flight=found))
        if decision.entry is not None:
            with suppress(StoreUnavailable):  # it is counted again
                self._carry_out(ended, decision, None)

    def live(self, *, seconds: float, passes: int = 10_000) -> None:
        """Passes when they are due, until the time is over or nothing is due."""
        until = self.seconds + seconds
        for _ in range(passes):
            wait = self.run()
            if wait is None or self.seconds >= until:
                return
            self.advance(min(max(wait.total_seconds(), 0.01), until - self.seconds))
        raise AssertionError("the daemon spins")

    def _forget_look(self) -> None:
        """A pass that left nothing behind has not watched."""
        if self.history and isinstance(self.history[-1], Looked):
            self.history.pop()

    def _advance(self, rollout: Rollout, seen: Observation, crash: Crash | None = None) -> timedelta | None:
        decision = decide(rollout, seen)
        if decision.entry is None:
            assert not decision.actions, "a write without a record"
            return decision.wake_after
        try:
            self._carry_out(rollout, decision, crash)
        except TargetError as error:
            if decision.rollout.phase is Phase.ROLLING_BACK:
                raise
            refused = refused_write(decision.rollout.route, Reason.ROUTE_REJECTED, str(error))
            after = self.records[rollout.id]
            return self._advance(after, Observation(at=self.now(), tick=self.tick(), route=refused))
        return timedelta(0) if decision.rollout.phase.terminal else decision.wake_after

    def _carry_out(self, before: Rollout, decision: Decision, crash: Crash | None) -> None:
        assert decision.entry is not None
        if crash is Crash.BEFORE_COMMIT:
            raise Crashed
        if self.records[before.id] is not before:
            raise Conflict("somebody else wrote first")
        if self.store_broken:
            if decision.rollout.phase is Phase.ROLLING_BACK and decision.actions:
                self.gateway.roll_back_unrecorded(decision.rollout.cause or Reason.CHECK_FAILED)
            raise StoreUnavailable("the disk is full")
        self._commit(decision.rollout, decision.entry)
        if crash is Crash.AFTER_COMMIT:
            raise Crashed
        for action in decision.actions:
            declared = self.gateway.declared
            self.gateway.apply(action.split, action.expected)
            self.history.append(Written(self.seconds, before.id, declared, action.split))
        if crash is Crash.AFTER_ACT:
            raise Crashed

    def _commit(self, rollout: Rollout, entry: Entry) -> None:
        self.records[rollout.id] = rollout
        ended_before = entry.phase_before.terminal
        if self.fleet is not None and not ended_before:
            self.fleet.committed(rollout)
        if rollout.phase is Phase.SUCCEEDED and not ended_before:
            self.serving = rollout.release
        ready = frozenset(version for version, how in self.versions.items() if how.ready)
        gateway = self.gateway
        self.history.append(Committed(self.seconds, rollout, entry, gateway.declared, gateway.running, ready))

    def tick(self) -> Tick:
        return Tick(self.clock_id, self.seconds)

    def _observe(self, rollout: Rollout, older: str | None, newer: str | None) -> Observation:
        wanted = plan(rollout)
        route = self.gateway.observe() if wanted.route else None
        reading = (
            self.metrics.read(rollout, wanted.measure, self.versions) if wanted.measure is not None else None
        )
        if wanted.route:
            answered = isinstance(reading, Reading)
            self.history.append(
                Looked(self.seconds, self.clock_id, rollout.id, self.gateway.running, answered)
            )
        how = self.versions[rollout.release.version]
        golden = ValidationReport(how.golden, 1, 0, "" if how.golden else "golden request 1: 500, not 200")
        return Observation(
            at=self.now(),
            tick=self.tick(),
            survey=Survey(self.serving, unmirrored=self.unmirrored) if wanted.survey else None,
            route=route,
            canary=self._readiness(rollout.release) if wanted.canary else None,
            stable=self._readiness(rollout.stable) if wanted.stable and rollout.stable else None,
            warm_up=WarmUpReport(how.warm, "" if how.warm else "cold")
            if wanted.warm_up and how.ready
            else None,
            validation=golden if wanted.validate else None,
            reading=reading,
            pack=self.pack if wanted.recognise and how.ready else None,
            probes=self.probing.rounds(rollout, self.clock_id, self.gateway.running, self.versions)
            if wanted.probe
            else (),
            gates=tuple(
                GateSeen(name, self.gates[name], "no route to host")
                for name in wanted.gates
                if name in self.gates
            ),
            trials=tuple(self.taken(rollout, trial) for trial in wanted.trials),
            fleet=self.fleet.seen(rollout, None) if self.fleet and wanted.fleet else None,
            serving=self.serving if rollout.phase is Phase.PENDING else None,
            predecessor=older,
            successor=newer,
        )

    def taken(self, rollout: Rollout, trial: Trial) -> TrialSeen:
        """What a trial brings, drawn by its own name: the same however often it is taken."""
        if self.trials_fail:
            return TrialSeen(trial.check, trial.number, problem="nobody answers")
        cases, chance = 50, Random(f"{rollout.id}/{trial.check}/{trial.number}")
        arms = [rollout.release, *([rollout.stable] if rollout.stable else [])]
        behave = [self.versions[arm.version] for arm in arms]
        shares = [how.scores.get(trial.check, how.accuracy) for how in behave]
        failed = [[chance.random() >= share for _ in range(cases)] for share in shares]
        scores = [Score(cases, sum(each)) for each in failed]
        if len(arms) == 1:
            return TrialSeen(trial.check, trial.number, scores[0])
        both = list(zip(*failed, strict=True))
        pairs = Pairs(cases, sum(c and not s for c, s in both), sum(s and not c for c, s in both))
        return TrialSeen(trial.check, trial.number, scores[0], scores[1], pairs)

    def _readiness(self, served: Release) -> Readiness:
        ready = self.versions[served.version].ready
        cautions = () if self.versions[served.version].warm else ("its pods are stopped soon",)
        return Readiness(ready, "" if ready else f"{served.version} answers 503", cautions=cautions)
