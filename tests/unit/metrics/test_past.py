"""Days of a version's counts, read piece by piece, are those that rollouts were given at the time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.adapters.metrics.client import PrometheusAccess
from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.past import PastReader, Piece, past_of
from controller.adapters.metrics.versions import version_query, versions_of
from controller.domain.backtest.past import Past
from controller.domain.observation import Measure, Reading
from controller.domain.release import Release
from controller.errors import TransientError
from tests.unit.metrics.test_prometheus_source import (
    ERRORS,
    FAST,
    GAUGE,
    LATENCY,
    PATIENT,
    Play,
    Prometheus,
    always,
    at,
    hang,
    rollout,
    serving,
    source,
    success,
)

SCRAPE = 15
HOURS = 5
FIRST = -HOURS * 3600 - 300


def recorded(silent: range = range(0), restart: int | None = None) -> Prometheus:
    """Two proxies, 30 and 10 requests a second, one answer in a hundred bad, one in ten slow."""
    prometheus = Prometheus()
    for proxy, rate in (("one", 30), ("two", 10)):
        labels = {"envoy_cluster_name": "fraud@v1", "job": "envoy", "instance": proxy}
        seconds = [second for second in range(FIRST, 1, SCRAPE) if second not in silent]

        def level(second: int, per_second: float) -> float:
            begun = restart if restart is not None and second >= restart else FIRST - 1000
            return float(int(per_second * (second - begun)))

        def put(metric: str, per_second: float, **more: str) -> None:
            samples = [(float(second), level(second, per_second)) for second in seconds]  # noqa: B023
            prometheus.put(metric, [*samples], **labels, **more)  # noqa: B023

        put("envoy_cluster_upstream_rq_total", rate)
        put("envoy_cluster_upstream_rq_xx", rate * 0.99, envoy_response_code_class="2")
        put("envoy_cluster_upstream_rq_xx", rate * 0.01, envoy_response_code_class="5")
        for le, share in (("100", 0.9), ("500", 1.0), ("+Inf", 1.0)):
            put("envoy_cluster_upstream_rq_time_bucket", rate * share, le=le)
    return prometheus


POLICY = replace(rollout(ERRORS, LATENCY, GAUGE).policy, interval=timedelta(seconds=15))


@asynccontextmanager
async def reader(
    play: Play, access: PrometheusAccess = PATIENT, metrics: str = "envoy"
) -> AsyncIterator[PastReader]:
    with serving(play) as url:
        pack = built_in_packs()[metrics]
        found = PastReader(url, pack, replace(POLICY, metrics=metrics), access)
        try:
            yield found
        finally:
            found.close()


async def past(play: Play, hours: float = 4, access: PrometheusAccess = PATIENT) -> Past:
    async with reader(play, access) as metrics:
        pieces = [piece async for piece in metrics.pieces(Release("v1"), at(-hours * 3600), at(0))]
    assert pieces[-1].until == at(0)
    return past_of("v1", pieces)


async def test_every_request_is_in_one_block() -> None:
    found = await past(recorded())
    assert found.begin is not None
    assert found.end is not None
    span = (found.end - found.begin).total_seconds()
    assert 4 * 3600 - 60 <= span <= 4 * 3600
    assert found.scrape == timedelta(seconds=SCRAPE)
    assert found.requests == pytest.approx(40 * span, rel=0.001)
    assert [block.start for block in found.blocks[1:]] == [block.end for block in found.blocks[:-1]]
    assert all(block.canary_requests == 0 for block in found.blocks)
    errors, latency = (found.total(check.name) for check in (ERRORS, LATENCY))
    assert errors.bad == pytest.approx(0.4 * span, rel=0.01)
    assert latency.above(0.1) == pytest.approx(4 * span, rel=0.01)


async def test_the_blocks_are_those_that_a_rollout_is_given() -> None:
    prometheus = recorded()
    found = await past(prometheus, hours=2)
    alone = replace(rollout(ERRORS, LATENCY), release=Release("v1"), stable=None, policy=POLICY)
    async with source(prometheus) as metrics:
        reading = await metrics.read(alone, Measure(at(-1800)))
    assert isinstance(reading, Reading)
    given = {block.start: block for block in reading.blocks}
    late = [block for block in found.blocks if block.start in given]
    assert len(late) == len(given) > 100
    assert all(block.stable_requests == given[block.start].canary_requests for block in late)
    assert all(block.checks[1].stable == given[block.start].checks[1].canary for block in late)


async def test_each_hour_is_calibrated_by_itself() -> None:
    found = await past(recorded())
    assert len(found.known) == 4
    calibration = found.calibration_at(at(-1))
    assert calibration is not None
    assert calibration.requests_per_second == pytest.approx(40, rel=0.03)
    assert calibration.checks[0].bad_ratio == pytest.approx((0.01,), rel=0.03)
    assert found.calibration_at(at(-4 * 3600)) is None


async def test_a_silence_is_a_gap_and_a_restart_is_none() -> None:
    found = await past(recorded(silent=range(-9000, -3600)))
    ends = [block.end for block in found.blocks]
    assert not any(at(-8900) < end <= at(-5400) for end in ends)
    assert ends[-1] > at(-60)
    again = await past(recorded(restart=-5000))
    assert again.requests == pytest.approx(40 * 4 * 3600, rel=0.01)


async def test_a_piece_that_is_too_large_is_read_in_smaller_ones() -> None:
    prometheus = recorded()
    prometheus.refuse = lambda query: "rq_xx" in query and int(query.rsplit("[", 1)[1].rstrip("ms])")) > 2e6
    found = await past(prometheus, hours=1)
    assert found.requests == pytest.approx(40 * 3600, rel=0.02)


async def test_nobody_recorded_anything() -> None:
    found = await past(Prometheus())
    assert (found.begin, found.requests, tuple(found.known)) == (None, 0, ())


@pytest.mark.parametrize(
    "play", [always(b"", 503), always(b"<html>"), always(b"", 422), hang], ids=["503", "html", "422", "hang"]
)
async def test_a_prometheus_that_cannot_be_read_is_told(play: Play) -> None:
    async with reader(play, FAST) as metrics:
        with pytest.raises(TransientError):
            await metrics.now()
        with pytest.raises(TransientError):
            await metrics.versions(at(0))
        with pytest.raises(TransientError):
            await anext(metrics.pieces(Release("v1"), at(-60), at(0)))


async def test_a_gateway_without_a_name_for_the_version_is_told() -> None:
    async with reader(Prometheus(), metrics="envoy-gateway") as metrics:
        with pytest.raises(TransientError, match="do not tell v1 apart"):
            await anext(metrics.pieces(Release("v1"), at(-60), at(0)))
        named = [("v1", "httproute/ml/fraud/rule/0")]
        piece = await anext(metrics.pieces(Release("v1"), at(-60), at(0), named))
        assert isinstance(piece, Piece)
        assert await metrics.versions(at(0)) == ()


async def test_the_busiest_version_comes_first() -> None:
    prometheus = Prometheus()
    query = version_query(built_in_packs()["envoy"], "fraud", timedelta(hours=1))
    assert query is not None
    assert 'envoy_cluster_name=~"fraud@.*"' in query
    rows = [
        {"metric": {"envoy_cluster_name": name}, "value": [1, count]}
        for name, count in (("fraud@1%2E0", "5"), ("fraud@2", "70"), ("fraud-two@9", "99"), ("fraud", "99"))
    ]
    prometheus.gauges[query] = success("vector", rows)
    async with reader(prometheus) as metrics:
        assert await metrics.versions(at(0)) == ["2", "1.0"]


def test_a_label_that_holds_the_version_names_it() -> None:
    pack = built_in_packs()["mlserver"]
    query = version_query(pack, "fraud", timedelta(hours=1))
    assert query is not None
    assert query.startswith("sum by (model_version) (increase(model_infer_request_success_total{")
    assert 'model_name=~"fraud"' in query
    assert versions_of(pack, "fraud", []) == []
