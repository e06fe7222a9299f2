"""Packs on engines themselves, each installed in an environment of its own: MLServer, Ray Serve, llama.cpp.

Most of the time is their start, so they start together, once. What a pack does in all cases is shown in
``tests/contract/test_packs.py``; here it is shown that the engines show what the packs read.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.adapters.metrics.recognising import PackRecogniser
from controller.domain.judge.counts import Block, Tally
from controller.domain.measures import AUTO, MetricsPage
from controller.domain.model import Rollout
from controller.domain.observation import Measure, Reading
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Release
from deploy.local.engines import install_engine
from deploy.local.stack import REPOSITORY, Stack, free_port, replace_json, wait_until_ready

pytestmark = [pytest.mark.integration, pytest.mark.engines]

GOOD, FAILED = 20, 5
PATIENCE_SECONDS = 60
START_SECONDS = 180
CHECKS = (
    Check("errors", CheckKind.RATIO, max=0.01),
    Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99),
)
RUNTIME = """
from mlserver import MLModel
from mlserver.types import InferenceResponse

class Told(MLModel):
    async def predict(self, payload):
        if payload.id == "fail":
            raise ValueError
        return InferenceResponse(model_name=self.name, outputs=[])
"""


@dataclass(frozen=True)
class Engine:
    """A running engine; ``ask`` sends one request, which fails if it is told to."""

    pack: str
    metrics_port: int
    ask: Callable[[bool], int]


def post(port: int, path: str, body: bytes) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def mlserver(stack: Stack, folder: Path) -> Engine:
    model = folder / "fraud"
    model.mkdir()
    (model / "told.py").write_text(RUNTIME)
    (model / "model-settings.json").write_text(json.dumps({"name": "fraud", "implementation": "told.Told"}))
    service = stack.mlserver(install_engine("mlserver") / "bin" / "mlserver", model)

    def ask(fail: bool) -> int:
        body: dict[str, object] = {"id": "fail" if fail else "good", "inputs": []}
        return post(service.port, "/v2/models/fraud/infer", json.dumps(body).encode())

    return Engine("mlserver", service.metrics_port, ask)


def rayserve(stack: Stack, folder: Path) -> Engine:
    port, metrics_port = free_port(), free_port()
    python = install_engine("rayserve") / "bin" / "python"
    app = REPOSITORY / "deploy" / "local" / "serving" / "rayserve_app.py"
    argv = (str(python), str(app), str(port), str(metrics_port), str(folder))
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": ""}
    service = stack.launch("rayserve", argv, port, environment)
    wait_until_ready(service, port, "/fraud", timeout_seconds=START_SECONDS)
    return Engine("rayserve", metrics_port, lambda fail: post(port, "/fraud", b"fail" if fail else b"x"))


def llamacpp(stack: Stack, folder: Path) -> Engine:
    """An OpenAI-compatible server on a language model that is made here."""
    port = free_port()
    python = install_engine("llamacpp") / "bin" / "python"
    app = REPOSITORY / "deploy" / "local" / "serving" / "llamacpp_app.py"
    argv = (str(python), str(app), str(port), str(folder))
    service = stack.launch("llamacpp", argv, port, {"PYTHONPATH": ""})
    wait_until_ready(service, port, "/health", timeout_seconds=START_SECONDS)

    def ask(fail: bool) -> int:
        body = {"prompt": "hello", "max_tokens": "many" if fail else 4}
        return post(port, "/v1/completions", json.dumps(body).encode())

    return Engine("llamacpp", port, ask)


@contextmanager
def engines(folder: Path) -> Iterator[dict[str, Engine]]:
    """Both, and a Prometheus that scrapes them each second as the versions of a model each."""
    with (
        TemporaryDirectory(prefix="ray") as short,
        Stack(folder / "stack") as stack,
        ThreadPoolExecutor() as threads,
    ):
        starting = [
            threads.submit(mlserver, stack, folder),
            threads.submit(rayserve, stack, Path(short)),
            threads.submit(llamacpp, stack, folder),
        ]
        found = {one.pack: one for one in (each.result() for each in starting)}
        targets = [
            {
                "targets": [f"127.0.0.1:{engine.metrics_port}"],
                "labels": {"model": pack, "model_name": pack, "model_version": "v1"},
            }
            for pack, engine in found.items()
        ]
        replace_json(stack.engines_file, targets)
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Engine]]]:
    folder = tmp_path_factory.mktemp("engines")
    with engines(folder) as found, Stack(folder / "measuring") as stack:
        (folder / "stack" / "engines.json").rename(stack.engines_file)
        prometheus = stack.prometheus(admin_port=free_port())
        yield f"http://127.0.0.1:{prometheus.port}", found


def rollout(pack: str, metrics: str, page: MetricsPage) -> Rollout:
    """The first version of a model, so that the engine is all that there is."""
    interval = timedelta(seconds=1)
    policy = Policy(
        pack, "ml", RouteRef("httpRoute", pack), metrics, (), CHECKS, interval=interval, metrics_page=page
    )
    return Rollout(f"{pack}-1", pack, Release("v1"), policy, datetime.now(UTC), "ann")


async def measured(source: PrometheusSource, pack: str, asked: Callable[[], None]) -> list[Block]:
    """The blocks from before the requests until all of them are counted."""
    what = rollout(pack, pack, MetricsPage())
    blocks: list[Block] = []
    cursor: datetime | None = None
    done = False
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not done or sum(block.canary_requests for block in blocks) < GOOD + FAILED or wanting(blocks):
            found = await source.read(what, Measure(cursor))
            if isinstance(found, Reading):
                cursor = found.blocks[-1].end if found.blocks else cursor or found.server_time
                blocks += found.blocks
                if found.blocks and not done:
                    await asyncio.to_thread(asked)
                    done = True
            await asyncio.sleep(0.2)
    return blocks


def wanting(blocks: list[Block]) -> bool:
    """Whether durations are still behind the answers."""
    return total(blocks, 1).requests < GOOD + FAILED


def total(blocks: list[Block], check: int) -> Tally:
    return reduce(Tally.plus, (block.checks[check].canary for block in blocks), Tally())


@pytest.mark.parametrize("pack", ["mlserver", "rayserve"])
async def test_a_pack_counts_what_the_engine_answered(
    running: tuple[str, dict[str, Engine]], pack: str
) -> None:
    address, found = running
    engine = found[pack]
    statuses: list[int] = []

    def ask() -> None:
        statuses.extend(engine.ask(fail) for fail in [False] * GOOD + [True] * FAILED)

    source = PrometheusSource(address, built_in_packs())
    try:
        blocks = await measured(source, pack, ask)
    finally:
        await source.close()
    assert [status < 500 for status in statuses] == [True] * GOOD + [False] * FAILED
    assert (total(blocks, 0).requests, total(blocks, 0).bad) == (GOOD + FAILED, FAILED)
    assert total(blocks, 1).requests == GOOD + FAILED
    assert total(blocks, 1).bounds


@pytest.mark.parametrize("pack", ["mlserver", "rayserve"])
async def test_the_engine_is_recognised_by_what_it_shows(
    running: tuple[str, dict[str, Engine]], pack: str
) -> None:
    _, found = running
    engine = found[pack]
    assert engine.ask(False) < 500
    recogniser = PackRecogniser(built_in_packs())
    try:
        what = rollout(pack, AUTO, MetricsPage(engine.metrics_port))
        async with asyncio.timeout(PATIENCE_SECONDS):
            seen = await recogniser.recognise(what, ["127.0.0.1:1"])
            while not seen.pack:  # Ray shows a counter when it was first exported
                await asyncio.sleep(0.2)
                seen = await recogniser.recognise(what, ["127.0.0.1:1"])
    finally:
        await recogniser.close()
    assert seen.pack == pack


async def test_a_language_model_s_server_that_tells_no_versions_apart_is_recognised_and_refused(
    running: tuple[str, dict[str, Engine]],
) -> None:
    engine = running[1]["llamacpp"]
    assert [engine.ask(fail) for fail in (False, True)] == [200, 400]
    page = await asyncio.to_thread(fetched, engine.metrics_port)
    samples = [line.split()[0] for line in page.splitlines() if line and not line.startswith("#")]
    assert "llamacpp:requests_deferred" in samples
    assert not any("{" in name for name in samples), "then its pack could tell versions apart"
    counted = [name for name in samples if "request" in name and name.endswith("_total")]
    assert not counted, "then its pack could count requests"
    recogniser = PackRecogniser(built_in_packs())
    try:
        what = rollout("llamacpp", AUTO, MetricsPage(engine.metrics_port))
        seen = await recogniser.recognise(what, ["127.0.0.1:1"])
    finally:
        await recogniser.close()
    assert not seen.pack
    assert "llamacpp, which cannot be used" in seen.message


def fetched(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
