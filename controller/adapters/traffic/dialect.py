"""How one kind of object in a cluster says how requests are divided: what a router must know of it.

`controller.adapters.traffic.object_router` reads, writes, fences and waits, the same for all kinds; a dialect
says what an object means and which patch makes it mean something else. **Invariant**: a dialect is pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.traffic.gateway_status import Verdict
from controller.domain.observation import RouteSeen, Survey
from controller.domain.release import Backend, Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.features import Feature


@dataclass(frozen=True, slots=True)
class Companion:
    """Another object, of the same namespace, that says whether a route is in force: one generated from it.

    Without a ``name`` it is all objects of the kind there: a List, with its ``items``.
    """

    resource: Resource
    name: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A route as it stands, and its dialect's companions in their order; None for one that is not there.

    Without any where nobody could ask for them.
    """

    route: Obj
    companions: tuple[Obj | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The survey; ``nameless`` is the backend that serves where only its own name stands for its version."""

    survey: Survey
    nameless: Backend | None = None

    def named(self, version: str) -> Survey:
        """With the version that is said of the nameless backend."""
        serving = self.survey.serving
        return replace(self.survey, serving=replace(serving, version=version) if serving else None)


class Dialect(Protocol):
    """One kind of object. Messages are for people; an operation is one of a JSON Patch of the route."""

    @property
    def resource(self) -> Resource:
        """The kind of object that is read and written."""
        ...

    @property
    def feature(self) -> Feature:
        """What the operator switches on to have it."""
        ...

    def object_name(self, routed: RoutedModel) -> str:
        """The name of the object that is read and written."""
        ...

    def companions(self, route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:
        """What must be looked at beside the route to know whether it is in force."""
        ...

    def survey(self, standing: Standing, routed: RoutedModel, recorded: Release | None) -> Surveyed:
        """Who serves, and what stands in the way of a rollout."""
        ...

    def accepted(self, standing: Standing) -> Verdict:
        """Whether those who run the route took it as it is now."""
        ...

    def seen(self, standing: Standing, routed: RoutedModel, mark: str) -> RouteSeen:
        """What the route runs; ``mark`` is the annotation with our epoch."""
        ...

    def change(self, route: Obj, routed: RoutedModel, split: Split, expected: Split) -> list[Obj]:
        """What makes the route run ``split``; empty if it does.

        Raises `Conflict` when it holds neither ``expected`` nor ``split``, `TargetError` when it cannot.
        """
        ...

    def emergency(self, route: Obj, routed: RoutedModel) -> list[Obj]:
        """What gives everything to stable, whatever the route holds; empty if it has everything.

        ``routed`` may have no versions: then the route itself must tell them, else raises `TargetError`.
        """
        ...


@runtime_checkable
class Unstamped(Protocol):
    """A dialect whose object must not bear our annotations, because its owner copies them to pods.

    Without an epoch on it, what keeps a deposed leader from writing is the version that every patch tests,
    and the lease, which is looked at between reading and writing: such a leader can only still do what the
    record asks for, and only before the next leader has written.
    """

    def latch(self, route: Obj, reason: Reason | None) -> list[Obj]:
        """What latches a rollback that no record knows of at a place of its own; without a reason, undoes it.

        ``route`` may have nothing that needs a latch: then empty.
        """
        ...


@runtime_checkable
class Several(Protocol):
    """A dialect that writes several objects of its kind for one split; each change is asked for in turn."""

    def written(self, routed: RoutedModel, split: Split | None) -> tuple[str, ...]:
        """Their names, in the order in which they must be written; for None, in that of an emergency."""
        ...

    def expect(self, routes: Sequence[Obj], routed: RoutedModel, split: Split, expected: Split) -> None:
        """Raise `Conflict` when they hold together neither ``expected`` nor ``split``."""
        ...
