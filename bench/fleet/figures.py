"""What is measured of a daemon with a fleet, and the table that shows it."""

import asyncio
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf

from bench.fleet.world import INTERVAL_SECONDS, Fleet, Size
from bench.hundred import lateness, scrape
from bench.machine import cpu_seconds, quantile, resident_bytes

_PASSES = 'serinus_passes_total{outcome="ok"}'
_ADMIN = 'envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="admin"}'
_QUERIES = "prometheus_http_requests_total{"
_ASKED = "/api/v1/query"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one size. ``breaches`` are seconds from a canary's going bad to its weight of 0 in force."""

    size: Size
    seconds: float
    cpu_ratio: float
    memory_bytes: int
    passes_per_second: float
    late_p50_seconds: float
    late_p99_seconds: float
    pass_p99_seconds: float
    queries_per_interval: float
    admin_per_second: float
    metrics_bytes: int
    metrics_seconds: float
    list_seconds: float
    start_seconds: float
    rising_seconds: float
    breaches: Sequence[float] = ()


async def measure(fleet: Fleet, seconds: float) -> tuple[Mapping[str, float], float]:
    """What the daemon's counters grew by in so many seconds, and what else was seen; by name."""
    before = await asyncio.to_thread(_counted, fleet)
    most, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        most = max(most, resident_bytes(fleet.daemon.pid))
        await asyncio.sleep(1)
    after = await asyncio.to_thread(_counted, fleet)
    elapsed = time.monotonic() - began
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return {**grown, "memory": most}, elapsed


def _counted(fleet: Fleet) -> dict[str, float]:
    asked = scrape(fleet.prometheus.port)
    queries = sum(v for name, v in asked.items() if name.startswith(_QUERIES) and _ASKED in name)
    url = f"http://127.0.0.1:{fleet.gateway.metrics_port}/stats/prometheus?filter=http.admin"
    with urllib.request.urlopen(url, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    admin = sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(_ADMIN))
    cpu = cpu_seconds(fleet.daemon.pid)
    return {**scrape(fleet.daemon.port), "cpu": cpu, "queries": queries, "admin": admin}


async def figures(fleet: Fleet, seconds: float, start_seconds: float, rising_seconds: float) -> Figures:
    """Measure for so long. Reads the lists that people read afterwards, so that they do not count."""
    grown, elapsed = await measure(fleet, seconds)
    page_seconds, page = await asyncio.to_thread(_page, fleet)
    began = time.monotonic()
    await asyncio.to_thread(fleet.client.get)
    return Figures(
        size=fleet.size,
        seconds=elapsed,
        cpu_ratio=grown["cpu"] / elapsed,
        memory_bytes=int(grown["memory"]),
        passes_per_second=grown[_PASSES] / elapsed,
        late_p50_seconds=lateness({}, dict(grown), 0.5),
        late_p99_seconds=lateness({}, dict(grown), 0.99),
        pass_p99_seconds=bucket(grown, "serinus_reconcile_duration_seconds", 0.99),
        queries_per_interval=grown["queries"] / elapsed * INTERVAL_SECONDS,
        admin_per_second=grown["admin"] / elapsed,
        metrics_bytes=page,
        metrics_seconds=page_seconds,
        list_seconds=time.monotonic() - began,
        start_seconds=start_seconds,
        rising_seconds=rising_seconds,
    )


def bucket(grown: Mapping[str, float], histogram: str, q: float) -> float:
    """The upper bound of the bucket that holds the quantile."""
    prefix = f'{histogram}_bucket{{le="'
    rows = sorted(
        (float(name.removeprefix(prefix).removesuffix('"}')), count)
        for name, count in grown.items()
        if name.startswith(prefix)
    )
    return next((bound for bound, count in rows if count >= q * rows[-1][1]), float("nan"))


def _page(fleet: Fleet) -> tuple[float, int]:
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{fleet.daemon.port}/metrics", timeout=30) as answer:
        size = len(answer.read())
    return time.monotonic() - began, size


def table(found: Sequence[Figures]) -> str:
    """All sizes side by side, as Markdown."""
    rows = [
        ("processor, of one core", [f"{each.cpu_ratio:.0%}" for each in found]),
        ("memory, MiB resident at most", [f"{each.memory_bytes / 2**20:.0f}" for each in found]),
        ("passes a second", [f"{each.passes_per_second:.1f}" for each in found]),
        ("lateness p50, at most", [_time(each.late_p50_seconds) for each in found]),
        ("lateness p99, at most", [_time(each.late_p99_seconds) for each in found]),
        ("length of a pass p99, at most", [_time(each.pass_p99_seconds) for each in found]),
        ("Prometheus queries per 15 s", [f"{each.queries_per_interval:.0f}" for each in found]),
        ("requests a second to Envoy's admin", [f"{each.admin_per_second:.1f}" for each in found]),
        ("breach to weight 0, p50", [_breach(each, 0.5) for each in found]),
        ("breach to weight 0, longest", [_breach(each, 1.0) for each in found]),
        ("start of the daemon", [_time(each.start_seconds) for each in found]),
        ("release of all to all at their step", [_time(each.rising_seconds) for each in found]),
        ("/metrics: KiB", [f"{each.metrics_bytes / 1024:.0f}" for each in found]),
        ("/metrics: time", [_time(each.metrics_seconds) for each in found]),
        ("`serinus get`: time", [_time(each.list_seconds) for each in found]),
    ]
    heads = [f"{each.size.models:,} / {each.size.rolling:,}" for each in found]
    lines = [f"| models / rolling | {' | '.join(heads)} |", f"|---|{'---:|' * len(found)}"]
    return "\n".join(lines + [f"| {name} | {' | '.join(values)} |" for name, values in rows])


def _breach(found: Figures, q: float) -> str:
    return f"{quantile(found.breaches, q):.1f} s" if found.breaches else "-"


def _time(seconds: float) -> str:
    if isinf(seconds):
        return "over 10 s"  # beyond the histogram's last bucket
    return (
        f"{seconds * 1e3:g} ms"
        if seconds < 0.01
        else f"{seconds * 1e3:.0f} ms"
        if seconds < 1
        else f"{seconds:.1f} s"
    )
