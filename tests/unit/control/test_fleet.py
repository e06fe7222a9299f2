"""Pausing everything: who did it stays the one, and saying it again harms nothing."""

import pytest

from controller.control.errors import Refused
from controller.domain.fleet.facts import Pause
from controller.errors import StoreUnavailable
from tests.unit.control.stage import Stage


async def test_a_pause_is_kept_and_told_and_ends_as_it_began() -> None:
    stage = Stage()
    paused = await stage.fleet_control.pause("ann", "an incident")
    assert paused.message.startswith("everything is paused by ann since ")
    assert paused.message.endswith(": an incident")
    assert await stage.store.paused() == Pause("ann", stage.clock.now(), "an incident")
    assert (await stage.fleet_control.view()).paused == paused.paused
    ended = await stage.fleet_control.resume("ben")
    assert (ended.paused, ended.message) == (None, "ben lets everything go on")
    assert stage.pauses == [Pause("ann", stage.clock.now(), "an incident"), None]


async def test_a_second_person_hears_who_paused_it() -> None:
    stage = Stage()
    await stage.fleet_control.pause("ann", "")
    with pytest.raises(Refused, match="everything is paused by ann since"):
        await stage.fleet_control.pause("ben", "")
    assert (await stage.store.paused()) == Pause("ann", stage.clock.now(), "")


async def test_saying_it_again_is_harmless() -> None:
    stage = Stage()
    await stage.fleet_control.pause("ann", "")
    assert (await stage.fleet_control.pause("ann", "still")).paused is not None
    await stage.fleet_control.resume("ann")
    again = await stage.fleet_control.resume("ann")
    assert again.message == "nothing is paused for all models"


async def test_a_pause_that_could_not_be_kept_is_not_told() -> None:
    stage = Stage()
    stage.store.broken = True
    with pytest.raises(StoreUnavailable):
        await stage.fleet_control.pause("ann", "")
    assert stage.pauses == []
