"""The gauges of each model: of its oldest rollout that is not over, else of the one that ended last.

That one has the traffic: a newer rollout waits for its end.

**Invariant**: what is shown of a model is what one record says. A series that the record no longer has, of an
earlier phase, version or check, is removed in the same breath.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import Gauge

from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Verdict

_VERDICT_VALUES = {Verdict.PASS: 1, Verdict.SKIPPED: 1, Verdict.UNKNOWN: 0, Verdict.FAIL: -1}

_Series = dict[tuple[str, tuple[str, ...]], float]
"""A value by the metric's name and its labels' values, without the model's."""


class ModelGauges:
    """Belongs to one event loop, as who reads the gauges does."""

    def __init__(self, gauges: Mapping[str, Gauge]) -> None:
        self._gauges = gauges
        self._open: dict[str, dict[str, Rollout]] = {}
        self._shown: dict[str, _Series] = {}

    def committed(self, rollout: Rollout) -> None:
        """The record of a rollout is this now."""
        found = self._open.setdefault(rollout.model, {})
        found.pop(rollout.id, None)
        if not rollout.phase.terminal:
            found[rollout.id] = rollout
        if not found:
            del self._open[rollout.model]
        self._show(min(found.values(), key=lambda each: each.created_at, default=rollout))

    def found(self, model: str, rollouts: Sequence[Rollout]) -> None:
        """The model has these rollouts that are not over, oldest first. One that is gone was deleted."""
        if rollouts:
            self._open[model] = {each.id: each for each in rollouts}
            self._show(rollouts[0])
        elif self._open.pop(model, None):
            self._replace(model, {})

    def _show(self, rollout: Rollout) -> None:
        self._replace(rollout.model, {**_where(rollout), **_measured(rollout)})

    def _replace(self, model: str, series: _Series) -> None:
        before = self._shown.pop(model, {})
        for name, labels in before.keys() - series.keys():
            self._gauges[name].remove(model, *labels)
        for (name, labels), value in series.items():
            if before.get((name, labels)) != value:
                self._gauges[name].labels(model, *labels).set(value)
        if series:
            self._shown[model] = series


def _where(rollout: Rollout) -> _Series:
    stable = rollout.stable.version if rollout.stable else ""
    series: _Series = {
        ("serinus_rollout_info", (stable, rollout.release.version)): 1,
        ("serinus_rollout_phase", (rollout.phase.value,)): 1,
        ("serinus_rollout_reason", (rollout.reason.value,)): 1,
        ("serinus_weight_ratio", ()): rollout.share_permille / 1000,
    }
    if rollout.phase.terminal and rollout.updated_at is not None:
        series["serinus_rollout_end_timestamp_seconds", ()] = rollout.updated_at.timestamp()
    if rollout.phase is Phase.PROGRESSING and rollout.step is not None:
        hold = rollout.policy.steps[rollout.step].hold
        series["serinus_step_seconds", ()] = rollout.clocks.since_step.total_seconds()
        series["serinus_step_hold_seconds", ()] = hold.total_seconds()
    return series


def _measured(rollout: Rollout) -> _Series:
    series: _Series = {}
    for check in rollout.evidence.checks:
        series["serinus_check_verdict", (check.name,)] = _VERDICT_VALUES[check.verdict]
        if check.value is not None:
            series["serinus_check_value", (check.name,)] = check.value
        if check.limit is not None:
            series["serinus_check_threshold", (check.name,)] = check.limit
    return series
