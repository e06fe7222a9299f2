"""What a stream of requests counts: answers by status, version and backend, and how long they took."""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.local.http_client import Reply

_BUCKETS_PER_OCTAVE = 16
_HTTP_OK = 200


class Latencies:
    """Durations in buckets 4.4 % wide: constant memory, quantiles within one bucket."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._max_ms = 0.0

    def add(self, seconds: float) -> None:
        """Record one duration."""
        ms = max(seconds * 1000, 0.01)
        self._max_ms = max(self._max_ms, ms)
        self._buckets[math.ceil(math.log2(ms) * _BUCKETS_PER_OCTAVE)] += 1

    def summary(self) -> dict[str, float]:
        """Give p50, p90, p99 (upper ends of their buckets) and max, in milliseconds."""
        ordered, total = sorted(self._buckets.items()), self._buckets.total()
        result = {}
        for percent in (50, 90, 99):
            left = total * percent / 100
            for index, count in ordered:
                left -= count
                if left <= 0:
                    upper = 2 ** (index / _BUCKETS_PER_OCTAVE)
                    result[f"p{percent}"] = round(min(upper, self._max_ms), 2)
                    break
        return result | {"max": round(self._max_ms, 2)}


@dataclass(slots=True)
class Tally:
    """What happened so far. Answers that took longer than ``slow_seconds`` are slow."""

    slow_seconds: float = math.inf
    started: float = field(default_factory=time.time)
    sent: int = 0
    shed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    versions: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    backends: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    slow: Counter[str] = field(default_factory=Counter)
    latencies: defaultdict[str, Latencies] = field(default_factory=lambda: defaultdict(Latencies))

    def count(self, reply: Reply, seconds: float) -> None:
        """Record one answer."""
        status = str(reply.status)
        version = model_version(reply)
        backend = reply.headers.get(b"x-served-by", b"").decode("latin-1") or "unknown"
        self.statuses[status] += 1
        self.versions[version][status] += 1
        self.backends[backend][status] += 1
        self.slow[backend] += seconds > self.slow_seconds
        self.latencies[version].add(seconds)

    def report(self, in_flight: int) -> dict[str, Any]:
        """Give the JSON report; sent = sum(statuses) + sum(errors) + in_flight.

        `versions` is by the answer's model_version ("unknown" for errors, which name none), `backends` and
        `slow` by the cluster that the gateway chose; times are Unix seconds, latencies milliseconds.
        """
        return {
            "started": round(self.started, 3),
            "written": round(time.time(), 3),
            "sent": self.sent,
            "shed": self.shed,
            "in_flight": in_flight,
            "errors": self.errors,
            "statuses": self.statuses,
            "versions": self.versions,
            "backends": self.backends,
            "slow": self.slow,
            "latency_ms": {v: hist.summary() for v, hist in self.latencies.items()},
            "cpu_seconds": round(time.process_time(), 3),
        }


def model_version(reply: Reply) -> str:
    """Read the version off an OIP answer, "unknown" if it names none."""
    if reply.status == _HTTP_OK:
        with suppress(ValueError, KeyError, TypeError):
            return str(json.loads(reply.body)["model_version"])
    return "unknown"
