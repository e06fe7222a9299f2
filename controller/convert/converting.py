"""A file of another tool to the text of a policy: which object of it, and the whole way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.convert.argo import from_rollout
from controller.convert.draft import Draft, finish, written
from controller.convert.flagger import from_canary
from controller.convert.manifests import CANARY, ROLLOUT, SOURCES, Manifest, manifests
from controller.convert.notes import Note, Notes, Refused
from controller.domain.policy import Policy
from controller.errors import InvariantError
from controller.policy.catalogue import Catalogue
from controller.policy.document import Limits
from controller.policy.loader import parse_policy
from controller.policy.quantities import shown
from controller.policy.source import UnreadableError
from controller.policy.tree import Document

MANIFEST_LIMITS = Limits(size_bytes=1024 * 1024, nodes=50_000, depth=48)
"""Of a file: what ``kubectl get -o yaml`` writes of a few objects has room in it."""
_FROM: dict[str, Callable[[Manifest, Sequence[Manifest], str | None, str | None, Notes], Draft]] = {
    CANARY: from_canary,
    ROLLOUT: from_rollout,
}
_MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people say besides the files: which object, its namespace if it has none, the version's label."""

    name: str | None = None
    namespace: str | None = None
    version_label: str | None = None


@dataclass(frozen=True, slots=True)
class Converted:
    """A policy's text that the loader accepts, and what is to be known about it."""

    text: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Unconvertible:
    """Why there is no policy, and what to do. ``notes`` is the one with the place, if there is a place."""

    message: str
    advice: str
    notes: tuple[Note, ...] = ()


def convert(documents: Sequence[Document], wishes: Wishes, catalogue: Catalogue) -> Converted | Unconvertible:
    """The policy of the one Canary or Rollout that is meant, with its templates from the same documents."""
    objects = manifests(documents)
    chosen = _chosen(objects, wishes.name)
    if isinstance(chosen, Unconvertible):
        return chosen
    notes = Notes()
    try:
        draft = _FROM[chosen.kind](chosen, objects, wishes.namespace, wishes.version_label, notes)
        finish(draft, notes)
    except Refused as refused:
        note = refused.note
        return Unconvertible(f"{note.where}: {note.message}", note.advice, (note,))
    text = written(draft, notes.told())
    found = parse_policy(text.encode(), "policy.yaml", catalogue, _nothing_beside)
    if not isinstance(found, Policy):
        raise InvariantError(f"the {chosen.called} became a policy that is not valid: {found[0]}")
    return Converted(text, notes.told())


def _chosen(objects: Sequence[Manifest], name: str | None) -> Manifest | Unconvertible:
    sources = [each for each in objects if SOURCES.get(each.kind) == each.api]
    found = [each for each in sources if name is None or each.name == name]
    if len(found) == 1:
        return found[0]
    called = ", ".join(each.called for each in (found or sources)[:_MOST_NAMES])
    if found:
        return Unconvertible(f"there are {len(found)} to convert: {called}", "choose one with --name NAME")
    if sources:
        return Unconvertible(f"none is called {shown(name)}; there are: {called}", "correct --name")
    wanted = " and no ".join(f"{kind} of {api}" for kind, api in SOURCES.items())
    kinds = ", ".join(
        dict.fromkeys(f"{shown(each.api)} {shown(each.kind)}" for each in objects[:_MOST_NAMES])
    )
    seen = f"; there is: {kinds}" if kinds else ""
    return Unconvertible(f"there is no {wanted}{seen}", "give the file of one, and of its templates")


def _nothing_beside(name: str) -> bytes:
    raise UnreadableError(f"{name} is not there")
