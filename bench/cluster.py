"""The daemon in a cluster: a thousand ModelRollouts on one core, a hundred in progress, leaders that change.

On a real API server, etcd and Prometheus (`bench.cluster_world`), through the tests' proxy that shows an API
server of 2021 as one of today: what the daemon waits for includes that proxy, in Python, on the other core.
Needs KUBEBUILDER_ASSETS, as the integration tests do.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bench.cluster_world import NAMESPACE, World
from bench.hundred import lateness, scrape
from bench.machine import cpu_seconds, quantile, resident_bytes
from controller.features import Feature
from deploy.local.stack import Service, Stack, free_port
from tests.e2e.cluster.daemon import settings
from tests.e2e.cluster.rights import grant
from tests.kube.apiserver import ApiServer
from tests.kube.crds.catalogue import definitions

ENDED = 1000
MODELS = 100
MEASURED_SECONDS = 60
HOME = "bench-home"
_PATIENCE_SECONDS = 400


class Replicas:
    """Processes of the daemon, one after the other, each under a name of its own."""

    def __init__(self, world: World, account: str, prometheus: Service) -> None:
        self._world = world
        self._account = account
        url = f"http://127.0.0.1:{prometheus.port}"
        self._common = settings(HOME, [NAMESPACE], [Feature.WORKLOADS], world.policies, url)
        self._count = 0

    def start(self) -> Service:
        """The next; it lives, and may not lead."""
        self._count += 1
        name, port = f"serinus-{self._count}", free_port()
        env = {
            **self._common,
            "SERINUS_KUBERNETES__IDENTITY": name,
            "SERINUS_KUBERNETES__KUBECONFIG": str(self._world.server.kubeconfig(self._account)),
            "SERINUS_HTTP_PORT": str(port),
        }
        argv = (sys.executable, "-m", "controller", "run")
        service = self._world.stack.start(name, argv, port, "/readyz", env)
        os.sched_setaffinity(service.pid, {0})
        return service


async def until(fact: Callable[[], bool], what: str) -> float:
    """Wait for a fact; the seconds that it took. Raises TimeoutError."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE_SECONDS:
        if await asyncio.to_thread(fact):
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    msg = f"not within {_PATIENCE_SECONDS} s: {what}"
    raise TimeoutError(msg)


def leads(daemon: Service) -> bool:
    """Whether the process holds the lease and works."""
    return scrape(daemon.port)["serinus_leader"] == 1


def calls(shown: dict[str, float], *, watches: bool) -> float:
    """Calls to the API server, those that open a watch or all others."""
    prefix = 'serinus_api_requests_total{code="'
    found = {name: value for name, value in shown.items() if name.startswith(prefix)}
    return sum(value for name, value in found.items() if ('verb="watch"' in name) == watches)


async def measure(daemon: Service, what: str) -> None:
    """A minute of the daemon's life."""
    before, cpu, began, most = scrape(daemon.port), cpu_seconds(daemon.pid), time.monotonic(), 0
    while time.monotonic() - began < MEASURED_SECONDS:
        most = max(most, resident_bytes(daemon.pid))
        await asyncio.sleep(1)
    seconds, after = time.monotonic() - began, await asyncio.to_thread(scrape, daemon.port)
    asked = calls(after, watches=False) - calls(before, watches=False)
    opened = calls(after, watches=True) - calls(before, watches=True)
    print(f"{what}, {seconds:.0f} s measured")
    print(f"  processor   {(cpu_seconds(daemon.pid) - cpu) / seconds:.1%} of one core")
    print(f"  memory      {most / 2**20:.0f} MiB resident at most")
    print(f"  API server  {asked / seconds:.2f} requests a second, and {opened:.0f} watches opened")
    passes = 'serinus_passes_total{outcome="ok"}'
    if after.get(passes, 0) > before.get(passes, 0):
        p50, p99 = (lateness(before, after, q) for q in (0.5, 0.99))
        print(f"  passes      {(after[passes] - before.get(passes, 0)) / seconds:.1f} a second, ", end="")
        print(f"late p50 <= {p50 * 1e3:g} ms, p99 <= {p99 * 1e3:g} ms")


def patched_after(log: Path) -> list[float]:
    """Seconds from each commit that changes a weight to the route being patched, by the daemon's log."""
    committed: dict[str, datetime] = {}
    found = []
    for line in log.read_text().splitlines():
        if not line.startswith("{"):
            continue
        entry = json.loads(line)
        at = datetime.fromisoformat(entry["timestamp"])
        if entry["event"] in ("canary_validated", "step_advanced"):
            committed[entry["model"]] = at
        elif entry["event"] == "weight_set" and entry["model"] in committed:
            found.append((at - committed.pop(entry["model"])).total_seconds())
    return found


async def gateway(world: World) -> None:
    """Take the weights that were asked for, for ever."""
    while True:
        await asyncio.to_thread(world.take_weights)
        await asyncio.sleep(0.5)


async def take_over(replicas: Replicas, leader: Service, sign: signal.Signals, goal: int) -> Service:
    """End the leader; the time until a candidate that was there works in its place."""
    candidate = await asyncio.to_thread(replicas.start)
    os.kill(leader.pid, sign)
    seconds = await until(lambda: leads(candidate), "a new leader")
    print(f"  {sign.name:<10}  {seconds:.1f} s (goal: within {goal} s)")
    return candidate


async def run(server: ApiServer, folder: Path) -> None:
    """All figures."""
    account = grant(server.admin, HOME, NAMESPACE, [Feature.WORKLOADS])
    with Stack(folder) as stack:
        world = World(server, stack, [f"m{number}" for number in range(MODELS)])
        exporting, port = await world.exporter.serve()
        await asyncio.to_thread(world.build, ENDED)
        prometheus = await asyncio.to_thread(lambda: stack.prometheus(port, scrape_interval_seconds=5))
        replicas = Replicas(world, account, prometheus)
        daemon = await asyncio.to_thread(replicas.start)
        await until(lambda: leads(daemon), "the first leader")
        await asyncio.sleep(5)
        await measure(daemon, f"{ENDED} ModelRollouts at rest, {MODELS} models, daemon on one core")
        taking = asyncio.create_task(gateway(world))
        await asyncio.to_thread(world.release)
        await until(lambda: world.at_step("3/3") == MODELS, "every rollout at its last step")
        waits = patched_after(stack.folder / "serinus-1.log")
        print(f"commit to patched route, {len(waits)} changes of weight, {MODELS} rollouts at once")
        print(f"  p50 {quantile(waits, 0.5) * 1e3:.0f} ms, p99 {quantile(waits, 0.99) * 1e3:.0f} ms")
        await measure(daemon, f"{MODELS} of {ENDED + MODELS} ModelRollouts progress, checks every 15 s")
        print(f"take-over of {MODELS} rollouts, lease of 15 s")
        daemon = await take_over(replicas, daemon, signal.SIGKILL, 20)
        await take_over(replicas, daemon, signal.SIGTERM, 3)
        taking.cancel()
        exporting.close()


def main() -> None:
    """Print the figures; takes about six minutes. Says so where there is no API server to run."""
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    if not (Path(assets) / "kube-apiserver").is_file():
        print("cluster: skipped, KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd")
        return
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as folder:
        (Path(folder) / "kube").mkdir()
        with ApiServer(Path(assets), Path(folder) / "kube") as server:
            server.admin.define(*definitions())
            asyncio.run(run(server, Path(folder) / "stack"))


if __name__ == "__main__":
    main()
