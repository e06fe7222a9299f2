"""A person's word that came from outside the machine and the cluster, and whoever carries it out.

**Invariant**: the word goes to exactly the rollout that it names, never to a later one of the model or of the
same name; and what carries it out has asked whether that person may say it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controller.control.errors import InvalidRequest, NotFound, Refused
from controller.control.interface import Order
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
    """What one person asks of one rollout. A repeated ``request_id`` is the same.

    ``via`` names the way where the person is known by another's word; it is empty where the name is the one
    that the person has on every other way, for who is named in two ways counts as two. ``note`` is why,
    ``asking`` the number of the asking that an approve or deny is meant for.
    """

    target: Target
    kind: CommandKind
    person: Person
    request_id: str
    via: str
    note: str = ""
    asking: int | None = None

    @property
    def actor(self) -> str:
        """How the log names the person: ``ann@example.com``, or ``ann@example.com (Slack)``."""
        return f"{self.person.name} ({self.via})" if self.via else self.person.name


class Steering(Protocol):
    """Carries errands out, if their person may."""

    async def carry_out(self, errand: Errand) -> OutcomeView:
        """Raises a `ControlError`, and `TransientError` or `TargetError` when something does not answer."""
        ...


class Releasing(Protocol):
    """Begins rollouts for people from outside, if they may."""

    async def release(
        self, order: Order, person: Person, namespace: str | None, request_id: str
    ) -> OutcomeView:
        """Raises a `ControlError`, and `TransientError` or `TargetError` when something does not answer.

        ``namespace`` is where in a cluster; None is where the model's policy says.
        """
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
            rollout,
            errand.kind,
            actor=errand.actor,
            request_id=errand.request_id,
            note=errand.note,
            asking=errand.asking,
        )


class MachineReleasing:
    """Implements `Releasing` on one machine, where versions answer at addresses."""

    def __init__(self, service: ControlService) -> None:
        self._service = service

    async def release(
        self, order: Order, person: Person, namespace: str | None, request_id: str
    ) -> OutcomeView:
        """Begin it as if it came through the socket."""
        if namespace is not None:
            raise InvalidRequest("one machine has no namespaces: leave the namespace out")
        if order.env or any(
            each is not None
            for each in (order.backend, order.image, order.args, order.container, order.storage_uri)
        ):
            raise InvalidRequest("an image or a backend is run by a cluster: give endpoints, HOST:PORT each")
        return await self._service.deploy(
            order.model, order.version, order.endpoints, actor=person.name, request_id=request_id
        )
