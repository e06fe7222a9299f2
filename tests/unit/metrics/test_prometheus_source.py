"""The metric source against a small HTTP server of our own that plays every answer, good and bad."""

import asyncio
import gzip
import json
import math
import re
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from controller.adapters.metrics.client import PrometheusAccess
from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.adapters.naming import backend_name
from controller.domain.judge.counts import GaugeSample
from controller.domain.model import Rollout, Route
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Release
from controller.domain.vocabulary import Reason
from controller.errors import TargetError

NOW = 1_750_000_000.0
SECOND = timedelta(seconds=1)
FAST = PrometheusAccess(timeout=SECOND / 2, connect_timeout=SECOND / 2, gather=timedelta(milliseconds=5))
PATIENT = replace(FAST, timeout=30 * SECOND)
"""For servers here that work out hours of samples: a busy machine is no reason to fail."""
ERRORS = Check("errors", CheckKind.RATIO, max=0.01)
LATENCY = Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99)
GAUGE = Check("queue", CheckKind.GAUGE, max=10, query='sum(queue{backend="$backend"})')

Form = Mapping[str, str]
Play = Callable[[BaseHTTPRequestHandler, Form], None]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def rollout(*checks: Check, model: str = "fraud", metrics: str = "envoy", stable: bool = True) -> Rollout:
    policy = Policy(
        model, "ml", RouteRef("envoy", f"/{model}"), metrics, (), checks or (ERRORS,), interval=5 * SECOND
    )
    return Rollout(
        f"{model}-1",
        model,
        Release("v2", ("127.0.0.1:1002",)),
        policy,
        at(-100),
        "ann",
        stable=Release("v1", ("127.0.0.1:1001",)) if stable else None,
    )


def answer(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    if "Content_Length" not in headers:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def success(result_type: str, result: object, **more: object) -> bytes:
    return json.dumps(
        {"status": "success", "data": {"resultType": result_type, "result": result}, **more}
    ).encode()


@dataclass
class Prometheus:
    """A Prometheus that holds given series; queries are those that the source sends, nothing more."""

    series: list[tuple[dict[str, str], list[tuple[float, str]]]] = field(default_factory=list)
    now: float = NOW
    gauges: dict[str, bytes] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    refuse: Callable[[str], bool] = lambda _: False

    def put(self, metric: str, samples: list[tuple[float, float | str]], **labels: str) -> None:
        self.series.append(
            ({"__name__": metric, **labels}, [(NOW + second, str(value)) for second, value in samples])
        )

    def __call__(self, handler: BaseHTTPRequestHandler, form: Form) -> None:
        query = form["query"]
        self.queries.append(query)
        if self.refuse(query):
            answer(handler, b'{"status":"error","errorType":"execution"}', 422)
        elif query == "time()":
            answer(handler, success("scalar", [self.now, str(self.now)]))
        elif query in self.gauges:
            answer(handler, self.gauges[query])
        else:
            answer(handler, self._select(query, float(form["time"])))

    def _select(self, query: str, now: float) -> bytes:
        found = re.fullmatch(r"(last_over_time\()?(\w*)\{(.*)\}\[(\d+)ms\]\)?", query)
        assert found, query
        last, metric, matchers, window = found.groups()
        wanted = [
            (label, operator == "=~", json.loads(regex))
            for label, operator, regex in re.findall(r'(\w+)([=!]~)("(?:[^"\\]|\\.)*")', matchers)
        ]
        rows = []
        for labels, samples in self.series:
            if metric not in ("", labels["__name__"]) or not all(
                bool(re.fullmatch(regex, labels.get(label, ""))) is same for label, same, regex in wanted
            ):
                continue
            inside = [
                [second, value] for second, value in samples if now - int(window) / 1e3 <= second <= now
            ]
            if inside and last:
                rows.append({"metric": labels, "value": [now, inside[-1][1]]})
            elif inside:
                rows.append({"metric": labels, "values": inside})
        return success("vector" if last else "matrix", rows)


@contextmanager
def serving(play: Play) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with suppress(OSError):  # the client may have gone
                play(self, {name: values[0] for name, values in parse_qs(text).items()})

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@asynccontextmanager
async def source(play: Play, access: PrometheusAccess = FAST) -> AsyncIterator[PrometheusSource]:
    with serving(play) as url:
        metrics = PrometheusSource(url, built_in_packs(), access)
        try:
            yield metrics
        finally:
            await metrics.close()


def steady(
    count: Callable[[int], float | str], first: int = -400, last: int = 0
) -> list[tuple[float, float | str]]:
    return [(second, count(second)) for second in range(first, last + 1)]


def rising(per_second: int) -> list[tuple[float, float | str]]:
    return steady(lambda second: per_second * (second + 1000))


def constant(value: float | str) -> list[tuple[float, float | str]]:
    return steady(lambda _: value)


def envoy(prometheus: Prometheus, version: str, per_second: int, model: str = "fraud") -> str:
    name = backend_name(model, version)
    count = rising(per_second)
    prometheus.put("envoy_cluster_upstream_rq_total", count, envoy_cluster_name=name)
    prometheus.put(
        "envoy_cluster_upstream_rq_xx", count, envoy_cluster_name=name, envoy_response_code_class="2"
    )
    return name


def healthy(*, model: str = "fraud") -> Prometheus:
    prometheus = Prometheus()
    envoy(prometheus, "v1", 90, model)
    envoy(prometheus, "v2", 10, model)
    return prometheus


async def read(play: Play, what: Rollout | None = None, since: float = -21) -> Reading | NoReading:
    async with source(play) as metrics:
        return await metrics.read(what or rollout(), Measure(at(since)))


def reading(outcome: Reading | NoReading) -> Reading:
    assert isinstance(outcome, Reading), outcome
    return outcome


# Good answers


async def test_both_versions_are_counted_in_blocks_from_the_cursor_on() -> None:
    found = reading(await read(healthy()))
    assert found.server_time == at(0)
    assert [(b.start, b.canary_requests, b.stable_requests) for b in found.blocks] == [
        (at(-20), 50, 450),
        (at(-15), 50, 450),
        (at(-10), 50, 450),
        (at(-5), 50, 450),
    ]
    assert found.warnings == ()


async def test_blocks_are_as_long_as_the_time_between_scrapes() -> None:
    prometheus = Prometheus()
    for version, rate in (("v1", 90), ("v2", 10)):
        count = [(second, rate * (second + 1000)) for second in range(-390, 1, 15)]
        name = backend_name("fraud", version)
        prometheus.put("envoy_cluster_upstream_rq_total", [*count], envoy_cluster_name=name)
        prometheus.put(
            "envoy_cluster_upstream_rq_xx", [*count], envoy_cluster_name=name, envoy_response_code_class="2"
        )
    found = reading(await read(prometheus, since=-55))
    assert [(b.start, b.end, b.canary_requests) for b in found.blocks] == [
        (at(start), at(start + 15), 150) for start in (-55, -40, -25)
    ]


async def test_without_a_cursor_only_the_time_is_asked() -> None:
    prometheus = healthy()
    async with source(prometheus) as metrics:
        assert await metrics.read(rollout(GAUGE), Measure(None)) == Reading(at(0))
    assert prometheus.queries == ["time()"]


async def test_an_absent_error_series_means_no_errors() -> None:
    found = reading(await read(healthy()))
    assert {block.checks[0].canary.bad for block in found.blocks} == {0}


async def test_a_newborn_error_series_counts_from_zero() -> None:
    prometheus = healthy()
    labels = {"envoy_cluster_name": "fraud@v2", "envoy_response_code_class": "5"}
    prometheus.put("envoy_cluster_upstream_rq_xx", steady(lambda _: 60, first=-8), **labels)
    found = reading(await read(prometheus))
    assert [block.checks[0].canary.bad for block in found.blocks] == [0, 0, 60, 0]


async def test_an_error_series_that_returns_after_a_long_silence_is_not_newborn() -> None:
    prometheus = healthy()
    labels = {"envoy_cluster_name": "fraud@v2", "envoy_response_code_class": "5"}
    samples = [(-390.0, 5000.0), *((float(s), 5003.0) for s in range(-8, 1))]
    prometheus.put("envoy_cluster_upstream_rq_xx", [*samples], **labels)
    found = reading(await read(prometheus))
    assert [block.checks[0].canary.bad for block in found.blocks] == [0, 0, 3, 0]
    assert sum("last_over_time" in query for query in prometheus.queries) == 1


async def test_series_of_several_metrics_that_come_late_are_looked_for_in_one_query() -> None:
    prometheus = healthy()
    name = {"envoy_cluster_name": "fraud@v2"}
    late = [(float(second), 60.0) for second in range(-8, 1)]
    prometheus.put("envoy_cluster_upstream_rq_xx", [*late], envoy_response_code_class="5", **name)
    prometheus.put("envoy_cluster_upstream_rq_timeout", [(-390.0, 57.0), *late], **name)
    for le, rate in (("100", 6), ("+Inf", 9)):
        prometheus.put("envoy_cluster_upstream_rq_time_bucket", rising(rate), le=le, **name)
    found = reading(await read(prometheus, rollout(ERRORS, LATENCY)))
    assert [block.checks[0].canary.bad for block in found.blocks] == [0, 0, 60, 0]
    beyond = [block.checks[1].canary.requests - 45 for block in found.blocks]
    assert beyond == [0, 0, 3, 0], "of those that came late, one had been there before"
    assert len(prometheus.queries) == 4


async def test_a_server_that_drops_the_metrics_names_is_not_believed() -> None:
    prometheus = healthy()
    name = {"envoy_cluster_name": "fraud@v2"}
    late = [(float(second), 60.0) for second in range(-8, 1)]
    prometheus.put("envoy_cluster_upstream_rq_xx", [*late], envoy_response_code_class="5", **name)

    def play(handler: BaseHTTPRequestHandler, form: Form) -> None:
        if form["query"].startswith("last_over_time"):
            answer(handler, success("vector", [{"metric": name, "value": [NOW, "60"]}]))
        else:
            prometheus(handler, form)

    message = "Prometheus gave a series without its metric's name"
    assert await read(play, rollout(ERRORS, LATENCY)) == NoReading(Reason.METRICS_INVALID, message)


async def test_a_canary_without_traffic_has_no_requests() -> None:
    prometheus = Prometheus()
    envoy(prometheus, "v1", 90)
    prometheus.put("envoy_cluster_upstream_rq_total", constant(0), envoy_cluster_name="fraud@v2")
    found = reading(await read(prometheus))
    assert [(b.canary_requests, b.stable_requests) for b in found.blocks] == [(0, 450)] * 4


async def test_stable_s_series_vouch_for_a_canary_that_a_shared_target_does_not_show_yet() -> None:
    prometheus = Prometheus()
    envoy(prometheus, "v1", 90)
    found = reading(await read(prometheus))
    assert [block.canary_requests for block in found.blocks] == [0] * 4


async def test_durations_are_read_in_seconds_with_timeouts_above_the_last_bound() -> None:
    prometheus = healthy()
    name = {"envoy_cluster_name": "fraud@v2"}
    for le, rate in (("100", 6), ("500", 8), ("+Inf", 9)):
        prometheus.put("envoy_cluster_upstream_rq_time_bucket", rising(rate), le=le, **name)
    prometheus.put("envoy_cluster_upstream_rq_timeout", rising(1), **name)
    tally = reading(await read(prometheus, rollout(ERRORS, LATENCY))).blocks[0].checks[1].canary
    assert (tally.bounds, tally.buckets, tally.requests) == ((0.1, 0.5), (30, 10, 10), 50)


async def test_the_engine_pack_tells_versions_by_the_labels_of_their_targets() -> None:
    prometheus = Prometheus()
    for version, rate in (("v1", 90), ("v2", 10)):
        target = {"model_name": "fraud", "model_version": version}
        prometheus.put("up", constant(1), **target)
        prometheus.put("model_infer_request_success_total", rising(rate), **target)
        prometheus.put("model_infer_request_failure_total", rising(1), **target)
    block = reading(await read(prometheus, rollout(metrics="mlserver"))).blocks[0]
    assert (block.canary_requests, block.stable_requests) == (55, 455)
    assert block.checks[0].canary.bad == 5


async def test_a_first_deployment_has_no_stable_counts() -> None:
    found = reading(await read(healthy(), rollout(stable=False)))
    assert [(b.canary_requests, b.stable_requests) for b in found.blocks] == [(50, 0)] * 4


async def test_a_check_that_the_pack_cannot_measure_is_told() -> None:
    packs = built_in_packs()
    packs["envoy"] = packs["envoy"].model_copy(update={"histograms": {}})
    with serving(healthy()) as url:
        metrics = PrometheusSource(url, packs, FAST)
        found = reading(await metrics.read(rollout(ERRORS, LATENCY), Measure(at(-21))))
        await metrics.close()
    assert found.warnings == ("latency_p99 cannot be measured by the metrics pack envoy",)


WAIT = Check(
    "wait_p50", CheckKind.QUANTILE, max=0.1, quantile=0.5, query='wait_bucket{v="$version",queue!="batch"}'
)
CUT = Check(
    "cut",
    CheckKind.RATIO,
    max=0.1,
    query='x_total{backend="$backend",end="cut"}',
    of='x_total{backend="$backend"}',
)


async def test_a_policy_counts_what_its_pack_does_not_know() -> None:
    prometheus = healthy()
    for le, rate in (("0.1", 4), ("+Inf", 5)):
        for queue in ("chat", "batch"):
            prometheus.put("wait_bucket", rising(rate), le=le, v="v2", queue=queue)
    for end, rate in (("cut", 2), ("done", 6)):
        prometheus.put("x_total", rising(rate), backend="fraud@v2", end=end)
        prometheus.put("x_total", rising(10 * rate), backend="fraud@v1", end=end)
    block = reading(await read(prometheus, rollout(ERRORS, WAIT, CUT))).blocks[0]
    assert (block.canary_requests, block.stable_requests) == (50, 450)
    errors, wait, cut = block.checks
    assert (errors.canary.requests, errors.canary.bad) == (50, 0)
    assert (wait.canary.bounds, wait.canary.buckets, wait.stable.requests) == ((0.1,), (20, 5), 0)
    assert [(tally.requests, tally.bad) for tally in (cut.canary, cut.stable)] == [(40, 10), (400, 100)]


async def test_a_counter_of_ones_own_that_returns_is_not_newborn_in_either_of_its_roles() -> None:
    prometheus = healthy()
    samples = [(-390.0, 5000.0), *((float(s), 5003.0) for s in range(-8, 1))]
    prometheus.put("x_total", [*samples], backend="fraud@v2", end="cut")
    blocks = reading(await read(prometheus, rollout(ERRORS, CUT))).blocks
    assert [(b.checks[1].canary.requests, b.checks[1].canary.bad) for b in blocks] == [
        (0, 0),
        (0, 0),
        (3, 3),
        (0, 0),
    ]


async def test_models_that_count_the_same_are_asked_for_together() -> None:
    prometheus = Prometheus()
    models = [f"m{number}" for number in range(10)]
    for model in models:
        for version, rate in (("v1", 90), ("v2", 10)):
            name = envoy(prometheus, version, rate, model)
            prometheus.put("x_total", rising(rate), backend=name, end="cut")
    async with source(prometheus) as metrics:
        asked = [metrics.read(rollout(ERRORS, CUT, model=model), Measure(at(-21))) for model in models]
        found = [reading(one) for one in await asyncio.gather(*asked)]
    assert {(one.blocks[0].checks[1].canary.bad, one.blocks[0].checks[1].stable.bad) for one in found} == {
        (50, 450)
    }
    assert sum("x_total" in query for query in prometheus.queries) == 2


async def test_counts_older_than_the_longest_window_are_left_out_and_told() -> None:
    access = replace(FAST, longest_window=60 * SECOND)
    async with source(healthy(), access) as metrics:
        found = reading(await metrics.read(rollout(), Measure(at(-300))))
    assert found.blocks[0].start == at(-60)
    assert found.warnings == ("counts older than 0.0166667 h were not read",)


async def test_an_unknown_pack_is_an_error_of_the_target() -> None:
    with pytest.raises(
        TargetError,
        match="there is no metrics pack 'haproxy'; known here: ai-gateway, envoy, ",
    ):
        await read(healthy(), rollout(metrics="haproxy"))


# Names of the gateway's own

RULE = "httproute/ml/fraud/rule/0"
BOTH = (("v1", f"{RULE}/backend/0"), ("v2", f"{RULE}/backend/1"))


def behind_a_gateway(*series: tuple[str, str]) -> Rollout:
    return replace(rollout(metrics="envoy-gateway"), route=Route(series=series))


def cluster(prometheus: Prometheus, name: str, samples: list[tuple[float, float | str]]) -> None:
    labels = {"envoy_cluster_name": name, "job": "envoy", "instance": "proxy-1:19001"}
    prometheus.put("envoy_cluster_upstream_rq_total", samples, **labels)
    prometheus.put("envoy_cluster_upstream_rq_xx", samples, **labels, envoy_response_code_class="2")


async def test_versions_are_told_apart_by_the_gateway_s_own_names() -> None:
    prometheus = Prometheus()
    cluster(prometheus, f"{RULE}/backend/0", rising(90))
    cluster(prometheus, f"{RULE}/backend/1", rising(10))
    cluster(prometheus, f"{RULE}/backend/2", rising(500))
    cluster(prometheus, RULE, rising(700))
    found = reading(await read(prometheus, behind_a_gateway(*BOTH)))
    assert [(b.canary_requests, b.stable_requests) for b in found.blocks] == [(50, 450)] * 4


@pytest.mark.parametrize("series", [(), BOTH[:1], BOTH[1:]])
async def test_a_version_that_the_gateway_has_no_name_for_is_not_mixed_with_the_other(series: Any) -> None:
    prometheus = Prometheus()
    cluster(prometheus, RULE, rising(100))
    cluster(prometheus, f"{RULE}/backend/0", rising(90))
    found = await read(prometheus, behind_a_gateway(*series))
    assert isinstance(found, NoReading)
    assert found.reason is Reason.METRICS_AMBIGUOUS
    assert found.message.endswith("apart: has its backendRef a filter?")


async def test_a_name_that_envoy_cuts_off_is_told() -> None:
    names = [(version, name.replace("fraud", "fraud.v1")) for version, name in BOTH]
    found = await read(Prometheus(), behind_a_gateway(*names))
    assert isinstance(found, NoReading)
    assert found.message == (
        "Envoy's metrics cut httproute/ml/fraud.v1/rule/0/backend/1 off at its first dot: "
        "give the route a name without dots"
    )


async def test_a_first_deployment_behind_a_gateway_needs_one_name() -> None:
    prometheus = Prometheus()
    cluster(prometheus, RULE, rising(10))
    alone = replace(behind_a_gateway(("v2", RULE)), stable=None)
    found = reading(await read(prometheus, alone))
    assert [(b.canary_requests, b.stable_requests) for b in found.blocks] == [(50, 0)] * 4


async def test_names_that_come_with_the_canary_bring_no_counts_from_before_they_were_scraped() -> None:
    """Stable's cluster is a new one from the first step on: what it has when it is first seen is no news."""
    prometheus = Prometheus()
    cluster(prometheus, RULE, steady(lambda second: 100 * (second + 1000), last=-9))
    cluster(prometheus, f"{RULE}/backend/0", steady(lambda second: 5000 + 90 * (second + 8), first=-8))
    cluster(prometheus, f"{RULE}/backend/1", steady(lambda second: 70 + 10 * (second + 8), first=-8))
    found = reading(await read(prometheus, behind_a_gateway(*BOTH)))
    assert [(b.canary_requests, b.stable_requests) for b in found.blocks] == [
        (0, 0),
        (0, 0),
        (30, 270),
        (50, 450),
    ]


async def test_a_canary_s_cluster_that_comes_a_scrape_later_counts_from_nothing() -> None:
    prometheus = Prometheus()
    cluster(prometheus, f"{RULE}/backend/0", rising(90))
    cluster(prometheus, f"{RULE}/backend/1", steady(lambda second: 20 + 10 * (second + 8), first=-8))
    found = reading(await read(prometheus, behind_a_gateway(*BOTH)))
    assert [block.canary_requests for block in found.blocks] == [0, 0, 50, 50]


async def test_the_counts_of_an_earlier_canary_in_the_same_place_are_not_the_new_one_s() -> None:
    """The place in the list names the cluster, and so the last rollout's canary had the same name."""
    prometheus = Prometheus()
    cluster(prometheus, f"{RULE}/backend/0", rising(90))
    before: list[tuple[float, float | str]] = [(float(second), 9000.0) for second in range(-390, -200)]
    cluster(prometheus, f"{RULE}/backend/1", [*before, *steady(lambda second: 10 * (second + 9), first=-8)])
    found = reading(await read(prometheus, behind_a_gateway(*BOTH)))
    assert sum(block.canary_requests for block in found.blocks) == 90


# Many rollouts at once


async def test_rollouts_that_ask_together_share_one_query_per_metric() -> None:
    prometheus = Prometheus()
    models = [f"model-{number}" for number in range(60)]
    for model in models:
        envoy(prometheus, "v1", 9, model)
        envoy(prometheus, "v2", 1, model)
    async with source(prometheus, replace(FAST, timeout=10 * SECOND)) as metrics:
        reads = (metrics.read(rollout(ERRORS, LATENCY, model=model), Measure(at(-21))) for model in models)
        found = [reading(outcome) for outcome in await asyncio.gather(*reads)]
    time_, pulse, counters = prometheus.queries
    assert time_ == "time()"
    assert pulse.startswith("envoy_cluster_upstream_rq_total{")
    names = [f"envoy_cluster_upstream_rq_{name}" for name in ("time_bucket", "timeout", "xx")]
    assert counters.startswith(f'{{__name__=~"{"|".join(names)}",')
    assert {block.canary_requests for outcome in found for block in outcome.blocks} == {5}


async def test_queries_name_no_more_backends_than_allowed() -> None:
    prometheus = Prometheus()
    models = [f"model-{number}" for number in range(5)]
    for model in models:
        envoy(prometheus, "v1", 9, model)
        envoy(prometheus, "v2", 1, model)
    async with source(prometheus, replace(FAST, backends_per_query=4)) as metrics:
        reads = (metrics.read(rollout(model=model), Measure(at(-21))) for model in models)
        assert all(reading(outcome).blocks for outcome in await asyncio.gather(*reads))
    assert max(query.count("|") for query in prometheus.queries) == 3


async def test_a_rollout_that_lags_far_behind_does_not_widen_the_query_of_the_others() -> None:
    prometheus = healthy()
    envoy(prometheus, "v1", 9, "late")
    envoy(prometheus, "v2", 1, "late")
    access = replace(FAST, slowest_scrape=2 * SECOND)
    async with source(prometheus, access) as metrics:
        near = metrics.read(rollout(), Measure(at(-21)))
        far = metrics.read(rollout(model="late"), Measure(at(-300)))
        near_found, far_found = await asyncio.gather(near, far)
    assert (len(reading(near_found).blocks), len(reading(far_found).blocks)) == (4, 60)
    assert not any("late" in query and "fraud" in query for query in prometheus.queries)


async def test_a_version_that_is_not_scraped_does_not_widen_the_query_of_the_others() -> None:
    prometheus = healthy()
    async with source(prometheus) as metrics:
        unknown = metrics.read(rollout(model="unknown"), Measure(at(-21)))
        good, stale = await asyncio.gather(metrics.read(rollout(), Measure(at(-21))), unknown)
    assert reading(good).blocks
    assert isinstance(stale, NoReading)
    (query,) = (query for query in prometheus.queries if "rq_xx" in query and "fraud" in query)
    assert query.endswith("[29500ms]")


async def test_a_refused_query_is_halved_until_the_one_that_breaks_it_stands_alone() -> None:
    prometheus = Prometheus(refuse=lambda query: "rq_xx" in query and "model-3@" in query)
    models = [f"model-{number}" for number in range(8)]
    for model in models:
        envoy(prometheus, "v1", 9, model)
        envoy(prometheus, "v2", 1, model)
    async with source(prometheus) as metrics:
        reads = (metrics.read(rollout(model=model), Measure(at(-21))) for model in models)
        found = dict(zip(models, await asyncio.gather(*reads), strict=True))
    broken = found.pop("model-3")
    assert broken == NoReading(Reason.METRICS_INVALID, "Prometheus refused the query (HTTP 422, execution)")
    assert all(reading(outcome).blocks for outcome in found.values())


async def test_a_server_that_refuses_everything_is_not_flooded() -> None:
    prometheus = Prometheus(refuse=lambda query: query != "time()")
    async with source(prometheus) as metrics:
        reads = (metrics.read(rollout(model=f"m{number}"), Measure(at(-21))) for number in range(150))
        found = await asyncio.gather(*reads)
    assert {outcome.reason for outcome in found if isinstance(outcome, NoReading)} == {Reason.METRICS_INVALID}
    assert len(prometheus.queries) < 200


async def test_a_malformed_series_spoils_only_its_own_rollout() -> None:
    prometheus = healthy()
    envoy(prometheus, "v1", 9, "other")
    envoy(prometheus, "v2", 1, "other")
    prometheus.put(
        "envoy_cluster_upstream_rq_xx",
        [(-1, "many")],
        envoy_cluster_name="other@v2",
        envoy_response_code_class="5",
    )
    async with source(prometheus) as metrics:
        good, bad = await asyncio.gather(
            metrics.read(rollout(), Measure(at(-21))), metrics.read(rollout(model="other"), Measure(at(-21)))
        )
    assert reading(good).blocks
    assert bad == NoReading(Reason.METRICS_INVALID, "a series of envoy_cluster_upstream_rq_xx is malformed")


async def test_a_reader_that_gives_up_does_not_disturb_the_others() -> None:
    async with source(healthy()) as metrics:
        impatient = asyncio.create_task(metrics.read(rollout(), Measure(at(-21))))
        patient = asyncio.create_task(metrics.read(rollout(), Measure(at(-21))))
        await asyncio.sleep(0)
        impatient.cancel()
        assert reading(await patient).blocks


# Silence and clocks


async def test_nothing_scraped_at_all_is_stale() -> None:
    assert await read(Prometheus()) == NoReading(
        Reason.METRICS_STALE,
        "Prometheus has no samples of canary v2 of fraud (envoy_cluster_upstream_rq_total): is it scraped?",
    )


async def test_samples_that_are_too_old_are_stale() -> None:
    prometheus = healthy()
    prometheus.now = NOW + 8
    assert await read(prometheus) == NoReading(
        Reason.METRICS_STALE,
        "the newest sample of canary v2 of fraud is 8 s old (limit 7.5 s): is it scraped?",
    )


async def test_an_engine_that_is_down_is_stale_though_stable_s_is_up() -> None:
    prometheus = Prometheus()
    for version, up in (("v1", 1), ("v2", 0)):
        target = {"model_name": "fraud", "model_version": version}
        prometheus.put("up", constant(up), **target)
    outcome = await read(prometheus, rollout(metrics="mlserver"))
    assert isinstance(outcome, NoReading)
    assert outcome.reason is Reason.METRICS_STALE


async def test_a_clock_that_went_back_behind_the_cursor_is_told() -> None:
    assert await read(healthy(), since=600) == NoReading(
        Reason.CLOCK_STEPPED, "Prometheus' clock is 600.0 s behind what it was"
    )


async def test_a_clock_that_went_ahead_makes_samples_stale() -> None:
    prometheus = healthy()
    prometheus.now = NOW + 600
    outcome = await read(prometheus)
    assert isinstance(outcome, NoReading)
    assert outcome.reason is Reason.METRICS_STALE


async def test_versions_that_the_pack_cannot_tell_apart_are_ambiguous() -> None:
    same = replace(rollout(), stable=Release("v2", ("127.0.0.1:1001",)))
    assert await read(healthy(), same) == NoReading(
        Reason.METRICS_AMBIGUOUS, "the metrics pack envoy cannot tell the two versions apart"
    )


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1"])
async def test_series_of_nothing_but_impossible_counts_are_invalid(value: str) -> None:
    prometheus = Prometheus()
    for version in ("v1", "v2"):
        name = {"envoy_cluster_name": f"fraud@{version}"}
        prometheus.put("envoy_cluster_upstream_rq_total", constant(value), **name)
    assert await read(prometheus) == NoReading(
        Reason.METRICS_INVALID, "the newest samples of canary v2 of fraud are not counts"
    )


async def test_single_impossible_counts_are_ignored_and_told() -> None:
    prometheus = Prometheus()
    for version in ("v1", "v2"):
        envoy(prometheus, version, 10)
    labels, samples = prometheus.series[-1]
    prometheus.series[-1] = labels, [(s, "NaN" if s == NOW - 7 else v) for s, v in samples]
    found = reading(await read(prometheus))
    assert [block.canary_requests for block in found.blocks] == [50] * 4
    assert found.warnings == ("1 samples that are not a count were ignored",)


async def test_the_same_series_twice_is_invalid() -> None:
    prometheus = healthy()
    prometheus.series.append(prometheus.series[-1])
    assert await read(prometheus) == NoReading(
        Reason.METRICS_INVALID, "envoy_cluster_upstream_rq_xx has the same series twice"
    )


# Bad answers: each is given to every query


def always(body: bytes, status: int = 200, **headers: str) -> Play:
    return lambda handler, _: answer(handler, body, status, **headers)


def hang(handler: BaseHTTPRequestHandler, form: Form) -> None:
    handler.rfile.read(1)  # until the client hangs up


def drip(handler: BaseHTTPRequestHandler, form: Form) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(1000):
            handler.wfile.write(b" ")
            time.sleep(0.05)


def reset(handler: BaseHTTPRequestHandler, form: Form) -> None:
    handler.connection.close()


TIME = [NOW, str(NOW)]
UNAVAILABLE, INVALID = Reason.METRICS_UNAVAILABLE, Reason.METRICS_INVALID
BAD_ANSWERS: dict[str, tuple[Play, Reason, str]] = {
    "503": (always(b"busy", 503), UNAVAILABLE, "HTTP 503"),
    "503 with JSON": (
        always(b'{"status":"error","errorType":"timeout"}', 503),
        UNAVAILABLE,
        "HTTP 503, timeout",
    ),
    "500 with HTML": (always(b"<html>", 500), UNAVAILABLE, "HTTP 500"),
    "429 Retry-After": (always(b"", 429, Retry_After="7"), UNAVAILABLE, "HTTP 429"),
    "503 Retry-After": (always(b"", 503, Retry_After="7"), UNAVAILABLE, "HTTP 503"),
    "401": (always(b"", 401), UNAVAILABLE, "check the credentials"),
    "400": (always(b'{"status":"error","errorType":"bad_data"}', 400), INVALID, "HTTP 400, bad_data"),
    "422": (always(b'{"status":"error","errorType":"execution"}', 422), INVALID, "HTTP 422, execution"),
    "redirects": (always(b"", 302, Location="/api/v1/query"), UNAVAILABLE, "redirects (HTTP 302)"),
    "reset": (reset, UNAVAILABLE, "the connection to Prometheus failed"),
    "hang": (hang, UNAVAILABLE, "no answer within 0.5 s"),
    "drip": (drip, UNAVAILABLE, "no answer within 0.5 s"),
    "cut short": (
        always(b'{"status":', Content_Length="4000"),
        UNAVAILABLE,
        "the connection to Prometheus failed",
    ),
    "truncated JSON": (always(success("scalar", TIME)[:-9]), INVALID, "not the JSON of its API"),
    "HTML": (always(b"<html>It works!</html>"), INVALID, "not the JSON of its API"),
    "empty": (always(b""), INVALID, "not the JSON of its API"),
    "not UTF-8": (always(b'{"status": "\xff"}'), INVALID, "not the JSON of its API"),
    "a list": (always(b"[]"), INVALID, "not the JSON of its API"),
    "nested JSON": (always(b"[" * 100_000), INVALID, "not the JSON of its API"),
    "compressed": (
        always(gzip.compress(success("scalar", TIME)), Content_Encoding="gzip"),
        INVALID,
        "an encoding that was not asked for",
    ),
    "status error in 200": (
        always(b'{"status":"error","errorType":"bad_data"}'),
        INVALID,
        "an error, bad_data",
    ),
    "timeout in 200": (always(b'{"status":"error","errorType":"timeout"}'), UNAVAILABLE, "an error, timeout"),
    "unknown error type": (always(b'{"status":"error","errorType":"s3cret"}'), INVALID, "an error"),
    "no data": (always(b'{"status":"success"}'), INVALID, "has no result"),
    "no result": (always(b'{"status":"success","data":{"resultType":"scalar"}}'), INVALID, "has no result"),
    "string": (always(success("string", [NOW, "x"])), INVALID, "what time it is"),
    "matrix": (always(success("matrix", [])), INVALID, "what time it is"),
    "vector": (always(success("vector", [{"metric": {}, "value": TIME}])), INVALID, "what time it is"),
    "scalar NaN": (always(success("scalar", [NOW, "NaN"])), INVALID, "what time it is"),
    "scalar Inf": (always(success("scalar", [NOW, "+Inf"])), INVALID, "what time it is"),
    "warnings": (always(success("scalar", TIME, warnings=["x"])), Reason.METRICS_PARTIAL, "not complete"),
    "odd warnings": (
        always(success("scalar", TIME, warnings={"x": 1})),
        Reason.METRICS_PARTIAL,
        "not complete",
    ),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_answer_is_no_reading_with_its_reason_in_bounded_time(name: str) -> None:
    play, reason, words = BAD_ANSWERS[name]
    async with source(play) as metrics, asyncio.timeout(5):
        for since in (None, at(-21)):
            outcome = await metrics.read(rollout(), Measure(since))
            assert isinstance(outcome, NoReading)
            assert outcome.reason is reason
            assert words in outcome.message
            assert "s3cret" not in outcome.message


BAD_SERIES: dict[str, tuple[bytes, Reason, str]] = {
    "scalar": (success("scalar", TIME), INVALID, "something else than a matrix"),
    "string": (success("string", [NOW, "x"]), INVALID, "something else than a matrix"),
    "vector": (success("vector", []), INVALID, "something else than a matrix"),
    "not a list": (success("matrix", {"metric": {}}), INVALID, "something else than a matrix"),
    "no labels": (success("matrix", [{"values": [TIME]}]), INVALID, "without labels or values"),
    "labels that are numbers": (success("matrix", [{"metric": {"a": 1}, "values": []}]), INVALID, "not text"),
    "warnings": (
        success("matrix", [], warnings=["a store is missing"]),
        Reason.METRICS_PARTIAL,
        "not complete",
    ),
    "empty": (success("matrix", []), Reason.METRICS_STALE, "is it scraped?"),
}


@pytest.mark.parametrize("name", BAD_SERIES)
async def test_bad_series_are_no_reading_with_their_reason(name: str) -> None:
    body, reason, words = BAD_SERIES[name]
    time_body = success("scalar", TIME)

    def play(handler: BaseHTTPRequestHandler, form: Form) -> None:
        answer(handler, time_body if form["query"] == "time()" else body)

    outcome = await read(play)
    assert isinstance(outcome, NoReading)
    assert (outcome.reason, words in outcome.message) == (reason, True)


BAD_SAMPLES = [
    [NOW],
    [NOW, 5],
    ["x", "5"],
    [NOW, "many"],
    [NOW, None],
    "x",
    None,
    {},
    [True, "1", 2],
    [10**400, "1"],
    [1e300, "1"],
    [math.nan, "1"],
    [-1, "1"],
]


@pytest.mark.parametrize("sample", BAD_SAMPLES, ids=str)
async def test_samples_of_another_shape_are_invalid(sample: object) -> None:
    prometheus = healthy()

    def play(handler: BaseHTTPRequestHandler, form: Form) -> None:
        if "rq_xx" not in form["query"]:
            prometheus(handler, form)
            return
        labels = {"envoy_cluster_name": "fraud@v2", "envoy_response_code_class": "2"}
        answer(handler, success("matrix", [{"metric": labels, "values": [[NOW - 1, "7"], sample]}]))

    assert await read(play) == NoReading(
        Reason.METRICS_INVALID, "a series of envoy_cluster_upstream_rq_xx is malformed"
    )


@pytest.mark.parametrize("le", ["", "fast", "-1", "NaN", "0"])
async def test_a_bucket_without_a_bound_is_invalid(le: str) -> None:
    prometheus = healthy()
    name = {"envoy_cluster_name": "fraud@v2"}
    prometheus.put("envoy_cluster_upstream_rq_time_bucket", rising(1), le=le, **name)
    assert await read(prometheus, rollout(LATENCY)) == NoReading(
        Reason.METRICS_INVALID, "a series of envoy_cluster_upstream_rq_time_bucket is malformed"
    )


async def test_nobody_listening_is_unavailable() -> None:
    with serving(healthy()) as url:
        pass
    metrics = PrometheusSource(url, built_in_packs(), FAST)
    outcome = await metrics.read(rollout(), Measure(at(-21)))
    await metrics.close()
    assert outcome == NoReading(Reason.METRICS_UNAVAILABLE, "the connection to Prometheus failed")


async def test_a_header_that_never_ends_holds_nobody_up() -> None:
    gone = threading.Event()

    def play(handler: BaseHTTPRequestHandler, form: Form) -> None:
        with suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not gone.wait(0.05):
                handler.wfile.write(b"x")

    async with source(play) as metrics, asyncio.timeout(5):
        outcome = await metrics.read(rollout(), Measure(None))
        gone.set()
    assert isinstance(outcome, NoReading)
    assert outcome.reason is Reason.METRICS_UNAVAILABLE


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_reply_of_fifty_megabytes_is_refused_and_not_kept(chunked: bool) -> None:
    piece = b"0" * 2**20

    def play(handler: BaseHTTPRequestHandler, form: Form) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = True
        handler.send_response(200)
        header = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(50 * 2**20))
        handler.send_header(*header)
        handler.end_headers()
        with suppress(OSError):
            for _ in range(50):
                handler.wfile.write(b"100000\r\n%b\r\n" % piece if chunked else piece)

    async with source(play, replace(FAST, timeout=20 * SECOND)) as metrics:
        tracemalloc.start()
        outcomes = [await metrics.read(rollout(), Measure(None)) for _ in range(3)]
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert set(outcomes) == {NoReading(Reason.METRICS_INVALID, "Prometheus' answer is larger than 16 MiB")}
    assert kept < 2 * 2**20
    assert peak < 32 * 2**20


async def test_secrets_in_headers_are_sent_and_never_shown() -> None:
    seen: list[str | None] = []

    def play(handler: BaseHTTPRequestHandler, form: Form) -> None:
        seen.append(handler.headers["Authorization"])
        answer(handler, b"Bearer s3cret", 500)

    async with source(play, replace(FAST, headers={"Authorization": "Bearer s3cret"})) as metrics:
        outcome = await metrics.read(rollout(), Measure(None))
    assert seen == ["Bearer s3cret"]
    assert "s3cret" not in str(outcome)


# Gauges

FILLED = 'sum(queue{backend="fraud@%s"})'
ONE = success("vector", [{"metric": {}, "value": [NOW, "7"]}])


def with_gauge(canary: bytes, stable: bytes = ONE) -> Prometheus:
    prometheus = healthy()
    prometheus.gauges = {FILLED % "v2": canary, FILLED % "v1": stable}
    return prometheus


async def test_a_gauge_is_asked_for_each_version_by_itself() -> None:
    three = success("scalar", [NOW, "3"])
    found = reading(await read(with_gauge(three), rollout(ERRORS, GAUGE)))
    assert found.gauges == (GaugeSample("queue", 3.0, 7.0),)
    assert found.warnings == ()


BAD_GAUGES: dict[str, tuple[bytes, str]] = {
    "none": (success("vector", []), ""),
    "NaN": (success("vector", [{"metric": {}, "value": [NOW, "NaN"]}]), ""),
    "infinite": (success("scalar", [NOW, "+Inf"]), ""),
    "several": (
        success("vector", [{"metric": {"a": name}, "value": [NOW, "1"]} for name in "xy"]),
        "queue of canary: the query gives 2 series instead of one number (MetricsAmbiguous)",
    ),
    "matrix": (
        success("matrix", []),
        "queue of canary: Prometheus gave something else than a vector (MetricsInvalid)",
    ),
    "string": (
        success("string", [NOW, "5"]),
        "queue of canary: Prometheus gave something else than a vector (MetricsInvalid)",
    ),
    "partial": (
        success("scalar", [NOW, "5"], warnings=["w"]),
        "queue of canary: Prometheus warns that its answer is not complete (MetricsPartial)",
    ),
}


@pytest.mark.parametrize("name", BAD_GAUGES)
async def test_a_gauge_that_cannot_be_read_has_no_value_and_does_not_spoil_the_counts(name: str) -> None:
    body, warning = BAD_GAUGES[name]
    found = reading(await read(with_gauge(body), rollout(ERRORS, GAUGE)))
    assert found.gauges == (GaugeSample("queue", None, 7.0),)
    assert found.warnings == ((warning,) if warning else ())
    assert len(found.blocks) == 4


async def test_the_same_gauge_of_two_rollouts_is_asked_once() -> None:
    prometheus = with_gauge(ONE)
    async with source(prometheus) as metrics:
        twice = [metrics.read(rollout(ERRORS, GAUGE), Measure(at(-21))) for _ in range(2)]
        first, second = await asyncio.gather(*twice)
    assert first == second
    assert sorted(query for query in prometheus.queries if "queue" in query) == [FILLED % "v1", FILLED % "v2"]


async def test_without_stable_a_gauge_has_no_stable_value() -> None:
    found = reading(await read(with_gauge(ONE), rollout(GAUGE, stable=False)))
    assert found.gauges == (GaugeSample("queue", 7.0, None),)


async def test_a_query_that_cannot_be_filled_safely_is_not_sent() -> None:
    check = replace(GAUGE, query='sum(queue{backend=~"x|$backend"})')
    prometheus = healthy()
    found = reading(await read(prometheus, rollout(check)))
    assert found.gauges == (GaugeSample("queue", None, None),)
    assert "not a label value of its own" in found.warnings[0]
    assert not any("queue" in query for query in prometheus.queries)
