"""Rules before any traffic: Pending, Preparing, Validating."""

from dataclasses import replace

from controller.domain.model import Observation, Split
from controller.domain.observing import Folded, with_split
from controller.domain.rules.turns import Turn, healthy, hold, rise, rise_to_all, serves_alone, withdraw
from controller.domain.table import Trigger, move
from controller.domain.vocabulary import Phase, Reason
from controller.domain.wording import duration


def overtaken(folded: Folded, seen: Observation) -> Turn | None:
    """A newer release waits: this one steps aside, its weight first.

    But not while the canary serves everyone and nothing could serve in its place, because there is no old
    stable or that is not ready: then the newer one waits for its end.
    """
    rollout = folded.rollout
    first = rollout.stable is None and rollout.route.intended != Split()
    irreplaceable = first or (serves_alone(rollout) and not healthy(seen.stable))
    if seen.successor is None or irreplaceable:
        return None
    message = f"replaced by the newer rollout {seen.successor}"
    return withdraw(rollout, seen, Trigger.SUPERSEDE, Reason.NEWER_RELEASE, message)


def waiting_for_predecessor(folded: Folded, seen: Observation) -> Turn | None:
    """The older rollout has to put its weight to 0 first."""
    if seen.predecessor is None:
        return None
    message = f"waits until {seen.predecessor} is over"
    return hold(folded, Reason.WAITING_FOR_PREDECESSOR, message)


def start(folded: Folded, seen: Observation) -> Turn | None:
    """Nothing stands in the way: remember what serves now, and get the canary ready.

    While it waited, an older rollout may have promoted the very same version: then there is nothing to do.
    """
    split = Split(stable=seen.serving)
    rollout = replace(folded.rollout, stable=seen.serving)
    if seen.serving is not None and seen.serving.version == rollout.release.version:
        message = f"{rollout.release.version} already serves everyone; deploy a version with another name"
        refused = move(rollout, Trigger.REFUSE, Phase.NOT_DEPLOYED, Reason.ALREADY_SERVING, message)
        return Turn(refused, Trigger.REFUSE)
    rollout = replace(
        with_split(rollout, split), route=replace(rollout.route, previous=split, intended=split)
    )
    message = f"waits until {rollout.release.version} is ready"
    return Turn(
        move(rollout, Trigger.START, Phase.PREPARING, Reason.WAITING_FOR_READY, message), Trigger.START
    )


def ready(folded: Folded, seen: Observation) -> Turn | None:
    """The canary answers, and is warm where the policy asks for it."""
    rollout = folded.rollout
    cold = rollout.policy.warm_up_requests > 0 and not (seen.warm_up and seen.warm_up.ok)
    if seen.canary is None or not seen.canary.ready or cold:
        return None
    message = "sends the golden requests" if rollout.policy.validation else "no golden requests to send"
    moved = move(rollout, Trigger.READY, Phase.VALIDATING, Reason.VALIDATION_RUNNING, message)
    return Turn(moved, Trigger.READY)


def not_ready(folded: Folded, seen: Observation) -> Turn | None:
    """Not ready yet, or not ready in time."""
    rollout = folded.rollout
    reason, why = Reason.WAITING_FOR_READY, seen.canary.message if seen.canary else ""
    if seen.warm_up is not None and not seen.warm_up.ok:
        reason, why = Reason.WARM_UP_FAILED, seen.warm_up.message
    deadline = rollout.policy.ready_deadline
    if rollout.clocks.in_phase < deadline:
        return hold(folded, reason, why)
    end = Reason.READY_DEADLINE_EXCEEDED if reason is Reason.WAITING_FOR_READY else reason
    message = f"not ready within {duration(deadline)}: {why}"
    return Turn(move(rollout, Trigger.REFUSE, Phase.NOT_DEPLOYED, end, message), Trigger.REFUSE)


def invalid(folded: Folded, seen: Observation) -> Turn | None:
    """A golden request was answered wrongly: the canary never gets a user's request."""
    report = seen.validation
    if folded.rollout.policy.validation is None or (report is not None and report.ok):
        return None
    if report is None:
        return hold(folded, Reason.VALIDATION_RUNNING, "the golden requests could not be sent yet")
    moved = move(
        folded.rollout, Trigger.REFUSE, Phase.NOT_DEPLOYED, Reason.GOLDEN_REQUEST_FAILED, report.message
    )
    return Turn(moved, Trigger.REFUSE)


def valid(folded: Folded, seen: Observation) -> Turn | None:
    """Every golden request was answered as it should: traffic may begin."""
    if folded.rollout.stable is None:
        return rise_to_all(folded.rollout, Trigger.VALID, seen)
    return rise(folded.rollout, seen, Trigger.VALID, 0)
