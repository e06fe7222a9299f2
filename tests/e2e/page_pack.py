"""The metrics pack of the page: written as the page says, found by lint, and read from a real Prometheus.

Played in the background, for most of it is waiting until Prometheus looks for its targets.
"""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from controller.adapters.metrics.packs import Pack, load_pack
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.domain.judge.counts import Block
from controller.domain.model import Rollout
from controller.domain.observation import Measure, Reading
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Release
from deploy.local.stack import REPOSITORY, Stack, free_port, replace_json
from tests.deploy.terminal import Terminal

SECOND = timedelta(seconds=1)
CHECKS = (
    Check("errors", CheckKind.RATIO, max=0.01),
    Check("ttft_p95", CheckKind.QUANTILE, max=0.75, quantile=0.95, measure="ttft"),
    Check("truncated", CheckKind.RATIO, max=0.1, measure="truncated"),
)


class Engine:
    """The metrics page of an engine that has answered so many requests, by how they ended."""

    def __init__(self) -> None:
        self.finished = {"stop": 0, "length": 0, "abort": 0}

    def exposition(self) -> str:
        lines = [
            f'house_answers_total{{ended="{reason}"}} {count}' for reason, count in self.finished.items()
        ]
        total = sum(self.finished.values())
        for metric in ("answer", "first_token", "token_latency"):
            bounds = (("0.5", total - self.finished["length"]), ("1.0", total), ("+Inf", total))
            lines += [f'house_{metric}_seconds_bucket{{le="{bound}"}} {count}' for bound, count in bounds]
        return "\n".join([*lines, ""])


@contextmanager
def serving(engine: Engine) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = engine.exposition().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_pack(folder: Path, commands: str) -> Pack:
    """The page's, written into a copy of the program whose lint then knows it."""
    shutil.copytree(
        REPOSITORY / "controller", folder / "controller", ignore=shutil.ignore_patterns("__pycache__")
    )
    terminal = Terminal(folder, {"PYTHONPATH": str(folder)})
    assert "every policy is valid" in terminal.run(commands)
    file = folder / "controller" / "adapters" / "metrics" / "packs" / "house-llm.yaml"
    return load_pack("house-llm", file.read_text(encoding="utf-8"))


def play_pack(folder: Path, commands: str) -> list[Block]:
    """What the pack reads of two engines of which the canary answers 50 requests and stable 200."""
    return asyncio.run(_read(write_pack(folder, commands), folder / "stack"))


async def _read(pack: Pack, folder: Path) -> list[Block]:
    stable, canary = Engine(), Engine()
    with serving(stable) as stable_port, serving(canary) as canary_port, Stack(folder) as stack:
        targets = [("v1", stable_port), ("v2", canary_port)]
        replace_json(
            stack.engines_file,
            [
                {"targets": [f"127.0.0.1:{port}"], "labels": {"model": "chat", "model_version": version}}
                for version, port in targets
            ],
        )
        prometheus = stack.prometheus(admin_port=free_port())
        source = PrometheusSource(f"http://127.0.0.1:{prometheus.port}", {"house-llm": pack})
        try:
            return await counted(source, stable, canary)
        finally:
            await source.close()


async def counted(source: PrometheusSource, stable: Engine, canary: Engine) -> list[Block]:
    """The blocks in which the two answer 200 and 50 requests."""
    policy = Policy("chat", "ml", RouteRef("httpRoute", "chat"), "house-llm", (), CHECKS, interval=SECOND)
    rollout = Rollout(
        "chat-2", "chat", Release("v2", ()), policy, datetime.now(UTC), "ann", stable=Release("v1", ())
    )
    blocks: list[Block] = []
    cursor: datetime | None = None
    asked = False
    async with asyncio.timeout(30):
        while not asked or sum(block.checks[0].canary.requests for block in blocks) < 50:
            found = await source.read(rollout, Measure(cursor))
            if isinstance(found, Reading):
                cursor = found.blocks[-1].end if found.blocks else cursor or found.server_time
                blocks += found.blocks
                if found.blocks and not asked:
                    asked = True
                    stable.finished["stop"] += 200
                    canary.finished.update(stop=40, length=7, abort=3)
            await asyncio.sleep(0.2)
        end = cursor
        while end == cursor or cursor is None:  # stable's scrape may close a block later
            found = await source.read(rollout, Measure(cursor))
            if isinstance(found, Reading) and found.blocks:
                cursor = found.blocks[-1].end
                blocks += found.blocks
            await asyncio.sleep(0.2)
    return blocks
