"""A person's word that came from outside the machine and the cluster, and whoever carries it out.

**Invariant**: the word goes to exactly the rollout that it names, never to a later one of the model or of the
same name; and what carries it out has asked whether that person may say it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controller.control.errors import NotFound, Refused
from controller.control.service import ControlService
from controller.control.views import OutcomeView
from controller.domain.model import CommandKind, Rollout
from controller.policy.quantities import shown
from controller.ports import RolloutHistory


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody from outside is, by the operator's settings. ``groups`` are those of a cluster's RBAC."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One rollout: ids are used again when a ModelRollout of the same name is made anew, instants are not."""

    rollout: str
    namespace: str
    created_at: datetime

    def refuse_other(self, found: Rollout) -> None:
        """Raises `Refused` for a rollout that is another in spite of its name."""
        if (found.id, found.created_at) != (self.rollout, self.created_at):
            raise Refused(
                f"{self.rollout} was another rollout: its name was used again",
                f"serinus status {found.model}",
            )


@dataclass(frozen=True, slots=True)
class Errand:
    """What one person asks of one rollout. A repeated ``request_id`` is the same; ``via`` names the way."""

    target: Target
    kind: CommandKind
    person: Person
    request_id: str
    via: str

    @property
    def actor(self) -> str:
        """How the log names the person: ``ann@example.com (Slack)``."""
        return f"{self.person.name} ({self.via})"


class Steering(Protocol):
    """Carries errands out, if their person may."""

    async def carry_out(self, errand: Errand) -> OutcomeView:
        """Raises a `ControlError`, and `TransientError` or `TargetError` when something does not answer."""
        ...


class MachineSteering:
    """Implements `Steering` on one machine, where whoever the operator's settings name may steer."""

    def __init__(self, service: ControlService, history: RolloutHistory) -> None:
        self._service = service
        self._history = history

    async def carry_out(self, errand: Errand) -> OutcomeView:
        """Follow it as if it came through the socket."""
        target = errand.target
        rollout = await self._history.named(target.rollout)
        if rollout is None or rollout.policy.namespace != target.namespace:
            raise NotFound(f"no rollout is called {shown(target.rollout)}", "serinus get")
        target.refuse_other(rollout)
        return await self._service.follow(
            rollout, errand.kind, actor=errand.actor, request_id=errand.request_id
        )
