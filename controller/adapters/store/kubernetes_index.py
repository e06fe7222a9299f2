"""The ModelRollouts of each model, kept up to date by watches: a pass looks at its own model's only.

**Invariant**: a record is decoded once for each version of its object, and a record that cannot be read fails
the reading of its own model and of no other.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.adapters.kube.identity import Key, key_of
from controller.adapters.kube.modelrollout import FINALIZER
from controller.adapters.kube.requestlog import requests_in, status_in
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.rolloutstatus import rollouts_from
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.domain.model import Rollout
from controller.domain.release import Release
from controller.domain.vocabulary import TERMINAL, Phase
from controller.errors import StoreUnavailable

_OVER = frozenset(phase.value for phase in TERMINAL)
_FOR_PEOPLE = ("log", "checks")


def slim(obj: Obj) -> Obj:
    """The object without what only people read, if its rollout is over: for a reflector's ``keep``.

    What is written to such an object is based on a fresh reading.
    """
    status = obj.get("status")
    if not isinstance(status, dict) or not claims_over(obj) or not status.keys() & set(_FOR_PEOPLE):
        return obj
    return {**obj, "status": {key: value for key, value in status.items() if key not in _FOR_PEOPLE}}


def claims_over(obj: Obj) -> bool:
    """Whether the status calls the rollout over; its record has the last word."""
    return status_in(obj).get("phase") in _OVER


def version_of(obj: Obj) -> str:
    """The object's resourceVersion."""
    return text(mapping(obj.get("metadata")).get("resourceVersion"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is asked of a rollout again and again, even long after it is over."""

    id: str
    phase: Phase
    release: Release
    created_at: datetime


class Held:
    """One object, and what its record says."""

    __slots__ = ("_fault", "_outcome", "_rollout", "key", "obj", "ordinal")

    def __init__(self, obj: Obj) -> None:
        self.obj = obj
        self.key = key_of(obj)
        self.ordinal = number(status_in(obj).get("ordinal"))
        self._rollout: Rollout | None = None
        self._outcome: Outcome | None = None
        self._fault = ""

    @property
    def has_record(self) -> bool:
        """Whether a rollout was begun for the object."""
        return status_in(self.obj).get("record") is not None

    @property
    def unreadable(self) -> bool:
        """Whether it has a record that cannot be read."""
        return self.has_record and self._look() is None

    @property
    def is_over(self) -> bool:
        """Whether its rollout is over; what the status says, where the record cannot be read."""
        found = self._look() if self.has_record else None
        return claims_over(self.obj) if found is None else found.phase.terminal

    @property
    def succeeded(self) -> bool:
        """Whether its rollout ended as it should; what the status says, where the record cannot be read."""
        if not self.has_record:
            return False
        found = self._look()
        return (found.phase if found else status_in(self.obj).get("phase")) == Phase.SUCCEEDED

    @property
    def is_deleting(self) -> bool:
        """Whether somebody deleted it, and it waits for its finalizers."""
        return mapping(self.obj.get("metadata")).get("deletionTimestamp") is not None

    @property
    def bears_finalizer(self) -> bool:
        """Whether it cannot go before we let it."""
        return FINALIZER in sequence(mapping(self.obj.get("metadata")).get("finalizers"))

    @property
    def age(self) -> tuple[str, str]:
        """For the order of objects that nobody has numbered yet."""
        return text(mapping(self.obj.get("metadata")).get("creationTimestamp")), self.key.name

    def outcome(self) -> Outcome | None:
        """None without a record. Raises `StoreUnavailable` for one that cannot be read."""
        if not self.has_record:
            return None
        found = self._look()
        if found is None:
            raise StoreUnavailable(self._fault)
        return found

    def rollout(self) -> Rollout | None:
        """None without a record. Raises `StoreUnavailable` for one that cannot be read."""
        self.outcome()
        # the records of rollouts that are over are many, large, and seldom asked for
        return self._rollout or rollouts_from(self.obj)

    def _look(self) -> Outcome | None:
        if self._outcome is None and not self._fault:
            try:
                rollout = rollouts_from(self.obj)
            except StoreUnavailable as error:
                self._fault = str(error)
                return None
            if rollout is not None:
                self._outcome = Outcome(rollout.id, rollout.phase, rollout.release, rollout.created_at)
                self._rollout = None if rollout.phase.terminal else rollout
        return self._outcome


def shown(of_model: Iterable[Held]) -> list[Held]:
    """Without what is over and cannot be read; a record that cannot be read fails its model before that."""
    return [held for held in of_model if not (held.unreadable and held.is_over)]


def current_of(of_model: Iterable[Held]) -> list[Rollout]:
    """The model's newest rollout and its older ones that are not over, newest first."""
    helds = reversed(shown(of_model))
    newest = next((rollout for held in helds if (rollout := held.rollout()) is not None), None)
    older = (held.rollout() for held in helds if not held.is_over)
    return [rollout for rollout in (newest, *older) if rollout is not None]


class RolloutIndex:
    """The objects by model and by name. Its `changed` belongs to every reflector of ModelRollouts."""

    def __init__(self) -> None:
        self._by_model: dict[str, dict[Key, Held]] = defaultdict(dict)
        self._by_name: dict[str, set[Key]] = defaultdict(set)
        self._model_of: dict[Key, str] = {}

    def changed(self, old: Obj | None, new: Obj | None) -> None:
        """Take a reflector's news."""
        if old is not None:
            self._forget(key_of(old))
        if new is not None:
            held = Held(new)
            self._forget(held.key)
            model = _model(new)
            self._by_model[model][held.key] = held
            self._by_name[held.key.name].add(held.key)
            self._model_of[held.key] = model

    def of(self, model: str) -> list[Held]:
        """The model's objects: those with a record in the order of acceptance, then the others by age."""
        found = self._by_model.get(model, {}).values()
        return sorted(found, key=lambda held: (not held.has_record, held.ordinal, held.age))

    def get(self, key: Key) -> Held | None:
        """The object."""
        model = self._model_of.get(key)
        return None if model is None else self._by_model[model][key]

    def named(self, name: str) -> list[Held]:
        """The objects of that name, of every namespace."""
        found = (self.get(key) for key in sorted(self._by_name.get(name, ()), key=str))
        return [held for held in found if held is not None]

    def models(self) -> list[str]:
        """The models with any object, sorted."""
        return sorted(self._by_model)

    def next_ordinal(self, model: str) -> int:
        """The number of the next rollout of the model to be accepted."""
        return 1 + max((held.ordinal for held in self._by_model.get(model, {}).values()), default=0)

    def asked(self, request_id: str) -> Iterable[tuple[Held, Obj]]:
        """The objects that answered a request of that id, and the answer."""
        for model in self.models():
            for held in self.of(model):
                for request in requests_in(held.obj):
                    if request.get("id") == request_id:
                        yield held, request

    def _forget(self, key: Key) -> None:
        model = self._model_of.pop(key, None)
        if model is None:
            return
        del self._by_model[model][key]
        if not self._by_model[model]:
            del self._by_model[model]
        self._by_name[key.name].discard(key)
        if not self._by_name[key.name]:
            del self._by_name[key.name]


def _model(obj: Obj) -> str:
    """The model that the release was accepted for; before that, the one that it names."""
    return text(status_in(obj).get("model")) or text(mapping(obj.get("spec")).get("model"))
