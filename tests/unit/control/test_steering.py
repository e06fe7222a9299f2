"""A word from outside to a rollout of this machine."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.control.errors import NotFound, Refused
from controller.control.steering import Errand, MachineSteering, Person, Target
from controller.domain.model import CommandKind, Rollout
from controller.domain.vocabulary import Phase
from tests.fakes import EPOCH
from tests.unit.control.stage import Stage, progressing


def errand(rollout: Rollout, kind: CommandKind = CommandKind.PAUSE, request: str = "slack-1") -> Errand:
    target = Target(rollout.id, rollout.policy.namespace, rollout.created_at)
    return Errand(target, kind, Person("ann@example.com"), request, "Slack")


async def test_the_log_names_the_person_and_the_way() -> None:
    stage = Stage()
    rollout = stage.begin(progressing())
    outcome = await MachineSteering(stage.service, stage.store).carry_out(errand(rollout))
    assert outcome.phase is Phase.PAUSED
    assert stage.store.log[rollout.id][-1].actor == "ann@example.com (Slack)"


async def test_a_repeat_is_answered_as_the_first_was() -> None:
    stage = Stage()
    rollout = stage.begin(progressing())
    steering = MachineSteering(stage.service, stage.store)
    first = await steering.carry_out(errand(rollout))
    writes = stage.store.writes
    await steering.carry_out(errand(rollout, CommandKind.RESUME, "slack-2"))
    assert await steering.carry_out(errand(rollout)) == first
    assert (stage.store.writes, stage.rollout(rollout.id).phase) == (writes + 1, Phase.PROGRESSING)


async def test_a_rollout_is_meant_and_never_a_model_of_that_name() -> None:
    stage = Stage()
    named = stage.begin(progressing())
    model = replace(progressing("v9"), id=f"{named.id}-1", model=named.id)
    stage.begin(model)
    await MachineSteering(stage.service, stage.store).carry_out(errand(named, CommandKind.ABORT))
    assert stage.rollout(named.id).phase is Phase.ROLLING_BACK
    assert stage.rollout(model.id).phase is Phase.PROGRESSING


async def test_what_is_gone_or_another_is_not_steered() -> None:
    stage = Stage()
    rollout = stage.begin(progressing())
    steering = MachineSteering(stage.service, stage.store)
    other = errand(replace(rollout, created_at=EPOCH - timedelta(days=1)))
    with pytest.raises(Refused, match="name was used again"):
        await steering.carry_out(other)
    for target in (replace(other.target, rollout="fraud-99"), replace(other.target, namespace="other")):
        with pytest.raises(NotFound):
            await steering.carry_out(replace(other, target=target))
    assert stage.rollout(rollout.id) == rollout


async def test_a_name_that_is_the_persons_own_stands_alone_and_the_reason_with_it() -> None:
    stage = Stage()
    rollout = stage.begin(progressing())
    said = replace(errand(rollout), via="", note="the on-call asks")
    await MachineSteering(stage.service, stage.store).carry_out(said)
    entry = stage.store.log[rollout.id][-1]
    assert entry.actor == said.person.name
    assert entry.command is not None
    assert entry.command.note == "the on-call asks"
