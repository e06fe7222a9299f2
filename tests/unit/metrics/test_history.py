"""Stable's past from a Prometheus of our own: copy by copy, minute by minute."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.judge.calibration import PodHistory, PodMinute, calibrate
from controller.domain.model import Rollout
from controller.domain.observation import NoReading
from controller.domain.vocabulary import Reason
from controller.errors import TargetError
from tests.unit.metrics.test_prometheus_source import (
    ERRORS,
    GAUGE,
    LATENCY,
    NOW,
    PATIENT,
    Play,
    Prometheus,
    always,
    hang,
    rollout,
    source,
    success,
)

HOUR_SECONDS = 3600
SCRAPE_SECONDS = 15
EDGE = -(NOW % 60)
"""The last whole minute."""


def counted(
    count: Callable[[int], float], first: int = -4005, last: int = 0
) -> list[tuple[float, float | str]]:
    return [(second, count(second)) for second in range(first, last + 1, SCRAPE_SECONDS)]


def rising(per_second: int, first: int = -4005, last: int = 0) -> list[tuple[float, float | str]]:
    return counted(lambda second: per_second * (second + 10_000), first, last)


def engine(prometheus: Prometheus, copy: str, good: int, bad: int = 0, version: str = "v1") -> dict[str, str]:
    labels = {"model_name": "fraud", "model_version": version, "job": "mlserver", "instance": copy}
    prometheus.put("up", counted(lambda _: 1), **labels)
    prometheus.put("model_infer_request_success_total", rising(good), **labels)
    if bad:
        prometheus.put("model_infer_request_failure_total", rising(bad), **labels)
    return labels


async def past(play: Play, what: Rollout | None = None) -> PodHistory:
    async with source(play, PATIENT) as metrics:
        found = await metrics.history(what or rollout(metrics="mlserver"))
    assert isinstance(found, PodHistory), found
    return found


def by_pod(history: PodHistory, check: str = "errors") -> dict[str, list[PodMinute]]:
    pods: dict[str, list[PodMinute]] = defaultdict(list)
    for one in history.minutes:
        if one.check == check:
            pods[one.pod].append(one)
    return pods


async def test_each_copy_of_stable_is_counted_by_itself_and_the_canary_not_at_all() -> None:
    prometheus = Prometheus()
    engine(prometheus, "a", 9, bad=1)
    engine(prometheus, "b", 5)
    engine(prometheus, "c", 100, version="v2")
    history = await past(prometheus)
    pods = by_pod(history)
    assert set(pods) == {"mlserver a", "mlserver b"}
    assert [one.minute for one in pods["mlserver a"]] == list(range(59))
    assert {(one.tally.requests, one.tally.bad) for one in pods["mlserver a"]} == {(600, 60)}
    assert {(one.tally.requests, one.tally.bad) for one in pods["mlserver b"]} == {(300, 0)}
    assert history.requests == 59 * 900
    assert history.span == timedelta(seconds=HOUR_SECONDS + EDGE)
    found = calibrate(history, [ERRORS])
    assert found.pods == 2
    assert found.requests_per_second == pytest.approx(15, rel=0.02)


async def test_a_restart_and_a_first_failure_lose_no_request() -> None:
    prometheus = Prometheus()
    labels = engine(prometheus, "a", 10)
    restarted = counted(lambda second: 7 if second > -1000 else 0, first=-2000)
    prometheus.put("model_infer_request_failure_total", restarted, **labels)
    again = counted(lambda second: second + 2000 if second < -900 else second + 900, first=-2010)
    prometheus.series[1] = (prometheus.series[1][0], [(NOW + second, str(count)) for second, count in again])
    history = await past(prometheus)
    assert sum(one.tally.bad for one in history.minutes) == 7
    assert all(one.tally.requests >= 0 for one in history.minutes)


async def test_a_copy_that_left_and_one_that_came_count_for_their_own_time() -> None:
    prometheus = Prometheus()
    engine(prometheus, "a", 10)
    left = {"model_name": "fraud", "model_version": "v1", "job": "mlserver", "instance": "left"}
    came = {**left, "instance": "came"}
    for labels, first, last in ((left, -4005, -1800), (came, -1200, 0)):
        prometheus.put("up", counted(lambda _: 1, first, last), **labels)
        prometheus.put("model_infer_request_success_total", rising(10, first, last), **labels)
    pods = by_pod(await past(prometheus))
    assert pods["mlserver left"][0].minute == 0
    assert len(pods["mlserver left"]) == pytest.approx(30, abs=1)
    assert pods["mlserver came"][-1].minute == 58
    assert len(pods["mlserver came"]) == pytest.approx(20, abs=1)
    assert max(one.tally.requests for one in pods["mlserver came"]) == 600


async def test_a_gateway_does_not_tell_of_copies() -> None:
    prometheus = Prometheus()
    for proxy in ("one", "two"):
        labels = {"envoy_cluster_name": "fraud@v1", "job": "envoy", "instance": proxy}
        prometheus.put("envoy_cluster_upstream_rq_total", rising(10), **labels)
        good = {**labels, "envoy_response_code_class": "2"}
        prometheus.put("envoy_cluster_upstream_rq_xx", rising(10), **good)
        for le, rate in (("100", 6), ("500", 9), ("+Inf", 10)):
            prometheus.put("envoy_cluster_upstream_rq_time_bucket", rising(rate), le=le, **labels)
    history = await past(prometheus, rollout(ERRORS, LATENCY, GAUGE))
    assert set(by_pod(history)) == {""}
    assert len(history.minutes) == 2 * 59
    tally = by_pod(history, "latency_p99")[""][0].tally
    assert (tally.bounds, tally.buckets) == ((0.1, 0.5), (720, 360, 120))
    assert len(prometheus.queries) == len(set(prometheus.queries)) == 3


async def test_a_short_past_says_how_short_it_is() -> None:
    prometheus = Prometheus()
    labels = {"model_name": "fraud", "model_version": "v1", "job": "mlserver", "instance": "a"}
    prometheus.put("up", counted(lambda _: 1, first=-605), **labels)
    prometheus.put("model_infer_request_success_total", rising(10, first=-605), **labels)
    history = await past(prometheus)
    assert history.span == timedelta(seconds=605 + EDGE)


async def test_nobody_recorded_stable() -> None:
    assert await past(Prometheus()) == PodHistory(timedelta(0), ())


async def test_a_first_deployment_has_no_past_and_asks_nothing() -> None:
    prometheus = Prometheus()
    assert await past(prometheus, rollout(stable=False)) == PodHistory(timedelta(0), ())
    assert prometheus.queries == []


async def test_an_hour_that_is_too_large_is_read_by_half() -> None:
    prometheus = Prometheus(
        refuse=lambda query: "infer" in query and int(query.rsplit("[", 1)[1].removesuffix("ms]")) > 2e6
    )
    engine(prometheus, "a", 10)
    history = await past(prometheus)
    assert history.span == timedelta(seconds=HOUR_SECONDS / 2 + EDGE)


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        (always(b"", 503), Reason.METRICS_UNAVAILABLE),
        (always(b"<html>"), Reason.METRICS_INVALID),
        (always(success("vector", [])), Reason.METRICS_INVALID),
        (Prometheus(refuse=lambda query: query != "time()"), Reason.METRICS_INVALID),
        (always(success("scalar", [NOW, str(NOW)], warnings=["partial"])), Reason.METRICS_PARTIAL),
    ],
)
async def test_an_answer_that_cannot_be_trusted_is_no_reading(play: Play, reason: Reason) -> None:
    async with source(play, PATIENT) as metrics:
        found = await metrics.history(rollout())
    assert isinstance(found, NoReading)
    assert found.reason is reason


async def test_a_server_that_hangs_costs_a_bounded_time() -> None:
    async with source(hang) as metrics:
        found = await metrics.history(rollout())
    assert isinstance(found, NoReading)
    assert found.reason is Reason.METRICS_UNAVAILABLE


async def test_samples_that_are_not_counts_are_no_past() -> None:
    prometheus = Prometheus()
    labels = engine(prometheus, "a", 10)
    prometheus.put("model_infer_request_failure_total", counted(lambda _: math.nan), **labels)
    assert {one.tally.bad for one in (await past(prometheus)).minutes} == {0}


async def test_an_unknown_pack_is_an_error_of_the_target() -> None:
    with pytest.raises(TargetError, match="there is no metrics pack 'haproxy'"):
        await past(Prometheus(), rollout(metrics="haproxy"))


async def test_no_more_is_read_than_any_window_may_hold() -> None:
    prometheus = Prometheus()
    engine(prometheus, "a", 10)
    async with source(prometheus, replace(PATIENT, longest_window=timedelta(minutes=10))) as metrics:
        history = await metrics.history(rollout(metrics="mlserver"))
    assert isinstance(history, PodHistory)
    assert history.span == timedelta(seconds=600 + EDGE)
