"""What people read of a cluster's rollouts from outside, out of the daemon's cache, in any replica.

**Invariant**: what is in a namespace that is not to be seen looks as if it did not exist. Only the log of a
rollout that is over costs a call, for the cache does not hold it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import Key, attempt_of
from controller.adapters.kube.mirror import EVERYWHERE
from controller.adapters.kube.records import Held, current, meant
from controller.adapters.kube.reflector import Changed
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.rolloutstatus import entries_from
from controller.control.board import Board
from controller.control.library import Key as ModelKey
from controller.control.library import Readings
from controller.control.record_view import RecordView
from controller.control.steering import Target
from controller.control.views import EntryList, EntryView, StatusList, entry_view
from controller.domain.policy import Policy
from controller.errors import StoreUnavailable
from controller.ports import Clock, Policies


class Holding(Protocol):
    """One object, as the index holds it."""

    @property
    def key(self) -> Key:
        """Where it is and what it is called."""
        ...

    @property
    def obj(self) -> Obj:
        """Shared: not to be changed."""
        ...


class Index(Protocol):
    """The objects by model and by name."""

    def models(self) -> Sequence[str]:
        """The models with any object, sorted."""
        ...

    def of(self, model: str) -> Sequence[Holding]:
        """The model's objects."""
        ...

    def named(self, name: str) -> Sequence[Holding]:
        """The objects of that name, of every namespace."""
        ...


class ClusterLibrary:
    """Implements `Library`. ``listed`` says whether the index has been filled.

    ``named`` are the namespaces that the operator named, which are there before anything is in them.
    """

    def __init__(
        self,
        index: Index,
        client: KubeClient,
        policies: Policies,
        clock: Clock,
        *,
        listed: Callable[[], bool],
        named: Collection[str],
    ) -> None:
        self._named = frozenset(named) - {EVERYWHERE}
        self._index = index
        self._client = client
        self._policies = policies
        self._clock = clock
        self._listed = listed

    def namespaces(self) -> Collection[str]:
        """Those that the operator named, those of the objects, and those of the policies in force."""
        index = self._index
        objects = {each.key.namespace for model in index.models() for each in index.of(model)}
        return self._named | objects | {policy.namespace for policy in self._policies.current().values()}

    def place(self, policy: Policy) -> str:
        """The one that the policy rules."""
        return policy.namespace

    def readings(self, namespaces: Collection[str]) -> Readings:
        """What is seen by whoever may read these namespaces."""
        if not self._listed():
            raise StoreUnavailable("the ModelRollouts have not been listed yet")
        return ClusterReadings(self._index, self._client, self._clock, frozenset(namespaces))


class ClusterReadings:
    """Implements `Readings`."""

    def __init__(self, index: Index, client: KubeClient, clock: Clock, namespaces: frozenset[str]) -> None:
        self._index = index
        self._client = client
        self._clock = clock
        self._namespaces = namespaces

    async def models(self) -> Sequence[ModelKey]:
        """The models with any object, sorted."""
        return [
            (model, namespace)
            for model in self._index.models()
            for namespace in sorted({each.key.namespace for each in self._seen(self._index.of(model))})
        ]

    async def get(self, target: str) -> StatusList:
        """Of the model in each namespace the newest rollout, and the older ones that are not over yet."""
        return self._statuses(current(self._meant(target)))

    async def current(self, keys: Collection[ModelKey]) -> StatusList:
        """The same of many models; of those that have any."""
        wanted = set(keys)
        models = sorted({model for model, _ in wanted})
        found = [Held(each.obj) for model in models for each in self._seen(self._index.of(model))]
        return self._statuses(current(each for each in found if (each.model, each.key.namespace) in wanted))

    async def rollouts(self, model: str, limit: int) -> StatusList:
        """The model's rollouts, newest first."""
        return self._statuses(self._meant(model)[:limit])

    async def record(self, target: str) -> RecordView:
        """The model's newest rollout, or the one that was named."""
        return self._meant(target)[0].record(self._clock.now())

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> EntryList:
        """A rollout's log after an entry, in order, without what its object holds no longer."""
        found = await self._log(self._meant(rollout_id)[0])
        return EntryList(items=tuple([entry for entry in found if entry.seq > after_seq][:limit]))

    async def history(self, target: str, limit: int, *, every: bool) -> EntryList:
        """The last ``limit`` log entries that the objects hold, oldest first."""
        found: list[EntryView] = []
        for held in self._meant(target):
            older = [entry for entry in await self._log(held) if every or entry.notable]
            found = [*older, *found]
            if len(found) >= limit:
                break
        return EntryList(items=tuple(found[-limit:]))

    async def target(self, rollout_id: str) -> Target:
        """The rollout of that id, or the attempt of its object that was before: a word may be said again."""
        namespace, _, name = rollout_id.rpartition("/")
        found = [*self._index.named(attempt_of(name)[0])]
        held = meant([Held(each.obj) for each in self._seen(found)], _joined(namespace, attempt_of(name)[0]))[
            0
        ]
        at = held.rollout.created_at if held.rollout is not None else held.created_at
        return Target(name, held.key.namespace, at)

    def _meant(self, target: str) -> list[Held]:
        """Newest first. Raises `NotFound` and `InvalidRequest`."""
        name = target.rpartition("/")[2]
        found = {each.key: each for each in (*self._index.of(name), *self._index.named(attempt_of(name)[0]))}
        return meant([Held(each.obj) for each in self._seen(found.values())], target)

    def _seen(self, found: Iterable[Holding]) -> Iterable[Holding]:
        return (each for each in found if each.key.namespace in self._namespaces)

    def _statuses(self, found: Sequence[Held]) -> StatusList:
        now = self._clock.now()
        return StatusList(items=tuple(held.status(now) for held in found))

    async def _log(self, held: Held) -> Sequence[EntryView]:
        if held.rollout is None:
            return ()
        obj: Obj | None = held.obj
        if held.phase.terminal:
            obj = await self._client.get(MODEL_ROLLOUTS, held.key.namespace, held.key.name)
        return [entry_view(held.rollout, entry) for entry in entries_from(obj or {})]


def shown_on(board: Board) -> Changed:
    """Puts the changes of ModelRollouts on a board, each with what is read of it only when somebody looks."""

    def changed(old: Obj | None, new: Obj | None) -> None:
        if (obj := new or old) is not None:
            held = Held(obj)
            board.put(
                held.key.namespace, held.model, held.rollout_id, held.status if new is not None else None
            )

    return changed


def _joined(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name
