"""Rules of shadow steps that cannot be: people are told, and the rollout goes on without."""

from dataclasses import replace

from controller.domain.mirroring import left_out, surveyed_unmirrored
from controller.domain.model import SetSplit
from controller.domain.observation import Observation
from controller.domain.observing import Folded, with_split
from controller.domain.release import Split
from controller.domain.rules.turns import Turn, tell
from controller.domain.vocabulary import Reason


def shadowless(folded: Folded, seen: Observation) -> Turn | None:
    """The policy begins with a shadow, and requests cannot be copied: people are told what is left out."""
    rollout, why = folded.rollout, surveyed_unmirrored(folded.rollout, seen)
    if not why or Reason.SHADOW_SKIPPED in rollout.told:
        return None
    message = left_out(rollout.policy, why)
    return tell(rollout, "shadow_skipped", Reason.SHADOW_SKIPPED, Reason.SHADOW_SKIPPED, message)


def unmirrored(folded: Folded, seen: Observation) -> Turn | None:
    """The gateway does not copy requests as it is asked to: it shall copy none, and the next step follows.

    At once, and whatever the phase: a gateway may refuse a whole route for what it does not know.
    """
    rollout, why = folded.rollout, folded.rollout.route.unmirrored
    if not rollout.mirror_permille or not why:
        return None
    split, expected = Split(stable=rollout.stable), seen.route.split if seen.route else rollout.route.intended
    plain = with_split(rollout, split)
    plain = replace(plain, route=replace(plain.route, previous=expected))
    message = left_out(rollout.policy, why)
    turn = tell(plain, "shadow_skipped", Reason.SHADOW_SKIPPED, Reason.SHADOW_SKIPPED, message)
    return replace(turn, actions=(SetSplit(split, expected),))
