"""Which metrics pack reads a version, told by the names that one of its copies shows. Pure.

**Invariant**: a pack is chosen once, before the canary has traffic, and only where nothing speaks against it:
several that fit, none that fits, or one that cannot measure what the policy asks for leaves none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from controller.domain.measures import AUTO
from controller.domain.model import Rollout
from controller.domain.observation import PackSeen

_NAME_IT = "write the pack's name into the policy"


@dataclass(frozen=True, slots=True)
class Signature:
    """A pack, the metrics that nothing else shows, and what keeps it from reading the rollout."""

    pack: str
    names: frozenset[str]
    trouble: str = ""


def recognise(shown: Collection[str], known: Sequence[Signature]) -> PackSeen:
    """The one pack that has a name among those shown."""
    fitting = [one for one in known if not one.names.isdisjoint(shown)]
    if len(fitting) > 1:
        packs = " and ".join(sorted(one.pack for one in fitting))
        return PackSeen(message=f"the copy shows metrics of {packs}: {_NAME_IT}")
    if not fitting:
        return PackSeen(
            message=f"the copy shows metrics of no engine that is known: {_NAME_IT}, or a gateway's"
        )
    found = fitting[0]
    if found.trouble:
        return PackSeen(message=f"the copy shows metrics of {found.pack}, {found.trouble}")
    return PackSeen(found.pack)


def pack_of(rollout: Rollout) -> str:
    """The pack that reads the rollout; `AUTO` while it is not recognised."""
    return rollout.pack or rollout.policy.metrics


def unrecognised(rollout: Rollout) -> bool:
    """Whether a pack has still to be recognised."""
    return pack_of(rollout) == AUTO
