"""A control service in a world of fakes, for the tests of the service, the socket and the command line."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import structlog

from controller.control.fleet import FleetControl
from controller.control.server import ControlServer
from controller.control.service import ControlService
from controller.domain.approval import Approval, Asking, Goal
from controller.domain.commands import announce
from controller.domain.fleet.facts import Pause
from controller.domain.judge.base import Assessment, CheckResult
from controller.domain.model import Clocks, Entry, Evidence, Rollout, Route
from controller.domain.policy import ApprovalRules, Milestone
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.ports import Stored
from tests.fakes import (
    EPOCH,
    FakeClock,
    FakeFleet,
    FakePolicies,
    FakeRouter,
    FakeStore,
    a_policy,
    a_release,
    a_rollout,
)

ACTOR = "ann(1000)"


class Stage:
    """The service, and what it was seen to do."""

    def __init__(self, store: FakeStore | None = None, patience: timedelta = timedelta(seconds=30)) -> None:
        self.clock = FakeClock()
        self.pauses: list[Pause | None] = []
        self.store = store or FakeStore()
        self.router = FakeRouter()
        self.fleet = FakeFleet()
        self.fleet_control = FleetControl(self.store, self.pauses.append, self.clock.now)
        self.policies = FakePolicies(a_policy(digest="ab" * 32))
        self.wakes: list[tuple[str, bool]] = []
        self.recorded: list[tuple[str, str]] = []
        self.service = ControlService(
            store=self.store,
            history=self.store,
            policies=self.policies,
            routers={"envoy": self.router},
            wake=lambda model, urgent: self.wakes.append((model, urgent)),
            clock=self.clock,
            recorded=lambda rollout, entry: self.recorded.append((rollout.id, entry.event)),
            fleet=self.fleet,
            patience=patience,
        )

    def begin(self, rollout: Rollout) -> Rollout:
        """Record a rollout as it is, with its first log entry."""
        decision = announce(rollout)
        assert decision.entry is not None
        kept = replace(rollout, seq=1, updated_at=self.clock.now())
        entry = replace(decision.entry, phase=rollout.phase, reason=rollout.reason, message=rollout.message)
        self.store._put(Stored(kept, 1), entry)
        return kept

    def move(
        self, rollout_id: str, *, notable: bool = True, event: str = "held", **changes: object
    ) -> Rollout:
        """Record a further decision."""
        read = self.store.records[rollout_id]
        rollout = replace(read.rollout, seq=read.rollout.seq + 1, **changes)  # type: ignore[arg-type]
        self.store._put(
            Stored(rollout, int(read.version) + 1), an_entry(rollout, event=event, notable=notable)
        )
        return rollout

    def rollout(self, rollout_id: str) -> Rollout:
        return self.store.records[rollout_id].rollout


def an_entry(rollout: Rollout, *, event: str, notable: bool) -> Entry:
    return Entry(
        seq=rollout.seq,
        at=rollout.updated_at or rollout.created_at,
        actor="serinus",
        event=event,
        phase_before=rollout.phase,
        phase=rollout.phase,
        reason=rollout.reason,
        message=rollout.message,
        step=rollout.step,
        weight_permille=rollout.weight_permille,
        assessment=Assessment(rollout.evidence.verdict, rollout.evidence.checks),
        notable=notable,
    )


def a_result(verdict: Verdict = Verdict.PASS, value: float | None = 0.002, failures: int = 0) -> CheckResult:
    reason = Reason.WITHIN_LIMIT if verdict is Verdict.PASS else Reason.ABOVE_LIMIT
    return CheckResult("errors", verdict, reason, value, 0.01, 0.001, 1234, 5678, failures, 3)


def progressing(version: str = "v2", number: int = 1, **clocks: object) -> Rollout:
    """A rollout at its first step, in force and measured."""
    stable, canary = a_release("v1"), a_release(version)
    split = Split(stable, canary, 50)
    return replace(
        a_rollout(a_policy(digest="ab" * 32), version, number),
        stable=stable,
        phase=Phase.PROGRESSING,
        reason=Reason.STEP_RUNNING,
        message="25s more at 5%",
        step=0,
        route=Route(previous=split, intended=split, in_force=True),
        evidence=Evidence(canary_requests=1234, verdict=Verdict.PASS, checks=(a_result(),)),
        clocks=Clocks(**clocks),  # type: ignore[arg-type]
    )


def asking(rules: ApprovalRules, *actors: str) -> Rollout:
    """At the first of two steps, for an hour asked for the second; the actors have approved."""
    running = progressing(at_weight=timedelta(minutes=5), since_step=timedelta(minutes=59))
    first, second = running.policy.steps
    approvals = tuple(Approval(actor, EPOCH, f"request-{actor}") for actor in actors)
    return replace(
        running,
        policy=replace(running.policy, steps=(first, replace(second, approval=True)), approval=rules),
        asking=Asking(Goal(Milestone.STEP, 1), EPOCH, rules.people, approvals, waited=timedelta(hours=1)),
        reason=Reason.WAITING_FOR_APPROVAL,
        message="asks",
        updated_at=EPOCH + timedelta(hours=1),
    )


def ended(phase: Phase, reason: Reason, version: str = "v2", number: int = 1) -> Rollout:
    stable = a_release("v1")
    return replace(
        progressing(version, number),
        phase=phase,
        reason=reason,
        message=f"ended as {phase}",
        route=Route(intended=Split(stable=stable), in_force=True),
    )


@contextmanager
def serving(stage: Stage, path: Path, operators_gid: int | None = None) -> Iterator[Path]:
    """A real server on a real socket, in a thread with a loop of its own."""
    with structlog.testing.capture_logs(), _in_a_thread(stage, path, operators_gid):
        yield path  # logs that nobody configured would go to standard output


@contextmanager
def _in_a_thread(stage: Stage, path: Path, operators_gid: int | None) -> Iterator[None]:
    ready, failures = threading.Event(), list[BaseException]()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        server = ControlServer(path, stage.service, stage.fleet_control, operators_gid=operators_gid)
        await server.start()
        ready.set()
        await stop.wait()
        await server.close()

    def work() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
        finally:
            loop.close()
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(10)
    try:
        yield
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(15)
    if failures:
        raise failures[0]
