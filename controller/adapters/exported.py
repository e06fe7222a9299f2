"""The metrics that the daemon exports: name, kind, labels and meaning of each, in one place.

Names and labels are stable: people build alerts on them. `controller.adapters.telemetry` makes the metrics
from this list and sets them; the reference page, the alert rules and the dashboard are tested against it.

**Invariant**: the number of series is bounded by models and checks. No label holds a version, but those of
``serinus_rollout_info``, of which a model has one series at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from controller.domain.drain import Drained
from controller.domain.vocabulary import TERMINAL, Phase, Reason


class Kind(StrEnum):
    """Prometheus' kinds of metrics."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """What a label's values are; ``values`` is the whole list where it is closed."""

    text: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """One metric. ``name`` is the sample's, with ``_total`` for a counter and its base unit before that."""

    name: str
    kind: Kind
    text: str
    labels: Mapping[str, Label] = field(default_factory=dict)
    buckets: Sequence[float] = ()

    @property
    def unit(self) -> str:
        """What its value is in, as its name says."""
        if self.name.endswith("_timestamp_seconds"):
            return "Unix time"
        if self.name.removeprefix("serinus_check_") in ("value", "threshold"):
            return "the check's"
        return {"ratio": "0 to 1", "seconds": "seconds"}.get(self.name.rsplit("_", 1)[-1], "")


_MODEL = {"model": Label("the policy's `model`")}
_CHECK = {**_MODEL, "check": Label("the check's name in the policy")}
_RESULTS = ("sent", "skipped", "dead", "failed", "dropped")
_CALLS = ("unauthenticated", "malformed", "ignored", "repeated", "busy", "taken")
_OUTCOMES = ("ok", "conflict", "transient", "defect")
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PASS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 12.5, 15, 20, 25, 30)
_ROLLBACK = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ROLLOUT = (60, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400)


def _gauge(name: str, text: str, labels: Mapping[str, Label] | None = None) -> Exported:
    return Exported(f"serinus_{name}", Kind.GAUGE, text, labels or {})


def _counter(name: str, text: str, labels: Mapping[str, Label]) -> Exported:
    return Exported(f"serinus_{name}_total", Kind.COUNTER, text, labels)


def _seconds(name: str, text: str, buckets: Sequence[float]) -> Exported:
    return Exported(f"serinus_{name}_seconds", Kind.HISTOGRAM, text, buckets=buckets)


OF_MODELS: Mapping[str, Exported] = {
    each.name: each
    for each in (
        _gauge(
            "rollout_info",
            "1; which versions the rollout is about",
            {
                **_MODEL,
                "stable": Label("the version that served before, empty for the first"),
                "canary": Label("the version that is rolled out"),
            },
        ),
        _gauge(
            "rollout_phase",
            "1 for the rollout's phase",
            {**_MODEL, "phase": Label("a phase", tuple(Phase))},
        ),
        _gauge(
            "rollout_reason",
            "1 for the reason why the rollout stands where it stands",
            {**_MODEL, "reason": Label("a reason", tuple(Reason))},
        ),
        _gauge("rollout_end_timestamp_seconds", "When the rollout ended; absent before that", _MODEL),
        _gauge("weight_ratio", "Share of requests that the gateway is asked to give the new version", _MODEL),
        _gauge(
            "step_seconds",
            "How long the present step has lasted while Progressing, without waits for approvals and gates",
            _MODEL,
        ),
        _gauge("step_hold_seconds", "How long the present step shall last at least (its for)", _MODEL),
        _gauge("check_value", "Last measured value of the new version", _CHECK),
        _gauge("check_threshold", "Limit in force, the stricter of max and worse_by", _CHECK),
        _gauge("check_verdict", "1 passes or is skipped, 0 unknown, -1 fails", _CHECK),
    )
}
"""What is shown of each model: of its oldest rollout that is not over, else of the one that ended last."""

OF_WORK: Mapping[str, Exported] = {
    each.name: each
    for each in (
        _counter(
            "rollouts",
            "Rollouts that ended",
            {"result": Label("the phase that it ended in", tuple(p for p in Phase if p in TERMINAL))},
        ),
        _seconds("rollout_duration", "From a rollout's creation to its end", _ROLLOUT),
        _seconds(
            "rollback_latency",
            "From the commit of a rollback to the gateway being seen without the new version",
            _ROLLBACK,
        ),
        _counter(
            "drains",
            "Versions whose copies were taken away in a cluster",
            {
                "result": Label(
                    "empty: no request ran any more; after the full drain time, cut: requests still ran, "
                    "uncounted: nobody could say",
                    tuple(Drained),
                )
            },
        ),
        _counter("passes", "Passes over a model", {"outcome": Label("how the pass ended", _OUTCOMES)}),
        _seconds("reconcile_duration", "One pass over one model", _PASS),
        _seconds("pass_lateness", "From the time that a pass was due to its start", _QUICK),
        _seconds(
            "prometheus_query_duration",
            "One query to Prometheus, with the wait for its turn, or its failure",
            _PASS,
        ),
        _counter(
            "api_requests",
            "Calls to the Kubernetes API",
            {"verb": Label("what was asked for"), "code": Label("the HTTP status; 0 when no answer came")},
        ),
        _counter(
            "notifications",
            "Notifications and Kubernetes Events",
            {
                "result": Label(
                    "what became of it; dead was given up, failed and dropped are Events never written",
                    _RESULTS,
                )
            },
        ),
        _counter(
            "slack_callbacks",
            "Calls to the port for Slack's buttons",
            {"result": Label("what the call was found to be", _CALLS)},
        ),
        _counter("http_requests", "Answers of the HTTP API", {"code": Label("the answer's HTTP status")}),
        _gauge("outbox_pending", "Notifications in memory that wait to be told"),
        _gauge(
            "policy_valid",
            "1 if the file of the model's policy is valid as it is now; 0 leaves the last good one in force",
            _MODEL,
        ),
        _gauge("policy_files_invalid", "Policy files, or folders of them, with a fault now"),
        _gauge("leader", "1 while this process decides; on one machine always"),
        _gauge(
            "shards",
            "Number of shards that the models are dealt out to; 1 without sharding",
            {"shard": Label("the one that this process works on")},
        ),
        _gauge("build_info", "1; the version of the daemon", {"version": Label("the daemon's version")}),
    )
}
"""What is shown of the daemon's own work."""

EXPORTED: Mapping[str, Exported] = {**OF_MODELS, **OF_WORK}
"""Every metric by its name."""
