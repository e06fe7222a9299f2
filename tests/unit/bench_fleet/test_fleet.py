"""What the fleet bench makes of its figures, and the page that shows them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from bench.fleet.figures import Figures, table
from bench.fleet.page import PAGE, part_of, with_part
from bench.fleet.picture import picture
from bench.fleet.proxy import Fault, Proxy
from bench.fleet.scene import mixed
from bench.fleet.world import HOLDING, STEPPING, Size
from controller.adapters.registry import catalogue
from controller.domain.policy import Policy
from controller.policy.loader import parse_policy

FIGURES = Figures(
    size=Size(1000, 100),
    seconds=60,
    cpu_ratio=0.07,
    memory_bytes=128 << 20,
    passes_per_second=6.7,
    late_p50_seconds=0.0025,
    late_p99_seconds=0.5,
    pass_p99_seconds=1,
    queries_per_interval=12,
    admin_per_second=0.7,
    metrics_bytes=400 << 10,
    metrics_seconds=0.05,
    list_seconds=0.25,
    start_seconds=2.5,
    rising_seconds=5.3,
    breaches=(61.0, 64.5, 65.0),
)


@pytest.mark.parametrize(
    ("policy", "judge", "steps"), [(HOLDING, "sequential", 1), (STEPPING, "threshold", 30)]
)
def test_the_policies_are_valid_and_have_four_checks(policy: str, judge: str, steps: int) -> None:
    found = parse_policy(policy.format(model="m1").encode(), "m1.yaml", catalogue(), lambda _: b"")
    assert isinstance(found, Policy), found
    assert (found.judge, len(found.steps), len(found.checks)) == (judge, steps, 4)
    assert found.interval.total_seconds() == 15


def test_requests_of_two_kinds_are_mixed_as_their_rates_are() -> None:
    turns = mixed([f"m{number}" for number in range(100)], 300, ["a", "b", "c", "d", "e"], 50)
    counts = Counter(turns)
    few = {counts.pop(name) for name in "abcde"}
    assert max(few) - min(few) <= 1
    assert set(counts.values()) == {1}
    assert sum(counts.values()) / (len(turns) - sum(counts.values())) == pytest.approx(300 / 50, rel=0.1)


def test_the_table_has_a_column_for_each_size() -> None:
    rows = table([FIGURES, replace(FIGURES, size=Size(5000, 1000), breaches=())]).splitlines()
    assert rows[0] == "| models / rolling | 1,000 / 100 | 5,000 / 1,000 |"
    assert "| breach to weight 0, p50 | 64.5 s | - |" in rows
    assert {row.count("|") for row in rows} == {4}


def test_the_picture_is_an_svg_file_with_every_size_in_words() -> None:
    sizes = [Size(100, 100), Size(1000, 100), Size(5000, 1000)]
    root = ET.fromstring(picture([replace(FIGURES, size=size) for size in sizes]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    (said, *_) = (each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}desc"))
    assert all(f"{size}: 7%" in said for size in sizes)


def test_a_part_of_the_page_is_replaced_and_the_others_stay() -> None:
    page = PAGE.read_text(encoding="utf-8")
    changed = with_part(page, "outage", "other figures")
    assert part_of(changed, "outage") == "other figures"
    assert part_of(changed, "growth") == part_of(page, "growth")
    assert with_part(changed, "outage", "other figures") == changed
    with pytest.raises(ValueError, match="nothing"):
        with_part(page, "nothing", "")


@asynccontextmanager
async def answered() -> AsyncIterator[Proxy]:
    """A proxy before a server that answers each line with the same line."""

    over = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()
        await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
            yield proxy
        await over.wait()


async def test_the_proxy_passes_on_what_it_is_sent_and_fails_when_it_is_told_to() -> None:
    async with answered() as proxy, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"
        proxy.fault = Fault.FAILING
        writer.write(b"two\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        await writer.wait_closed()
