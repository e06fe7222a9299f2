"""Rules of the fleet: order, place in line, the hour, and groups that are promoted together or not at all.

They let a rollout start, and step up, or hold it where it is. None of them keeps traffic from being taken
away from a canary, and one takes it away itself: that of a group of which another member failed.
"""

from collections.abc import Sequence
from dataclasses import replace

from controller.domain.fleet.facts import FleetSeen, Sibling
from controller.domain.model import Rollout
from controller.domain.observation import Observation
from controller.domain.observing import Folded, promoted
from controller.domain.rules.turns import Turn, hold, refuse, withdraw
from controller.domain.table import Trigger
from controller.domain.vocabulary import FLEET_LACKS, Phase, Reason
from controller.domain.wording import listed

_FAILED = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.NOT_DEPLOYED, Phase.ABORTED})
_PROMOTED = frozenset({Phase.PROMOTING, Phase.BAKING})
_NOTHING = FleetSeen()


def unstarted(folded: Folded, seen: Observation) -> Turn | None:
    """What keeps a rollout from starting: the models before it, the hour, the number of those that roll."""
    fleet, rollout = seen.fleet or _NOTHING, folded.rollout
    ordered = _ordered(folded, fleet)
    if ordered is not None:
        return ordered
    freed = replace(folded, rollout=replace(rollout, ties=replace(rollout.ties, held_by=())))
    found = fleet.closed or fleet.line
    return None if found is None else hold(freed, found.reason, found.message)


def shut(folded: Folded, seen: Observation) -> Turn | None:
    """The hour, or a pause of everything, keeps it from stepping up."""
    closed = seen.fleet.closed if seen.fleet else None
    return None if closed is None else hold(folded, closed.reason, closed.message)


def reopened(folded: Folded, seen: Observation) -> Turn | None:
    """While all was closed nothing was looked at: before any traffic it is looked at anew."""
    if folded.rollout.reason not in FLEET_LACKS:
        return None
    return shut(folded, seen) or hold(folded, Reason.VALIDATION_RUNNING, "the fleet lets it go on")


def parted(folded: Folded, seen: Observation) -> Turn | None:
    """Another of the group failed: what is promoted together is taken back together."""
    rollout, group = folded.rollout, seen.fleet.group if seen.fleet else ()
    # who failed by itself is named before whom that took along
    taken_along = sorted(group, key=lambda each: each.reason is Reason.GROUP_FAILED)
    lost = next((each for each in taken_along if _lost(rollout, each)), None)
    if lost is None:
        return None
    happened = "was replaced by a newer rollout" if lost.phase not in _FAILED else f"is {lost.phase}"
    message = f"{_named(lost)} of its group {rollout.policy.fleet.group} {happened}"
    if rollout.phase in (Phase.PENDING, Phase.PREPARING, Phase.VALIDATING):
        return refuse(rollout, Reason.GROUP_FAILED, message)
    return withdraw(rollout, seen, Trigger.FAIL, Reason.GROUP_FAILED, message)


def apart(folded: Folded, seen: Observation) -> Turn | None:
    """Not every other member of the group is as far: ready to be promoted, or promoted and baked."""
    group = seen.fleet.group if seen.fleet else ()
    late = [each for each in group if not _ready(folded.rollout, each)]
    if not late:
        return None
    done = "is promoted" if folded.rollout.phase is Phase.PROGRESSING else "becomes the stable version"
    message = f"{done} together with its group {folded.rollout.policy.fleet.group}: {_states(late)}"
    return hold(folded, Reason.WAITING_FOR_GROUP, message)


def _ordered(folded: Folded, fleet: FleetSeen) -> Turn | None:
    rollout = folded.rollout
    minded = [each for each in fleet.before if each.rollout and each.rollout not in rollout.ties.overruled]
    mates = {each.model for each in fleet.group}
    waited = [
        each
        for each in minded
        if each.phase is not None
        and not each.phase.terminal
        # of its own group it could wait for ever for more than that
        and not (each.model in mates and _waits(each, Phase.PROGRESSING))
    ]
    failed = [each for each in minded if each.phase in _FAILED - {Phase.ROLLING_BACK}]
    if not waited and not failed:
        return None
    held_by = tuple(each.rollout for each in (*waited, *failed))
    held = replace(folded, rollout=replace(rollout, ties=replace(rollout.ties, held_by=held_by)))
    if fleet.circle:
        message = (
            f"the policies' after forms a circle ({', '.join(fleet.circle)}): take it out of one of them"
        )
        return hold(held, Reason.WAITING_FOR_MODEL, message)
    if waited:
        return hold(held, Reason.WAITING_FOR_MODEL, f"comes after {_states(waited)}")
    return hold(held, Reason.MODEL_NOT_PROMOTED, f"comes after {_states(failed)}")


def _lost(rollout: Rollout, other: Sibling) -> bool:
    partner = dict(rollout.ties.partners).get(other.model)
    if partner is None:
        return False
    # what was promoted together with this one is not there any more
    replaced = promoted(rollout) and other.rollout != partner
    return replaced or (other.rollout == partner and other.phase in _FAILED)


def _ready(rollout: Rollout, other: Sibling) -> bool:
    if not promoted(rollout):
        return other.phase in _PROMOTED or _waits(other, Phase.PROGRESSING)
    return other.model not in dict(rollout.ties.partners) or _waits(other, Phase.BAKING)


def _waits(other: Sibling, phase: Phase) -> bool:
    return other.phase is phase and other.reason is Reason.WAITING_FOR_GROUP


def _states(others: Sequence[Sibling]) -> str:
    return listed(
        [f"{_named(each)}, which is {each.phase}" if each.rollout else _named(each) for each in others]
    )


def _named(other: Sibling) -> str:
    return f"{other.model} {other.version}" if other.rollout else f"{other.model}, which has no release"
