"""The request metrics of MLServer 1.7, exposed by our own server under the same names and labels.

One metrics pack can then read either engine. Taken from what MLServer's `/metrics` really shows, oddities
included: the labels are `model` and `version` (not `model_name`), and `version` is the one in the *URL*, the
text "None" for `/v2/models/NAME/infer`. So the metrics alone do not tell versions apart; the scrape
target's labels must (see `render.prometheus_config`).
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    Summary,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_APP = "mlserver"


class EngineMetrics:
    """Counters of one server process; label values come from a closed set, never from a caller."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        labels = ("model", "version")
        self._success = Counter(
            "model_infer_request_success",
            "Model infer request success count",
            labels,
            registry=self._registry,
        )
        self._failure = Counter(
            "model_infer_request_failure",
            "Model infer request failure count",
            labels,
            registry=self._registry,
        )
        self._duration = Summary(
            "model_infer_request_duration",
            "Model infer request duration",
            labels,
            registry=self._registry,
        )
        http_labels = ("method", "path", "status_code", "app_name")
        self._requests = Counter(
            "rest_server_requests", "Total HTTP requests", http_labels, registry=self._registry
        )
        self._request_time = Histogram(
            "rest_server_request_duration_seconds",
            "HTTP request duration, in seconds",
            http_labels,
            registry=self._registry,
        )
        self._in_progress = Gauge(
            "rest_server_requests_in_progress",
            "Total HTTP requests currently in progress",
            ("method", "app_name"),
            registry=self._registry,
        )

    @contextmanager
    def inference(self, model: str, url_version: str | None) -> Iterator[None]:
        """Time one inference and count it: a failure if the block raises, else a success."""
        labels = (model, str(url_version))
        with (
            self._duration.labels(*labels).time(),
            self._failure.labels(*labels).count_exceptions(),
        ):
            yield
        self._success.labels(*labels).inc()

    @contextmanager
    def request(self, method: str, path: str) -> Iterator[list[int]]:
        """Record one HTTP request; `path` is the route's template, the block puts in the status."""
        begin = time.perf_counter()
        status = [500]
        in_progress = self._in_progress.labels(method, _APP)
        in_progress.inc()
        try:
            yield status
        finally:
            in_progress.dec()
            labels = (method, path, str(status[0]), _APP)
            self._requests.labels(*labels).inc()
            self._request_time.labels(*labels).observe(time.perf_counter() - begin)

    def exposition(self) -> bytes:
        """Give all metrics in the Prometheus text format 0.0.4."""
        return generate_latest(self._registry)
