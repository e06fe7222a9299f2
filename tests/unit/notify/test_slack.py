"""A rollout in a channel of a server that plays Slack's API."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.slack import SlackChannel, SlackDestination
from controller.adapters.notify.slack_blocks import reply, root, weight_bar
from controller.domain.vocabulary import Phase
from controller.ports import Posting
from tests.receiver import receiving
from tests.slack_server import Answered, Slack
from tests.unit.notify.scenes import entry, posting, rollout

TOKEN = "xoxb-T0KEN"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def slack() -> Iterator[Slack]:
    with receiving() as receiver:
        yield receiver.slack


@pytest.fixture
def channel(slack: Slack, tmp_path: Path) -> SlackChannel:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return SlackChannel("team", tmp_path / "token", "#ml-releases", slack.url)


async def delivered(channel: SlackChannel, told: Posting, memo: str = "") -> Taken | Failure:
    destination = SlackDestination(channel, apart=timedelta(0))
    try:
        return await destination.deliver([told], memo)
    finally:
        await destination.close()


async def all_delivered(channel: SlackChannel, *told: Posting) -> str:
    memo = ""
    for each in told:
        outcome = await delivered(channel, each, memo)
        assert isinstance(outcome, Taken), outcome
        memo = outcome.memo
    return memo


def texts(message: dict[str, Any]) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


async def test_a_rollout_has_one_root_that_is_kept_up_to_date_and_its_events_in_the_thread(
    slack: Slack, channel: SlackChannel
) -> None:
    events = [posting(seq) for seq in range(1, 6)]
    over = replace(
        events[-1], rollout=replace(events[-1].rollout, phase=Phase.SUCCEEDED, message="v2 serves everyone")
    )
    await all_delivered(channel, *events[:-1], over)
    (main,) = slack.roots
    assert "✅ fraud: v1 → v2" in texts(main)
    assert "v2 serves everyone" in texts(main)
    assert main["channel"] == "C01"
    assert len(slack.replies) == 4
    assert {message["thread_ts"] for message in slack.replies} == {"1764000000.000001"}
    assert slack.tokens == {f"Bearer {TOKEN}"}
    assert [method for method, _ in slack.calls[:3]] == [
        "chat.postMessage",
        "chat.update",
        "chat.postMessage",
    ]


async def test_the_root_says_where_it_is_what_the_checks_say_and_what_comes_next(
    slack: Slack, channel: SlackChannel
) -> None:
    await all_delivered(channel, posting())
    said = texts(slack.roots[0])
    assert "errors" in said
    assert "Weight" in said
    assert "Next: " in said
    assert slack.roots[0]["unfurl_links"] is False


async def test_a_root_that_somebody_deleted_is_posted_anew(slack: Slack, channel: SlackChannel) -> None:
    memo = await all_delivered(channel, posting(1))
    slack.messages.clear()
    outcome = await delivered(channel, posting(2), memo)
    assert isinstance(outcome, Taken)
    assert len(slack.roots) == 1


async def test_a_repeat_after_half_of_it_makes_no_second_root(slack: Slack, channel: SlackChannel) -> None:
    memo = await all_delivered(channel, posting(1))
    slack.refusals = [Slack.yes("1764000000.000001"), Slack.no("ratelimited", 429, Retry_After="7")]
    outcome = await delivered(channel, posting(2), memo)
    assert outcome == Failure("Slack answered ratelimited", retry_after=timedelta(seconds=7))
    assert isinstance(await delivered(channel, posting(2), memo), Taken)
    assert (len(slack.roots), len(slack.replies)) == (1, 1)


@pytest.mark.parametrize(
    ("refusal", "failure"),
    [
        (Slack.no("invalid_auth"), Failure("Slack answered invalid_auth")),
        (Slack.no("invalid_blocks"), Failure("Slack answered invalid_blocks", final=True)),
        (Slack.no("T0KEN is <wrong>"), Failure("Slack answered 200")),
        ((500, {}, b"T0KEN"), Failure("Slack answered 500")),
        (
            (503, {"Retry-After": "3"}, b"<html>"),
            Failure("Slack answered 503", retry_after=timedelta(seconds=3)),
        ),
    ],
)
async def test_what_slack_refuses_is_told_in_its_word_and_no_more(
    slack: Slack, channel: SlackChannel, refusal: Answered, failure: Failure
) -> None:
    slack.refusals = [refusal]
    assert await delivered(channel, posting()) == failure


async def test_a_slack_that_is_down_is_told_without_its_address(channel: SlackChannel) -> None:
    outcome = await delivered(replace(channel, api="http://127.0.0.1:1/api/"), posting())
    assert isinstance(outcome, Failure)
    assert outcome.message.startswith("Slack could not be reached")
    assert not outcome.final


async def test_without_its_token_nothing_is_sent(slack: Slack, channel: SlackChannel) -> None:
    channel.token_file.write_text("two tokens")
    assert await delivered(channel, posting()) == Failure("the token file cannot be used (ValueError)")
    channel.token_file.unlink()
    assert await delivered(channel, posting()) == Failure("the token file cannot be used (FileNotFoundError)")
    assert slack.calls == []


async def test_a_burst_is_one_update_and_one_reply(slack: Slack, channel: SlackChannel) -> None:
    destination = SlackDestination(channel, apart=timedelta(0))
    first = await destination.deliver([posting(1)], "")
    assert isinstance(first, Taken)
    burst = [posting(seq, message=f"event {seq} <!here>") for seq in range(2, 12)]
    assert len(burst) == destination.at_once
    second = await destination.deliver(burst, first.memo)
    await destination.close()
    assert isinstance(second, Taken)
    assert second.memo == first.memo
    assert [method for method, _ in slack.calls] == ["chat.postMessage", "chat.update", "chat.postMessage"]
    reply = slack.calls[-1][1]
    assert [f"event {seq}" in texts(reply) for seq in range(2, 12)] == [True] * 10
    assert "<!here>" not in reply["text"]
    assert len(reply["blocks"]) <= 50


async def test_messages_to_a_channel_are_a_second_apart(slack: Slack, channel: SlackChannel) -> None:
    """Slack's limit; told by the clock of the destination, here a twentieth of it."""
    destination = SlackDestination(channel, apart=timedelta(milliseconds=50))
    began = datetime.now(UTC)
    memo = ""
    for seq in range(1, 4):
        outcome = await destination.deliver([posting(seq)], memo)
        assert isinstance(outcome, Taken)
        memo = outcome.memo
    await destination.close()
    assert datetime.now(UTC) - began >= 4 * timedelta(milliseconds=50)
    assert len(slack.calls) == 5


@pytest.mark.parametrize("memo", ["", "x", "[]", '["C01"]', '["C01", 7]', "7", '{"channel": "C01"}'])
async def test_a_memo_that_is_none_begins_anew(slack: Slack, channel: SlackChannel, memo: str) -> None:
    assert isinstance(await delivered(channel, posting(), memo), Taken)
    assert len(slack.roots) == 1


def test_a_bar_is_full_only_for_everybody_and_empty_only_for_nobody() -> None:
    assert [weight_bar(permille).count("▓") for permille in (0, 1, 99, 100, 500, 999, 1000)] == [
        0,
        1,
        1,
        1,
        5,
        9,
        10,
    ]


@given(st.text(), st.text(), st.text())
def test_no_text_pings_anybody_or_breaks_slack_s_limits(message: str, model: str, version: str) -> None:
    hostile = replace(
        rollout(),
        model=model + "<!channel>" * 50,
        message=message + "<@U123>" * 1000,
        created_by=f"<https://evil|{version}>",
        phase=Phase.PAUSED,
        resume_to=Phase.PROGRESSING,
    )
    for block in [*root(hostile, NOW), *reply(hostile, entry(message=message * 50 + "<!here>" * 1000))]:
        shown = block.to_dict()
        if block.type == "header":
            assert shown["text"]["type"] == "plain_text"
            assert len(shown["text"]["text"]) <= 150
            continue
        marked = [shown.get("text"), *shown.get("fields", []), *shown.get("elements", [])]
        for each in filter(None, marked):
            assert each["verbatim"] is True
            assert not set("<>") & set(each["text"])
            assert len(each["text"]) <= 3000
        assert len(shown.get("fields", [])) <= 10
