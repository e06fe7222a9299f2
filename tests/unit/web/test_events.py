"""Live events: the present first, then each change; for whom they may be, and no longer than that."""

import asyncio
from dataclasses import replace

import pytest

from controller.control.doors import MACHINE
from controller.control.views import StatusView
from tests.unit.control.stage import progressing
from tests.unit.web.stage import ANN, BEN, CY, Site, Stream


@pytest.fixture
def site() -> Site:
    return Site()


async def opened(site: Site, query: str = "", token: str = ANN, last: str | None = None) -> Stream:
    stream = Stream(site.app, query, token, last)
    head = await stream.start()
    assert head["status"] == 200
    assert (b"content-type", b"text/event-stream; charset=utf-8") in head["headers"]
    return stream


async def until_ready(stream: Stream) -> list[str]:
    """The rollouts that there were."""
    found = []
    while (event := await stream.next())[0] != "ready":
        found.append(event[1]["rollout"])
    return found


async def test_the_present_comes_first_and_then_each_change(site: Site) -> None:
    begun = site.begin()
    stream = await opened(site)
    assert await until_ready(stream) == ["fraud-1"]
    site.show(replace(begun, seq=2, message="on its way"))
    kind, data, _ = await stream.next()
    assert kind == "rollout"
    assert (StatusView.model_validate(data).message, data["seq"]) == ("on its way", 2)
    site.board.put(MACHINE, "fraud", "fraud-1", None)
    assert (await stream.next())[:2] == ("gone", {"rollout": "fraud-1", "model": "fraud", "namespace": None})
    await stream.close()


async def test_a_stream_goes_on_after_the_last_event_that_was_heard(site: Site) -> None:
    begun = site.begin()
    stream = await opened(site)
    await until_ready(stream)
    site.show(replace(begun, seq=2))
    _, _, number = await stream.next()
    await stream.close()
    site.show(replace(begun, seq=3))
    site.show(replace(begun, seq=4))
    again = await opened(site, last=number)
    assert (await again.next())[1]["seq"] == 4, "the newest state; what lay between is skipped"
    await again.close()


@pytest.mark.parametrize(
    "last", ["", "x", "deadbeef-1", "-1", "{run}-", "{run}-99", "{run}-1e5", "{run}-" + "9" * 40]
)
async def test_after_an_event_that_nobody_knows_comes_the_whole_present(site: Site, last: str) -> None:
    site.begin()
    stream = await opened(site, last=last.replace("{run}", site.board.run))
    assert await until_ready(stream) == ["fraud-1"]
    await stream.close()


async def test_one_models_events_are_no_others(site: Site) -> None:
    begun = site.begin()
    site.begin(replace(progressing(), id="other-1", model="other"))
    stream = await opened(site, "model=other")
    assert await until_ready(stream) == ["other-1"]
    site.show(replace(begun, seq=2))
    site.show(replace(begun, id="other-1", model="other", seq=2))
    assert (await stream.next())[1]["rollout"] == "other-1"
    await stream.close()


async def test_who_may_follow_no_longer_is_let_go_within_a_minute(site: Site) -> None:
    begun = site.begin()
    stream = await opened(site, token=BEN)
    await until_ready(stream)
    del site.doorman.rights["ben"]
    site.seconds += 61
    site.show(replace(begun, seq=2))
    events = [await stream.next(), await stream.next()]
    assert events[-1][0] == "end"
    await stream.close()


async def test_whose_token_has_ended_is_let_go_too(site: Site) -> None:
    begun = site.begin()
    stream = await opened(site, token=BEN)
    await until_ready(stream)
    site.doorman.people.clear()
    site.seconds += 61
    site.show(replace(begun, seq=2))
    assert [(await stream.next())[0], (await stream.next())[0]][-1] == "end"
    await stream.close()


async def test_who_may_nothing_follows_nothing(site: Site) -> None:
    assert (await Stream(site.app, token=CY).start())["status"] == 403


async def test_a_daemon_that_stops_lets_everybody_go(site: Site) -> None:
    stream = await opened(site)
    await until_ready(stream)
    site.board.close()
    assert (await stream.next())[0] == "end"
    await stream.close()


async def test_who_reads_slowly_is_owed_the_newest_state_only(site: Site) -> None:
    begun = site.begin()
    stream = await opened(site)
    await until_ready(stream)
    for seq in range(2, 5000):
        site.show(replace(begun, seq=seq))
    seen = [(await stream.next())[1]["seq"]]
    assert seen == [4999]
    assert stream.sent.qsize() == 0
    await stream.close()


async def test_who_hangs_up_leaves_nothing_behind(site: Site) -> None:
    before = len(asyncio.all_tasks())
    streams = [await opened(site) for _ in range(5)]
    for stream in streams:
        await stream.close()
    assert len(asyncio.all_tasks()) == before
