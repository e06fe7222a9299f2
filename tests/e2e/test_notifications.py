"""The real daemon tells a real receiver, and is killed at each point on the way."""

import base64
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from controller.domain.vocabulary import Phase
from tests.e2e.harness import Harness
from tests.e2e.policies import ONE_STEP
from tests.e2e.proof import eventually
from tests.receiver import Event, Receiver, Request, receiving

pytestmark = pytest.mark.integration

KILLS = 4
MARKER = "M4RKER-of-a-secret"
"""In the address, in the key, and in what the receiver answers."""


@pytest.fixture
def receiver(harness: Harness, tmp_path: Path) -> Iterator[Receiver]:
    """A destination ``audit`` of the daemon, which is started anew for it."""
    prefix = "SERINUS_DESTINATIONS__AUDIT__"
    secret_file = tmp_path / "key"
    secret_file.write_text(base64.b64encode(MARKER.encode()).decode())
    with receiving() as started:
        started.answer = MARKER.encode()
        own = {
            "URL": f"{started.url}hook/{MARKER}",
            "SECRET_FILE": str(secret_file),
            "PRIVATE_ADDRESSES": "true",
            "PLAIN_HTTP": "true",
        }
        with harness.daemon_with_settings({prefix + name: value for name, value in own.items()}):
            yield started


def told(harness: Harness, rollout: str) -> list[str]:
    """The ids of all that is to be told, as the store has it."""
    return [f"{rollout}-{entry.seq}" for entry in harness.stored(rollout) if entry.notable]


def until_told(harness: Harness, receiver: Receiver, rollout: str) -> list[Event]:
    """All that arrived, once everything did."""
    eventually(
        lambda: set(told(harness, rollout)) <= {event["id"] for event in receiver.of(rollout)},
        f"everything of {rollout} is told",
    )
    return receiver.of(rollout)


def test_each_event_is_told_once_and_in_order(harness: Harness, receiver: Receiver) -> None:
    model = harness.model(ONE_STEP, notify=["audit"])
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until(rollout, Phase.SUCCEEDED)
    events = until_told(harness, receiver, rollout)
    assert [event["id"] for event in events] == told(harness, rollout)
    assert events[0]["type"] == "dev.serinus.rollout.started.v1"
    assert events[-1]["type"] == "dev.serinus.rollout.promoted.v1"
    assert events[-1]["data"]["versions"] == {"stable": "v1", "canary": "v2"}


def test_a_daemon_killed_while_it_tells_loses_nothing(harness: Harness, receiver: Receiver) -> None:
    """Killed with a message at the receiver, before its answer and after it in turn."""
    model, daemon = harness.model(ONE_STEP, notify=["audit"]), harness.stage.daemon
    killed: list[str] = []

    def kill(request: Request, turn: int) -> None:
        event = request.body
        answered_a_person = event["data"]["event"] == "created"
        due = len(killed) < KILLS and len(killed) % 2 == turn and event["id"] not in killed
        if due and not answered_a_person:
            killed.append(event["id"])
            assert daemon.service is not None
            daemon.service.process.kill()

    def over() -> bool:
        assert daemon.service is not None
        if daemon.service.process.poll() is not None:
            daemon.launch()
        return harness.stored(rollout)[-1].phase.terminal

    receiver.before, receiver.after = partial(kill, turn=0), partial(kill, turn=1)
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        eventually(over, f"{rollout} is over", within=90)
    assert harness.stored(rollout)[-1].phase is Phase.SUCCEEDED
    assert len(killed) == KILLS
    eventually(lambda: over() and harness.lives(), "the daemon lives")
    events = until_told(harness, receiver, rollout)
    by_id: dict[str, list[Event]] = {}
    for event in events:
        by_id.setdefault(event["id"], []).append(event)
    assert list(by_id) == told(harness, rollout)
    for repeats in by_id.values():
        assert all(event["data"]["message"] == repeats[0]["data"]["message"] for event in repeats)
    assert len(events) <= len(by_id) + KILLS, "only what a kill interrupted is told again"


def test_a_receiver_that_is_down_delays_no_rollout_and_hears_it_all_in_the_end(
    harness: Harness, receiver: Receiver
) -> None:
    receiver.status = 503
    model = harness.model(ONE_STEP, notify=["audit"])
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until(rollout, Phase.SUCCEEDED)
    assert {event["id"] for event in receiver.of(rollout)} == {f"{rollout}-1"}
    receiver.status = 200
    events = until_told(harness, receiver, rollout)
    assert list(dict.fromkeys(event["id"] for event in events)) == told(harness, rollout)
    shown = [harness.cli(word, rollout).stdout for word in ("status", "why", "history")]
    shown += [harness.http("/metrics")[1], harness.log_file.read_text(), json.dumps(events)]
    for text in shown:
        assert text
        assert MARKER not in text
        assert base64.b64encode(MARKER.encode()).decode() not in text
