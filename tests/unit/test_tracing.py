"""Traces as a collector gets them, and what happens without one."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from controller.adapters.tracing import Untraced, tracing
from controller.errors import TargetError


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self.services: set[str] = set()
        self.url = ""

    def take(self, body: bytes) -> None:
        found = ExportTraceServiceRequest.FromString(body)
        for each in found.resource_spans:
            self.services |= {
                fact.value.string_value for fact in each.resource.attributes if fact.key == "service.name"
            }
            self.spans += [span.name for scope in each.scope_spans for span in scope.spans]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers.get("Content-Encoding") is None
            made.take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_collector_gets_what_was_done(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    traced = tracing()
    with traced.span("pass", model="fraud"), traced.span("observe"):
        pass
    await traced.close()
    assert collector.spans == ["observe", "pass"]
    assert collector.services == {"serinus"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
    ],
)
async def test_nothing_is_traced_unless_it_is_asked_for(environment: dict[str, str]) -> None:
    traced = tracing(environment)
    assert isinstance(traced, Untraced)
    with traced.span("pass"):
        pass
    await traced.close()


def test_what_is_asked_for_and_not_installed_is_said() -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    asked = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}
    with pytest.raises(TargetError, match=r"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT .* pip install"):
        tracing(asked, missing)
