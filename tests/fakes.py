"""Fakes behind the ports: a small world in memory that behaves as the contracts say."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from controller.domain.fleet.facts import FleetSeen, Hold, Pause
from controller.domain.judge.calibration import PodHistory
from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.model import Entry, Rollout
from controller.domain.observation import (
    GateSeen,
    Measure,
    NoReading,
    PackSeen,
    Readiness,
    Reading,
    RouteSeen,
    Survey,
    Tick,
    ValidationReport,
    WarmUpReport,
)
from controller.domain.policy import Check, CheckKind, Policy, RouteRef, Step, Validation
from controller.domain.probed import ProbeRound, uncounted
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.trials import Trial, TrialSeen
from controller.domain.vocabulary import Phase, Reason
from controller.errors import Conflict, PermissionDenied, PolicyError, StoreUnavailable, TargetError
from controller.ports import Stored, Workload

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def a_policy(**changes: object) -> Policy:
    """A policy with two steps and an error limit; any field can be replaced."""
    step = {"hold": timedelta(seconds=30), "min_requests": 100, "deadline": timedelta(hours=1)}
    policy = Policy(
        model="fraud",
        namespace="default",
        route=RouteRef("envoy", "/v2/models/fraud"),
        metrics="envoy",
        steps=(Step(weight_permille=50, **step), Step(weight_permille=250, **step)),  # type: ignore[arg-type]
        checks=(Check("errors", CheckKind.RATIO, max=0.01, worse_by_points=0.005),),
        interval=timedelta(seconds=15),
        bake=timedelta(seconds=60),
        judge="threshold",
    )
    return replace(policy, **changes)  # type: ignore[arg-type]


def a_release(version: str = "v2") -> Release:
    return Release(version, (f"{version}.test:8080",))


def a_rollout(policy: Policy | None = None, version: str = "v2", number: int = 1) -> Rollout:
    policy = policy or a_policy()
    return Rollout(
        id=f"{policy.model}-{number}",
        model=policy.model,
        release=a_release(version),
        policy=policy,
        created_at=EPOCH,
        created_by="tester",
    )


class FakeClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall = EPOCH
        self.seconds = 0.0
        self.clock_id = "process-1"

    def now(self) -> datetime:
        return self.wall

    def tick(self) -> Tick:
        return Tick(self.clock_id, self.seconds)

    def advance(self, by: timedelta) -> None:
        self.wall += by
        self.seconds += by.total_seconds()


class FakeStore:
    """`RolloutStore`, `RolloutHistory` and `FleetPauses` in memory, with compare-and-swap."""

    def __init__(self) -> None:
        self.records: dict[str, Stored] = {}
        self.log: dict[str, list[Entry]] = {}
        self.standing: Pause | None = None
        self.broken = False
        self.unreadable = False
        self.writes = 0
        self.readings = 0

    def _check(self) -> None:
        if self.broken:
            error = "the disk is full: free some space"
            raise StoreUnavailable(error)

    def _check_reading(self) -> None:
        if self.unreadable:
            error = "the disk does not answer"
            raise StoreUnavailable(error)

    async def open_rollouts(self, model: str) -> Sequence[Stored]:
        self._check_reading()
        return [s for s in self.records.values() if s.rollout.model == model and not s.rollout.phase.terminal]

    async def serving(self, model: str) -> Release | None:
        done = [s.rollout for s in self.records.values() if s.rollout.model == model]
        promoted = [r.release for r in done if r.phase is Phase.SUCCEEDED]
        return promoted[-1] if promoted else None

    async def stored(self, rollout_id: str) -> Stored | None:
        self._check_reading()
        return self.records.get(rollout_id)

    async def create(self, rollout: Rollout, entry: Entry) -> Stored:
        self._check()
        if rollout.id in self.records:
            error = f"{rollout.id} exists"
            raise Conflict(error)
        return self._put(Stored(rollout, 1), entry)

    async def commit(self, read: Stored, rollout: Rollout, entry: Entry) -> Stored:
        self._check()
        if self.records[rollout.id].version != read.version:
            error = f"{rollout.id} was changed by somebody else"
            raise Conflict(error)
        return self._put(Stored(rollout, int(read.version) + 1), entry)

    def _put(self, stored: Stored, entry: Entry) -> Stored:
        log = self.log.setdefault(stored.rollout.id, [])
        assert entry.seq == len(log) + 1, "the log has no gaps"
        log.append(entry)
        self.records[stored.rollout.id] = stored
        self.writes += 1
        return stored

    async def paused(self) -> Pause | None:
        self._check_reading()
        return self.standing

    async def pause(self, pause: Pause | None) -> None:
        self._check()
        self.standing = pause

    async def models(self) -> Sequence[str]:
        self._check_reading()
        self.readings += 1
        return sorted({s.rollout.model for s in self.records.values()})

    async def rollouts(self, model: str | None, limit: int) -> Sequence[Rollout]:
        self._check_reading()
        self.readings += 1
        found = [s.rollout for s in self.records.values() if model in (None, s.rollout.model)]
        return list(reversed(found))[:limit]

    async def current(self, models: Collection[str]) -> Sequence[Rollout]:
        self._check_reading()
        self.readings += 1
        found: list[Rollout] = []
        for model in sorted(models):
            of_model = [s.rollout for s in reversed(self.records.values()) if s.rollout.model == model]
            found += [r for place, r in enumerate(of_model) if place == 0 or not r.phase.terminal]
        return found

    async def named(self, rollout_id: str) -> Rollout | None:
        self._check_reading()
        return self.records[rollout_id].rollout if rollout_id in self.records else None

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> Sequence[Entry]:
        return [e for e in self.log.get(rollout_id, []) if e.seq > after_seq][:limit]

    async def request(self, request_id: str) -> tuple[str, Entry] | None:
        self._check_reading()
        for rollout_id, entries in self.log.items():
            for entry in entries:
                if entry.command is not None and entry.command.request_id == request_id:
                    return rollout_id, entry
        return None


@dataclass
class FakeRouter:
    """A gateway that takes what it is given, unless told otherwise."""

    splits: dict[str, Split] = field(default_factory=dict)
    latches: dict[str, Reason] = field(default_factory=dict)
    written: list[Split] = field(default_factory=list)
    problem: Reason | None = None
    rejects: bool = False
    denies: bool = False
    surveyed: Survey = field(default_factory=Survey)

    async def survey(self, routed: RoutedModel, recorded: Release | None) -> Survey:
        return self.surveyed

    async def observe(self, routed: RoutedModel) -> RouteSeen:
        split = self.splits.get(routed.model, Split())
        message = "the gateway does not answer" if self.problem else ""
        return RouteSeen(split, self.problem is None, self.problem, message, self.latches.get(routed.model))

    async def apply(self, routed: RoutedModel, split: Split, expected: Split) -> None:
        model = routed.model
        if self.denies:
            error = "patch of the route is not allowed"
            raise PermissionDenied(error)
        if self.rejects:
            error = "the gateway rejected the route"
            raise TargetError(error)
        now = self.splits.get(model, Split())
        if now not in (split, expected):
            error = "the route is not as it was observed"
            raise Conflict(error)
        self.splits[model] = split
        self.latches.pop(model, None)
        self.written.append(split)

    async def roll_back_unrecorded(self, routed: RoutedModel, reason: Reason) -> None:
        model = routed.model
        self.splits[model] = replace(self.splits.get(model, Split()), canary=None, weight_permille=0)
        self.latches[model] = reason


class FakeMetrics:
    """Counts at a steady rate: ``rate`` requests a second in all, split as the gateway does."""

    def __init__(self, clock: FakeClock, router: FakeRouter) -> None:
        self.clock = clock
        self.router = router
        self.rate = 100.0
        self.bad_ratio = 0.0
        self.silence: NoReading | None = None
        self.past = PodHistory(timedelta(0), ())
        self.reads = 0

    async def read(self, rollout: Rollout, measure: Measure) -> Reading | NoReading:
        self.reads += 1
        if self.silence is not None:
            return self.silence
        now, interval = self.clock.now(), rollout.policy.interval
        if measure.since is None:
            return Reading(now)
        closed = int((now - measure.since) / interval)
        starts = (measure.since + number * interval for number in range(closed))
        return Reading(now, tuple(self._block(rollout, start, start + interval) for start in starts))

    async def history(self, rollout: Rollout) -> PodHistory | NoReading:
        return self.silence or self.past

    def _block(self, rollout: Rollout, start: datetime, end: datetime) -> Block:
        split = self.router.splits.get(rollout.model, Split())
        requests = round(self.rate * (end - start).total_seconds())
        canary = requests * split.weight_permille // 1000
        counts = CheckCounts(
            "errors", Tally(canary, round(canary * self.bad_ratio)), Tally(requests - canary, 0)
        )
        return Block(start, end, canary, requests - canary, (counts,))


@dataclass
class FakeWorkload:
    unready: set[str] = field(default_factory=set)
    supplied: list[int] = field(default_factory=list)
    carries: int = 1000
    refuses: str = ""

    async def supply(self, rollout: Rollout, share_permille: int) -> None:
        if self.refuses:
            raise TargetError(self.refuses)
        self.supplied.append(share_permille)

    async def readiness(self, rollout: Rollout, release: Release) -> Readiness:
        ready = release.version not in self.unready
        message = "" if ready else f"{release.version} answers 503"
        return Readiness(ready, message, release.endpoints, self.carries)


@dataclass
class FakeValidator:
    report: ValidationReport = field(default_factory=lambda: ValidationReport(ok=True, passed=1, failed=0))
    warmth: WarmUpReport = field(default_factory=lambda: WarmUpReport(ok=True))
    never_answers: bool = False

    async def warm_up(self, rollout: Rollout, endpoints: Sequence[str]) -> WarmUpReport:
        return self.warmth

    async def validate(self, rollout: Rollout, endpoints: Sequence[str]) -> ValidationReport:
        if self.never_answers:
            await asyncio.Event().wait()
        return self.report


@dataclass
class FakeEngines:
    """Engines that show what a test says; ``asked`` are the copies that were looked at."""

    seen: PackSeen = field(default_factory=lambda: PackSeen("vllm"))
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def recognise(self, rollout: Rollout, endpoints: Sequence[str]) -> PackSeen:
        self.asked.append(tuple(endpoints))
        return self.seen


class FakeProbes:
    """Probes whose rounds a test sets; ``asked`` are the rollouts that looked for them."""

    def __init__(self) -> None:
        self.over: list[ProbeRound] = []
        self.asked: list[str] = []

    def rounds(self, rollout: Rollout) -> Sequence[ProbeRound]:
        self.asked.append(rollout.id)
        return uncounted(self.over, rollout.evidence.probed)


class FakeGates:
    """Gates whose words a test sets; ``asked`` are the questions, by gate and the number of the asking."""

    def __init__(self) -> None:
        self.words: dict[str, GateSeen] = {}
        self.asked: list[tuple[str, int]] = []

    def word(self, rollout: Rollout, name: str) -> GateSeen | None:
        assert rollout.asking is not None
        self.asked.append((name, rollout.asking.number))
        return self.words.get(name)


class FakeTrials:
    """Trials whose outcomes a test sets, by check and number; ``asked`` are those that were looked for."""

    def __init__(self) -> None:
        self.brought: dict[tuple[str, int], TrialSeen] = {}
        self.asked: list[tuple[str, int]] = []

    def outcome(self, rollout: Rollout, trial: Trial, workload: Workload) -> TrialSeen | None:
        self.asked.append((trial.check, trial.number))
        return self.brought.get((trial.check, trial.number))


class FakeFleet:
    """A fleet that says what a test sets; ``asked`` are the gateways that each look named."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.says: FleetSeen | None = None
        self.asked: list[Sequence[str] | None] = []

    def seen(self, rollout: Rollout, gateways: Sequence[str] | None) -> FleetSeen | None:
        self.asked.append(gateways)
        return self.says

    def says_closed(self, hold: Hold) -> None:
        """From now on nothing starts or steps up."""
        self.says = FleetSeen(closed=hold)


@dataclass
class FakeNotifier:
    told: list[Entry] = field(default_factory=list)

    def tell(self, rollout: Rollout, entry: Entry) -> None:
        self.told.append(entry)


@dataclass
class FakeTelemetry:
    entries: list[Entry] = field(default_factory=list)
    open: dict[str, list[Rollout]] = field(default_factory=dict)
    listener: Callable[[Rollout], None] = lambda _: None

    def committed(self, rollout: Rollout, entry: Entry) -> None:
        self.entries.append(entry)
        self.listener(rollout)

    def found(self, model: str, rollouts: Sequence[Rollout]) -> None:
        self.open[model] = list(rollouts)

    def pass_took(self, seconds: float) -> None: ...


class FakePolicies:
    """Policies in force, and faults of files that are not."""

    def __init__(self, *policies: Policy) -> None:
        self.in_force = {policy.model: policy for policy in policies}
        self.faults: dict[str, list[PolicyError]] = {}

    def current(self) -> Mapping[str, Policy]:
        return self.in_force

    def problems(self) -> Mapping[str, Sequence[PolicyError]]:
        return self.faults


GOLDEN = Validation("golden.yaml", timedelta(seconds=30))
