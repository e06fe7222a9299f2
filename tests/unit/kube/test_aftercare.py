"""Workloads of rollouts that are over: drained, scaled down, deleted, and never while they are in use."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from controller.adapters.kube.aftercare import Aftercare
from controller.adapters.kube.retirable import Created
from controller.domain.model import Rollout
from controller.domain.observation import InFlight
from controller.domain.policy import WorkloadRules
from controller.domain.release import Backend, BackendKind, Image, Release
from controller.domain.vocabulary import Phase
from controller.errors import StoreUnavailable, TargetError
from controller.ports import Stored
from tests.fakes import EPOCH, FakeClock, FakeStore, a_policy, a_rollout

RULES = WorkloadRules(drain=timedelta(seconds=60), keep_for=timedelta(hours=1), history=1)
POLICY = a_policy(workload=RULES)
COUNTED_AGAIN = timedelta(seconds=2)


def made(version: str) -> Release:
    backend = Backend(BackendKind.SERVICE, f"fraud-{version}", 80)
    return Release(version, backend=backend, image=Image(f"fraud:{version}"))


def ended(number: int, phase: Phase, release: Release, stable: Release | None = None) -> Rollout:
    rollout = a_rollout(POLICY, number=number)
    return replace(rollout, phase=phase, release=release, stable=stable, updated_at=EPOCH, supply_permille=50)


@dataclass
class FakeRetirable:
    there: list[Created] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    told: list[Sequence[Backend]] = field(default_factory=list)
    slow: bool = False
    refuses: bool = False
    gone: set[str] = field(default_factory=set)

    async def retire(
        self, namespace: str, release: Release, *, delete: bool, in_use: Sequence[Backend]
    ) -> bool:
        self.told.append(in_use)
        if self.refuses:
            raise TargetError("forbidden")
        self.done.append(f"{'delete' if delete else 'scale'} {release.version}")
        self.gone.add(release.version)
        return not self.slow

    async def idle(self, namespace: str, release: Release) -> bool:
        return release.version in self.gone

    async def take_back(self, rollout: Rollout) -> bool:
        if self.refuses:
            raise TargetError("forbidden")
        self.done.append(f"take back {rollout.release.version}")
        return not self.slow

    async def settle(self, namespace: str, release: Release) -> None:
        self.settled.append(release.version)

    async def created(self, namespace: str, model: str) -> Sequence[Created]:
        return self.there


@dataclass
class FakeRunning:
    """Counts what a test says; nobody counts by default."""

    requests: int | None = None
    asked: list[tuple[str, float]] = field(default_factory=list)

    async def in_flight(self, rollout: Rollout, release: Release, since: timedelta) -> InFlight:
        self.asked.append((release.version, since.total_seconds()))
        return InFlight(self.requests, "by running" if self.requests is not None else "no gauge")


class Stage:
    def __init__(self, *rollouts: Rollout) -> None:
        self.store = FakeStore()
        for rollout in rollouts:
            self.store.records[rollout.id] = Stored(rollout, 1)
        self.workload = FakeRetirable()
        self.running = FakeRunning()
        self.clock = FakeClock()
        self.drained: list[str] = []
        self.restart()

    def restart(self) -> None:
        """A process that remembers nothing."""
        self.care = Aftercare(
            self.store,
            self.store,
            self.workload,
            self.running,
            lambda: {"fraud": POLICY},
            self.clock,
            drained=lambda _, entry: self.drained.append(entry.message),
        )

    async def tend(self, later: timedelta = timedelta(0)) -> timedelta | None:
        self.clock.advance(later)
        return await self.care.tend("fraud")


async def test_a_lost_canary_is_drained_then_scaled_down_then_deleted_then_forgotten() -> None:
    stage = Stage(ended(1, Phase.ROLLED_BACK, made("v2"), made("v1")))
    assert await stage.tend() == COUNTED_AGAIN
    assert stage.workload.done == []
    assert await stage.tend(timedelta(seconds=60)) == timedelta(minutes=59)
    assert stage.drained == ["nobody counts the running requests of v2 (no gauge): waited 1m"]
    assert stage.workload.done == ["scale v2"]
    assert await stage.tend(timedelta(hours=1)) is None
    assert stage.workload.done == ["scale v2", "scale v2", "delete v2"]
    await stage.tend(timedelta(hours=1))
    assert len(stage.workload.done) == 3, "once done, nothing is asked any more"


async def test_what_takes_part_in_another_rollout_is_spared() -> None:
    again = ended(2, Phase.PREPARING, made("v2"), made("v1"))
    stage = Stage(ended(1, Phase.ROLLED_BACK, made("v2"), made("v1")), again)
    assert await stage.tend(timedelta(days=1)) is None
    assert stage.workload.done == []


async def test_what_serves_is_spared_whatever_lost_it_once() -> None:
    stage = Stage(
        ended(1, Phase.SUCCEEDED, made("v2"), made("v1")),
        ended(2, Phase.SUCCEEDED, made("v1"), made("v2")),
    )
    await stage.tend(timedelta(days=1))
    assert stage.workload.done == ["scale v2", "delete v2"]


async def test_the_workload_is_told_what_is_in_use() -> None:
    serving = ended(1, Phase.SUCCEEDED, made("v1"))
    stage = Stage(serving, ended(2, Phase.ABORTED, made("v2"), made("v1")))
    await stage.tend(timedelta(hours=2))
    assert stage.workload.told[0] == (made("v1").backend,)


async def test_what_ends_later_is_found_and_old_records_are_not_read_again() -> None:
    running = ended(2, Phase.PROGRESSING, made("v2"), made("v1"))
    stage = Stage(ended(1, Phase.SUCCEEDED, made("v1")), running)
    read: list[int] = []

    async def rollouts(model: str | None, limit: int) -> Sequence[Rollout]:
        read.append(limit)
        return await FakeStore.rollouts(stage.store, model, limit)

    stage.store.rollouts = rollouts  # type: ignore[method-assign]
    assert await stage.tend() is None
    stage.store.records[running.id] = Stored(replace(running, phase=Phase.ROLLED_BACK), 2)
    assert await stage.tend() == COUNTED_AGAIN
    await stage.tend(timedelta(minutes=1))
    assert stage.workload.done == ["scale v2"]
    assert len(read) == 1


async def test_an_unfinished_removal_is_looked_at_again_and_a_refused_one_later() -> None:
    stage = Stage(ended(1, Phase.ABORTED, made("v2"), made("v1")))
    stage.workload.slow = True
    assert await stage.tend(timedelta(days=1)) == timedelta(seconds=15)
    stage.workload.refuses = True
    assert await stage.tend() == timedelta(minutes=5)


async def test_beyond_the_history_limit_the_oldest_idle_copies_go() -> None:
    stage = Stage(ended(9, Phase.SUCCEEDED, made("v9")))
    stage.workload.there = [
        Created(made("v9"), "2026-01-09", 3),
        Created(made("v8"), "2026-01-08", 0),
        Created(made("v7"), "2026-01-07", 0),
        Created(made("v6"), "2026-01-06", 0),
        Created(made("v5"), "2026-01-05", 1),
    ]
    await stage.tend()
    assert stage.workload.done == ["delete v7", "delete v6"]


async def test_a_promoted_version_gets_its_autoscaler_back_while_it_serves() -> None:
    stage = Stage(ended(1, Phase.SUCCEEDED, made("v1")), ended(2, Phase.SUCCEEDED, made("v2"), made("v1")))
    await stage.tend()
    assert stage.workload.settled == ["v2"]


async def test_a_record_that_goes_takes_its_lost_canary_with_it() -> None:
    lost = ended(1, Phase.ABORTED, made("v2"), made("v1"))
    stage = Stage(lost)
    assert await stage.care.clean(lost) == COUNTED_AGAIN, "requests in flight end first"
    stage.clock.advance(timedelta(seconds=61))
    assert await stage.care.clean(lost) is None
    assert stage.workload.done == ["scale v2", "delete v2"]


async def test_a_promoted_version_outlives_its_record() -> None:
    won = ended(1, Phase.SUCCEEDED, made("v2"), made("v1"))
    stage = Stage(won)
    stage.clock.advance(timedelta(days=1))
    assert await stage.care.clean(won) is None
    assert stage.workload.done == []


LOST = ended(1, Phase.ROLLED_BACK, made("v2"), made("v1"))


async def test_copies_go_as_soon_as_no_request_runs_any_more() -> None:
    stage = Stage(LOST)
    stage.running.requests = 3
    for _ in range(3):
        assert await stage.tend(timedelta(seconds=2)) == COUNTED_AGAIN
    assert stage.workload.done == []
    stage.running.requests = 0
    await stage.tend(timedelta(seconds=2))
    assert stage.workload.done == ["scale v2"]
    assert stage.drained == ["drained v2: 0 running after 8s (by running)"]
    assert [since for _, since in stage.running.asked] == [2, 4, 6, 8]
    await stage.tend(timedelta(seconds=2))
    assert len(stage.running.asked) == 4, "what is drained is not counted again"


async def test_the_longer_it_was_waited_the_rarer_it_is_counted_and_never_beyond_the_drain_time() -> None:
    stage = Stage(LOST)
    stage.running.requests = 1
    assert await stage.tend(timedelta(seconds=40)) == timedelta(seconds=4)
    assert await stage.tend(timedelta(seconds=18.5)) == timedelta(seconds=1.5)
    await stage.tend(timedelta(seconds=1.5))
    assert stage.drained == ["1 request of v2 still ran after 1m: it was cut (by running)"]
    assert stage.workload.done == ["scale v2"]


async def test_that_it_is_drained_is_recorded_before_copies_go_and_a_crash_in_between_costs_nothing() -> None:
    stage = Stage(LOST)
    stage.running.requests = 0
    stage.store.broken = True
    with pytest.raises(StoreUnavailable):
        await stage.tend(timedelta(seconds=3))
    assert stage.workload.done == []
    stage.store.broken, stage.workload.refuses = False, True  # as if it had ended before the copies went
    await stage.tend()
    assert (stage.store.writes, stage.workload.done) == (1, [])
    stage.restart()
    stage.workload.refuses, stage.running.requests = False, 9
    await stage.tend()
    assert stage.workload.done == ["scale v2"]
    assert stage.store.writes == 1


async def test_a_restart_while_it_is_drained_begins_no_new_wait() -> None:
    stage = Stage(LOST)
    stage.running.requests = 1
    await stage.tend(timedelta(seconds=50))
    stage.restart()
    await stage.tend(timedelta(seconds=10))
    assert stage.workload.done == ["scale v2"]


async def test_what_has_no_copies_is_not_waited_for_and_nothing_is_written_of_it() -> None:
    stage = Stage(LOST)
    stage.workload.gone.add("v2")
    await stage.tend(timedelta(days=1))
    stage.restart()
    await stage.tend(timedelta(days=1))
    assert (stage.running.asked, stage.store.writes) == ([], 0)


async def test_after_a_restart_an_older_loss_of_the_same_version_does_not_cut_its_drain_short() -> None:
    """It lost long ago, was promoted later, and has just been replaced: its requests still run."""
    again = replace(ended(2, Phase.SUCCEEDED, made("v3"), made("v2")), updated_at=EPOCH + timedelta(days=2))
    stage = Stage(LOST, again)
    stage.running.requests = 1
    await stage.tend(timedelta(days=2, seconds=5))
    assert stage.workload.done == []
    stage.running.requests = 0
    await stage.tend(timedelta(seconds=2))
    assert stage.workload.done == ["scale v2"]
    assert stage.drained == ["drained v2: 0 running after 7s (by running)"]


def files(version: str) -> Release:
    return Release(version, backend=Backend(BackendKind.STORAGE_URI, f"gs://models/{version}"))


async def test_files_that_lost_are_taken_back_after_the_drain_until_that_is_done() -> None:
    stage = Stage(ended(1, Phase.ROLLED_BACK, files("v2"), files("v1")))
    assert await stage.tend() == timedelta(seconds=60)
    stage.workload.slow = True
    assert await stage.tend(timedelta(seconds=60)) == timedelta(seconds=15)
    stage.workload.slow = False
    assert await stage.tend(timedelta(seconds=15)) is None
    assert stage.workload.done == ["take back v2", "take back v2"]


async def test_files_that_were_promoted_or_never_given_are_not_taken_back() -> None:
    never = replace(ended(2, Phase.NOT_DEPLOYED, files("v3"), files("v2")), supply_permille=0)
    stage = Stage(ended(1, Phase.SUCCEEDED, files("v2"), files("v1")), never)
    assert await stage.tend(timedelta(days=1)) is None
    assert stage.workload.done == []


async def test_files_that_another_rollout_tries_again_stay() -> None:
    again = ended(2, Phase.PREPARING, files("v2"), files("v1"))
    stage = Stage(ended(1, Phase.ABORTED, files("v2"), files("v1")), again)
    assert await stage.tend(timedelta(days=1)) is None
    assert stage.workload.done == []


async def test_a_refusal_to_take_files_back_is_tried_again_later() -> None:
    stage = Stage(ended(1, Phase.ABORTED, files("v2"), files("v1")))
    stage.workload.refuses = True
    assert await stage.tend(timedelta(days=1)) == timedelta(minutes=5)
