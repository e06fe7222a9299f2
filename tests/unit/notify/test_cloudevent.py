"""What programs are told, and in which words."""

from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from controller.adapters.notify.cloudevent import RolloutEvent, event_of, kind_of
from controller.domain.table import TABLE, Trigger
from controller.domain.vocabulary import Phase
from controller.ports import Posting
from tests.unit.notify.scenes import entry, posting, rollout

KINDS = {"started", "stepped", "held", "paused", "promoted", "rolledback", "notdeployed", "halted"}


def test_every_transition_is_one_of_the_published_kinds() -> None:
    seen = set()
    for trigger, sources in TABLE.items():
        for before, targets in sources.items():
            for phase in targets:
                told = replace(entry(), event=trigger.value, phase_before=before, phase=phase)
                seen.add(kind_of(told))
    assert seen == KINDS


@pytest.mark.parametrize(
    ("event", "before", "phase", "kind"),
    [
        ("created", Phase.PENDING, Phase.PENDING, "started"),
        (Trigger.VALID, Phase.VALIDATING, Phase.PROGRESSING, "stepped"),
        (Trigger.EASE, Phase.PROGRESSING, Phase.PROGRESSING, "stepped"),
        ("metrics_unavailable", Phase.PROGRESSING, Phase.PROGRESSING, "held"),
        (Trigger.RESUME, Phase.PAUSED, Phase.PROGRESSING, "held"),
        (Trigger.FREEZE, Phase.PROGRESSING, Phase.FROZEN, "paused"),
        (Trigger.IN_FORCE, Phase.PROMOTING, Phase.BAKING, "stepped"),
        (Trigger.BAKED, Phase.BAKING, Phase.SUCCEEDED, "promoted"),
        (Trigger.CLEARED, Phase.ROLLING_BACK, Phase.ROLLED_BACK, "rolledback"),
        (Trigger.CLEARED, Phase.ROLLING_BACK, Phase.ABORTED, "rolledback"),
        (Trigger.ABORT, Phase.PREPARING, Phase.ABORTED, "notdeployed"),
        (Trigger.SUPERSEDE, Phase.PENDING, Phase.SUPERSEDED, "notdeployed"),
        (Trigger.REFUSE, Phase.VALIDATING, Phase.NOT_DEPLOYED, "notdeployed"),
        (Trigger.HALT, Phase.PROMOTING, Phase.HALTED, "halted"),
    ],
)
def test_what_happened_has_one_kind(event: str, before: Phase, phase: Phase, kind: str) -> None:
    assert kind_of(replace(entry(), event=str(event), phase_before=before, phase=phase)) == kind


def test_an_event_is_as_its_schema_says() -> None:
    schema = RolloutEvent.model_json_schema(mode="serialization")
    Draft202012Validator.check_schema(schema)
    first = replace(rollout("team"), stable=None)
    for told in (posting(), Posting(first, replace(entry(), step=None, message="<!channel>"), "team")):
        Draft202012Validator(schema).validate(event_of(told).model_dump(mode="json"))


def test_the_same_entry_gives_the_same_event() -> None:
    assert event_of(posting()) == event_of(posting())
    assert event_of(posting(7)).id != event_of(posting(8)).id
