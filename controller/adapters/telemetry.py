"""The daemon's own metrics, by prometheus-client, in a registry of its own.

What there is stands in `controller.adapters.exported`; here it is set.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import product
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from controller.adapters.exported import OF_MODELS, OF_WORK, Exported, Kind
from controller.adapters.model_gauges import ModelGauges
from controller.domain.drain import Drained
from controller.domain.model import Entry, Rollout
from controller.domain.sharding import Shard
from controller.domain.vocabulary import Phase

_Made = TypeVar("_Made", Counter, Gauge, Histogram)


class PrometheusTelemetry:
    """`Telemetry` in a `CollectorRegistry` that the health server exposes."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        # a second series for each counter and histogram, which nobody asked for
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._work: Mapping[str, Counter | Gauge | Histogram] = {
            name: _made(each, self.registry) for name, each in OF_WORK.items()
        }
        self._models = ModelGauges(
            {name: _gauge(each, self.registry) for name, each in OF_MODELS.items()},
        )
        self._monotonic = monotonic
        self._withdrawn: dict[str, float] = {}
        self._listeners: list[Callable[[Rollout], None]] = []
        self._of("build_info", Gauge).labels(version("serinus")).set(1)

    def _of(self, name: str, kind: type[_Made]) -> _Made:
        made = self._work[f"serinus_{name}"]
        assert isinstance(made, kind)
        return made

    def committed(self, rollout: Rollout, entry: Entry) -> None:
        """Show what was decided, and count the rollout when it ended."""
        self._models.committed(rollout)
        for listener in self._listeners:
            listener(rollout)
        if entry.phase is Phase.ROLLING_BACK and entry.phase_before is not Phase.ROLLING_BACK:
            self._withdrawn[rollout.model] = self._monotonic()
        if not rollout.phase.terminal or entry.phase_before.terminal:
            return
        self._of("rollouts_total", Counter).labels(rollout.phase.value).inc()
        lasted = (entry.at - rollout.created_at).total_seconds()
        self._of("rollout_duration_seconds", Histogram).observe(max(lasted, 0))
        began = self._withdrawn.pop(rollout.model, None)
        if began is not None and entry.phase_before is Phase.ROLLING_BACK:
            self._of("rollback_latency_seconds", Histogram).observe(self._monotonic() - began)

    def tell_of_commits(self, listener: Callable[[Rollout], None]) -> None:
        """Have somebody told of each rollout as it was committed. Must not raise, nor block."""
        self._listeners.append(listener)

    def show(self, rollout: Rollout) -> None:
        """Show a rollout as the record holds it; of several of a model the oldest first."""
        self._models.committed(rollout)

    def found(self, model: str, rollouts: Sequence[Rollout]) -> None:
        """What a pass found not to be over, oldest first."""
        self._models.found(model, rollouts)

    def pass_took(self, seconds: float) -> None:
        """One pass over one model."""
        self._of("reconcile_duration_seconds", Histogram).observe(seconds)

    def query_took(self, seconds: float) -> None:
        """One query to the metric source, answered or not."""
        self._of("prometheus_query_duration_seconds", Histogram).observe(seconds)

    def pass_was_late(self, seconds: float) -> None:
        """A key's wait for a worker."""
        self._of("pass_lateness_seconds", Histogram).observe(seconds)

    def drained(self, outcome: Drained) -> None:
        """The requests of a version that lost its traffic ended, or were not waited for any longer."""
        self._of("drains_total", Counter).labels(outcome).inc()

    def pass_ended(self, outcome: str) -> None:
        """One pass by its outcome."""
        self._of("passes_total", Counter).labels(outcome).inc()

    def notified(self, result: str) -> None:
        """One notification by its result."""
        self._of("notifications_total", Counter).labels(result).inc()

    def slack_called(self, result: str) -> None:
        """One call to the port for Slack by its result."""
        self._of("slack_callbacks_total", Counter).labels(result).inc()

    def web_answered(self, status: int) -> None:
        """One answer of the HTTP API by its status."""
        self._of("http_requests_total", Counter).labels(str(status)).inc()

    def watch_outbox(self, pending: Callable[[], int]) -> None:
        """Show how many messages wait, whenever the metrics are read."""
        self._of("outbox_pending", Gauge).set_function(pending)

    def api_called(self, verb: str, status: int) -> None:
        """One call to the Kubernetes API, by its HTTP status; 0 when no answer came."""
        self._of("api_requests_total", Counter).labels(verb, str(status)).inc()

    def leads(self, *, leading: bool) -> None:
        """Whether this process decides now."""
        self._of("leader", Gauge).set(leading)

    def works_on(self, shard: Shard) -> None:
        """Which share of the models is this process' to decide on, and of how many."""
        self._of("shards", Gauge).labels(str(shard)).set(shard.count)

    def policies_are(self, validity: Mapping[str, bool], faulty_files: int) -> None:
        """Whether the file of each model's policy is valid as it is now, and how many files are not."""
        for model, valid in validity.items():
            self._of("policy_valid", Gauge).labels(model).set(valid)
        self._of("policy_files_invalid", Gauge).set(faulty_files)


def _made(exported: Exported, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    match exported.kind:
        case Kind.GAUGE:
            return _gauge(exported, registry)
        case Kind.HISTOGRAM:
            return Histogram(
                exported.name, exported.text, [*exported.labels], buckets=exported.buckets, registry=registry
            )
        case Kind.COUNTER:
            counter = Counter(exported.name, exported.text, [*exported.labels], registry=registry)
            # from 0 on: a series that began at 1 would hide its first event from increase()
            for values in product(*(label.values for label in exported.labels.values())):
                counter.labels(*values)
            return counter


def _gauge(exported: Exported, registry: CollectorRegistry) -> Gauge:
    return Gauge(exported.name, exported.text, [*exported.labels], registry=registry)
