"""The engine pack on a real Prometheus that scrapes engines which we can restart and stop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import reduce
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.domain.judge.counts import Block, Tally
from controller.domain.model import Rollout
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Release
from controller.domain.vocabulary import Reason
from deploy.local.render import EngineTarget
from deploy.local.serving.engine_metrics import EngineMetrics
from deploy.local.stack import Stack, free_port

pytestmark = pytest.mark.integration

SECOND = timedelta(seconds=1)
PATIENCE_SECONDS = 30
CHECKS = (
    Check("errors", CheckKind.RATIO, max=0.01),
    Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99),
)
MINE = '{model_name="$model",model_version="$version"}'
OWN = (
    Check(
        "served_p99",
        CheckKind.QUANTILE,
        max=0.5,
        quantile=0.99,
        query='rest_server_request_duration_seconds_bucket{model_version="$version",path!~".*health.*"}',
    ),
    Check(
        "failed",
        CheckKind.RATIO,
        max=0.01,
        query=f"model_infer_request_failure_total{MINE}",
        of=f"model_infer_request_duration_count{MINE}",
    ),
)
"""The policy's own selections of what the pack measures, too."""


class Engine:
    """An engine's metrics page. The engine's own counters are real; its inferences are not."""

    def __init__(self) -> None:
        self.metrics = EngineMetrics()

        class Page(BaseHTTPRequestHandler):
            def do_GET(page) -> None:  # noqa: N805 - self is the engine
                body = self.metrics.exposition()
                page.send_response(200)
                page.send_header("Content-Length", str(len(body)))
                page.end_headers()
                page.wfile.write(body)

            def log_message(page, format: str, *args: Any) -> None:  # noqa: A002, N805 - the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def serve(self, good: int, failed: int = 0) -> None:
        for number in range(good + failed):
            with (
                suppress(RuntimeError),
                self.metrics.request("POST", "/v2/models/{name}/infer"),
                self.metrics.inference("fraud", None),
            ):
                if number < failed:
                    raise RuntimeError
        with self.metrics.request("GET", "/v2/health/ready"):
            pass

    def restart(self) -> None:
        self.metrics = EngineMetrics()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def rollout() -> Rollout:
    policy = Policy(
        "fraud", "ml", RouteRef("envoy", "/fraud"), "mlserver", (), (*CHECKS, *OWN), interval=SECOND
    )
    now = datetime.now(UTC)
    return Rollout("fraud", "fraud", Release("v2", ()), policy, now, "ann", stable=Release("v1", ()))


class World:
    """Two engines, Prometheus scraping them each second, and our source."""

    def __init__(self, source: PrometheusSource, stable: Engine, canary: Engine) -> None:
        self.source = source
        self.stable = stable
        self.canary = canary
        self.cursor: datetime | None = None
        self.blocks: list[Block] = []

    async def read(self) -> Reading | NoReading:
        outcome = await self.source.read(rollout(), Measure(self.cursor))
        if isinstance(outcome, Reading) and outcome.blocks:
            self.blocks += outcome.blocks
            self.cursor = outcome.blocks[-1].end
        return outcome

    async def cover(self, more: timedelta) -> None:
        """Read until blocks cover all that happened until now, and some time more."""
        start = await self.source.read(rollout(), Measure(None))
        assert isinstance(start, Reading)
        self.cursor = self.cursor or start.server_time
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.cursor < start.server_time + more:
                await self.read()
                await asyncio.sleep(0.1)

    async def begin(self) -> None:
        """Wait until both engines are scraped, then start counting."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.blocks:
                now = await self.source.read(rollout(), Measure(None))
                assert isinstance(now, Reading)
                self.cursor = now.server_time - 2 * SECOND
                await self.read()
                await asyncio.sleep(0.2)
        await self.cover(SECOND)
        self.blocks.clear()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    stable, canary = Engine(), Engine()
    try:
        with Stack(tmp_path) as stack:
            stack.engines(
                [EngineTarget("fraud", "v1", stable.port), EngineTarget("fraud", "v2", canary.port)]
            )
            prometheus = stack.prometheus(admin_port=free_port())
            source = PrometheusSource(f"http://127.0.0.1:{prometheus.port}", built_in_packs())
            yield World(source, stable, canary)
            await source.close()
    finally:
        stable.stop()
        canary.stop()


def _whole(blocks: Sequence[Block], check: int, arm: str) -> Tally:
    """All that a check counted of one version."""
    tallies = (getattr(block.checks[check], arm) for block in blocks)
    return reduce(Tally.plus, tallies, Tally())


async def test_newborn_failures_and_restarts_are_counted_to_the_last_request(world: World) -> None:
    world.stable.serve(1000)
    await world.begin()
    world.stable.serve(500)
    world.canary.serve(0, failed=9)
    await world.cover(2 * SECOND)
    world.canary.restart()
    world.canary.serve(4, failed=2)  # fewer than before: more would hide the reset, as in any counter
    await world.cover(2 * SECOND)
    errors = [block.checks[0] for block in world.blocks]
    assert sum(counts.stable.requests for counts in errors) == 500
    assert sum(counts.canary.requests for counts in errors) == 9 + 6
    assert sum(counts.canary.bad for counts in errors) == 9 + 2
    durations = [block.checks[1] for block in world.blocks]
    assert sum(counts.canary.requests for counts in durations) == 9 + 6
    assert sum(counts.stable.requests for counts in durations) == 500
    for pack, own in (
        (0, 3),
        (1, 2),
    ):  # in all: a counter that falls and one that is born differ in their seconds
        for arm in ("canary", "stable"):
            known, mine = (_whole(world.blocks, check, arm) for check in (pack, own))
            assert (mine.requests, mine.bad, mine.buckets) == (known.requests, known.bad, known.buckets)


async def test_an_engine_that_stops_is_stale_though_the_other_goes_on(world: World) -> None:
    await world.begin()
    world.canary.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            outcome = await world.read()
            if isinstance(outcome, NoReading):
                break
            await asyncio.sleep(0.2)
    assert outcome.reason is Reason.METRICS_STALE
    assert "canary v2 of fraud" in outcome.message
