"""Rules of promotion, bake and rollback, and of waiting for a person."""

from controller.domain.model import Rollout, SetSplit
from controller.domain.observation import Observation
from controller.domain.observing import Folded
from controller.domain.release import Split
from controller.domain.rules import fleet
from controller.domain.rules.turns import Turn, failing, healthy, hold, settle, succeed, withdraw
from controller.domain.table import Trigger, move
from controller.domain.vocabulary import Phase, Reason
from controller.domain.wording import duration


def in_force(folded: Folded, seen: Observation) -> Turn | None:
    """Everyone is served by the canary: the bake begins."""
    if not folded.rollout.route.in_force:
        problem = seen.route.problem if seen.route else None
        return hold(folded, problem or Reason.WAITING_FOR_GATEWAY, "waits until the gateway serves it to all")
    message = f"serves everyone; watched for {duration(folded.rollout.policy.bake)}"
    moved = move(folded.rollout, Trigger.IN_FORCE, Phase.BAKING, Reason.BAKE_RUNNING, message)
    return Turn(moved, Trigger.IN_FORCE)


def baked(folded: Folded, seen: Observation) -> Turn | None:
    """The bake is over: the canary becomes stable at the gateway, and then the rollout has succeeded.

    Not while a check is failing: the old stable stays at hand until the check has mended or used its budget.
    """
    rollout = folded.rollout
    done = Split(stable=rollout.release)
    if rollout.route.intended == done:
        if not rollout.route.in_force:
            return hold(folded, Reason.WAITING_FOR_GATEWAY, "waits until the gateway calls it stable")
        return succeed(rollout)
    if rollout.clocks.at_weight < rollout.policy.bake or not rollout.route.in_force or failing(rollout):
        return None
    return fleet.apart(folded, seen) or settle(rollout, seen)


def recovered(folded: Folded, seen: Observation) -> Turn | None:
    """Stable is healthy again, so the rollback that had to wait can be done."""
    rollout = folded.rollout
    if not healthy(seen.stable):
        return hold(folded, Reason.STABLE_UNHEALTHY, rollout.message)
    cause = rollout.cause or Reason.CHECK_FAILED
    return withdraw(rollout, seen, Trigger.FAIL, cause, f"stable is healthy again; {rollout.message}")


def cleared(folded: Folded, seen: Observation) -> Turn | None:
    """The canary's weight is 0 for certain: the rollout is over."""
    rollout = folded.rollout
    drift = folded.drift
    # a configuration that is lost or refused says nothing of what runs: only writing it anew does
    vanished = drift is not None and drift.problem is Reason.ROUTE_NOT_FOUND
    unknown = drift is not None and drift.problem is not None and not vanished
    uncertain = unknown or (drift is not None and _reaches(drift.split, rollout))
    if seen.route is not None and (uncertain or seen.route.latched is not None):
        write = SetSplit(rollout.route.intended, seen.route.split)
        return Turn(rollout, "rollback_repeated", (write,))
    gone = rollout.route.in_force or vanished or (drift is not None and drift.accepted)
    if not gone or rollout.ending is None:
        return hold(folded, rollout.reason, rollout.message)
    reason = rollout.cause or rollout.reason
    return Turn(move(rollout, Trigger.CLEARED, rollout.ending, reason, rollout.message), Trigger.CLEARED)


def _reaches(split: Split, rollout: Rollout) -> bool:
    """Whether by a split any request reaches a canary, be it a copy, or it calls this release stable."""
    return (
        split.reaches
        or split.weight_permille > 0
        or (split.stable is not None and split.stable.version == rollout.release.version)
    )


def waiting(folded: Folded, seen: Observation) -> Turn | None:
    """Nothing moves until a person decides."""
    del seen
    return hold(folded, folded.rollout.reason, folded.rollout.message)
