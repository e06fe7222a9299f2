"""Which models an object's change concerns: from watches to keys on the queue.

A wake-up too few costs an interval, one too many a pass that finds nothing to do: so whatever may matter
wakes. Except a status: that is our own writing, and a pass for each write would write for ever.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping

from controller.adapters.kube.identity import Key, key_of
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.workload.kube_labels import MODEL, SERVICE_OF_SLICE, labels_of
from controller.adapters.workload.kube_names import copy_name
from controller.domain.policy import Policy
from controller.domain.vocabulary import TERMINAL

Wake = Callable[[str, bool], None]
"""Puts a model on the queue; True interrupts what is being observed for it."""

_OVER = frozenset(phase.value for phase in TERMINAL)


class Wakes:
    """Callbacks for reflectors; each takes an object before and after its change, None where it is not."""

    def __init__(self, wake: Wake, policies: Callable[[], Mapping[str, Policy]]) -> None:
        self._wake = wake
        self._policies = policies
        self._backends: dict[Key, set[str]] = defaultdict(set)

    def rollout_changed(self, old: Obj | None, new: Obj | None) -> None:
        """A ModelRollout: a person's word to it, and its deletion, are urgent."""
        obj = new or old
        if obj is None:
            return
        if old is not None:
            self._backends[_backend(old)].discard(_model(old))
        if new is not None and mapping(new.get("status")).get("phase") not in _OVER:
            self._backends[_backend(new)].add(_model(new))
        if not self._backends[_backend(obj)]:
            del self._backends[_backend(obj)]
        if old is None or new is None or _written(old) != _written(new):
            self._wake(_model(obj), _word(old) != _word(new))

    def route_changed(self, old: Obj | None, new: Obj | None) -> None:
        """A route: the models whose policies name it."""
        key = key_of(new or old or {})
        for model, policy in self._policies().items():
            if (policy.namespace, policy.route.name) == (key.namespace, key.name):
                self._wake(model, False)  # noqa: FBT003 - not urgent

    def slice_changed(self, old: Obj | None, new: Obj | None) -> None:
        """An EndpointSlice: the models with a rollout to the Service that it belongs to."""
        obj = new or old or {}
        service = Key(key_of(obj).namespace, labels_of(obj).get(SERVICE_OF_SLICE, ""))
        for model in tuple(self._backends.get(service, ())):
            self._wake(model, False)  # noqa: FBT003 - not urgent

    def labelled_changed(self, old: Obj | None, new: Obj | None) -> None:
        """A Service, pool or workload: the model that its labels name."""
        for obj in (old, new):
            model = labels_of(obj).get(MODEL) if obj is not None else None
            if model is not None and model in self._policies():
                self._wake(model, False)  # noqa: FBT003 - not urgent


def _model(obj: Obj) -> str:
    return text(mapping(obj.get("spec")).get("model"))


def _backend(obj: Obj) -> Key:
    """Where the release is or will be; found by labels it is not known here, and the interval has to do."""
    spec = mapping(obj.get("spec"))
    named = text(mapping(spec.get("backend")).get("name"))
    made = copy_name(_model(obj), text(spec.get("version"))) if spec.get("image") else ""
    return Key(key_of(obj).namespace, named or made)


def _written(obj: Obj) -> tuple[object, ...]:
    """What is not the status: the API server counts a spec's changes in its generation."""
    metadata = mapping(obj.get("metadata"))
    return metadata.get("uid"), metadata.get("generation"), metadata.get("deletionTimestamp")


def _word(obj: Obj | None) -> tuple[object, ...]:
    if obj is None:
        return (None,)
    request = mapping(mapping(obj.get("spec")).get("request"))
    return request.get("id"), mapping(obj.get("metadata")).get("deletionTimestamp")
