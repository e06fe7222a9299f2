"""A hundred rollouts at once: one daemon on one core, checks every 5 s, real Envoy and Prometheus.

Every model has a stable version and rolls a second one out at 5 %, with an error and three latency checks.
Prints processor time, memory, how late passes began, and what the daemon asked of Prometheus, over a minute.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.machine import cpu_seconds, resident_bytes
from controller.control.client import ControlClient
from controller.control.interface import Order
from deploy.local.http_client import Connection
from deploy.local.stack import Service, Stack, free_port

MODELS = 100
REQUESTS_PER_SECOND = 200
MEASURED_SECONDS = 60
STARTED_WITHIN_SECONDS = 90
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
POLICY = """\
model: m{number}
route: {{envoy: /v2/models/m{number}}}
metrics: envoy
interval: 5s
judge: threshold
steps: [{{weight: 5%, for: 1h, min_requests: 20}}]
bake: 1s
checks:
  errors: {{max: 5%}}
  latency_p50: {{max: 1s}}
  latency_p95: {{max: 2s}}
  latency_p99: {{max: 3s}}
"""


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
            await writer.drain()
    writer.close()


async def _send(port: int, stop: asyncio.Event) -> None:
    """Requests to every model in turn, at a steady rate."""
    connection = await Connection.open("127.0.0.1", port)
    number, began = 0, time.monotonic()
    while not stop.is_set():
        number += 1
        await asyncio.sleep(max(0.0, began + number / REQUESTS_PER_SECOND - time.monotonic()))
        await connection.send(
            f"GET /v2/models/m{number % MODELS}/infer HTTP/1.1\r\nhost: bench\r\n\r\n".encode()
        )
    connection.close()


def _daemon(stack: Stack, gateway: Service, prometheus: Service) -> tuple[Service, ControlClient]:
    policies, state, socket = stack.folder / "policies", stack.folder / "state", stack.folder / "serinus.sock"
    policies.mkdir()
    state.mkdir()
    for number in range(MODELS):
        (policies / f"m{number}.yaml").write_text(POLICY.format(number=number))
    port = free_port()
    env = {
        "SERINUS_STATE_DIR": str(state),
        "SERINUS_POLICIES_DIR": str(policies),
        "SERINUS_SOCKET": str(socket),
        "SERINUS_HTTP_PORT": str(port),
        "SERINUS_ENVOY__FOLDER": str(stack.xds),
        "SERINUS_ENVOY__ADMIN_URL": f"http://127.0.0.1:{gateway.metrics_port}",
        "SERINUS_PROMETHEUS__URL": f"http://127.0.0.1:{prometheus.port}",
    }
    service = stack.start("serinus", (sys.executable, "-m", "controller", "run"), port, "/readyz", env)
    os.sched_setaffinity(service.pid, {0})
    return service, ControlClient(socket)


def scrape(port: int) -> dict[str, float]:
    """The metrics that a process shows: value by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in _samples(lines)}


def _samples(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            yield name, value


def lateness(before: dict[str, float], after: dict[str, float], q: float) -> float:
    """The upper bound of the histogram bucket that holds the quantile of the passes in between."""
    prefix = 'serinus_pass_lateness_seconds_bucket{le="'
    rows = sorted(
        (float(name.removeprefix(prefix).removesuffix('"}')), count - before.get(name, 0.0))
        for name, count in after.items()
        if name.startswith(prefix)
    )
    wanted = q * rows[-1][1]
    return next(bound for bound, count in rows if count >= wanted)


async def _wait(client: ControlClient, phase: str) -> float:
    began = time.monotonic()
    while time.monotonic() - began < STARTED_WITHIN_SECONDS:
        found = await asyncio.to_thread(client.get)
        if sum(status.phase == phase for status in found.items) == MODELS:
            return time.monotonic() - began
        await asyncio.sleep(1)
    msg = f"not every model is {phase} after {STARTED_WITHIN_SECONDS} s"
    raise TimeoutError(msg)


async def _deploy(client: ControlClient, version: str, endpoint: str) -> None:
    for number in range(MODELS):
        await asyncio.to_thread(client.deploy, Order(f"m{number}", version, [endpoint]))


async def _measure(daemon: Service, prometheus: Service) -> None:
    before, queries = scrape(daemon.port), scrape(prometheus.port)
    cpu, began, most = cpu_seconds(daemon.pid), time.monotonic(), 0
    while time.monotonic() - began < MEASURED_SECONDS:
        most = max(most, resident_bytes(daemon.pid))
        await asyncio.sleep(1)
    seconds = time.monotonic() - began
    after, asked = scrape(daemon.port), scrape(prometheus.port)
    passes = after['serinus_passes_total{outcome="ok"}'] - before['serinus_passes_total{outcome="ok"}']
    name = 'prometheus_http_requests_total{code="200",handler="/api/v1/query"}'
    p50, p99 = (lateness(before, after, q) for q in (0.5, 0.99))
    print(f"{MODELS} rollouts, checks every 5 s, daemon on one core, {seconds:.0f} s measured")
    print(f"  processor   {(cpu_seconds(daemon.pid) - cpu) / seconds:.1%} of one core")
    print(f"  memory      {most / 2**20:.0f} MiB resident at most (goal: under 150)")
    print(f"  passes      {passes / seconds:.1f} a second")
    print(f"  lateness    p50 <= {p50 * 1e3:g} ms, p99 <= {p99 * 1e3:g} ms")
    print(f"  Prometheus  {(asked[name] - queries[name]) / seconds:.1f} queries a second")


async def _run(folder: Path) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    stop = asyncio.Event()
    with Stack(folder) as stack:
        gateway = await asyncio.to_thread(stack.envoy)
        prometheus = await asyncio.to_thread(
            lambda: stack.prometheus(gateway.metrics_port, scrape_interval_seconds=5)
        )
        daemon, client = await asyncio.to_thread(_daemon, stack, gateway, prometheus)
        await _deploy(client, "v1", endpoint)
        await _wait(client, "Succeeded")
        sending = asyncio.create_task(_send(gateway.port, stop))
        await _deploy(client, "v2", endpoint)
        await _wait(client, "Progressing")
        await asyncio.sleep(10)
        await _measure(daemon, prometheus)
        stop.set()
        await sending
    server.close()


def main() -> None:
    """Print the figures; takes about three minutes."""
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as folder:
        asyncio.run(_run(Path(folder)))


if __name__ == "__main__":
    main()
