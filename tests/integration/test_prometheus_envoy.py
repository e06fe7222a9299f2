"""Counts of a real Prometheus that scrapes a real Envoy are the numbers of requests that were sent."""

import asyncio
import http.client
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.metrics.client import PrometheusAccess
from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.adapters.naming import backend_name
from controller.domain.judge.counts import Block
from controller.domain.model import Rollout
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Release
from controller.domain.vocabulary import Reason
from deploy.local import render
from deploy.local.stack import Service, Stack, free_port, replace_json

pytestmark = pytest.mark.integration

SECOND = timedelta(seconds=1)
PATIENCE_SECONDS = 30
CHECKS = (
    Check("errors", CheckKind.RATIO, max=0.01),
    Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99),
    Check(
        "seen",
        CheckKind.GAUGE,
        max=1e9,
        query='sum(envoy_cluster_upstream_rq_xx{envoy_cluster_name="$backend"})',
    ),
)
STABLE, CANARY = "1.0.0", "1.1.0"
MODELS = ("counted", "gauged", "quiet", "fraud")
IDLE = [f"idle-{number}" for number in range(99)]


class Backend(BaseHTTPRequestHandler):
    """Answers with the status that the path names; ``/slow`` after longer than Envoy waits."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for each answer
    slow_request = threading.Event()
    gone = threading.Event()

    def do_GET(self) -> None:
        if self.path.endswith("slow"):
            self.slow_request.set()
            self.gone.wait(1.5)
        status = int(self.path.rsplit("/", 1)[1]) if self.path[-3:].isdigit() else 200
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@contextmanager
def backend() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rollout(model: str = "fraud", *checks: Check) -> Rollout:
    policy = Policy(
        model, "ml", RouteRef("envoy", f"/{model}"), "envoy", (), checks or CHECKS, interval=SECOND
    )
    return Rollout(
        model,
        model,
        Release(CANARY, ()),
        policy,
        datetime.now(UTC),
        "ann",
        stable=Release(STABLE, ()),
    )


@dataclass(frozen=True)
class Running:
    """Envoy with two versions of each model behind it, and Prometheus scraping it each second."""

    stack: Stack
    gateway: Service
    prometheus: Service


class World:
    """One model's requests and counts."""

    def __init__(self, running: Running, source: PrometheusSource, model: str) -> None:
        self.stack = running.stack
        self.gateway = running.gateway
        self.prometheus = running.prometheus
        self.source = source
        self.model = model
        self.cursor: datetime | None = None
        self.blocks: list[Block] = []

    async def send(self, version: str, path: str, count: int) -> None:
        await asyncio.to_thread(self._send, f"/v2/models/{self.model}-{version}{path}", count)

    def _send(self, path: str, count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=10)
        for _ in range(count):
            connection.request("GET", path)
            connection.getresponse().read()
        connection.close()

    async def read(self) -> Reading | NoReading:
        outcome = await self.source.read(rollout(self.model), Measure(self.cursor))
        if isinstance(outcome, Reading):
            if self.cursor is None:
                self.cursor = outcome.server_time
            elif outcome.blocks:
                assert not self.blocks or outcome.blocks[0].start == self.blocks[-1].end
                self.blocks += outcome.blocks
                self.cursor = outcome.blocks[-1].end
        return outcome

    async def settle(self, until: datetime) -> Reading:
        """Read until blocks cover an instant of Prometheus' clock; give the last reading."""
        last: Reading | None = None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while last is None or self.cursor is None or self.cursor < until:
                outcome = await self.read()
                last = outcome if isinstance(outcome, Reading) and outcome.blocks else last
                await asyncio.sleep(0.1)
        return last

    async def now(self) -> datetime:
        outcome = await self.source.read(rollout(self.model), Measure(None))
        assert isinstance(outcome, Reading)
        return outcome.server_time

    async def unread(self, reason: Reason) -> NoReading:
        """Read until there is no reading for the reason."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                outcome = await self.read()
                if isinstance(outcome, NoReading) and outcome.reason is reason:
                    return outcome
                await asyncio.sleep(0.2)

    def total(self, *, canary: bool) -> int:
        return sum(block.canary_requests if canary else block.stable_requests for block in self.blocks)

    def bad(self, *, canary: bool) -> int:
        tallies = [block.checks[0].canary if canary else block.checks[0].stable for block in self.blocks]
        assert all(tally.bad <= tally.requests for tally in tallies)
        return sum(tally.bad for tally in tallies)

    def durations(self) -> tuple[int, int]:
        """How many answers of the canary were timed, and how many of them lay above the last bound."""
        tallies = [block.checks[1].canary for block in self.blocks]
        return sum(tally.requests for tally in tallies), sum(
            tally.buckets[-1] for tally in tallies if tally.buckets
        )


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    with backend() as port, Stack(folder) as stack:
        named = [(model, version) for model in (*MODELS, *IDLE) for version in (STABLE, CANARY)]
        clusters = {backend_name(model, version): port for model, version in named}
        clusters[backend_name("dead", CANARY)] = free_port()
        named.append(("dead", CANARY))
        weights = {f"{model}-{version}": {backend_name(model, version): 100} for model, version in named}
        replace_json(stack.xds / "cds.json", render.clusters(clusters))
        replace_json(stack.xds / "rds.json", render.routes(weights, timeout_seconds=0.5))
        gateway = stack.envoy()
        yield Running(stack, gateway, stack.prometheus(gateway.metrics_port))


@asynccontextmanager
async def world_of(running: Running, model: str) -> AsyncIterator[World]:
    url = f"http://127.0.0.1:{running.prometheus.port}"
    source = PrometheusSource(url, built_in_packs(), PrometheusAccess(timeout=5 * SECOND))
    world = World(running, source, model)
    await scraped(world)
    yield world
    await source.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("shared")) as parts:
        yield parts


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    """For tests that stop a part."""
    with running(tmp_path) as parts:
        yield parts


async def scraped(world: World) -> None:
    """Wait until both clusters were scraped for a while; then start counting, in a block that has begun."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            since = await world.now() - 2 * SECOND
            outcome = await world.source.read(rollout(world.model), Measure(since))
            if isinstance(outcome, Reading) and outcome.blocks:
                break
            await asyncio.sleep(0.2)
        await world.read()
        assert world.cursor is not None
        while True:
            if await world.now() >= world.cursor + SECOND:
                break
            await asyncio.sleep(0.1)


async def test_counts_are_exactly_the_requests_that_were_sent(shared: Running) -> None:
    async with world_of(shared, "counted") as world:
        await world.send(STABLE, "/200", 300)
        await world.send(CANARY, "/503", 7)  # the canary's very first traffic is nothing but errors
        await world.send(CANARY, "/200", 120)
        await world.send(CANARY, "/404", 3)
        await asyncio.gather(*(world.send(CANARY, "/slow", 1) for _ in range(4)))
        await world.settle(await world.now() + 3 * SECOND)  # Envoy flushes histograms once a second
        assert world.total(canary=False) == 300
        assert world.total(canary=True) == 134
        assert world.bad(canary=True) == 7 + 4
        assert world.bad(canary=False) == 0
        assert world.durations() == (134, 4)


async def test_the_policy_s_own_query_is_answered_for_each_version(shared: Running) -> None:
    async with world_of(shared, "gauged") as world:
        await world.send(STABLE, "/200", 30)
        await world.send(CANARY, "/200", 12)
        found = await world.settle(await world.now() + 2 * SECOND)
        assert [(gauge.canary, gauge.stable) for gauge in found.gauges] == [(12.0, 30.0)]
        assert found.warnings == ()


async def test_failed_connections_are_bad_answers(shared: Running) -> None:
    async with world_of(shared, "quiet") as world:
        await asyncio.to_thread(world._send, f"/v2/models/dead-{CANARY}/200", 5)
        await world.settle(await world.now() + 2 * SECOND)
        dead = replace(rollout("dead"), stable=None)
        outcome = await world.source.read(dead, Measure(world.blocks[0].start))
        assert isinstance(outcome, Reading)
        tallies = [block.checks[0].canary for block in outcome.blocks]
        assert (sum(t.requests for t in tallies), sum(t.bad for t in tallies)) == (5, 5)


async def test_requests_that_the_client_gives_up_are_no_answers(shared: Running) -> None:
    async with world_of(shared, "quiet") as world:
        gave_up = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=10)
        Backend.slow_request.clear()
        gave_up.request("GET", f"/v2/models/quiet-{CANARY}/slow")
        assert await asyncio.to_thread(Backend.slow_request.wait, PATIENCE_SECONDS)
        gave_up.close()
        await world.settle(await world.now() + 2 * SECOND)
        assert world.total(canary=True) == 0


async def test_a_hundred_rollouts_at_once_cost_as_many_queries_as_one(shared: Running) -> None:
    async with world_of(shared, "fraud") as world:
        await world.settle(await world.now() + 3 * SECOND)
        since = await world.now() - 2 * SECOND
        before = await queries(world)
        models = ("fraud", *IDLE)
        reads = [world.source.read(rollout(model, *CHECKS[:2]), Measure(since)) for model in models]
        for outcome in await asyncio.gather(*reads):
            assert isinstance(outcome, Reading)
            assert [block.canary_requests for block in outcome.blocks] == [0] * len(outcome.blocks)
        # the time, the pulse, and all counters at once
        assert await queries(world) - before == 3


async def test_a_restarted_gateway_loses_no_counts(own: Running) -> None:
    async with world_of(own, "fraud") as world:
        await world.send(STABLE, "/200", 50)
        await world.settle(await world.now() + 2 * SECOND)
        world.gateway.stop()
        replacement = world.stack.envoy(world.gateway.port, world.gateway.metrics_port)
        await world.send(STABLE, "/200", 20)
        await world.send(CANARY, "/500", 2)
        await world.settle(await world.now() + 3 * SECOND)
        assert replacement.process.poll() is None
        assert world.total(canary=False) == 70
        assert world.bad(canary=True) == 2


async def test_what_stops_is_told_and_nothing_is_lost_when_it_is_back(own: Running) -> None:
    async with world_of(own, "fraud") as world:
        await world.send(CANARY, "/200", 40)
        await world.settle(await world.now() + 2 * SECOND)
        world.prometheus.stop()
        outcome = await world.read()
        assert outcome == NoReading(Reason.METRICS_UNAVAILABLE, "the connection to Prometheus failed")
        await world.send(CANARY, "/200", 25)
        await world.send(CANARY, "/500", 5)
        world.stack.prometheus(world.gateway.metrics_port, world.prometheus.port)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while world.total(canary=True) < 70:
                await world.read()
                await asyncio.sleep(0.2)
        assert (world.total(canary=True), world.bad(canary=True)) == (70, 5)
        world.gateway.stop()
        stale = await world.unread(Reason.METRICS_STALE)
        assert "is it scraped?" in stale.message
        assert world.total(canary=True) == 70


async def queries(world: World) -> int:
    """How many queries Prometheus answered, by its own count."""
    return await asyncio.to_thread(_queries, world.prometheus.port)


def _queries(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    prefix = 'prometheus_http_requests_total{code="200",handler="/api/v1/query"}'
    (line,) = (line for line in text.splitlines() if line.startswith(prefix))
    return round(float(line.rsplit(" ", 1)[1]))
