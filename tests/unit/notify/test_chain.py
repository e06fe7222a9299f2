"""From the commit to a receiver that misbehaves, over real sockets: nothing is lost, nothing comes unknown.

The clock is the loop's, which stands still while a socket or a thread is busy and jumps when all wait; so an
hour of back-off is gone through attempt by attempt, and takes no time.
"""

import asyncio
import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from controller.domain.vocabulary import Phase
from tests import virtual_time
from tests.receiver import CUT, LIMITED, LOST, REDIRECT, TEN_SECONDS_SLOW, Fault, Receiver, Request
from tests.unit.notify.chain import ENDS, TOKEN, Chain, chain
from tests.virtual_time import SocketLoop

KINDS = ("webhook", "slack-webhook", "slack")
FAULTS = {
    "slow": TEN_SECONDS_SLOW,
    "limited": LIMITED,
    "redirect": REDIRECT,
    "lost answer": LOST,
    "cut answer": CUT,
}
HOUR = 3600.0
FIRST, LONGEST = 1.0, 300.0
"""Seconds: the wait before the first repeat, and the longest before any."""


def half_of_all(fault: Fault) -> Callable[[Receiver], None]:
    """By chance, but the same each time."""
    chosen = random.Random(5)

    def prepare(receiver: Receiver) -> None:
        receiver.fault = lambda _: fault if chosen.random() < 0.5 else None

    return prepare


def nothing(_: Receiver) -> None:
    pass


def rollout_of(told: str) -> str:
    return told.rpartition("-")[0]


def assert_all_came_in_order(found: Chain, kind: str) -> None:
    taken = [each for each in found.receiver.taken if each.method == "POST"]
    if kind == "slack":
        assert_in_slack(found)
        return
    by_id: dict[str, list[Request]] = {}
    for each in taken:
        by_id.setdefault(each.headers["webhook-id"], []).append(each)
    assert list(by_id) == found.told, "each came, in the order of the commits"
    for told, repeats in by_id.items():
        assert {each.raw for each in repeats} == {repeats[0].raw}
        if kind == "webhook":
            assert repeats[0].body["id"] == told
            assert repeats[0].body["subject"] == rollout_of(told)
    if kind == "webhook":
        ends = {each.body["data"]["rollout"]: each.body["data"]["phase"] for each in taken}
        assert ends == {f"r{place}": end for place, end in enumerate(ENDS)}


def assert_in_slack(found: Chain) -> None:
    slack = found.receiver.slack
    assert slack.tokens == {f"Bearer {TOKEN}"}
    assert len(slack.roots) == len(ENDS), "one root for each rollout"
    for place, end in enumerate(ENDS):
        ((ts, root),) = [
            (ts, each)
            for ts, each in slack.messages.items()
            if "thread_ts" not in each and f"r{place}: " in each["text"]
        ]
        assert f"{end} (" in json.dumps(root["blocks"]), "the root is up to date"
        replies = [each["text"] for each in slack.replies if each["thread_ts"] == ts]
        said = [line.partition(". ")[2] for reply in replies for line in reply.splitlines()]
        assert list(dict.fromkeys(said)) == [
            f"r{place} is {phase}" for phase in (Phase.PREPARING, Phase.PROGRESSING, end)
        ]


def connected() -> list[tuple[float, tuple[str, int]]]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SocketLoop)
    return loop.connected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_with_half_of_all_requests_loses_nothing(
    name: str, kind: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with chain(kind, tmp_path, half_of_all(FAULTS[name])) as found:
            await found.receiver.open()
            await found.play(*ENDS)
            await found.until_settled()
            assert_all_came_in_order(found, kind)
            assert found.counted("sent") == len(found.told) == 4 * len(ENDS)
            assert found.counted("dead") == 0
            assert len(found.receiver.requests) > len(found.told), "something did go wrong"
            # of all places, a redirect's among them, only the receiver was gone to
            assert {address for _, address in connected()} == {found.receiver.address}
            assert {each.method for each in found.receiver.requests} == {"POST"}
            if name == "limited":
                assert_waited(found.receiver.requests, 30)

    virtual_time.run_with_sockets(scenario())


def assert_waited(requests: list[Request], seconds: float) -> None:
    """After each refusal as long as it asked for."""
    times = [at for at, _ in connected()]
    assert len(times) == len(requests)
    gaps = [after - before for before, after in pairwise(times)]
    assert any(gap >= seconds for gap in gaps)
    assert all(gap < 2 or gap >= seconds for gap in gaps)


def assert_backed_off(times: list[float], least: float) -> None:
    """Doubled each time, from half to all of it, ``least`` apart; at most five minutes."""
    for attempt, (before, after) in enumerate(pairwise(times)):
        full = min(FIRST * 2**attempt, LONGEST)
        assert full / 2 <= after - before <= max(full, least) + 0.001, (attempt, after - before)


@pytest.mark.parametrize("kind", KINDS)
def test_an_hour_of_outage_is_gone_through_by_the_back_off_and_loses_nothing(
    kind: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with chain(kind, tmp_path, nothing) as found:
            await found.play(*ENDS)
            loop = asyncio.get_running_loop()
            await asyncio.sleep(HOUR - loop.time())
            refused = [at for at, _ in connected()]
            assert found.receiver.requests == []
            assert_backed_off(refused, least=1.0 if kind == "slack" else 0.0)
            assert 15 <= len(refused) <= 40
            await found.receiver.open()
            await found.until_settled()
            assert_all_came_in_order(found, kind)
            first_heard = connected()[len(refused)][0]
            assert first_heard <= HOUR + LONGEST, "news within five minutes of the receiver's return"
            assert found.counted("dead") == 0

    virtual_time.run_with_sockets(scenario())


def test_what_nobody_took_for_a_day_is_given_up_counted_and_logged_and_the_next_is_told(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with chain("webhook", tmp_path, nothing) as found:
            await found.play(Phase.SUCCEEDED)
            await asyncio.sleep(24 * HOUR - 600)
            assert found.settled == []
            await asyncio.sleep(1200)
            assert found.counted("dead") == len(found.told) == 4
            assert await found.store.destinations() == []
            lost = list(found.told)
            await found.receiver.open()
            await found.play(Phase.ROLLED_BACK, name="later")
            await found.until_settled()
            came = [each["id"] for each in found.receiver.events]
            assert came == found.told[len(lost) :]
            assert found.counted("sent") == len(came)
            tries = len(connected()) - len(found.receiver.requests)
            assert tries > 24 * HOUR / LONGEST

    with capture_logs() as logs:
        virtual_time.run_with_sockets(scenario())
    given_up = [log for log in logs if log["event"] == "notification_given_up"]
    assert [log["notification"] for log in given_up] == [f"r0-{seq}" for seq in range(1, 5)]
    assert {log["failure"] for log in given_up} == {"connection refused"}
    assert given_up[0]["attempts"] > 24 * HOUR / LONGEST
    assert {log["log_level"] for log in given_up} == {"error"}
