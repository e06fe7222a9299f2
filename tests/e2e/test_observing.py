"""A real Prometheus that scrapes the real daemon answers every query of the dashboard and of the alerts."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest

from deploy.local.render import EngineTarget
from deploy.local.stage import MODEL
from tests.deploy.observability import named, queries, rules
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS
from tests.e2e.proof import eventually

pytestmark = pytest.mark.integration

NOT_HERE = {"serinus_api_requests_total", "serinus_http_requests_total"}
"""What only a cluster has, and what only a daemon that serves the API."""


class Prometheus:
    """The stack's own, by its HTTP API."""

    def __init__(self, port: int) -> None:
        self._port = port

    def query(self, query: str) -> list[dict[str, Any]]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=5)
        connection.request("GET", f"/api/v1/query?{urlencode({'query': query})}")
        answer = json.load(connection.getresponse())
        connection.close()
        assert answer["status"] == "success", f"{query}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


@pytest.fixture
def prometheus(harness: Harness) -> Iterator[Prometheus]:
    """It scrapes the daemon too while the test runs."""
    stage = harness.stage
    engines = [EngineTarget(MODEL, name, service.metrics_port) for name, service in stage.engines.items()]
    stage.stack.engines([*engines, EngineTarget("serinus", "daemon", stage.daemon.port)])
    yield Prometheus(stage.prometheus.port)
    stage.stack.engines(engines)


@pytest.fixture
def model(harness: Harness) -> Iterator[str]:
    """One whose rollout is measured, and over when the test is."""
    named = harness.model(ENDLESS)
    with harness.traffic(named):
        rollout = harness.deploy(named, "v2")
        harness.until_status(rollout, lambda status: bool(status.checks[0].requests), "measured")
        yield named
        harness.cli("abort", named)


def test_every_panel_and_every_alert_is_answered(model: str, prometheus: Prometheus) -> None:
    value = f'serinus_check_value{{model="{model}"}}'
    eventually(lambda: prometheus.query(value), "the daemon's metrics are scraped", within=30)
    passes = 'rate(serinus_passes_total{outcome="ok"}[1m]) > 0'
    eventually(lambda: prometheus.query(passes), "passes are counted")
    for title, query in queries():
        found = prometheus.query(query)
        if not {each.name for each in named(query).selectors} & NOT_HERE:
            assert found, f"{title}: nothing for {query}"
    for rule in rules():
        prometheus.query(rule["expr"])
    assert prometheus.query("sum(serinus_leader)")[0]["value"][1] == "1"
