"""What the fleet knows of each rollout."""

from dataclasses import dataclass
from datetime import datetime

from controller.domain.fleet.facts import Sibling
from controller.domain.fleet.rules import FleetRules
from controller.domain.model import Rollout
from controller.domain.vocabulary import CLOSED, FLEET_LACKS, IN_LINE, Phase, Reason

_BEFORE_PROMOTION = frozenset(
    {Phase.PREPARING, Phase.VALIDATING, Phase.PROGRESSING, Phase.PAUSED, Phase.FROZEN}
)


@dataclass(frozen=True, slots=True)
class Member:
    """One rollout, as far as it matters to others."""

    id: str
    model: str
    version: str
    namespace: str
    gateways: tuple[str, ...]
    rules: FleetRules
    created_at: datetime
    phase: Phase
    reason: Reason
    overruled: tuple[str, ...] = ()

    @property
    def takes_place(self) -> bool:
        """Whether it counts among those that roll: from its start on, also while a person is waited for."""
        return self.phase is not Phase.PENDING and not self.phase.terminal

    @property
    def group(self) -> tuple[str, str]:
        """Its namespace, and the name that its group has there; empty for none."""
        return self.namespace, self.rules.group

    @property
    def may_wait_for_group(self) -> bool:
        """Whether its group may not be promoted yet, as far as its phase tells."""
        return bool(self.rules.group) and self.phase in _BEFORE_PROMOTION

    @property
    def in_line(self) -> bool:
        """Whether it waits for a place, or did when everything was closed."""
        return self.phase is Phase.PENDING and self.reason in IN_LINE | CLOSED

    @property
    def waits(self) -> bool:
        """Whether only the fleet can move it on."""
        return not self.phase.terminal and self.reason in FLEET_LACKS

    @property
    def order(self) -> tuple[int, datetime, str]:
        """Who goes first: the higher priority, of the same the older."""
        return -self.rules.priority, self.created_at, self.id

    @property
    def sibling(self) -> Sibling:
        """As another model's rollout sees it."""
        return Sibling(self.model, self.id, self.version, self.phase, self.reason)


def member_of(rollout: Rollout, gateways: tuple[str, ...] | None = None) -> Member:
    """The rollout as a member; ``gateways`` are those seen now, where the record does not know them yet."""
    return Member(
        id=rollout.id,
        model=rollout.model,
        version=rollout.release.version,
        namespace=rollout.policy.namespace,
        gateways=rollout.route.gateways if gateways is None else gateways,
        rules=rollout.policy.fleet,
        created_at=rollout.created_at,
        phase=rollout.phase,
        reason=rollout.reason,
        overruled=rollout.ties.overruled,
    )
