"""What people can read in a cluster: the objects' records, reasons and logs.

**Invariant**: an answer costs one list of the objects, or one object; nothing is asked for each rollout.
"""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import Key
from controller.adapters.kube.pauses import KubePauses
from controller.adapters.kube.records import Held, current, meant
from controller.adapters.kube.resources import MODEL_ROLLOUTS
from controller.adapters.kube.rolloutstatus import entries_from
from controller.cli.cluster.access import Access
from controller.cli.cluster.homes import homes_of_daemons
from controller.control.errors import NotFound
from controller.control.fleet import FleetControl, FleetView
from controller.control.interface import ENTRIES_AT_ONCE
from controller.control.record_view import RecordView
from controller.control.views import EntryList, EntryView, StatusList, StatusView, entry_view
from controller.control.why import WhyView
from controller.errors import ControllerError


class ClusterReader:
    """The reading half of `Control`. Every call raises a `ControlError`.

    ``target`` may also be ``NAMESPACE/MODEL`` or ``NAMESPACE/ID``.
    """

    def __init__(self, access: Access, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._access = access
        self._now = now
        self._known: dict[str, Key] = {}
        """Ids that were answered: their objects are read without a list."""

    def fleet(self) -> FleetView:
        """What holds for all models, as far as this person may see it."""
        return self._fleet(lambda control: control.view())

    def get(self, target: str | None = None) -> StatusList:
        """Each model's newest rollout, and the older ones that are not over yet."""
        found = self._all()
        chosen = current(found if target is None else meant(found, target))
        return StatusList(items=tuple(self._shown(each) for each in chosen))

    def status(self, target: str) -> StatusView:
        """The model's newest rollout, or the one that was named."""
        return self._shown(self._one(target))

    def why(self, target: str) -> WhyView:
        """The same, explained."""
        return self._one(target).why(self._now())

    def record(self, target: str) -> RecordView:
        """The same, and the policy that it is judged by."""
        held = self._one(target)
        self._remember(held)
        return held.record(self._now())

    def history(self, target: str, limit: int, *, every: bool) -> EntryList:
        """The last ``limit`` log entries that the objects hold, oldest first."""
        held = reversed(meant(self._all(), target))
        found = [entry for each in held for entry in _entries(each) if every or entry.notable]
        return EntryList(items=tuple(found[-limit:]))

    def _fleet(self, ask: Callable[[FleetControl], Awaitable[FleetView]]) -> FleetView:
        """Ask each daemon's pause; the last answer that something is paused, else the last.

        One that refuses keeps none of the others from being asked; then the first refusal is raised.
        """

        async def asked(client: KubeClient) -> list[FleetView]:
            homes = await homes_of_daemons(client, self._access.namespace)
            found: list[FleetView] = []
            refused: list[ControllerError] = []
            for pauses in (KubePauses(client, home) for home in homes):
                try:
                    found.append(await ask(FleetControl(pauses, lambda _: None, self._now)))
                except ControllerError as error:
                    refused.append(error)
            if refused:
                raise refused[0]
            return found

        found = self._access.ask(asked)
        return next((each for each in reversed(found) if each.paused is not None), found[-1])

    def entries(self, rollout_id: str, after_seq: int, limit: int = ENTRIES_AT_ONCE) -> EntryList:
        """A rollout's log after an entry, in order, without what its object holds no longer."""
        found = [entry for entry in _entries(self._one(rollout_id)) if entry.seq > after_seq]
        return EntryList(items=tuple(found[:limit]))

    def _all(self) -> list[Held]:
        namespace = self._access.namespace
        objects, _ = self._access.ask(lambda client: client.list(MODEL_ROLLOUTS, namespace))
        return [Held(obj) for obj in objects]

    def _one(self, target: str) -> Held:
        key = self._known.get(target)
        if key is None:
            return meant(self._all(), target)[0]
        return self._read(key)

    def _read(self, key: Key) -> Held:
        found = self._access.ask(lambda client: client.get(MODEL_ROLLOUTS, key.namespace, key.name))
        if found is None:
            raise NotFound(f"the ModelRollout {key} was deleted", "serinus get")
        return Held(found)

    def _shown(self, held: Held) -> StatusView:
        self._remember(held)
        return held.status(self._now())

    def _remember(self, held: Held) -> None:
        self._known[f"{held.key.namespace}/{held.rollout_id}"] = held.key
        if self._access.namespace is not None and held.rollout_id != held.model:
            self._known.setdefault(held.rollout_id, held.key)


def _entries(held: Held) -> Iterator[EntryView]:
    if held.rollout is not None:
        for entry in entries_from(held.obj):
            yield entry_view(held.rollout, entry)
