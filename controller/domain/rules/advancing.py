"""Rules of the next weight: what gives a canary more stands behind everything that takes away from it."""

from dataclasses import replace

from controller.domain.approval import needed_after_step, needed_to_promote
from controller.domain.mirroring import skips
from controller.domain.observation import Observation, Reading
from controller.domain.observing import Folded
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.rules import fleet
from controller.domain.rules.approving import awaited
from controller.domain.rules.turns import Turn, hold, rise, rise_to_all
from controller.domain.rules.wanting import enough, few, next_load, next_step, next_weight, wanting
from controller.domain.table import Trigger
from controller.domain.vocabulary import Reason


def advanced(folded: Folded, seen: Observation) -> Turn | None:
    """Time, requests and checks are all met at this weight: the next, if people agree to it."""
    rollout = folded.rollout
    assert rollout.step is not None
    lacking, what = wanting(folded, seen)
    following, weight = next_step(rollout), next_weight(rollout)
    if lacking is Reason.WAITING_FOR_COPIES:
        return fleet.shut(folded, seen) or _supplying(folded, next_load(rollout), what)
    if lacking is not None or not (skips(rollout) or isinstance(seen.reading, Reading)):
        return None
    unapproved = awaited(folded, seen, needed_after_step(rollout.policy, rollout.step, following))
    if unapproved is not None:
        return unapproved
    everyone = weight >= FULL_WEIGHT_PERMILLE
    kept = fleet.shut(folded, seen) or (fleet.apart(folded, seen) if everyone else None)
    if kept is not None:
        return kept
    if not (skips(rollout) or folded.fresh):
        return _until_fresh(folded)
    if everyone:
        return rise_to_all(rollout, Trigger.PROMOTE, seen)
    return rise(rollout, seen, Trigger.STEP, following)


def promoted_early(folded: Folded, seen: Observation) -> Turn | None:
    """A person asked for the promotion: it waits for nothing but copies, the gateway, and the fleet."""
    rollout = folded.rollout
    if not rollout.promote_asked:
        return None
    if not rollout.route.in_force:
        return hold(
            folded, Reason.WAITING_FOR_GATEWAY, "promotes as soon as the gateway runs the present weight"
        )
    if not enough(seen, FULL_WEIGHT_PERMILLE):
        lacking = few(seen, FULL_WEIGHT_PERMILLE)
        return fleet.shut(folded, seen) or _supplying(folded, FULL_WEIGHT_PERMILLE, lacking)
    # what people approved before the weight was lowered says nothing any more
    unapproved = awaited(folded, seen, needed_to_promote(rollout.policy, rollout.step))
    if unapproved is not None:
        return unapproved
    kept = fleet.shut(folded, seen) or fleet.apart(folded, seen)
    return kept or rise_to_all(rollout, Trigger.PROMOTE, seen)


def _until_fresh(folded: Folded) -> Turn | None:
    """A group sees by the reason that a member is ready: it stays ready until the next measurement."""
    waits = folded.rollout.reason is Reason.WAITING_FOR_GROUP
    message = "its group is ready: promotes with the next measurement"
    return hold(folded, Reason.WAITING_FOR_GROUP, message) if waits else None


def _supplying(folded: Folded, weight_permille: int, message: str) -> Turn:
    """Copies first, weight after: the record asks for them, the next pass makes them."""
    asked = max(folded.rollout.supply_permille, weight_permille)
    folded = replace(folded, rollout=replace(folded.rollout, supply_permille=asked))
    return hold(folded, Reason.WAITING_FOR_COPIES, message)
