"""The daemon's own metrics, by prometheus-client, in a registry of its own.

Labels are bounded: one series per model and check, never one per version, and a model's old phase is removed
when it enters the next.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller.domain.model import Entry, Rollout
from controller.domain.vocabulary import Verdict

_VERDICT_VALUES = {Verdict.PASS: 1, Verdict.SKIPPED: 1, Verdict.UNKNOWN: 0, Verdict.FAIL: -1}
_LATENESS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DURATIONS = (60, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400)


class _Rollouts:
    """What is shown of each model's last rollout."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"serinus_{name}", text, ["model", *labels], registry=registry)

        self.info = gauge("rollout_info", "Versions of the last rollout", "stable", "canary")
        self.phase = gauge("rollout_phase", "1 for the phase of the model's last rollout", "phase")
        self.weight = gauge("weight_ratio", "Share of requests asked for the release")
        self.value = gauge("check_value", "Last measured value, in the check's unit", "check")
        self.limit = gauge("check_threshold", "Limit in force, in the check's unit", "check")
        self.verdict = gauge("check_verdict", "1 pass or skipped, 0 unknown, -1 fail", "check")
        self.policy = gauge("policy_valid", "1 if the file of the model's policy is valid now")


class _Work:
    """What is counted of the daemon's own work."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, label: str) -> Counter:
            return Counter(f"serinus_{name}", text, [label], registry=registry)

        def seconds(name: str, text: str, buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS) -> Histogram:
            return Histogram(f"serinus_{name}_seconds", text, buckets=buckets, registry=registry)

        self.ended = counter("rollouts_total", "Rollouts that ended", "result")
        self.outcomes = counter("passes_total", "Passes by outcome", "outcome")
        self.notified = counter("notifications_total", "Notifications by result", "result")
        self.slack_called = counter("slack_callbacks_total", "Calls to the port for Slack", "result")
        self.took = seconds("rollout_duration", "From creation to end", _DURATIONS)
        self.rollback = seconds("rollback_latency", "From commit of a rollback to the gateway holding it")
        self.reconcile = seconds("reconcile_duration", "One pass over a model")
        self.late = seconds("pass_lateness", "From the time that a pass was due to its start", _LATENESS)
        self.query = seconds("prometheus_query_duration", "One query, with the wait for its turn")


class PrometheusTelemetry:
    """`Telemetry` in a `CollectorRegistry` that the health server exposes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._rollouts = _Rollouts(self.registry)
        self._work = _Work(self.registry)
        build = Gauge("serinus_build_info", "Version of the daemon", ["version"], registry=self.registry)
        build.labels(version("serinus")).set(1)
        self._outbox = Gauge(
            "serinus_outbox_pending", "Messages in memory that wait to be told", registry=self.registry
        )
        self._calls = Counter(
            "serinus_api_requests_total",
            "Calls to the Kubernetes API; code 0 is no answer",
            ["verb", "code"],
            registry=self.registry,
        )
        self._leader = Gauge(
            "serinus_leader", "1 while this process holds the lease, in a cluster", registry=self.registry
        )
        self._shown: dict[str, tuple[str, str, str]] = {}

    def committed(self, rollout: Rollout, entry: Entry) -> None:
        """Show the rollout as its model's last, and count it when it ended."""
        self.show(rollout)
        if rollout.phase.terminal and not entry.phase_before.terminal:
            self._work.ended.labels(rollout.phase.value).inc()
            self._work.took.observe(max((entry.at - rollout.created_at).total_seconds(), 0))

    def show(self, rollout: Rollout) -> None:
        """Set the gauges of a model, in place of what they showed before."""
        stable = rollout.stable.version if rollout.stable else ""
        shown = (rollout.phase.value, stable, rollout.release.version)
        before = self._shown.get(rollout.model)
        if before is not None and before != shown:
            self._rollouts.phase.remove(rollout.model, before[0])
            self._rollouts.info.remove(rollout.model, before[1], before[2])
        self._shown[rollout.model] = shown
        self._rollouts.phase.labels(rollout.model, shown[0]).set(1)
        self._rollouts.info.labels(rollout.model, stable, rollout.release.version).set(1)
        self._rollouts.weight.labels(rollout.model).set(rollout.share_permille / 1000)
        for check in rollout.evidence.checks:
            self._rollouts.verdict.labels(rollout.model, check.name).set(_VERDICT_VALUES[check.verdict])
            if check.value is not None:
                self._rollouts.value.labels(rollout.model, check.name).set(check.value)
            if check.limit is not None:
                self._rollouts.limit.labels(rollout.model, check.name).set(check.limit)

    def pass_took(self, seconds: float) -> None:
        """One pass over one model."""
        self._work.reconcile.observe(seconds)

    def rolled_back(self, seconds: float) -> None:
        """From the commit of a rollback to the gateway holding it."""
        self._work.rollback.observe(seconds)

    def query_took(self, seconds: float) -> None:
        """One query to the metric source, answered or not."""
        self._work.query.observe(seconds)

    def pass_was_late(self, seconds: float) -> None:
        """A key's wait for a worker."""
        self._work.late.observe(seconds)

    def pass_ended(self, outcome: str) -> None:
        """One pass by its outcome."""
        self._work.outcomes.labels(outcome).inc()

    def notified(self, result: str) -> None:
        """One notification by its result."""
        self._work.notified.labels(result).inc()

    def slack_called(self, result: str) -> None:
        """One call to the port for Slack by its result."""
        self._work.slack_called.labels(result).inc()

    def watch_outbox(self, pending: Callable[[], int]) -> None:
        """Show how many messages wait, whenever the metrics are read."""
        self._outbox.set_function(pending)

    def api_called(self, verb: str, status: int) -> None:
        """One call to the Kubernetes API, by its HTTP status; 0 when no answer came."""
        self._calls.labels(verb, str(status)).inc()

    def leads(self, *, leading: bool) -> None:
        """Whether this process leads now."""
        self._leader.set(leading)

    def policy_is(self, model: str, *, valid: bool) -> None:
        """Whether the file of a model's policy is valid as it is now."""
        self._rollouts.policy.labels(model).set(valid)
