"""Who pressed, whether they may, and what they are told."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from controller.adapters.notify.slack import SlackChannel
from controller.adapters.slack_callbacks.answers import EphemeralAnswers
from controller.adapters.slack_callbacks.desk import MOST_AT_ONCE
from controller.control.errors import Refused
from controller.errors import InvariantError, StoreUnavailable
from tests.receiver import serving
from tests.slack_caller import interaction, signed
from tests.slack_server import Slack
from tests.unit.slack_callbacks.stage import (
    ANN,
    BEN,
    NOBODY,
    NOW,
    SECRET,
    VALUE,
    Callbacks,
    asgi,
    pressed,
)

TOKEN = "xoxb-T0KEN"


@pytest.fixture
async def callbacks(tmp_path: Path) -> Callbacks:
    return Callbacks(tmp_path)


async def told(callbacks: Callbacks, user: str = ANN, word: str = "pause") -> str:
    with structlog.testing.capture_logs():
        assert await callbacks.press(word, user) == 200
    [(whom, text)] = callbacks.answers.told
    assert whom == user
    return text


@pytest.mark.parametrize("word", ["promote", "pause", "resume", "abort"])
async def test_who_may_is_followed(callbacks: Callbacks, word: str) -> None:
    assert await told(callbacks, ANN, word) == f"fraud-1: {word} by ann@example.com (Slack)"
    assert [errand.kind for errand in callbacks.steering.errands] == [word]


async def test_who_is_not_mapped_is_told_what_to_ask_for(callbacks: Callbacks) -> None:
    assert await told(callbacks, NOBODY) == (
        f"Nothing was changed: your Slack user {NOBODY} is mapped to nobody. Ask the operator of Serinus to "
        f"add {NOBODY} to slack_callbacks.users."
    )
    assert callbacks.steering.errands == []


async def test_who_is_mapped_and_may_not_is_told_so(callbacks: Callbacks) -> None:
    assert await told(callbacks, BEN) == "ben@example.com may not pause"
    assert callbacks.steering.errands == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            Refused("it is paused already", "serinus status fraud"),
            "it is paused already. To do: serinus status",
        ),
        (
            StoreUnavailable("M4RKER"),
            "is not known, for something did not answer. See serinus status fraud-1",
        ),
        (TimeoutError(), "is not known"),
        (InvariantError("M4RKER"), "is not known"),
        (KeyError("M4RKER"), "failed by a defect of Serinus"),
    ],
)
async def test_what_goes_wrong_is_told_without_what_others_wrote(
    callbacks: Callbacks, fault: Exception, words: str
) -> None:
    callbacks.steering.fault = fault
    said = await told(callbacks)
    assert words in said
    assert "M4RKER" not in said


async def test_a_press_that_takes_too_long_is_answered_all_the_same(tmp_path: Path) -> None:
    callbacks = Callbacks(tmp_path, within=timedelta(0))
    callbacks.steering.gate.clear()
    assert "is not known" in await told(callbacks)


async def test_so_many_at_a_time_and_the_next_may_come_again(callbacks: Callbacks) -> None:
    callbacks.steering.gate.clear()
    assert all(callbacks.desk.take(pressed()) for _ in range(MOST_AT_ONCE))
    with structlog.testing.capture_logs():
        full = callbacks.desk.take(pressed())
    assert not full
    callbacks.steering.gate.set()
    await callbacks.desk.close()
    assert callbacks.desk.take(pressed())
    await callbacks.desk.close()
    assert len(callbacks.steering.errands) == MOST_AT_ONCE + 1


async def test_a_call_that_was_too_much_may_come_again(callbacks: Callbacks) -> None:
    callbacks.steering.gate.clear()
    busy = [callbacks.desk.take(pressed()) for _ in range(MOST_AT_ONCE)]
    body = interaction("serinus_pause", VALUE.model_dump_json())
    headers = signed(body, SECRET, NOW)
    with structlog.testing.capture_logs():
        first = await asgi(callbacks.app, body, headers, "POST")
        callbacks.steering.gate.set()
        await callbacks.desk.close()
        second = await callbacks.call(body, headers)
    assert (all(busy), first, second) == (True, 503, 200)
    assert callbacks.counted == {"busy": 1, "taken": 1}


class TestAnswers:
    @pytest.fixture
    def slack(self) -> Iterator[Slack]:
        with serving() as started:
            yield started

    @pytest.fixture
    async def answers(self, slack: Slack, tmp_path: Path) -> AsyncIterator[EphemeralAnswers]:
        (tmp_path / "token").write_text(TOKEN)
        channel = SlackChannel("team", tmp_path / "token", "#ml-releases", slack.url)
        made = EphemeralAnswers({"team": channel}, timedelta(seconds=2))
        yield made
        await made.close()

    async def test_only_who_pressed_sees_it_and_it_pings_nobody(
        self, slack: Slack, answers: EphemeralAnswers
    ) -> None:
        await answers.tell(pressed(), "done <!channel> & more")
        assert slack.ephemerals == [
            {"channel": "C01", "user": ANN, "text": "done &lt;!channel&gt; &amp; more"}
        ]
        assert slack.tokens == {f"Bearer {TOKEN}"}
        assert slack.messages == {}

    @pytest.mark.parametrize(
        ("refusal", "error"),
        [
            (Slack.no("user_not_in_channel"), "Slack answered user_not_in_channel"),
            (Slack.no("M4RKER is <wrong>"), "Slack answered 200"),
            ((500, {}, b"M4RKER"), "Slack answered 500"),
            ((200, {}, b"M4RKER"), "Slack answered 200"),
        ],
    )
    async def test_what_slack_refuses_is_logged_in_its_word_and_no_more(
        self, slack: Slack, answers: EphemeralAnswers, refusal: tuple[int, dict[str, str], bytes], error: str
    ) -> None:
        slack.refusals = [refusal]
        with structlog.testing.capture_logs() as lines:
            await answers.tell(pressed(), "done")
        [line] = lines
        assert line["event"] == "slack_answer_failed"
        assert TOKEN not in json.dumps(line)
        assert "M4RKER" not in json.dumps(line)
        assert line["error"] == error

    async def test_a_destination_that_is_gone_and_a_token_that_is_none_are_logged(
        self, slack: Slack, answers: EphemeralAnswers, tmp_path: Path
    ) -> None:
        (tmp_path / "token").write_text("two tokens")
        with structlog.testing.capture_logs() as lines:
            await answers.tell(pressed(destination="other"), "done")
            await answers.tell(pressed(), "done")
        assert [line["error"] for line in lines] == [
            "the settings have no such destination any more",
            "ValueError",
        ]
        assert slack.calls == []
