"""Slack's API answering as it should not: what is followed, logged and repeated then."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.slack import SlackChannel, SlackDestination
from controller.errors import TargetError
from tests.receiver import CUT, LOST, Fault, Receiver, receiving
from tests.unit.notify.scenes import posting

TOKEN = "xoxb-T0KEN"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@dataclass
class Team:
    destination: SlackDestination
    memo: str = ""

    async def tell(self, seq: int) -> Taken | Failure:
        outcome = await self.destination.deliver([posting(seq)], self.memo)
        if isinstance(outcome, Taken):
            self.memo = outcome.memo
        return outcome


@pytest.fixture
async def team(receiver: Receiver, tmp_path: Path) -> AsyncIterator[Team]:
    (tmp_path / "token").write_text(TOKEN)
    channel = SlackChannel("team", tmp_path / "token", "#ml", receiver.slack.url)
    destination = SlackDestination(channel, apart=timedelta(0))
    yield Team(destination)
    await destination.close()


async def test_no_redirect_is_followed_which_would_show_the_token(receiver: Receiver, team: Team) -> None:
    receiver.fault = lambda _: Fault(302, {"Location": f"{receiver.url}elsewhere"}, took=False)
    assert await team.tell(1) == Failure("Slack answered 302")
    assert [(each.method, each.path) for each in receiver.requests] == [("POST", "/api/chat.postMessage")]


@pytest.mark.parametrize(
    "answer", [b"T0KEN, no JSON", b'{"ok": true}', b'["T0KEN"]', b'"T0KEN"', b"\xff", b"{" * 2_000_000]
)
async def test_an_answer_that_makes_no_sense_is_a_failure_and_stands_in_no_log(
    receiver: Receiver, team: Team, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.slack.refusals = [(200, {}, answer)]
    with caplog.at_level(logging.DEBUG):
        outcome = await team.tell(1)
    assert isinstance(outcome, Failure)
    assert outcome.message.startswith("Slack answered ")
    assert "T0KEN" not in outcome.message
    assert "T0KEN" not in caplog.text


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (LOST, "Slack answered 500"),
        (CUT, "Slack could not be reached: the connection was closed, or the answer is not HTTP"),
    ],
)
async def test_a_message_whose_answer_was_lost_is_posted_once(
    receiver: Receiver, team: Team, fault: Fault, said: str
) -> None:
    faults: list[Fault | None] = [fault, None]
    receiver.fault = lambda _: faults.pop(0) if faults else None
    assert await team.tell(1) == Failure(said)
    assert isinstance(await team.tell(1), Taken)
    faults += [None, fault]  # the update goes through, the reply's answer does not
    assert await team.tell(2) == Failure(said)
    assert isinstance(await team.tell(2), Taken)
    assert (len(receiver.slack.roots), len(receiver.slack.replies)) == (1, 1)


async def test_one_that_was_deleted_before_its_repeat_is_posted_anew(receiver: Receiver, team: Team) -> None:
    faults: list[Fault | None] = [LOST]
    receiver.fault = lambda _: faults.pop(0) if faults else None
    await team.tell(1)
    receiver.slack.messages.clear()
    assert isinstance(await team.tell(1), Taken)
    receiver.slack.messages.clear()
    assert isinstance(await team.tell(2), Taken)
    assert len(receiver.slack.roots) == 1


async def test_a_slack_that_knows_no_repeats_is_told_twice_rather_than_never(
    receiver: Receiver, team: Team
) -> None:
    receiver.slack.knows_repeats = False
    faults: list[Fault | None] = [LOST]
    receiver.fault = lambda _: faults.pop(0) if faults else None
    await team.tell(1)
    assert isinstance(await team.tell(1), Taken)
    assert len(receiver.slack.roots) == 2
    assert json.loads(team.memo)[1] == list(receiver.slack.messages)[-1]


async def test_two_destinations_are_not_each_other_s_repeats(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    for name in ("one", "two"):
        channel = SlackChannel(name, tmp_path / "token", "#ml", receiver.slack.url)
        destination = SlackDestination(channel)
        await destination.deliver([posting(1)], "")
        await destination.close()
    assert len(receiver.slack.roots) == 2


def test_an_address_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="kind slack is not a URL"):
        SlackDestination(SlackChannel("team", tmp_path, "#ml", "http://[::1/"))
