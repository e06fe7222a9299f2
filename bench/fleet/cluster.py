"""The same in a cluster of objects: a real API server, etcd and Prometheus (`bench.cluster_world`).

Behind the tests' proxy in Python, which shows an API server of 2021 as one of today and shares a core with
all the rest; the daemon has a core of its own. Needs KUBEBUILDER_ASSETS, as the integration tests do.
"""

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.cluster import HOME, Replicas, calls, gateway, leads, until
from bench.cluster_world import NAMESPACE, World
from bench.fleet.scene import said
from bench.fleet.world import INTERVAL_SECONDS, Size
from bench.hundred import lateness, scrape
from bench.machine import cpu_seconds, resident_bytes
from controller.features import Feature
from deploy.local.stack import Service, Stack
from tests.e2e.cluster.rights import grant
from tests.kube.apiserver import ApiServer
from tests.kube.crds.catalogue import definitions

SIZES = (Size(1000, 100), Size(5000, 100))
_PASSES = 'serinus_passes_total{outcome="ok"}'
_QUERIES = 'prometheus_http_requests_total{code="200",handler="/api/v1/query"}'


def cluster(sizes: Sequence[Size], seconds: float, settle: float) -> str:
    """A table of all sizes; or why there is none."""
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS", ""))
    if not (assets / "kube-apiserver").is_file():
        return "cluster: skipped, KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd"
    found = [_one(assets, size, seconds, settle) for size in sizes]
    names = list(found[0])
    lines = [
        f"| models / rolling, in a cluster | {' | '.join(f'{s.models:,} / {s.rolling:,}' for s in sizes)} |",
        f"|---|{'---:|' * len(sizes)}",
    ]
    return "\n".join(lines + [f"| {name} | {' | '.join(each[name] for each in found)} |" for name in names])


def _one(assets: Path, size: Size, seconds: float, settle: float) -> dict[str, str]:
    said(f"{size}, in a cluster")
    with tempfile.TemporaryDirectory(prefix="serinus-fleet-") as folder:
        (Path(folder) / "kube").mkdir()
        with ApiServer(assets, Path(folder) / "kube") as server:
            server.admin.define(*definitions())
            return asyncio.run(_run(server, Path(folder) / "stack", size, seconds, settle))


async def _run(server: ApiServer, folder: Path, size: Size, seconds: float, settle: float) -> dict[str, str]:
    account = grant(server.admin, HOME, NAMESPACE, [Feature.WORKLOADS])
    with Stack(folder) as stack:
        models = [f"m{number}" for number in range(size.models)]
        world = World(server, stack, models, rolling=models[: size.rolling])
        exporting, port = await world.exporter.serve()
        began = time.monotonic()
        await asyncio.to_thread(world.build, size.models)
        said(f"  objects in {time.monotonic() - began:.0f} s: one finished rollout of each model")
        prometheus = await asyncio.to_thread(lambda: stack.prometheus(port, scrape_interval_seconds=5))
        replicas = Replicas(world, account, prometheus)
        daemon = await asyncio.to_thread(replicas.start)
        start = await until(lambda: leads(daemon), "a leader")
        taking = asyncio.create_task(gateway(world))
        began = time.monotonic()
        await asyncio.to_thread(world.release)
        await until(lambda: world.at_step("3/3") == size.rolling, "every rollout at its last step")
        said(f"  all at their last step after {time.monotonic() - began:.0f} s")
        taking.cancel()
        await asyncio.sleep(settle)
        found = await _measured(daemon, prometheus, seconds)
        exporting.close()
    return {**found, "start until it leads": f"{start:.1f} s"}


async def _measured(daemon: Service, prometheus: Service, seconds: float) -> dict[str, str]:
    before, asked = scrape(daemon.port), scrape(prometheus.port)
    cpu, began, most = cpu_seconds(daemon.pid), time.monotonic(), 0
    while time.monotonic() - began < seconds:
        most = max(most, resident_bytes(daemon.pid))
        await asyncio.sleep(1)
    elapsed = time.monotonic() - began
    after, queries = scrape(daemon.port), scrape(prometheus.port)[_QUERIES] - asked.get(_QUERIES, 0.0)
    p50, p99 = (lateness(before, after, q) for q in (0.5, 0.99))
    requests = calls(after, watches=False) - calls(before, watches=False)
    return {
        "processor, of one core": f"{(cpu_seconds(daemon.pid) - cpu) / elapsed:.0%}",
        "memory, MiB resident at most": f"{most / 2**20:.0f}",
        "passes a second": f"{(after[_PASSES] - before[_PASSES]) / elapsed:.1f}",
        "lateness p50, at most": f"{p50:g} s",
        "lateness p99, at most": f"{p99:g} s",
        "Prometheus queries per 15 s": f"{queries / elapsed * INTERVAL_SECONDS:.0f}",
        "API requests a second": f"{requests / elapsed:.1f}",
        "of these": _by_verb(before, after, elapsed),
    }


def _by_verb(before: dict[str, float], after: dict[str, float], seconds: float) -> str:
    """What was asked of the API server how often, the most often first."""
    found: Counter[str] = Counter()
    for name, value in after.items():
        if name.startswith("serinus_api_requests_total{"):
            found[name.partition('verb="')[2].partition('"')[0]] += round(value - before.get(name, 0.0))
    return ", ".join(f"{verb} {count / seconds:.1f}" for verb, count in found.most_common() if count)
