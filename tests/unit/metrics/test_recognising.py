"""The page of one copy, fetched and read: every engine is recognised by its own, hostile pages by nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.recognising import PackRecogniser, names_in
from controller.adapters.store.codec import decode_rollout, encode_rollout
from controller.control.record_view import policy_view
from controller.domain.measures import AUTO, MetricsPage
from controller.domain.model import Rollout
from controller.domain.observation import PackSeen
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Release
from tests.contract.recorded import CANARY, GATEWAYS, LAST, page, shown

PACKS = built_in_packs()
ENGINES = sorted(name for name, pack in PACKS.items() if not pack.refused and name not in GATEWAYS)
LATENCY = Check("latency_p99", CheckKind.QUANTILE, max=1, quantile=0.99)
ERRORS = Check("errors", CheckKind.RATIO, max=0.01)
QUEUE = Check("queue", CheckKind.GAUGE, max=5, measure="queue")
OWN = Check("depth", CheckKind.GAUGE, max=5, query='depth{v="$version"}')


def exposition(pack: str) -> str:
    names = {"model": "m", "version": "v2", "backend": "m@v2", "series": "s", "service": "x"}
    return shown(page(pack), CANARY.numbers(LAST), names)


@contextmanager
def serving(body: bytes, status: int = 200, path: str = "/metrics") -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == path else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def look(endpoint: str | None, *checks: Check, at: MetricsPage | None = None) -> PackSeen:
    where = at or MetricsPage()
    policy = Policy("m", "ml", RouteRef("httpRoute", "m"), AUTO, (), checks or (OWN,), metrics_page=where)
    rollout = Rollout("m-1", "m", Release("v2"), policy, datetime(2026, 1, 1, tzinfo=UTC), "ann")
    engines = PackRecogniser(PACKS)
    try:
        return await engines.recognise(rollout, (endpoint,) if endpoint else ())
    finally:
        await engines.close()


@pytest.mark.parametrize("pack", ENGINES)
async def test_each_engine_is_recognised_by_its_page(pack: str) -> None:
    with serving(exposition(pack).encode()) as endpoint:
        assert await look(endpoint) == PackSeen(pack)


def test_a_gateway_is_recognised_by_nothing_for_it_is_no_copy_of_a_model() -> None:
    assert not any(PACKS[name].recognised_by for name in GATEWAYS)


def test_no_engine_s_page_shows_a_name_that_another_is_recognised_by() -> None:
    for name in ENGINES:
        names = names_in(exposition(name).encode())
        assert names is not None
        assert [pack for pack in PACKS if not names.isdisjoint(PACKS[pack].recognised_by)] == [name]


def test_an_engine_that_had_no_request_yet_is_recognised_by_the_types_that_it_declares() -> None:
    idle = "\n".join(line for line in exposition("kserve").splitlines() if line.startswith("#")) + "\n"
    names = names_in(idle.encode())
    assert names is not None
    assert "request_predict_seconds" in names


async def test_an_engine_that_tells_no_versions_apart_is_named_with_the_reason() -> None:
    with serving(exposition("llamacpp").encode()) as endpoint:
        found = await look(endpoint)
    assert not found.pack
    assert "llamacpp, which cannot be used: llama.cpp counts tokens and seconds but neither" in found.message


async def test_an_engine_that_cannot_measure_a_check_is_named_with_the_reason() -> None:
    with serving(exposition("kserve").encode()) as endpoint:
        assert (await look(endpoint, LATENCY)).pack == "kserve"
        found = await look(endpoint, LATENCY, ERRORS, QUEUE)
    assert not found.pack
    assert "kserve, which does not measure errors (KServe's servers time predictions" in found.message
    assert "queue" in found.message


async def test_metrics_of_two_engines_on_one_page_leave_the_choice_to_people() -> None:
    with serving((exposition("kserve") + exposition("vllm")).encode()) as endpoint:
        found = await look(endpoint)
    assert found == PackSeen(message=found.message)
    assert "kserve and vllm: write the pack's name into the policy" in found.message


async def test_the_page_is_where_the_policy_says() -> None:
    with serving(exposition("nim").encode(), path="/v1/metrics") as endpoint:
        assert "HTTP 404; metrics_page says where they are" in (await look(endpoint)).message
        host, port = endpoint.rsplit(":", 1)
        assert (await look(f"{host}:1", at=MetricsPage(int(port), "/v1/metrics"))).pack == "nim"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html>hello</html>", 200, "is not Prometheus' text format"),
        (b"\xff\xfe", 200, "is not Prometheus' text format"),
        (b"", 200, "is not Prometheus' text format"),
        (b"secret", 500, "HTTP 500"),
        (b"vllm:num_requests_running 1\n" * 200_000, 200, "larger than 4 MiB"),
    ],
)
async def test_what_is_no_page_of_metrics_recognises_nothing(body: bytes, status: int, words: str) -> None:
    with serving(body, status) as endpoint:
        found = await look(endpoint)
    assert not found.pack
    assert words in found.message
    assert "secret" not in found.message


async def test_a_copy_that_does_not_answer_recognises_nothing() -> None:
    assert "connection refused" in (await look("127.0.0.1:1")).message
    assert "no copy's address is known" in (await look(None)).message
    assert "is no address" in (await look("user@host:1")).message


_NEAR = st.text(alphabet='# TYPEHLab_{}="\\,\n\t 01eE+-.Nainf', max_size=300)


@given(st.binary(max_size=300) | _NEAR.map(str.encode))
def test_no_page_makes_the_reader_fail(body: bytes) -> None:
    names = names_in(body)
    assert names is None or names


def test_a_recognised_pack_is_in_the_record_of_the_rollout() -> None:
    policy = Policy("m", "ml", RouteRef("httpRoute", "m"), AUTO, (), (OWN,))
    rollout = Rollout("m-1", "m", Release("v2"), policy, datetime(2026, 1, 1, tzinfo=UTC), "ann")
    recognised = replace(rollout, pack="vllm")
    assert decode_rollout(encode_rollout(recognised)) == recognised
    assert policy_view(policy, "vllm").metrics == "auto: vllm"
