"""What of an InferenceService matters to a rollout: its model, its canaries, and how it is deployed. Pure.

Nothing but the place of its files tells one model of an InferenceService from another, so that is what a
release names. KServe copies labels and annotations of the object to its pods: whatever is written there makes
a new revision, or restarts what serves.

**Source**: serving.kserve.io/v1beta1 of KServe 0.20 (pkg/apis/serving/v1beta1: component.go, predictor.go,
inference_service.go, inference_service_status.go; pkg/constants).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.workload.kube_endpoints import condition
from controller.adapters.workload.kube_labels import MODEL, VERSION, annotations_of
from controller.domain.release import BackendKind, Release, RoutedModel

PREDICTOR = "/spec/predictor"
URI = f"{PREDICTOR}/model/storageUri"
LATCH = "serinus.dev/latch"
"""An annotation of the canary's pods: why it was rolled back while no record could be written."""

_MODE = "serving.kserve.io/deploymentMode"
_STOP = "serving.kserve.io/stop"
_SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
"""Where KServe writes on a revision, or on pods, which files they load."""
_MOST = 100


class Mode(StrEnum):
    """How KServe runs an InferenceService."""

    SERVERLESS = "Serverless"
    STANDARD = "Standard"
    OTHER = "other"
    """Such as ModelMesh."""


_MODES = {
    "Serverless": Mode.SERVERLESS,
    "Knative": Mode.SERVERLESS,
    "RawDeployment": Mode.STANDARD,
    "Standard": Mode.STANDARD,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One canary of an InferenceService in Standard mode; ``percent`` is None where it is no percentage."""

    index: int
    name: str
    uri: str
    percent: int | None
    least: int
    body: Obj


@dataclass(frozen=True, slots=True)
class Target:
    """Where a Knative route sends requests."""

    revision: str
    percent: int
    latest: bool


class Service:
    """An InferenceService as it was read."""

    def __init__(self, obj: Obj) -> None:
        self.obj = obj
        spec = mapping(obj.get("spec"))
        self.spec = spec
        self.predictor = mapping(spec.get("predictor"))
        self.status = mapping(obj.get("status"))

    @property
    def name(self) -> str:
        """Its own."""
        return text(mapping(self.obj.get("metadata")).get("name"))

    @property
    def uri(self) -> str:
        """Where the files of its model are; empty where it says so in another way."""
        return uri_of(self.predictor)

    @property
    def percent(self) -> int | None:
        """The share of the latest revision as asked for; None where none is, or it is no percentage."""
        return _percent(self.predictor.get("canaryTrafficPercent"))

    @property
    def splits_revisions(self) -> bool:
        """Whether ``canaryTrafficPercent`` is set at all."""
        return "canaryTrafficPercent" in self.predictor

    @property
    def mode(self) -> Mode | None:
        """As KServe found it; None until it has looked."""
        said = text(self.status.get("deploymentMode")) or annotations_of(self.obj).get(_MODE, "")
        return _MODES.get(said, Mode.OTHER) if said else None

    @property
    def stopped(self) -> bool:
        """Whether somebody had KServe stop it."""
        return annotations_of(self.obj).get(_STOP) == "true"

    @property
    def least(self) -> int:
        """The least copies of its predictor. KServe's default is 1."""
        value = self.predictor.get("minReplicas", 1)
        return number(value)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its canaries in Standard mode, in their order."""
        return tuple(_entries(self.spec))

    @property
    def component(self) -> Obj:
        """What KServe says of the predictor's revisions."""
        return mapping(mapping(self.status.get("components")).get("predictor"))

    @property
    def latest_ready(self) -> str:
        """The newest revision that was ever ready."""
        return text(self.component.get("latestReadyRevision"))

    @property
    def latest_created(self) -> str:
        """The newest revision."""
        return text(self.component.get("latestCreatedRevision"))

    @property
    def targets(self) -> tuple[Target, ...]:
        """Who is on the Knative route, as its status says; several may be of one revision."""
        found = map(mapping, sequence(self.component.get("traffic")))
        return tuple(
            Target(
                text(each.get("revisionName")), number(each.get("percent")), bool(each.get("latestRevision"))
            )
            for each in found
        )

    def serves(self, revision: str) -> int:
        """The share of requests that a revision gets, in percent."""
        return sum(each.percent for each in self.targets if each.revision == revision)

    def said(self, *kinds: str) -> str:
        """What the first of these conditions says that is not met; empty where all are."""
        for kind in kinds:
            found = condition(self.obj, kind)
            if found and found.get("status") != "True":
                words = text(found.get("message")) or text(found.get("reason"))
                return (
                    f"{kind} is {text(found.get('status'))}: {words}" if words else f"{kind} is not yet True"
                )
        return ""


def uri_of(predictor: Obj) -> str:
    """Where the files of a predictor's model are."""
    return text(mapping(predictor.get("model")).get("storageUri"))


def source_of(revision: Obj | None) -> str:
    """Which files a Knative Revision loads; empty where that is not known."""
    return annotations_of(revision or {}).get(_SOURCE, "")


def files_of(release: Release | None) -> str:
    """Where the files of a release are; empty where it is none that an InferenceService could load."""
    backend = release.backend if release is not None else None
    return backend.name if backend is not None and backend.kind is BackendKind.STORAGE_URI else ""


def labelled(predictor: Obj, routed: RoutedModel, release: Release) -> Obj:
    """The labels of the predictor's pods, with those that tell the version."""
    return {**mapping(predictor.get("labels")), MODEL: routed.model, VERSION: release.version}


def latch_in(predictor: Obj) -> str:
    """The reason of a latch at a predictor's pods; empty without one."""
    return text(mapping(predictor.get("annotations")).get(LATCH))


def latch_at(path: str, predictor: Obj, reason: str) -> list[Obj]:
    """Put the annotation on a predictor's pods, or take it away."""
    annotations = mapping(predictor.get("annotations"))
    if latch_in(predictor) == reason:
        return []
    kept = {name: value for name, value in annotations.items() if name != LATCH}
    if reason:
        kept[LATCH] = reason
    if not kept:
        return [{"op": "remove", "path": f"{path}/annotations"}]
    return [{"op": "add", "path": f"{path}/annotations", "value": kept}]


def _percent(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST else None


def _entries(spec: Obj) -> Iterator[Entry]:
    for index, each in enumerate(map(mapping, sequence(spec.get("canary")))):
        predictor = mapping(each.get("predictor"))
        yield Entry(
            index=index,
            name=text(predictor.get("name")),
            uri=uri_of(predictor),
            percent=_percent(each.get("trafficPercent", 0)),
            least=number(predictor.get("minReplicas", 0)),
            body=each,
        )
