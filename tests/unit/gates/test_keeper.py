"""The keeper of gates, in virtual time: what it asks when, and what it says meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.adapters.gates.keeper import ATTEMPTS, GateKeeper
from controller.adapters.gates.question import GateQuestion
from controller.adapters.gates.webhook import Answered
from controller.adapters.notify.destination import Failure
from controller.domain.approval import Asking, Goal
from controller.domain.model import Rollout
from controller.domain.observation import GateSeen, GateWord
from controller.domain.policy import Milestone
from tests import virtual_time
from tests.fakes import EPOCH, a_rollout

ALLOW, DENY, WAIT = Answered("allow"), Answered("deny"), Answered("wait")
DOWN = Failure("connection refused")


class ScriptedGate:
    """Says what is next in its list, the last for ever, each time after ``takes`` seconds."""

    def __init__(self, name: str, *says: Answered | Failure, takes: float = 0.0) -> None:
        self.name = name
        self.asked: list[tuple[float, str]] = []
        self.closed = False
        self.most_at_once = 0
        self._says = list(says)
        self._takes = takes
        self._now = 0

    async def ask(self, question: GateQuestion) -> Answered | Failure:
        self.asked.append((asyncio.get_running_loop().time(), question.id))
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(self._takes)
        self._now -= 1
        return self._says.pop(0) if len(self._says) > 1 else self._says[0]

    async def close(self) -> None:
        self.closed = True


class BrokenGate(ScriptedGate):
    async def ask(self, question: GateQuestion) -> Answered | Failure:
        raise ZeroDivisionError


def asking(number: int = 7, name: str = "fraud-1") -> Rollout:
    rollout = replace(a_rollout(), id=name)
    return replace(rollout, asking=Asking(Goal(Milestone.STEP, 1), EPOCH, 0, number=number, gates=("desk",)))


class Scene:
    def __init__(self, *gates: ScriptedGate) -> None:
        self.woken: list[tuple[float, str]] = []
        self.keeper = GateKeeper(gates, lambda model: self.woken.append((_now(), model)))

    async def looks(self, rollout: Rollout, passes: int, name: str = "desk") -> list[GateSeen | None]:
        """The word at passes 15 s apart."""
        found = []
        for _ in range(passes):
            found.append(self.keeper.word(rollout, name))
            await asyncio.sleep(15)
        return found


def _now() -> float:
    return asyncio.get_running_loop().time()


def in_virtual_time(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        virtual_time.run(scenario())

    test.__name__ = test.__qualname__ = scenario.__name__
    return test


@in_virtual_time
async def test_a_word_is_asked_for_once_and_wakes_the_model() -> None:
    gate = ScriptedGate("desk", ALLOW, takes=5)
    scene = Scene(gate)
    allowed = GateSeen("desk", GateWord.ALLOW)
    assert await scene.looks(asking(), 3) == [None, allowed, allowed]
    assert gate.asked == [(0, "fraud-1-7-desk")]
    assert scene.woken == [(5, "fraud")]


@in_virtual_time
async def test_what_is_asked_anew_is_another_question() -> None:
    gate = ScriptedGate("desk", DENY, ALLOW)
    scene = Scene(gate)
    await scene.looks(asking(7), 2)
    assert (await scene.looks(asking(9), 2))[-1] == GateSeen("desk", GateWord.ALLOW)
    assert (await scene.looks(asking(7), 1))[-1] == GateSeen("desk", GateWord.DENY)
    assert [name for _, name in gate.asked] == ["fraud-1-7-desk", "fraud-1-9-desk"]


@in_virtual_time
async def test_one_that_waits_is_asked_again_with_the_next_pass() -> None:
    gate = ScriptedGate("desk", WAIT, WAIT, ALLOW)
    scene = Scene(gate)
    words = await scene.looks(asking(), 4)
    assert words == [None, None, None, GateSeen("desk", GateWord.ALLOW)]
    assert [at for at, _ in gate.asked] == [0, 15, 30]
    assert {name for _, name in gate.asked} == {"fraud-1-7-desk"}
    assert scene.woken == [(30, "fraud")]


@in_virtual_time
async def test_one_that_says_when_is_not_asked_before() -> None:
    gate = ScriptedGate("desk", Answered("wait", timedelta(minutes=5)), ALLOW)
    await Scene(gate).looks(asking(), 25)
    assert [at for at, _ in gate.asked] == [0, 300]


@in_virtual_time
async def test_a_lost_connection_is_nobodys_business() -> None:
    gate = ScriptedGate("desk", DOWN, DOWN, ALLOW)
    scene = Scene(gate)
    assert await scene.looks(asking(), 2) == [None, GateSeen("desk", GateWord.ALLOW)]
    assert len(gate.asked) == 3


@in_virtual_time
async def test_one_that_fails_again_and_again_is_said_to_give_no_word_and_is_asked_on() -> None:
    gate = ScriptedGate("desk", *[DOWN] * (ATTEMPTS + 2), ALLOW)
    scene = Scene(gate)
    words = await scene.looks(asking(), 8)
    failed = GateSeen("desk", GateWord.ERROR, "connection refused")
    assert words[:2] == [None, failed]
    assert words[-1] == GateSeen("desk", GateWord.ALLOW)
    assert len(scene.woken) == 2, "once for the failure, once for the word"


@in_virtual_time
async def test_a_defect_of_a_gate_is_a_failure() -> None:
    assert (await Scene(BrokenGate("desk", ALLOW)).looks(asking(), 2))[-1] == GateSeen(
        "desk", GateWord.ERROR, "a defect (ZeroDivisionError)"
    )


@in_virtual_time
async def test_a_slow_gate_delays_no_other_and_is_not_asked_by_all_at_once() -> None:
    slow, quick = ScriptedGate("desk", ALLOW, takes=10), ScriptedGate("audit", ALLOW)
    scene = Scene(slow, quick)
    for number in range(50):
        scene.keeper.word(asking(name=f"fraud-{number}"), "desk")
    await asyncio.sleep(1)
    assert scene.keeper.word(asking(), "audit") is None
    await asyncio.sleep(1)
    assert scene.keeper.word(asking(), "audit") == GateSeen("audit", GateWord.ALLOW)
    assert slow.most_at_once == len(slow.asked) == 4


@in_virtual_time
async def test_a_gate_that_the_settings_do_not_have_gives_no_word() -> None:
    found = Scene().keeper.word(asking(), "desk")
    assert found == GateSeen("desk", GateWord.ERROR, "the settings have no gate of that name")


@in_virtual_time
async def test_what_is_remembered_is_bounded() -> None:
    gate = ScriptedGate("desk", ALLOW)
    scene = Scene(gate)
    for number in range(3000):
        scene.keeper.word(asking(name=f"fraud-{number}"), "desk")
        await asyncio.sleep(1)
    assert len(scene.keeper._pending) <= 1001


@in_virtual_time
async def test_closing_gives_up_what_is_in_hand() -> None:
    gate = ScriptedGate("desk", ALLOW, takes=3600)
    scene = Scene(gate)
    scene.keeper.word(asking(), "desk")
    await asyncio.sleep(1)
    await scene.keeper.close()
    assert gate.closed
    assert _now() < 10
