"""Conditional changes of the documents, and how each is taken back.

Pure. A step says what it writes and what was there before, entry by entry, so that one model's change can be
undone while others stay, and is undone only where nobody has written since.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from controller.adapters.traffic.envoy_config import Json, ModelRoute, render_route
from controller.adapters.traffic.envoy_documents import Changes, Clusters, Routes
from controller.domain.audience import EVERYBODY
from controller.domain.policy import RouteRef
from controller.domain.release import Split
from controller.domain.vocabulary import Reason
from controller.domain.wording import treated
from controller.errors import Conflict, ControllerError, TargetError


@dataclass(frozen=True, slots=True)
class RouteChange:
    """Make the model's route run ``split``, if it runs ``expected`` (or ``split`` already)."""

    model: str
    route: RouteRef
    split: Split
    expected: Split


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """Make the clusters be as given, by name; None removes, if nobody needs the cluster by then.

    ``model`` is "" for removals.
    """

    model: str
    clusters: Changes


C = TypeVar("C", bound=RouteChange | ClusterChange)


@dataclass(frozen=True, slots=True)
class Step(Generic[C]):
    """One change as carried out."""

    change: C
    wrote: Changes
    before: Changes

    def undone(self, entries: Mapping[str, Json]) -> Changes:
        """What puts the entries back; only those that are still as this step wrote them."""
        return {key: old for key, old in self.before.items() if entries.get(key) == self.wrote[key]}


@dataclass(frozen=True, slots=True)
class Written(Generic[C]):
    """One write: its version, "" when there was nothing to write, and what became of each change."""

    version: str
    steps: tuple[Step[C], ...]
    refused: tuple[tuple[C, ControllerError], ...] = field(default=())


def route_step(routes: Routes, change: RouteChange, epoch: int, *, lost: bool) -> Step[RouteChange] | None:
    """The change as a step on ``routes``, None when all is as it should be.

    ``lost`` says that the file is missing or corrupt: then no model has a route, and any change writes it
    anew. Raises `Conflict` and `TargetError`.
    """
    found = routes.models.get(change.model)
    held = Split() if lost or not found else found[1].running
    split, expected = _normal(change.split), _normal(change.expected)
    if held not in (split, expected):
        raise Conflict(
            f"the route of {change.model} was changed by somebody else: "
            f"it has {described(held)}, expected was {described(expected)}"
        )
    wrote: dict[str, Json | None] = {found[0]: None} if found else {}
    if split != Split():
        goal = ModelRoute(change.model, change.route, split, epoch)
        prefix, entry = render_route(goal)
        if not (found and found[0] == prefix):
            _demand_free(routes, prefix, change.model)
        if found and not lost and _is_same(routes, found, goal):
            return None
        wrote[prefix] = entry
    elif not found and not lost:
        return None
    return Step(change, wrote, {key: routes.entries.get(key) for key in wrote})


def _is_same(routes: Routes, found: tuple[str, ModelRoute], goal: ModelRoute) -> bool:
    """Whether the file holds the goal already; another daemon's epoch is no reason to write."""
    prefix, entry = render_route(replace(goal, epoch=found[1].epoch))
    return found[0] == prefix and routes.entries[prefix] == entry


def _demand_free(routes: Routes, prefix: str, model: str) -> None:
    if prefix not in routes.entries:
        return
    owner = next((name for name, (key, _) in routes.models.items() if key == prefix), None)
    if owner is None:
        raise TargetError(
            f"the path {prefix} has an entry in rds.json that Serinus did not write: remove it first"
        )
    raise TargetError(f"the path {prefix} belongs to model {owner}: give {model} another route")


def cluster_step(
    clusters: Clusters, change: ClusterChange, unused: frozenset[str], *, lost: bool
) -> Step[ClusterChange] | None:
    """The change as a step on ``clusters``, None when nothing differs. Only what is unused is removed."""
    wrote = {
        name: entry
        for name, entry in change.clusters.items()
        if clusters.entries.get(name) != entry and (entry or name in unused)
    }
    if not wrote and not lost:
        return None
    return Step(change, wrote, {name: clusters.entries.get(name) for name in wrote})


def latched_entry(found: tuple[str, ModelRoute] | None, reason: Reason, epoch: int) -> Changes | None:
    """The model's entry with nothing for the canary, latched; None when it has no canary to take back."""
    if found is None or found[1].split.canary is None:
        return None
    old = found[1]
    if old.latched and old.actual is None and not old.split.reaches:
        return None
    split = replace(old.split, weight_permille=0, audience=EVERYBODY, mirror_permille=0)
    prefix, entry = render_route(replace(old, split=split, epoch=epoch, latched=reason, actual=None))
    return {found[0]: None, prefix: entry}


def described(split: Split) -> str:
    """A split in words, for people."""
    if split.canary is None:
        return f"only {split.stable.version}" if split.stable else "no route"
    stable = split.stable.version if split.stable else "nothing"
    if split.mirror_permille:
        return f"{split.canary.version} with copies of {split.mirror_permille / 10:g} % beside {stable}"
    whom = treated(split.audience)
    return f"{split.canary.version} at {split.weight_permille / 10:g} % beside {stable}{whom}"


def _normal(split: Split) -> Split:
    return split if split.stable or split.canary else Split()
