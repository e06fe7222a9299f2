"""The keeper of trials: what it takes when, and what it says meanwhile."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from controller.adapters.trials.keeper import TrialKeeper
from controller.domain.model import Rollout
from controller.domain.policy import Check, CheckKind
from controller.domain.trials import Sampling, Score, Trial, TrialSeen
from controller.errors import TransientError
from controller.ports import Workload
from tests.fakes import FakeWorkload, a_policy, a_rollout


@dataclass
class ScriptedTaker:
    """Brings what it is told once it is let go on."""

    fails: Exception | None = None
    taken: list[tuple[str, int]] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def take(self, rollout: Rollout, trial: Trial, sampling: Sampling, workload: Workload) -> TrialSeen:
        self.taken.append((rollout.id, trial.number))
        await self.go_on.wait()
        if self.fails is not None:
            raise self.fails
        return TrialSeen(trial.check, trial.number, Score(10, 1))

    async def close(self) -> None:
        self.closed = True


class Scene:
    def __init__(self, fails: Exception | None = None) -> None:
        self.golden, self.evaluation = ScriptedTaker(fails), ScriptedTaker(fails)
        self.woken: list[str] = []
        self.keeper = TrialKeeper(self.golden, self.evaluation, self.woken.append)

    def look(self, number: int = 1, name: str = "accuracy", of: str = "fraud-1") -> TrialSeen | None:
        golden = Check("accuracy", CheckKind.SCORE, min=0.9, sampling=Sampling("labels.yaml"))
        desk = Check("helpful", CheckKind.SCORE, min=0.9, sampling=Sampling(evaluation="desk"))
        rollout = replace(a_rollout(a_policy(judge="sequential", checks=(golden, desk))), id=of)
        return self.keeper.outcome(rollout, Trial(name, number, timedelta(0)), FakeWorkload())

    async def settle(self) -> None:
        self.golden.go_on.set()
        self.evaluation.go_on.set()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_a_pass_never_waits_and_the_model_is_woken_by_the_outcome() -> None:
    scene = Scene()
    assert scene.look() is None
    await asyncio.sleep(0)
    assert scene.look() is None
    assert scene.golden.taken == [("fraud-1", 1)], "once, however often it is looked for"
    assert scene.woken == []
    await scene.settle()
    assert scene.woken == ["fraud"]
    assert scene.look() == TrialSeen("accuracy", 1, Score(10, 1))
    assert scene.golden.taken == [("fraud-1", 1)]


async def test_each_trial_is_taken_by_itself_and_by_its_kind() -> None:
    scene = Scene()
    for name, number, of in (
        ("accuracy", 1, "fraud-1"),
        ("accuracy", 1, "fraud-2"),
        ("helpful", 1, "fraud-1"),
    ):
        scene.look(number, name, of)
    await asyncio.sleep(0)
    assert scene.golden.taken == [("fraud-1", 1), ("fraud-2", 1)]
    assert scene.evaluation.taken == [("fraud-1", 1)]
    await scene.settle()
    scene.look(2)
    await asyncio.sleep(0)
    assert scene.golden.taken[-1] == ("fraud-1", 2)


async def test_what_goes_wrong_is_an_outcome() -> None:
    scene = Scene(TransientError("the API server does not answer"))
    scene.look()
    await scene.settle()
    found = scene.look()
    assert found is not None
    assert found.problem == "the API server does not answer"
    broken = Scene(ZeroDivisionError())
    broken.look()
    await broken.settle()
    found = broken.look()
    assert found is not None
    assert found.problem == "a defect (ZeroDivisionError)"


async def test_a_trial_that_was_given_up_is_taken_again_by_the_next_process() -> None:
    scene = Scene()
    scene.look()
    await asyncio.sleep(0)
    await scene.keeper.close()
    assert scene.golden.closed
    assert scene.woken == []
    after = Scene()
    after.look()
    await asyncio.sleep(0)
    assert after.golden.taken == [("fraud-1", 1)]
    await after.settle()
    await after.keeper.close()
