"""Notable entries as Events: one each, bounded, and never in anybody's way."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.resources import EVENTS
from controller.adapters.notify.events import EventNotifier, event_of
from controller.adapters.notify.several import SeveralNotifiers
from controller.domain.commands import announce
from controller.domain.model import Entry, Rollout
from controller.domain.vocabulary import Phase, Reason
from controller.errors import TransientError
from tests.fakes import FakeNotifier, a_rollout
from tests.kube_fake import FakeApi

OBJECT = {"metadata": {"namespace": "ml", "name": "fraud-v2", "uid": "0123456789"}}


def told(**changes: object) -> tuple[Rollout, Entry]:
    decision = announce(a_rollout())
    assert decision.entry is not None
    return decision.rollout, replace(decision.entry, **changes)  # type: ignore[arg-type]


def notifier(api: FakeApi, counts: Counter[str], **options: Any) -> EventNotifier:
    def count(result: str) -> None:
        counts[result] += 1

    client = api.client()
    return EventNotifier(client, lambda _: OBJECT, "serinus-0", count=count, back_off=timedelta(0), **options)


def events(api: FakeApi) -> list[dict[str, Any]]:
    return list(api.objects.all(EVENTS, None))


async def test_an_entry_becomes_an_event_about_its_modelrollout() -> None:
    api, counts = FakeApi(), Counter[str]()
    events_to = notifier(api, counts)
    rollout, entry = told(event="step_advanced", message="gives v2 5%")
    events_to.tell(rollout, entry)
    await events_to.close()
    [event] = events(api)
    assert event["regarding"]["name"] == "fraud-v2"
    assert event["regarding"]["uid"] == "0123456789"
    assert (event["reason"], event["note"], event["type"]) == ("Created", "gives v2 5%", "Normal")
    assert event["action"] == "StepAdvanced"
    assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
    assert event["reportingInstance"] == "serinus-0"
    assert counts == {"sent": 1}


async def test_an_entry_told_twice_is_one_event() -> None:
    api, counts = FakeApi(), Counter[str]()
    events_to = notifier(api, counts)
    for _ in range(2):
        events_to.tell(*told())
    await events_to.close()
    assert len(events(api)) == 1
    assert counts == {"sent": 2}


async def test_a_lost_answer_is_tried_again_and_a_refusal_is_not() -> None:
    api, counts = FakeApi(), Counter[str]()
    lost = 2

    async def fault(request: Any, serve: Any) -> Any:
        nonlocal lost
        if lost:
            lost -= 1
            raise TransientError("connection reset")
        return serve(request)

    api.fault = fault
    events_to = notifier(api, counts)
    events_to.tell(*told())
    await events_to.close()
    assert counts == {"sent": 1}

    api.fault = None
    api.denied = {("create", "events")}
    events_to = notifier(api, counts)
    before = len(api.requests)
    events_to.tell(*told())
    await events_to.close()
    assert counts == {"sent": 1, "failed": 1}
    assert len(api.requests) == before + 1


async def test_a_flood_is_bounded_and_telling_never_waits() -> None:
    api, counts = FakeApi(), Counter[str]()
    stuck = asyncio.Event()

    async def fault(request: Any, serve: Any) -> Any:
        await stuck.wait()
        return serve(request)

    api.fault = fault
    events_to = notifier(api, counts)
    for seq in range(1200):
        events_to.tell(*told(seq=seq))
    assert counts["dropped"] == 1200 - 1024
    stuck.set()
    await events_to.close()


async def test_a_rollout_whose_object_is_gone_has_no_event() -> None:
    api = FakeApi()
    events_to = EventNotifier(api.client(), lambda _: None, "x")
    events_to.tell(*told())
    await events_to.close()
    assert events(api) == []


@pytest.mark.parametrize(
    ("phase", "reason", "kind"),
    [
        (Phase.PROGRESSING, Reason.STEP_RUNNING, "Normal"),
        (Phase.PROGRESSING, Reason.METRICS_UNAVAILABLE, "Warning"),
        (Phase.PROGRESSING, Reason.BOTH_ABOVE_LIMIT, "Warning"),
        (Phase.ROLLED_BACK, Reason.CHECK_FAILED, "Warning"),
        (Phase.FROZEN, Reason.DRIFT_DETECTED, "Warning"),
        (Phase.SUCCEEDED, Reason.PROMOTED, "Normal"),
    ],
)
def test_what_people_should_look_at_is_a_warning(phase: Phase, reason: Reason, kind: str) -> None:
    assert event_of(*told(phase=phase, reason=reason), OBJECT, "x")["type"] == kind


def test_a_note_is_cut_at_a_character_within_a_kibibyte() -> None:
    note = event_of(*told(message="ü" * 2000), OBJECT, "x")["note"]
    assert len(note.encode()) <= 1024
    assert note.endswith("ü…")


def test_several_are_told_the_same() -> None:
    first, second = FakeNotifier(), FakeNotifier()
    rollout, entry = told()
    SeveralNotifiers([first, second]).tell(rollout, entry)
    assert first.told == second.told == [entry]
