"""What callers may cost: strangers next to nothing, people so much a second, and nobody an endless body."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.control.board import Board
from controller.errors import TransientError
from controller.web.admission import BURST, DOUBTED_SECONDS
from controller.web.application import ROOT
from controller.web.memory import Memory, Rates
from tests.unit.web.stage import ANN, BEN, CY, MARKER, STRANGE, Site, Stream

ME = f"{ROOT}/me"


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_person_has_so_many_requests_a_second_and_another_persons_are_their_own(site: Site) -> None:
    statuses = [(await site.ask("GET", ME)).status_code for _ in range(BURST + 5)]
    assert statuses == [200] * BURST + [429] * 5
    answer = await site.ask("GET", ME)
    assert int(answer.headers["retry-after"]) >= 1
    assert (await site.ask("GET", ME, token=BEN)).status_code == 200
    site.seconds += 0.2
    assert [(await site.ask("GET", ME)).status_code for _ in range(3)] == [200, 200, 429]


async def test_the_doorman_is_asked_about_a_token_once_in_ten_seconds(site: Site) -> None:
    for _ in range(5):
        await site.ask("GET", ME)
    assert site.doorman.asked == {"person": 1, "list": 1}
    site.seconds += 10.5
    await site.ask("GET", ME)
    assert site.doorman.asked == {"person": 2, "list": 2}


async def test_who_lost_a_right_loses_it_within_ten_seconds(site: Site) -> None:
    assert (await site.ask("GET", ME)).status_code == 200
    site.doorman.people.clear()
    site.seconds += 10.5
    assert (await site.ask("GET", ME)).status_code == 401


async def test_a_word_is_asked_about_anew_each_time(site: Site) -> None:
    site.begin()
    path, word = f"{ROOT}/rollouts/fraud-1/actions", {"kind": "pause", "request_id": "request-0001"}
    assert (await site.ask("POST", path, json=word)).status_code == 200
    site.doorman.rights["ann(1000)"].discard("pause")
    assert (await site.ask("POST", path, json=word)).status_code == 403


async def test_a_no_is_believed_for_a_moment_only(site: Site) -> None:
    assert (await site.ask("GET", ME, token=CY)).status_code == 403
    site.doorman.rights["cy"] = {"list"}
    site.seconds += DOUBTED_SECONDS + 0.1
    assert (await site.ask("GET", ME, token=CY)).status_code == 200


async def test_strangers_make_the_doorman_work_so_often_and_no_more(site: Site) -> None:
    statuses = [(await site.ask("GET", ME, token=f"{STRANGE}{number}")).status_code for number in range(100)]
    assert statuses.count(401) == site.doorman.asked["person"] == 40
    assert statuses[40:] == [429] * 60
    assert (await site.ask("GET", ME, token=None)).status_code == 429


async def test_who_is_known_is_served_while_strangers_call_from_the_same_address(site: Site) -> None:
    assert (await site.ask("GET", ME)).status_code == 200
    for number in range(60):
        await site.ask("GET", ME, token=f"{STRANGE}{number}")
    assert (await site.ask("GET", ME)).status_code == 200


async def test_good_tokens_do_not_count_as_strangers(site: Site) -> None:
    for number in range(100):
        token = f"robot-{number:03}-of-the-factory"
        site.doorman.people[token] = site.doorman.people[BEN]
        site.seconds += 0.1
        assert (await site.ask("GET", ME, token=token)).status_code == 200


async def test_so_many_tokens_are_looked_at_at_a_time(site: Site) -> None:
    site.doorman.gate = asyncio.Event()
    asked = [asyncio.create_task(site.ask("GET", ME, token=f"{STRANGE}{number}")) for number in range(12)]
    for _ in range(500):
        await asyncio.sleep(0)
    assert site.doorman.asked["person"] == 8
    site.doorman.gate.set()
    statuses = sorted([(await each).status_code for each in asked])
    assert statuses == [401] * 8 + [503] * 4


async def test_when_nobody_can_say_who_it_is_nobody_is_let_in(site: Site) -> None:
    site.doorman.fault = TransientError(f"HTTP 500: {MARKER}")
    answer = await site.ask("GET", ME)
    assert answer.status_code == 503
    assert MARKER not in answer.text


async def test_a_stranger_costs_no_body(site: Site) -> None:
    read = 0

    async def body() -> Any:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 1000

    answer = await site.ask("POST", f"{ROOT}/rollouts/fraud-1/actions", token=STRANGE, content=body())
    assert (answer.status_code, read) == (401, 0)


@pytest.mark.parametrize("told", [True, False])
async def test_a_body_that_is_too_long_is_refused_before_it_is_over(site: Site, told: bool) -> None:
    site.begin()
    before, read = site.state, 0

    async def body() -> Any:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield b"x" * 1024

    headers = {"content-type": "application/json", **({"content-length": str(1000 * 1024)} if told else {})}
    answer = await site.ask("POST", f"{ROOT}/rollouts/fraud-1/actions", content=body(), headers=headers)
    assert answer.status_code == 413
    assert read <= 65
    assert site.state == before


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_only_json_is_taken(site: Site, kind: str) -> None:
    site.begin()
    before = site.state
    answer = await site.ask(
        "POST",
        f"{ROOT}/rollouts/fraud-1/actions",
        content=b'{"kind": "abort", "request_id": "request-0001"}',
        headers={"content-type": kind},
    )
    assert answer.status_code == 415
    assert site.state == before


async def test_one_persons_streams_are_few(site: Site) -> None:
    streams = [Stream(site.app) for _ in range(9)]
    statuses = [(await stream.start())["status"] for stream in streams]
    assert sorted(statuses) == [200] * 8 + [429]
    for stream in streams:
        await stream.close()
    again = Stream(site.app)
    assert (await again.start())["status"] == 200
    await again.close()


async def test_answers_are_counted_and_strangers_make_one_line_a_minute(site: Site) -> None:
    with capture_logs() as lines:
        for _ in range(5):
            await site.ask("GET", ME, token=None)
        await site.ask("GET", ME)
    assert site.counted == {401: 5, 200: 1}
    assert [line["event"] for line in lines] == ["web_caller_unauthenticated"]


async def test_no_token_stands_in_any_log_or_answer(site: Site) -> None:
    site.begin()
    shown: list[str] = []
    with capture_logs() as lines:
        for token in (ANN, BEN, CY, STRANGE):
            for path in ("/me", "/rollouts/fraud-1", "/policies", "/none", "/rollouts?limit=x"):
                answer = await site.ask("GET", ROOT + path, token=token)
                shown += [answer.text, str(answer.headers)]
            for kind in ("pause", "resume", "nonsense"):
                body = {"kind": kind, "request_id": f"request-{kind}"}
                answer = await site.ask("POST", f"{ROOT}/rollouts/fraud-1/actions", token=token, json=body)
                shown += [answer.text, str(answer.headers)]
    assert lines
    assert MARKER not in "".join(shown) + str(lines)


def test_memory_is_bounded_and_forgets() -> None:
    now = [0.0]
    memory: Memory[int, str] = Memory(3, lambda: now[0])
    for number in range(5):
        memory.put(number, "x", 10)
    assert [memory.get(number) for number in range(5)] == [None, None, "x", "x", "x"]
    now[0] = 10.0
    assert memory.get(4) is None


def test_rates_are_kept_of_a_bounded_number() -> None:
    rates = Rates(1, 1, most=2, monotonic=lambda: 0.0)
    assert rates.take("a") == 0
    assert rates.take("a") > 0
    assert [rates.take(who) for who in ("b", "c")] == [0, 0]
    assert rates.take("a") == 0, "forgotten, for memory's sake"


async def test_a_board_keeps_a_bounded_number_and_says_when_it_forgot() -> None:
    board = Board(most=2)
    for name in ("a", "b", "a", "c"):
        board.put("ml", name, f"{name}-1", None)
    found = board.since(2)
    assert found is not None
    assert [(each.number, each.rollout) for each in found] == [(3, "a-1"), (4, "c-1")]
    assert board.since(1) is None
    assert board.since(5) is None
    assert board.since(4) == []
