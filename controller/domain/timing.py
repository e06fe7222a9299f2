"""How time counts: what one process watched, added up in the record. Pure."""

from dataclasses import replace
from datetime import timedelta

from controller.domain.approval import Asking
from controller.domain.model import ZERO, Clocks, Rollout
from controller.domain.observation import NoReading, Observation, Reading, Tick
from controller.domain.policy import Policy
from controller.domain.vocabulary import CONSENT_LACKS, FLEET_LACKS, Phase

SHORTEST_UNWATCHED = timedelta(seconds=60)
"""A gap between two passes that is longer than this, and than four intervals, was not watched."""


def clocks_after(rollout: Rollout, seen: Observation) -> Clocks:
    """The clocks of the record with the time since the last pass, as far as it counts."""
    clocks, phase = rollout.clocks, rollout.phase
    gap = ZERO if _stand(rollout) else elapsed_since(clocks.mark, seen.tick)
    longest = _longest_unwatched(rollout)
    watched = gap if gap <= longest else ZERO
    # a pass before any traffic may itself be long, with warm-up and golden requests: its deadline goes on
    elapsed = gap if phase in (Phase.PREPARING, Phase.VALIDATING) else min(gap, longest)
    measured = isinstance(seen.reading, Reading)
    observing = rollout.route.in_force and measured and rollout.evidence.cursor is not None
    if phase is Phase.PROGRESSING:
        observing = observing and measured_at_weight(rollout)
    unmeasured = clocks.unmeasured + elapsed if isinstance(seen.reading, NoReading) else clocks.unmeasured
    # silence says neither that an incident lasts nor that it is over
    incident = clocks.incident + watched if rollout.evidence.broken_by_both else ZERO
    asked = rollout.reason in CONSENT_LACKS  # people who take their time make no step late, nor do gates
    kept = rollout.reason in FLEET_LACKS  # nor does a freeze, which may be longer than the whole rollout
    return Clocks(
        total=clocks.total + (ZERO if kept else elapsed),
        in_phase=clocks.in_phase + elapsed,
        since_step=clocks.since_step + (ZERO if asked or kept else elapsed),
        at_weight=clocks.at_weight + (watched if observing and clocks.observing else ZERO),
        unmeasured=ZERO if measured else unmeasured,
        incident=incident if measured else clocks.incident,
        observing=observing,
        mark=seen.tick,
    )


def asking_after(rollout: Rollout, seen: Observation) -> Asking | None:
    """What was asked, with the time that the answers took so far: before any traffic it counts as well."""
    asking = rollout.asking
    if asking is None or not _time_runs(rollout):
        return asking
    elapsed = min(elapsed_since(rollout.clocks.mark, seen.tick), _longest_unwatched(rollout))
    return replace(asking, waited=min(asking.waited + elapsed, _patience(rollout.policy, asking)))


def _time_runs(rollout: Rollout) -> bool:
    """Whether the time runs that the policy gives for an answer."""
    asking = rollout.asking
    if asking is None or rollout.phase.waits_for_person:
        return False
    return not asking.granted and asking.waited < _patience(rollout.policy, asking)


def _patience(policy: Policy, asking: Asking) -> timedelta:
    """The longest time that is given to anybody whose word is still missing; 0 where none is limited."""
    gates = [policy.gate(name).within for name in asking.shut]
    times = [*gates, policy.approval.within] if asking.missing else gates
    return max((within for within in times if within is not None), default=ZERO)


def _longest_unwatched(rollout: Rollout) -> timedelta:
    return max(SHORTEST_UNWATCHED, 4 * rollout.policy.interval)


def clocks_stand(rollout: Rollout) -> bool:
    """Whether no clock runs: a person's word or another rollout is waited for, for as long as it takes."""
    return _stand(rollout) and not _time_runs(rollout)


def _stand(rollout: Rollout) -> bool:
    """Whether the rollout's own clocks stand; before any traffic also while it waits for others."""
    asked = rollout.phase is Phase.VALIDATING and rollout.reason in CONSENT_LACKS | FLEET_LACKS
    return rollout.phase.waits_for_person or rollout.phase is Phase.PENDING or asked


def measured_at_weight(rollout: Rollout) -> bool:
    """Whether the canary was measured to answer a request at this weight; on a ladder, at any."""
    evidence = rollout.evidence
    return evidence.answered if rollout.policy.auto_steps else evidence.canary_requests > 0


def elapsed_since(mark: Tick | None, tick: Tick) -> timedelta:
    """Time between two passes of one process: 0 across a restart, or when the clock went back."""
    if mark is None or mark.clock_id != tick.clock_id:
        return ZERO
    return max(timedelta(seconds=tick.seconds - mark.seconds), ZERO)
