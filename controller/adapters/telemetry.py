"""The daemon's own metrics, by prometheus-client, in a registry of its own.

Labels are bounded: one series per model and check, never one per version, and a model's old phase is removed
when it enters the next.
"""

from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller.domain.model import Entry, Rollout
from controller.domain.vocabulary import Phase, Verdict

_VERDICT_VALUES = {Verdict.PASS: 1, Verdict.SKIPPED: 1, Verdict.UNKNOWN: 0, Verdict.FAIL: -1}
_LATENESS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DURATIONS = (60, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400)


class PrometheusTelemetry:
    """`Telemetry` in a `CollectorRegistry` that the health server exposes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self._info = Gauge(
            "serinus_rollout_info", "Versions of the last rollout", ["model", "stable", "canary"], registry=r
        )
        self._phase = Gauge(
            "serinus_rollout_phase",
            "1 for the phase of the model's last rollout",
            ["model", "phase"],
            registry=r,
        )
        self._weight = Gauge(
            "serinus_weight_ratio", "Share of requests asked for the canary", ["model"], registry=r
        )
        self._value = Gauge("serinus_check_value", "Last measured value", ["model", "check"], registry=r)
        self._limit = Gauge("serinus_check_threshold", "Limit in force", ["model", "check"], registry=r)
        self._verdict = Gauge(
            "serinus_check_verdict", "1 pass or skipped, 0 unknown, -1 fail", ["model", "check"], registry=r
        )
        self._ended = Counter("serinus_rollouts_total", "Rollouts that ended", ["result"], registry=r)
        self._took = Histogram(
            "serinus_rollout_duration_seconds", "From creation to end", buckets=_DURATIONS, registry=r
        )
        self._rollback = Histogram(
            "serinus_rollback_latency_seconds",
            "From commit of a rollback to the gateway holding it",
            registry=r,
        )
        self._pass = Histogram("serinus_reconcile_duration_seconds", "One pass", registry=r)
        self._late = Histogram(
            "serinus_pass_lateness_seconds",
            "From the time that a pass was due to its start",
            buckets=_LATENESS,
            registry=r,
        )
        self._outcomes = Counter("serinus_passes_total", "Passes by outcome", ["outcome"], registry=r)
        self._notified = Counter(
            "serinus_notifications_total", "Notifications by result", ["result"], registry=r
        )
        self._policy = Gauge(
            "serinus_policy_valid", "1 if the file of the model's policy is valid now", ["model"], registry=r
        )
        build = Gauge("serinus_build_info", "Version of the daemon", ["version"], registry=r)
        build.labels(version("serinus")).set(1)
        self._shown: dict[str, tuple[str, str, str]] = {}

    def committed(self, rollout: Rollout, entry: Entry) -> None:
        """Show the rollout as its model's last, and count it when it ended."""
        self.show(rollout)
        if rollout.phase.terminal and not entry.phase_before.terminal:
            self._ended.labels(rollout.phase.value).inc()
            self._took.observe(max((entry.at - rollout.created_at).total_seconds(), 0))

    def show(self, rollout: Rollout) -> None:
        """Set the gauges of a model, in place of what they showed before."""
        stable = rollout.stable.version if rollout.stable else ""
        shown = (rollout.phase.value, stable, rollout.release.version)
        before = self._shown.get(rollout.model)
        if before is not None and before != shown:
            self._phase.remove(rollout.model, before[0])
            self._info.remove(rollout.model, before[1], before[2])
        self._shown[rollout.model] = shown
        self._phase.labels(rollout.model, shown[0]).set(1)
        self._info.labels(rollout.model, stable, rollout.release.version).set(1)
        ratio = 1.0 if rollout.phase is Phase.SUCCEEDED else rollout.weight_permille / 1000
        self._weight.labels(rollout.model).set(ratio)
        for check in rollout.evidence.checks:
            self._verdict.labels(rollout.model, check.name).set(_VERDICT_VALUES[check.verdict])
            if check.value is not None:
                self._value.labels(rollout.model, check.name).set(check.value)
            if check.limit is not None:
                self._limit.labels(rollout.model, check.name).set(check.limit)

    def pass_took(self, seconds: float) -> None:
        """One pass over one model."""
        self._pass.observe(seconds)

    def rolled_back(self, seconds: float) -> None:
        """From the commit of a rollback to the gateway holding it."""
        self._rollback.observe(seconds)

    def pass_was_late(self, seconds: float) -> None:
        """A key's wait for a worker."""
        self._late.observe(seconds)

    def pass_ended(self, outcome: str) -> None:
        """One pass by its outcome."""
        self._outcomes.labels(outcome).inc()

    def notified(self, result: str) -> None:
        """One notification by its result."""
        self._notified.labels(result).inc()

    def policy_is(self, model: str, *, valid: bool) -> None:
        """Whether the file of a model's policy is valid as it is now."""
        self._policy.labels(model).set(valid)
