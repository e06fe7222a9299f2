"""Where the weighted backends of a rule stand in an object of some kind, and how one is written. Pure.

Several kinds of object divide requests by a list of backends with weights: HTTPRoute, VirtualService,
AIGatewayRoute, Knative's Service. Finding the rule, reading its weights as a split and the patch that makes
them another are the same for all; a layout says what differs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.adapters.kube.resources import Obj
from controller.domain.release import Backend, BackendKind


@dataclass(frozen=True, slots=True)
class Target:
    """What an entry of such a list names, with the API's defaults filled in."""

    group: str
    kind: str
    namespace: str
    name: str
    port: int | None = None
    subset: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry that is to be written: ``like`` is that of the other version, ``was``; both empty for none."""

    like: Obj
    was: str
    version: str
    backend: Backend
    port: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Of one kind. ``rules`` is the field of ``spec`` with the rules; empty where the spec is the rule."""

    kind: str
    rules: str
    refs: str
    """The field of a rule with its backends."""
    backends: frozenset[BackendKind]
    """What can be a version."""
    target: Callable[[Obj, str], Target]
    """What an entry names, in an object of a namespace."""
    entry: Callable[[Wanted], Obj]
    """An entry without weight and without Serinus' mark."""
    is_marked: Callable[[Obj], bool]
    """Whether an entry bears Serinus' mark: the canary's, until its version is the stable one."""
    marked: Callable[[Obj, str], Obj]
    unmarked: Callable[[Obj], Obj]
    name_at: str = "name"
    """Where in an entry, as a part of a JSON Pointer, the name is that a patch tests."""
    weight: str = "weight"
    weigh: Callable[[Obj, bool], object] = lambda body, _: body.get("weight", 1)
    """The weight of an entry, which may be alone in its rule; not yet known to be a number."""
    removable: Callable[[Obj], bool] | None = None
    """Whether a canary without weight may be taken off; where it bears the mark if None."""
    promoted: Callable[[Obj, Obj], Obj] | None = None
    """The canary's entry when it takes the place of stable's; without its mark if None."""
    full_sum: int = 1000
    """What the weights of a pair that is alone in its rule add up to while both versions are there."""
    most_weight: int = 1_000_000
    most_refs: int = 16
    audience: bool = False
    """Whether rules can be added for testers and for users who keep their version."""
    mirrors: bool = False
    """Whether a rule can have filters that copy its requests."""
    needs_port: bool = False
    """Whether an entry that names a Service must name a port."""
    refusals: Mapping[BackendKind, str] = field(default_factory=dict)
    """Why a kind of backend cannot be a version, and what to do, where more than that is to be said."""

    @property
    def field(self) -> str:
        """The field of ``spec`` in which the weights are."""
        return self.rules or self.refs

    def may_remove(self, body: Obj) -> bool:
        """Whether a canary without weight may be taken off the rule: if people did not put it there."""
        return self.is_marked(body) if self.removable is None else self.removable(body)
