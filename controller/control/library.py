"""What people can read from outside: of some namespaces everything, of the others not even that it exists.

`control.interface.Control` is the same for whoever sits at the machine, or has a kubeconfig.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from controller.control.doors import MACHINE
from controller.control.errors import NotFound
from controller.control.reading import Reader
from controller.control.record_view import RecordView
from controller.control.steering import Target
from controller.control.views import EntryList, StatusList
from controller.domain.policy import Policy
from controller.policy.quantities import shown
from controller.ports import Clock, Policies, RolloutHistory

Key = tuple[str, str]
"""A model and its namespace, `MACHINE` on one machine."""


class Readings(Protocol):
    """All raise `NotFound` for what is not there, or not to be seen; and `StoreUnavailable`.

    ``target`` is a model, or the id of one of its rollouts; in a cluster ``NAMESPACE/`` may stand before it,
    and `InvalidRequest` is raised for what is in several namespaces.
    """

    async def models(self) -> Sequence[Key]:
        """The models with any rollout, sorted."""
        ...

    async def get(self, target: str) -> StatusList:
        """The model's newest rollout, and the older ones that are not over yet."""
        ...

    async def current(self, keys: Collection[Key]) -> StatusList:
        """The same of many models, in one reading: of those that have any, by model, newest first."""
        ...

    async def rollouts(self, model: str, limit: int) -> StatusList:
        """The model's rollouts, newest first."""
        ...

    async def record(self, target: str) -> RecordView:
        """The model's newest rollout, or the one that was named: its state, its reason, its policy."""
        ...

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> EntryList:
        """A rollout's log after an entry, in order."""
        ...

    async def history(self, target: str, limit: int, *, every: bool) -> EntryList:
        """The last ``limit`` log entries, oldest first; only those of consequence unless ``every`` is set."""
        ...

    async def target(self, rollout_id: str) -> Target:
        """The very rollout that an id names, for a word to it."""
        ...


class Library(Protocol):
    """The rollouts that the daemon knows of."""

    def namespaces(self) -> Collection[str]:
        """Where there is anything to be read."""
        ...

    def place(self, policy: Policy) -> str:
        """The namespace that a policy's rollouts are read in."""
        ...

    def readings(self, namespaces: Collection[str]) -> Readings:
        """What is seen by whoever may read these namespaces."""
        ...


class MachineReadings(Reader):
    """Implements `Readings` on one machine, where who may read anything may read everything."""

    async def models(self) -> Sequence[Key]:
        """The models with any rollout, sorted."""
        return [(model, MACHINE) for model in await self._history.models()]

    async def current(self, keys: Collection[Key]) -> StatusList:
        """Of each model the newest rollout, and the older ones that are not over yet."""
        return self._statuses(await self._history.current([model for model, _ in keys]))

    async def target(self, rollout_id: str) -> Target:
        """The rollout of that id, whatever models are called."""
        rollout = await self._history.named(rollout_id)
        if rollout is None:
            raise self._unknown(rollout_id)
        return Target(rollout.id, rollout.policy.namespace, rollout.created_at)


class MachineLibrary:
    """Implements `Library` on one machine."""

    def __init__(self, history: RolloutHistory, policies: Policies, clock: Clock) -> None:
        self._everything = MachineReadings(history, policies, clock)
        self._nothing = Nothing()

    def namespaces(self) -> Collection[str]:
        """The machine."""
        return {MACHINE}

    def place(self, policy: Policy) -> str:  # noqa: ARG002 - the same for all
        """The machine."""
        return MACHINE

    def readings(self, namespaces: Collection[str]) -> Readings:
        """Everything, or nothing."""
        return self._everything if MACHINE in namespaces else self._nothing


class Nothing:
    """Implements `Readings` for who may read nothing."""

    async def models(self) -> Sequence[Key]:
        """None."""
        return []

    async def get(self, target: str) -> StatusList:
        """Nothing is found."""
        raise unknown(target)

    async def current(self, keys: Collection[Key]) -> StatusList:  # noqa: ARG002 - as above
        """None."""
        return StatusList(items=())

    async def rollouts(self, model: str, limit: int) -> StatusList:  # noqa: ARG002 - as above
        """Nothing is found."""
        raise unknown(model)

    async def record(self, target: str) -> RecordView:
        """Nothing is found."""
        raise unknown(target)

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> EntryList:  # noqa: ARG002 - as above
        """Nothing is found."""
        raise unknown(rollout_id)

    async def history(self, target: str, limit: int, *, every: bool) -> EntryList:  # noqa: ARG002 - as above
        """Nothing is found."""
        raise unknown(target)

    async def target(self, rollout_id: str) -> Target:
        """Nothing is found."""
        raise unknown(rollout_id)


def unknown(target: str) -> NotFound:
    """The one answer for what does not exist and for what may not be seen."""
    return NotFound(f"no model or rollout is called {shown(target)}", "serinus get")
