"""Workloads of rollouts that are over: drained, scaled down, deleted, and never while they are in use."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from controller.adapters.kube.aftercare import Aftercare, Created
from controller.domain.model import Rollout
from controller.domain.policy import WorkloadRules
from controller.domain.release import Backend, BackendKind, Image, Release
from controller.domain.vocabulary import Phase
from controller.errors import TargetError
from controller.ports import Stored
from tests.fakes import EPOCH, FakeClock, FakeStore, a_policy, a_rollout

RULES = WorkloadRules(drain=timedelta(seconds=60), keep_for=timedelta(hours=1), history=1)
POLICY = a_policy(workload=RULES)


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

    async def retire(
        self, namespace: str, release: Release, *, delete: bool, in_use: Sequence[Backend]
    ) -> bool:
        self.told.append(in_use)
        if self.refuses:
            raise TargetError("forbidden")
        self.done.append(f"{'delete' if delete else 'scale'} {release.version}")
        return not self.slow

    async def settle(self, namespace: str, release: Release) -> None:
        self.settled.append(release.version)

    async def created(self, namespace: str, model: str) -> Sequence[Created]:
        return self.there


class Stage:
    def __init__(self, *rollouts: Rollout) -> None:
        self.store = FakeStore()
        for rollout in rollouts:
            self.store.records[rollout.id] = Stored(rollout, 1)
        self.workload = FakeRetirable()
        self.clock = FakeClock()
        self.care = Aftercare(self.store, self.store, self.workload, lambda: {"fraud": POLICY}, self.clock)

    async def tend(self, later: timedelta = timedelta(0)) -> timedelta | None:
        self.clock.advance(later)
        return await self.care.tend("fraud")


async def test_a_lost_canary_is_drained_then_scaled_down_then_deleted_then_forgotten() -> None:
    stage = Stage(ended(1, Phase.ROLLED_BACK, made("v2"), made("v1")))
    assert await stage.tend() == timedelta(seconds=60)
    assert stage.workload.done == []
    assert await stage.tend(timedelta(seconds=60)) == timedelta(minutes=59)
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
    assert await stage.tend() == timedelta(seconds=60)
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
    assert await stage.care.clean(lost) == timedelta(seconds=60), "requests in flight end first"
    stage.clock.advance(timedelta(seconds=61))
    assert await stage.care.clean(lost) is None
    assert stage.workload.done == ["scale v2", "delete v2"]


async def test_a_promoted_version_outlives_its_record() -> None:
    won = ended(1, Phase.SUCCEEDED, made("v2"), made("v1"))
    stage = Stage(won)
    stage.clock.advance(timedelta(days=1))
    assert await stage.care.clean(won) is None
    assert stage.workload.done == []
