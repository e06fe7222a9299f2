"""Stable's past from a real Prometheus, whose history is filled in beforehand by its own promtool."""

import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.cli.main import app
from controller.domain.judge.calibration import PodHistory, calibrate
from controller.domain.model import Rollout
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Release
from deploy.local.stack import Stack, find_program, free_port

pytestmark = pytest.mark.integration

SCRAPE_SECONDS = 15
SECONDS = 6900
RESTART_SECONDS = 5000
BOUNDS = (("0.1", 0.5), ("0.25", 0.9), ("1.0", 0.99), ("+Inf", 1.0))
CHECKS = (
    Check("errors", CheckKind.RATIO, max=0.01),
    Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99),
)

Counter = Callable[[float], int]
"""A count by seconds since the beginning."""


def steadily(per_second: float, restart: float | None = None) -> Counter:
    """A counter that falls to 0 at the restart."""
    return lambda second: int(
        per_second * (second if restart is None or second < restart else second - restart)
    )


def in_tens(second: float) -> int:
    """Ten bad requests at once, every five minutes."""
    return 10 * int(second // 300)


def exposition(now: float, counters: dict[str, list[tuple[str, Counter]]]) -> Iterator[str]:
    """OpenMetrics text of scrapes until now."""
    scrapes = [SECONDS - number * SCRAPE_SECONDS for number in range(SECONDS // SCRAPE_SECONDS, -1, -1)]
    for metric, series in counters.items():
        family = metric.removesuffix("_total").removesuffix("_bucket")
        yield f"# TYPE {family} {'histogram' if metric.endswith('_bucket') else 'unknown'}\n"
        for labels, count in series:
            for second in scrapes:
                yield f"{metric}{{{labels}}} {count(second)} {now - SECONDS + second:.3f}\n"
    yield "# EOF\n"


def copy_of(version: str, copy: str) -> str:
    return f'job="mlserver",instance="{copy}:8082",model_name="fraud",model_version="{version}"'


def recorded() -> dict[str, list[tuple[str, Counter]]]:
    """Two copies of stable, of which one restarts half an hour ago, and one of a canary."""
    one, two, canary = copy_of("v1", "one"), copy_of("v1", "two"), copy_of("v2", "three")
    timed = 'path="/v2/models/{name}/infer"'
    return {
        "up": [(labels, lambda _: 1) for labels in (one, two, canary)],
        "model_infer_request_success_total": [
            (one, steadily(20)),
            (two, steadily(10, restart=RESTART_SECONDS)),
            (canary, steadily(500)),
        ],
        "model_infer_request_failure_total": [(one, in_tens), (two, lambda _: 0)],
        "rest_server_request_duration_seconds_bucket": [
            (f'{one},{timed},le="{le}"', steadily(20 * share)) for le, share in BOUNDS
        ],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a stack whose Prometheus has two hours behind it."""
    text = tmp_path / "history.txt"
    text.write_text("".join(exposition(time.time(), recorded())))
    argv = [find_program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), "prometheus"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    with Stack(folder) as stack:
        yield f"http://127.0.0.1:{stack.prometheus(admin_port=free_port()).port}"


@pytest.fixture
async def source(url: str) -> AsyncIterator[PrometheusSource]:
    metrics = PrometheusSource(url, built_in_packs())
    yield metrics
    await metrics.close()


async def test_the_hour_of_each_copy_is_counted_to_the_last_request(source: PrometheusSource) -> None:
    policy = Policy("fraud", "ml", RouteRef("envoy", "/fraud"), "mlserver", (), CHECKS)
    rollout = Rollout(
        "fraud-1",
        "fraud",
        Release("v2", ()),
        policy,
        datetime.now(UTC),
        "ann",
        stable=Release("v1", ()),
    )
    history = await source.history(rollout)
    assert isinstance(history, PodHistory), history
    assert timedelta(minutes=57) < history.span <= timedelta(hours=1)
    pods = {one.pod for one in history.minutes}
    assert pods == {"mlserver one:8082", "mlserver two:8082"}
    errors = [one for one in history.minutes if one.check == "errors"]
    first = [one for one in errors if one.pod.endswith("one:8082")]
    assert 110 <= sum(one.tally.bad for one in first) <= 120, "an edge may lie between two scrapes"
    assert all(1199 <= one.tally.requests <= 1211 for one in first)
    second = [one for one in errors if one.pod.endswith("two:8082")]
    lost = 600 * len(second) - sum(one.tally.requests for one in second)
    assert 0 <= lost <= 10 * SCRAPE_SECONDS + 1, "the restart costs what was counted after the last scrape"
    assert history.requests == sum(one.tally.requests for one in errors)
    found = calibrate(history, CHECKS)
    assert found.pods == 2
    assert found.requests_per_second == pytest.approx(30, rel=0.03)
    errors_found, latency = found.checks
    assert errors_found.icc > 0
    assert latency.bounds_seconds == (0.1, 0.25, 1.0)
    assert latency.bad_ratio == pytest.approx((0.5, 0.1, 0.01), rel=0.02)


POLICY = """
model: fraud
namespace: ml
route: {envoy: /v2/models/fraud}
metrics: mlserver
steps: [{weight: 10%, for: 1m}, {weight: 50%, for: 1m}]
bake: 1m
checks:
  errors: {max: 20%}
  latency_p90: {max: 1s}
"""


def test_a_policy_is_tried_on_what_prometheus_remembers(url: str, tmp_path: Path) -> None:
    file = tmp_path / "fraud.yaml"
    file.write_text(POLICY)
    line = ["backtest", str(file), "--prometheus", url, "--since", "110m", "--rollouts", "5", "-o", "json"]
    tried = CliRunner().invoke(
        app, [*line, "--stable", "v1", "--inject", "errors=+50pp", "--inject", "latency=x5"]
    )
    assert tried.exit_code == 0, tried.stderr
    report = json.loads(tried.stdout)
    assert report["requests_per_second"] == pytest.approx(30, rel=0.02)
    good, *worse = report["scenarios"]
    assert (good["promoted"], good["rolled_back"]) == (5, 0)
    assert [each["rolled_back"] for each in worse] == [5, 5]
    found = CliRunner().invoke(app, line)
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["version"] == "v2", "the busiest of the two"
    assert "the busiest of v2, v1" in found.stderr
