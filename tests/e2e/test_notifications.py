"""The real daemon tells real receivers, and is killed at each point on the way."""

from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from http import HTTPStatus
from statistics import median

import pytest

from controller.control.errors import ControlError
from controller.control.interface import Order
from controller.domain.vocabulary import Phase
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS, ONE_STEP
from tests.e2e.proof import eventually
from tests.e2e.telling import MARKER, SIGNED, TEAMS, path_of
from tests.e2e.writes import write_delays
from tests.receiver import Event, Fault, Request
from tests.slack_server import Slack

pytestmark = pytest.mark.integration

KILLS = 4
REFUSED = Fault(503, took=False)
NOBODY = "127.0.0.1:1"
"""An endpoint at which no model ever gets ready."""


def told(harness: Harness, rollout: str) -> list[str]:
    """The ids of all that is to be told, as the store has it."""
    return [f"{rollout}-{entry.seq}" for entry in harness.stored(rollout) if entry.notable]


def until_told(harness: Harness, rollout: str, name: str = "audit") -> list[Event]:
    """All that arrived, once everything did."""
    eventually(
        lambda: set(told(harness, rollout)) <= {event["id"] for event in harness.told.heard(name, rollout)},
        f"everything of {rollout} is told",
    )
    return harness.told.heard(name, rollout)


def kill(harness: Harness) -> None:
    service = harness.stage.daemon.service
    assert service is not None
    service.process.kill()


def lives_again(harness: Harness) -> bool:
    """Start the daemon if it was killed; whether it can be spoken to."""
    service = harness.stage.daemon.service
    assert service is not None
    if service.process.poll() is not None:
        harness.stage.daemon.launch()
    return harness.lives()


def assert_no_secret_is_shown(harness: Harness, rollout: str, *more: str) -> None:
    shown = [harness.cli(word, rollout).stdout for word in ("status", "why", "history", "report")]
    for text in (*shown, harness.http("/metrics")[1], harness.log_file.read_text(), *more):
        assert text
        assert MARKER not in text
        assert SIGNED not in text


def test_each_event_is_told_once_and_in_order(harness: Harness) -> None:
    model = harness.model(ONE_STEP, notify=["audit"])
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until(rollout, Phase.SUCCEEDED)
    events = until_told(harness, rollout)
    assert [event["id"] for event in events] == told(harness, rollout)
    assert events[0]["type"] == "dev.serinus.rollout.started.v1"
    assert events[-1]["type"] == "dev.serinus.rollout.promoted.v1"
    assert events[-1]["data"]["versions"] == {"stable": "v1", "canary": "v2"}


def test_a_daemon_killed_while_it_tells_loses_nothing(harness: Harness) -> None:
    """Killed with a message at the receiver, before its answer and after it in turn."""
    model, receiver = harness.model(ONE_STEP, notify=["audit"]), harness.told.receiver
    killed: list[str] = []

    def react(request: Request, turn: int) -> None:
        event = request.body
        answered_a_person = event["data"]["event"] == "created"
        due = len(killed) < KILLS and len(killed) % 2 == turn and event["id"] not in killed
        if due and event["data"]["model"] == model and not answered_a_person:
            killed.append(event["id"])
            kill(harness)

    def over() -> bool:
        lives_again(harness)
        return harness.stored(rollout)[-1].phase.terminal

    receiver.before, receiver.after = partial(react, turn=0), partial(react, turn=1)
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        eventually(over, f"{rollout} is over", within=90)
    assert harness.stored(rollout)[-1].phase is Phase.SUCCEEDED
    assert len(killed) == KILLS
    eventually(lambda: lives_again(harness), "the daemon lives")
    events = until_told(harness, rollout)
    by_id: dict[str, list[Event]] = {}
    for event in events:
        by_id.setdefault(event["id"], []).append(event)
    assert list(by_id) == told(harness, rollout)
    for repeats in by_id.values():
        assert all(event["data"]["message"] == repeats[0]["data"]["message"] for event in repeats)
    assert len(events) <= len(by_id) + KILLS, "only what a kill interrupted is told again"


def test_bad_destinations_delay_no_write_and_no_other_destination(
    harness: Harness, figures: Callable[[str], None]
) -> None:
    """One slower than it is waited for, one that nobody listens at, one that is ill, beside a healthy one."""
    others = write_delays(harness)
    faults = {path_of("slow"): Fault(after_seconds=11), path_of("late"): REFUSED}
    harness.told.receiver.fault = lambda request: faults.get(request.path)
    model = harness.model(ONE_STEP, notify=["slow", "dead", "late", "audit"])
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until(rollout, Phase.SUCCEEDED)
    events = until_told(harness, rollout)
    assert [event["id"] for event in events] == told(harness, rollout)
    for name in ("slow", "late"):
        heard = {event["id"] for event in harness.told.heard(name, rollout)}
        assert heard == {f"{rollout}-1"}, "all weights were written while its first message was in hand"
    beside = write_delays(harness, model)
    figures(f"commit to weight in force, with bad destinations {shown(beside)}; without {shown(others)}")
    faults.clear()
    events = until_told(harness, rollout, "late")
    assert list(dict.fromkeys(event["id"] for event in events)) == told(harness, rollout)
    assert_no_secret_is_shown(harness, rollout, repr(events))


def shown(seconds: list[float]) -> str:
    return f"{median(seconds) * 1e3:.0f} ms (median of {len(seconds)}; {max(seconds) * 1e3:.0f} at most)"


def dies_with_its_root(harness: Harness, model: str, point: str) -> None:
    """The daemon is killed when the model's root message is at Slack, at one point of its way."""
    receiver, killed = harness.told.receiver, list[str]()

    def die(request: Request, here: str) -> bool:
        root = "thread_ts" not in request.body and model in str(request.body.get("text"))
        posted = any(model in each["text"] for each in receiver.slack.messages.values())
        if not root or killed or here != point or posted != (point != "not taken"):
            return False
        killed.append(point)
        kill(harness)
        return True

    receiver.fault = lambda request: REFUSED if die(request, "not taken") else None
    receiver.before = partial(die, here="not answered")
    receiver.after = partial(die, here="not settled")
    eventually(lambda: harness.http("/readyz")[0] == HTTPStatus.OK, "the daemon is ready")
    with suppress(ControlError, OSError):  # it may die before it answers
        harness.client.deploy(Order(model, "v2", [NOBODY]))
    eventually(lambda: killed and lives_again(harness), f"killed: {point}")


def all_told(harness: Harness, name: str) -> bool:
    """Whether the outbox holds nothing for a destination."""
    with closing(harness.connect_to_store()) as connection:
        found = connection.execute("SELECT 1 FROM posting WHERE destination = ?", (name,))
        return found.fetchone() is None


def test_a_rollout_has_two_roots_in_slack_at_most_when_the_daemon_dies_with_one(
    harness: Harness, figures: Callable[[str], None]
) -> None:
    """By a Slack that knows no repeats, the worst case; three channels, so that nobody waits for another."""
    slack = harness.told.receiver.slack
    slack.knows_repeats = False
    slack.refusals = [(500, {}, MARKER.encode()), Slack.no(MARKER)]
    points = ("not taken", "not answered", "not settled")
    models = [harness.model(ENDLESS, notify=[name]) for name in TEAMS]
    for model, point in zip(models, points, strict=True):
        dies_with_its_root(harness, model, point)
    roots: dict[str, int] = {}
    for model, name, point in zip(models, TEAMS, points, strict=True):
        rollout = harness.until(model, Phase.NOT_DEPLOYED).rollout
        eventually(partial(all_told, harness, name), f"{name} is told everything")
        mine = {ts: each for ts, each in slack.messages.items() if model in each["text"]}
        current = [ts for ts, each in mine.items() if "thread_ts" not in each]
        roots[point] = len(current)
        assert Phase.NOT_DEPLOYED in str(mine[current[-1]]["blocks"]), "it is up to date"
        thread = [each["text"] for each in mine.values() if each.get("thread_ts") == current[-1]]
        entries = [entry for entry in harness.stored(rollout) if entry.notable]
        for entry in entries[1:]:
            assert any(entry.message in text for text in thread), f"{entry.event} is lost"
        assert_no_secret_is_shown(harness, rollout, str(mine))
    assert roots["not taken"] == 1
    assert max(roots.values()) <= 2
    figures(f"roots by the point of the kill: {roots}")
