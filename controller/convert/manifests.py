"""The objects of a cluster in a file: one in a document, or many in a List, as ``kubectl get`` writes it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.convert.place import Place
from controller.policy.quantities import shown
from controller.policy.tree import Document

FLAGGER, ARGO = "flagger.app/v1beta1", "argoproj.io/v1alpha1"
CANARY, ROLLOUT = "Canary", "Rollout"
SOURCES = {CANARY: FLAGGER, ROLLOUT: ARGO}
"""What becomes a policy, with its API version; the other objects are what these refer to."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object. ``namespace`` is empty when it says none."""

    api: str
    kind: str
    name: str
    namespace: str
    place: Place

    @property
    def called(self) -> str:
        """Kind and name, for people."""
        owner = f"{shown(self.namespace)}/" if self.namespace else ""
        return f"{self.kind} {owner}{shown(self.name)}"


def manifests(documents: Iterable[Document]) -> list[Manifest]:
    """Every object with a kind, in the order of the files."""
    found: list[Manifest] = []
    for document in documents:
        root = Place(document)
        listed = root.at("kind").text().endswith("List")
        places = root.at("items").items() if listed else [root]
        found += [_manifest(place) for place in places if place.at("kind").text()]
    return found


def find(objects: Sequence[Manifest], kind: str, name: str, namespace: str | None) -> Manifest | None:
    """The object of that kind and name. One without a namespace is taken to be in any; None asks for any."""
    for each in objects:
        where = namespace is None or not each.namespace or each.namespace == namespace
        if each.kind == kind and each.name == name and where:
            return each
    return None


def _manifest(place: Place) -> Manifest:
    metadata = place.at("metadata")
    return Manifest(
        place.at("apiVersion").text(),
        place.at("kind").text(),
        metadata.at("name").text(),
        metadata.at("namespace").text(),
        place,
    )
