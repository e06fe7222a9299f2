"""Traces of passes by OpenTelemetry, an extra: where the time of a pass went, model by model.

Configured as every OpenTelemetry program is, by its variables: ``OTEL_EXPORTER_OTLP_ENDPOINT``, or the one
for traces alone, turns it on. **Invariant**: spans are sent by a thread of the library's, from a bounded
queue that drops what does not fit; a slow or dead collector delays no pass.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

from controller.errors import TargetError

_SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_CLOSING_SECONDS = 3.0
_INSTALL = "install it: pip install 'serinus[otel]'"


class Untraced:
    """Implements `Tracing` where nobody asked for it."""

    @contextmanager
    def span(self, name: str, **facts: str) -> Iterator[None]:  # noqa: ARG002 - nobody is told
        """Nothing."""
        yield

    async def close(self) -> None:
        """Nothing is left."""


class OtelTracing:
    """Implements `Tracing`. ``provider`` is a `TracerProvider` of the SDK's."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("serinus", version("serinus"))

    @contextmanager
    def span(self, name: str, **facts: str) -> Iterator[None]:
        """A span inside the one that is open; an error that passes through marks it as failed."""
        attributes = {f"serinus.{key}": value for key, value in facts.items()}
        with self._tracer.start_as_current_span(name, attributes=attributes, record_exception=False):
            yield

    async def close(self) -> None:
        """Send what is left, for at most 3 s."""
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await asyncio.to_thread(self._provider.shutdown)
        except TimeoutError:
            return  # what is left is lost: it is no record


def tracing(
    environment: Mapping[str, str] = os.environ, load: Callable[[str], Any] = import_module
) -> Untraced | OtelTracing:
    """What the environment asks for. Raises `TargetError` when that is not installed."""
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if off or not any(environment.get(name) for name in _SWITCHES):
        return Untraced()
    try:
        exporter = load("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter()
        resources = load("opentelemetry.sdk.resources")
        export = load("opentelemetry.sdk.trace.export")
        provider = load("opentelemetry.sdk.trace").TracerProvider(
            resource=resources.Resource.create(
                {"service.name": environment.get("OTEL_SERVICE_NAME") or "serinus"}
            ),
            shutdown_on_exit=False,  # the daemon has its own way to stop
        )
    except ImportError as error:
        asked = next(name for name in _SWITCHES if environment.get(name))
        raise TargetError(f"{asked} asks for OpenTelemetry, which is not installed; {_INSTALL}") from error
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    return OtelTracing(provider)
