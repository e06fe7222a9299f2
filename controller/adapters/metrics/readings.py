"""From what was found for a rollout to its reading, or why it has none. Pure.

**Invariant**: silence never passes for "no requests". A version has no requests only if something shows that
it was scraped.
"""

from collections.abc import Sequence

from controller.adapters.metrics.cases import Case
from controller.adapters.metrics.sought import counted_of, measurable
from controller.domain.judge.blocks import assemble
from controller.domain.judge.series import Arm, Series, Window, fresh, instant_of, micros, micros_of, patience
from controller.domain.observation import NoReading, Reading
from controller.domain.recognition import pack_of
from controller.domain.vocabulary import Reason


def reading_of(case: Case, window: Window) -> Reading | NoReading:
    """The blocks that closed in the window, if both versions are being scraped."""
    series = case.series
    for arm, release in case.releases.items():
        own = series if case.pack.shared_targets else [one for one in series if one.arm is arm]
        if not fresh(own, window):
            return _silence(case, arm, release.version, own, window)
    policy = case.rollout.policy
    assembly = assemble(series, counted_of(case.rollout), window)
    unserved = tuple(
        f"{check.name} cannot be measured by the metrics pack {pack_of(case.rollout)}"
        for check in policy.checks
        if not check.of_probes and not measurable(case.pack, check)
    )
    warnings = (*case.warnings, *unserved, *assembly.warnings)
    return Reading(window.server_time, assembly.blocks, warnings=warnings)


def _silence(case: Case, arm: Arm, version: str, series: Sequence[Series], window: Window) -> NoReading:
    now, limit = micros(window.server_time), patience(window.scrape)
    newest = max((instant_of(at) for one in series for at, _ in one.samples), default=-1)
    subject = f"{arm} {version} of {case.rollout.model}"
    if newest < 0:
        return NoReading(
            Reason.METRICS_STALE,
            f"Prometheus has no samples of {subject} ({case.pack.pulse.metric}): is it scraped?",
        )
    if now - newest <= micros_of(limit):
        return NoReading(Reason.METRICS_INVALID, f"the newest samples of {subject} are not counts")
    age, limit_seconds = (now - newest) / 1e6, limit.total_seconds()
    return NoReading(
        Reason.METRICS_STALE,
        f"the newest sample of {subject} is {age:.0f} s old (limit {limit_seconds:g} s): is it scraped?",
    )
