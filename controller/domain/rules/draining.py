"""The rule after a rollout's end: how long the requests of the version that lost are waited for."""

from dataclasses import replace
from datetime import timedelta

from controller.domain.aftercare import loser_of, since_end
from controller.domain.drain import Drain, Drained
from controller.domain.model import Rollout
from controller.domain.observation import InFlight, Observation
from controller.domain.rules.turns import Turn
from controller.domain.vocabulary import Reason
from controller.domain.wording import duration

EVENT = "drained"
_WHOLE = timedelta(seconds=1)


def drained(rollout: Rollout, seen: Observation) -> Turn | None:
    """That the loser's copies may go now, and why; None while its requests are waited for.

    Never waits longer than the policy's drain time, whoever counts and whatever they say.
    """
    loser, found = loser_of(rollout), seen.in_flight
    if loser is None or found is None or rollout.drain is not None:
        return None
    waited = since_end(rollout, seen.at)
    if found.requests != 0 and waited < rollout.policy.workload.drain:
        return None
    outcome = _outcome(found)
    drain = Drain(outcome, loser.version, waited, _message(loser.version, found, waited))
    reason = Reason.DRAINED if outcome is Drained.EMPTY else Reason.DRAIN_TIMED_OUT
    return Turn(replace(rollout, drain=drain), EVENT, note=(reason, drain.message))


def _outcome(found: InFlight) -> Drained:
    if found.requests is None:
        return Drained.UNCOUNTED
    return Drained.CUT if found.requests else Drained.EMPTY


def _message(version: str, found: InFlight, waited: timedelta) -> str:
    time = duration(waited // _WHOLE * _WHOLE)
    if found.requests is None:
        return f"nobody counts the running requests of {version} ({found.message}): waited {time}"
    if found.requests == 0:
        return f"drained {version}: 0 running after {time} ({found.message})"
    ran = "1 request" if found.requests == 1 else f"{found.requests:,} requests"
    were = "it was" if found.requests == 1 else "they were"
    return f"{ran} of {version} still ran after {time}: {were} cut ({found.message})"
