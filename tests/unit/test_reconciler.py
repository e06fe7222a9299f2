"""Passes over a world in memory: the order of commit and act, and what happens when either fails."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from controller.adapters.fleet.hours import Hours
from controller.adapters.fleet.register import FleetRegister
from controller.adapters.tracing import OtelTracing
from controller.domain.commands import announce, obey
from controller.domain.fleet.line import Limits
from controller.domain.model import Command, CommandKind, Rollout
from controller.domain.observation import NoReading, ValidationReport
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.errors import StoreUnavailable, TargetError
from controller.fleet_settings import FleetSettings
from controller.observer import World
from controller.ports import Stored
from controller.reconciler import Reconciler
from controller.runtime.waking import Wake
from tests.fakes import (
    EPOCH,
    GOLDEN,
    FakeClock,
    FakeEngines,
    FakeFleet,
    FakeGates,
    FakeMetrics,
    FakeNotifier,
    FakeProbes,
    FakeRouter,
    FakeStore,
    FakeTelemetry,
    FakeTrials,
    FakeValidator,
    FakeWorkload,
    a_policy,
    a_release,
    a_rollout,
)


class Stage:
    """A reconciler in a world of fakes, and a clock that moves between passes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ticks: list[bool] = []
        self.store = FakeStore()
        self.router = FakeRouter()
        self.metrics = FakeMetrics(self.clock, self.router)
        self.workload = FakeWorkload()
        self.validator = FakeValidator()
        self.gates = FakeGates()
        self.trials = FakeTrials()
        self.fleet = FakeFleet()
        self.engines = FakeEngines()
        self.probes = FakeProbes()
        self.notifier = FakeNotifier()
        self.telemetry = FakeTelemetry()
        self.exported = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exported))
        self.tracing = OtelTracing(provider)
        self.world = World(
            store=self.store,
            routers={"envoy": self.router},
            metrics=self.metrics,
            workload=self.workload,
            validator=self.validator,
            gates=self.gates,
            trials=self.trials,
            fleet=self.fleet,
            engines=self.engines,
            probes=self.probes,
            notifier=self.notifier,
            telemetry=self.telemetry,
            tracing=self.tracing,
            clock=self.clock,
        )
        self.reconciler = Reconciler(self.world)

    def with_fleet(self, fleet: FleetRegister) -> None:
        """The real register in the place of the fake one."""
        self.reconciler = Reconciler(replace(self.world, fleet=fleet))
        self.telemetry.listener = fleet.committed

    async def deploy(self, rollout: Rollout) -> None:
        decision = announce(rollout)
        assert decision.entry is not None
        await self.store.create(decision.rollout, decision.entry)

    def serve_stable(self) -> None:
        """v1 was promoted earlier and serves everyone."""
        done = replace(a_rollout(version="v1", number=0), phase=Phase.SUCCEEDED)
        self.store.records[done.id] = Stored(done, 1)
        self.router.splits["fraud"] = Split(stable=a_release("v1"))

    async def one_pass(self) -> timedelta | None:
        wake = await self.reconciler.reconcile("fraud", asyncio.Event())
        self.ticks.append(wake is not None and wake.tick)
        return None if wake is None else wake.after

    async def run(self, until: Phase, passes: int = 200) -> Rollout:
        """Passes at the times that they ask for, until the newest rollout is in the phase."""
        for _ in range(passes):
            wait = await self.one_pass()
            if self.newest().phase is until:
                return self.newest()
            assert wait is not None, f"nothing more to do in {self.newest().phase}"
            self.clock.advance(wait)
        pytest.fail(f"still {self.newest().phase}: {self.newest().message}")

    def newest(self) -> Rollout:
        return next(reversed(self.store.records.values())).rollout


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.serve_stable()
    return stage


async def test_a_good_version_is_promoted_through_every_step(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    done = await stage.run(Phase.SUCCEEDED)
    assert [split.weight_permille for split in stage.router.written] == [50, 250, 1000, 0]
    assert stage.router.splits["fraud"] == Split(stable=a_release("v2"))
    assert done.reason is Reason.PROMOTED


async def test_a_first_deployment_goes_to_everyone_after_validation() -> None:
    stage = Stage()
    await stage.deploy(a_rollout(a_policy(validation=GOLDEN)))
    await stage.run(Phase.SUCCEEDED)
    assert stage.router.written[0] == Split(canary=a_release("v2"), weight_permille=1000)


async def test_a_pack_is_recognised_from_a_ready_copy_of_the_canary(stage: Stage) -> None:
    stage.workload.unready = {"v2"}
    await stage.deploy(a_rollout(a_policy(metrics="auto")))
    for _ in range(4):
        await stage.one_pass()
    assert stage.engines.asked == []
    stage.workload.unready = set()
    done = await stage.run(Phase.SUCCEEDED)
    assert stage.engines.asked == [a_release("v2").endpoints]
    assert done.pack == "vllm"


async def test_a_bad_version_is_rolled_back_in_one_write(stage: Stage) -> None:
    stage.metrics.bad_ratio = 0.2
    await stage.deploy(a_rollout())
    done = await stage.run(Phase.ROLLED_BACK)
    assert [split.weight_permille for split in stage.router.written] == [50, 0]
    assert done.reason is Reason.CHECK_FAILED
    assert "errors 20% is above its limit 1%" in done.message
    assert done.evidence.verdict is Verdict.FAIL, "what was measured last goes on being shown"
    assert [entry.phase for entry in stage.telemetry.entries][-2:] == [Phase.ROLLING_BACK, Phase.ROLLED_BACK]


async def test_every_pass_says_what_it_found_open(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.one_pass()
    assert [each.id for each in stage.telemetry.open["fraud"]] == ["fraud-1"]
    await stage.run(Phase.SUCCEEDED)
    await stage.one_pass()
    assert stage.telemetry.open["fraud"] == []


async def test_a_wrong_golden_answer_means_not_one_request(stage: Stage) -> None:
    stage.validator.report = ValidationReport(ok=False, passed=3, failed=1, message="benign: 0.2, not 0.9")
    await stage.deploy(a_rollout(a_policy(validation=GOLDEN)))
    done = await stage.run(Phase.NOT_DEPLOYED)
    assert stage.router.written == []
    assert done.reason is Reason.GOLDEN_REQUEST_FAILED
    assert done.message == "benign: 0.2, not 0.9"


async def test_validation_that_hangs_ends_at_its_deadline(stage: Stage) -> None:
    stage.validator.never_answers = True
    golden = replace(GOLDEN, deadline=timedelta(seconds=0.01))
    await stage.deploy(a_rollout(a_policy(validation=golden)))
    done = await stage.run(Phase.NOT_DEPLOYED)
    assert "not all answered within 10ms" in done.message


async def test_an_urgent_word_interrupts_a_slow_observation(stage: Stage) -> None:
    stage.validator.never_answers = True
    await stage.deploy(a_rollout(a_policy(validation=GOLDEN)))
    await stage.run(Phase.VALIDATING)
    interrupt = asyncio.Event()
    slow = asyncio.create_task(stage.reconciler.reconcile("fraud", interrupt))
    await asyncio.sleep(0)
    interrupt.set()
    assert await asyncio.wait_for(slow, timeout=1) == Wake(timedelta(0))
    assert stage.newest().phase is Phase.VALIDATING


async def test_a_crash_between_commit_and_act_is_healed_by_the_next_pass(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.PROGRESSING)
    stage.router.splits["fraud"] = Split(stable=a_release("v1"))  # the write never arrived
    stage.clock.clock_id = "process-2"
    await stage.one_pass()
    assert stage.router.splits["fraud"].weight_permille == 50
    await stage.run(Phase.SUCCEEDED)


async def test_a_rollback_reaches_the_gateway_though_the_store_is_broken(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.PROGRESSING)
    stage.metrics.bad_ratio = 0.5
    for _ in range(20):
        stage.clock.advance(timedelta(seconds=15))
        stage.store.broken = stage.newest().evidence.checks != () and (
            stage.newest().evidence.checks[0].failures == 2
        )
        if stage.store.broken:
            break
        await stage.one_pass()
    with pytest.raises(StoreUnavailable):
        await stage.one_pass()
    assert stage.router.splits["fraud"] == Split(stable=a_release("v1"))
    assert stage.newest().phase is Phase.PROGRESSING
    stage.store.broken = False
    done = await stage.run(Phase.ROLLED_BACK)
    assert done.reason is Reason.CHECK_FAILED
    assert stage.router.latches == {}


async def test_a_rejected_route_freezes_and_says_so(stage: Stage) -> None:
    stage.router.rejects = True
    await stage.deploy(a_rollout())
    frozen = await stage.run(Phase.FROZEN)
    assert frozen.reason is Reason.ROUTE_REJECTED
    assert frozen.message == "the gateway rejected the route"


async def test_a_right_that_was_taken_away_freezes_under_its_own_name(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    stage.router.denies = True
    assert (await stage.run(Phase.FROZEN)).reason is Reason.PERMISSION_LOST


async def test_a_rollback_that_the_gateway_rejects_is_tried_again(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.PROGRESSING)
    stage.metrics.bad_ratio = 0.5
    stage.router.rejects = True
    with pytest.raises(TargetError):
        await stage.run(Phase.ROLLED_BACK)
    assert stage.newest().phase is Phase.ROLLING_BACK
    stage.router.rejects = False
    await stage.run(Phase.ROLLED_BACK)


async def test_a_rollback_needs_neither_metrics_nor_a_notification_nor_the_policy_file(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.PROGRESSING)
    stage.metrics.silence = NoReading(Reason.METRICS_UNAVAILABLE, "connection refused")
    reads = stage.metrics.reads
    read = stage.store.records["fraud-1"]
    decision = obey(read.rollout, Command(CommandKind.ABORT, "r1", "ada", EPOCH))
    assert not hasattr(decision, "message")
    await stage.store.commit(read, decision.rollout, decision.entry)  # type: ignore[arg-type]
    done = await stage.run(Phase.ABORTED)
    assert stage.metrics.reads == reads
    assert stage.router.splits["fraud"] == Split(stable=a_release("v1"))
    assert done.reason is Reason.ABORTED_BY_PERSON


async def test_a_newer_release_takes_over_after_the_weight_is_zero(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.PROGRESSING)
    await stage.deploy(a_rollout(version="v3", number=2))
    done = await stage.run(Phase.SUCCEEDED)
    assert stage.store.records["fraud-1"].rollout.phase is Phase.SUPERSEDED
    assert done.release.version == "v3"
    weights = [(s.canary.version if s.canary else None, s.weight_permille) for s in stage.router.written]
    assert weights == [("v2", 50), (None, 0), ("v3", 50), ("v3", 250), ("v3", 1000), (None, 0)]


async def test_at_rest_nothing_is_read_or_written(stage: Stage) -> None:
    writes = stage.store.writes
    assert await stage.one_pass() is None
    assert stage.store.writes == writes
    assert stage.metrics.reads == 0


async def test_only_notable_entries_are_told(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.SUCCEEDED)
    events = [entry.event for entry in stage.notifier.told]
    assert events == [
        "rollout_started",
        "canary_ready",
        "canary_validated",
        "step_advanced",
        "promotion_started",
        "bake_started",
        "rollout_succeeded",
    ]


async def test_a_pass_is_a_trace_of_what_took_its_time(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.PROGRESSING)
    stage.exported.clear()
    await stage.one_pass()
    spans = {span.name: span for span in stage.exported.get_finished_spans()}
    assert set(spans) >= {"pass", "observe"}
    whole = spans["pass"]
    assert whole.attributes == {"serinus.model": "fraud"}
    for name, span in spans.items():
        assert (span.parent.span_id if span.parent else None) == (
            None if name == "pass" else whole.context.span_id
        )


async def test_what_fails_is_marked_in_its_trace(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    stage.store.broken = True
    with pytest.raises(StoreUnavailable):
        await stage.one_pass()
    failed = {span.name for span in stage.exported.get_finished_spans() if not span.status.is_ok}
    assert failed == {"pass", "commit"}


async def test_passes_that_measure_go_with_the_tick_and_others_apart(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.PREPARING)
    assert not any(stage.ticks)
    await stage.run(Phase.PROGRESSING)
    for _ in range(3):
        stage.clock.advance(await stage.one_pass() or timedelta(0))
    assert all(stage.ticks[-3:])


async def test_of_two_that_look_at_the_last_place_at_once_one_starts() -> None:
    stage = Stage()
    hours, woken = Hours(FleetSettings(), stage.clock.now), list[str]()
    fleet = FleetRegister(Limits(rollouts=1), hours, dict, woken.append)
    fleet.load([])
    stage.with_fleet(fleet)
    for model in ("fraud", "churn"):
        await stage.deploy(a_rollout(a_policy(model=model)))
    never = asyncio.Event()
    await asyncio.gather(*(stage.reconciler.reconcile(model, never) for model in ("fraud", "churn")))
    found = [each.rollout for each in stage.store.records.values()]
    assert sorted(each.phase for each in found) == [Phase.PENDING, Phase.PREPARING]
    assert [each.reason for each in found if each.phase is Phase.PENDING] == [Reason.WAITING_FOR_TURN]


async def test_a_pass_that_needs_nothing_of_the_fleet_does_not_ask_it(stage: Stage) -> None:
    await stage.deploy(a_rollout())
    await stage.run(Phase.BAKING)
    asked = len(stage.fleet.asked)
    await stage.one_pass()
    assert len(stage.fleet.asked) == asked
