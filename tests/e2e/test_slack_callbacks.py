"""Buttons in Slack at the real daemon: pressed by whom it may be, and by everybody else in vain."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase
from deploy.local.stack import free_port
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS
from tests.e2e.proof import assert_gapless, eventually
from tests.receiver import serving
from tests.slack_caller import button_in, call, interaction, signed
from tests.slack_server import Slack

pytestmark = pytest.mark.integration

MARKER = "M4RKER0of0a0secret"
"""In the signing secret, in the bot's token, and in what forgers send."""
ANN, STRANGER = "U012AB3CD", "U0STRANGER"
ACTOR = "ann@example.com (Slack)"


class Channel:
    """Slack's two ends: the API that the daemon calls, and the calls to the daemon."""

    def __init__(self, harness: Harness, slack: Slack, port: int) -> None:
        self.harness = harness
        self.slack = slack
        self.port = port

    def root_of(self, rollout: str, word: str | None) -> dict[str, Any]:
        """The rollout's message, once it has a button for the word; or none at all."""

        def look() -> dict[str, Any] | None:
            found = [each for each in self.slack.roots if f" {rollout}" in json.dumps(each["blocks"])]
            shown = json.dumps(found[-1]["blocks"]) if found else ""
            wanted = f'"serinus_{word}"' in shown if word else shown and '"serinus_' not in shown
            return found[-1] if wanted else None

        return eventually(look, f"the message of {rollout} has {word or 'no'} buttons")

    def press(self, rollout: str, word: str, user: str = ANN) -> bytes:
        """The body of a press of the button that the message has."""
        button = button_in(self.root_of(rollout, word), word)
        return interaction(button["action_id"], button["value"], user)

    def call(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """Slack's call; the status. It is answered well before anything is done."""
        began = time.monotonic()
        status, answer = call(self.port, body, signed(body, MARKER) if headers is None else headers)
        assert time.monotonic() - began < 3
        assert answer == b""
        return status

    def until_told(self, words: str, user: str = ANN) -> None:
        eventually(
            lambda: any(each["user"] == user and words in each["text"] for each in self.slack.ephemerals),
            f"{user} is told {words!r}",
        )


@pytest.fixture
def channel(harness: Harness, tmp_path: Path) -> Iterator[Channel]:
    """A destination ``team`` with buttons, for which the daemon is started anew."""
    port = free_port()
    (tmp_path / "token").write_text(f"xoxb-{MARKER}\n")
    (tmp_path / "signing").write_text(f"{MARKER}\n")
    with serving() as slack:
        settings = {
            "DESTINATIONS__TEAM__KIND": "slack",
            "DESTINATIONS__TEAM__CHANNEL": "#ml-releases",
            "DESTINATIONS__TEAM__TOKEN_FILE": str(tmp_path / "token"),
            "DESTINATIONS__TEAM__URL": slack.url,
            "DESTINATIONS__TEAM__PLAIN_HTTP": "true",
            "SLACK_CALLBACKS__PORT": str(port),
            "SLACK_CALLBACKS__SIGNING_SECRET_FILE": str(tmp_path / "signing"),
            "SLACK_CALLBACKS__USERS": json.dumps({ANN: {"name": "ann@example.com"}}),
        }
        with harness.daemon_with_settings({f"SERINUS_{name}": value for name, value in settings.items()}):
            yield Channel(harness, slack, port)


def test_a_press_steers_and_the_history_names_who_it_was(harness: Harness, channel: Channel) -> None:
    model = harness.model(ENDLESS, notify=["team"])
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until_weight(rollout, 50)
        assert channel.call(channel.press(rollout, "pause")) == 200
        paused = harness.until(rollout, Phase.PAUSED, within=5)
        assert ACTOR in paused.message
        channel.until_told(f"{rollout}: paused by {ACTOR}")
        assert channel.call(channel.press(rollout, "resume")) == 200
        harness.until(rollout, Phase.PROGRESSING, within=5)
        assert channel.call(channel.press(rollout, "abort")) == 200
        harness.until(rollout, Phase.ABORTED)
        channel.root_of(rollout, None)
    assert harness.ask(model, 30) == {f"{model}@v1": 30}
    log = harness.entries(rollout)
    assert_gapless(log)
    spoken = [entry.event for entry in log if entry.actor == ACTOR]
    assert spoken == ["rollout_paused", "rollout_resumed", "rollout_aborted"]
    assert ACTOR in harness.cli("history", rollout).stdout


def test_promote_skips_the_steps_that_are_left(harness: Harness, channel: Channel) -> None:
    model = harness.model(ENDLESS, notify=["team"])
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until_weight(rollout, 50)
        assert channel.call(channel.press(rollout, "promote")) == 200
        harness.until(rollout, Phase.SUCCEEDED)
        channel.root_of(rollout, None)
    assert harness.ask(model, 30) == {f"{model}@v2": 30}


def test_what_is_forged_replayed_or_pressed_by_a_stranger_changes_nothing(
    harness: Harness, channel: Channel
) -> None:
    model = harness.model(ENDLESS, notify=["team"])
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until_weight(rollout, 50)
        pause, now = channel.press(rollout, "pause"), time.time()
        abort = channel.press(rollout, "abort")
        taken = signed(pause, MARKER, now)
        assert channel.call(pause, taken) == 200
        harness.until(rollout, Phase.PAUSED, within=5)
        assert harness.cli("resume", rollout).returncode == 0
        harness.until(rollout, Phase.PROGRESSING)
        channel.until_told("paused by")
        told = len(channel.slack.ephemerals)

        for headers in (
            {},
            signed(abort, f"not-{MARKER}", now),
            signed(abort, MARKER, now - 400),
            signed(abort, MARKER, now + 400),
            taken,
        ):
            assert channel.call(abort, headers) == 401
        assert channel.call(pause + b"&payload=1", taken) == 401
        assert channel.call(b"payload=" + MARKER.encode() * 10_000, taken) == 401
        assert channel.call(pause, taken) == 200, "a replay, which is dropped"

        daemon = harness.stage.daemon
        assert daemon.service is not None
        daemon.service.stop(10)
        daemon.start()
        assert channel.call(pause, taken) == 200, "a replay at a daemon that remembers no call"
        eventually(lambda: len(channel.slack.ephemerals) == told + 1, "it is answered as the first was")

        assert channel.call(channel.press(rollout, "abort", STRANGER)) == 200
        channel.until_told(f"your Slack user {STRANGER} is mapped to nobody", STRANGER)

        status = harness.client.status(rollout)
        assert (status.phase, status.weight) == (Phase.PROGRESSING, 50)
        log = harness.entries(rollout)
        assert [entry.event for entry in log if entry.actor == ACTOR] == ["rollout_paused"]
        assert [entry.event for entry in log].count("rollout_paused") == 1
        metrics = harness.http("/metrics")[1]
        harness.client.command(rollout, CommandKind.ABORT)
        harness.until(rollout, Phase.ABORTED)
    assert 'serinus_slack_callbacks_total{result="taken"} 2.0' in metrics
    shown = [harness.cli(word, rollout, "-o", "json").stdout for word in ("status", "why", "history")]
    shown += [metrics, harness.log_file.read_text(), json.dumps([channel.slack.messages])]
    shown += [json.dumps(channel.slack.ephemerals), "\n".join(map(str, harness.stored(rollout)))]
    for text in shown:
        assert text
        assert MARKER not in text
