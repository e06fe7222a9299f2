"""How many requests a version has in hand, as Prometheus can say it; anything doubtful is nobody's word."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from controller.domain.observation import InFlight
from tests.unit.metrics.test_prometheus_source import Form, Play, Prometheus, answer, rollout, source

ENVOY = {"envoy_cluster_name": "fraud@v2"}
ENGINE = {"model": "fraud", "model_version": "v2"}
RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"
Samples = Sequence[tuple[float, float | str]]


def shown(*values: float | str, last: float = 0) -> list[tuple[float, float | str]]:
    """A sample each 5 s, the newest ``last``."""
    return [(last - 5 * (len(values) - 1 - place), value) for place, value in enumerate(values)]


async def counted(play: Play, since: float = 20, version: str = "v2") -> InFlight:
    async with source(play) as metrics:
        what = rollout()
        return await metrics.in_flight(what, replace(what.release, version=version), timedelta(seconds=since))


async def of(*series: tuple[str, Samples, dict[str, str]], since: float = 20) -> InFlight:
    prometheus = Prometheus()
    for metric, samples, labels in series:
        prometheus.put(metric, list(samples), **labels)
    return await counted(prometheus, since)


async def test_envoy_s_active_requests_are_counted_over_all_proxies() -> None:
    name = "envoy_cluster_upstream_rq_active"
    one, other = {**ENVOY, "instance": "a"}, {**ENVOY, "instance": "b"}
    stable = {"envoy_cluster_name": "fraud@v1", "instance": "a"}
    found = await of((name, shown(5, 2), one), (name, shown(1, 1), other), (name, shown(9, 9), stable))
    assert found == InFlight(3, f"by {name}")


async def test_an_engine_s_own_gauge_counts_what_waits_as_well() -> None:
    found = await of((RUNNING, shown(0, 0), ENGINE), (WAITING, shown(4, 2), ENGINE))
    assert found == InFlight(2, f"by {RUNNING} and {WAITING}")


async def test_of_an_engine_and_a_gateway_the_one_counts_that_sees_more() -> None:
    active = ("envoy_cluster_upstream_rq_active", shown(4), ENVOY)
    found = await of((RUNNING, shown(0), ENGINE), active)
    assert found == InFlight(4, "by envoy_cluster_upstream_rq_active")


async def test_a_gateway_that_dropped_the_version_leaves_the_word_to_the_engine() -> None:
    gone = ("envoy_cluster_upstream_rq_active", shown(4, last=-30), ENVOY)
    found = await of((RUNNING, shown(0), ENGINE), gone)
    assert found.requests == 0


async def test_what_was_counted_before_the_traffic_went_is_no_answer() -> None:
    found = await of((RUNNING, shown(0, 0, last=-25), ENGINE))
    assert found == InFlight(None, f"{RUNNING} has not been scraped since")
    on_its_way = await of((RUNNING, shown(0, last=-19), ENGINE))
    assert on_its_way.requests is None


async def test_a_copy_that_fell_silent_may_still_work() -> None:
    heard, silent = {**ENGINE, "instance": "a"}, {**ENGINE, "instance": "b"}
    found = await of((RUNNING, shown(0), heard), (RUNNING, shown(2, last=-40), silent))
    assert found.requests is None
    long_gone = await of((RUNNING, shown(0), heard), (RUNNING, shown(2, last=-150), silent))
    assert long_gone.requests == 0


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "no number"])
async def test_what_is_no_count_is_no_answer(value: str) -> None:
    found = await of((RUNNING, shown(value), ENGINE))
    assert found.requests is None


async def test_a_version_that_nothing_counts_is_said_to_be_so() -> None:
    assert await of() == InFlight(None, "no scraped gauge of requests in flight bears its labels")


async def test_no_answer_is_an_answer_within_a_bounded_time() -> None:
    def failing(handler: BaseHTTPRequestHandler, _: Form) -> None:
        answer(handler, b"<html>", 503)

    def hanging(_: BaseHTTPRequestHandler, __: Form) -> None:
        pass

    for play in (failing, hanging):
        found = await counted(play)
        assert found.requests is None
        assert found.message


async def test_nothing_is_asked_while_requests_may_still_be_on_their_way() -> None:
    prometheus = Prometheus()
    assert (await counted(prometheus, since=2)).requests is None
    assert prometheus.queries == []


async def test_few_questions_for_all_packs_and_none_reaches_back_for_hours() -> None:
    prometheus = Prometheus()
    await counted(prometheus, since=10_000)
    assert len(prometheus.queries) == 3
    assert all(query == "time()" or query.endswith("[900000ms]") for query in prometheus.queries)
