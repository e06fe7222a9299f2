"""Versions of a model, where they answer, and how a gateway divides requests between two of them."""

from dataclasses import dataclass, field
from enum import StrEnum

from controller.domain.audience import EVERYBODY, Audience, AudienceRules
from controller.domain.policy import FULL_WEIGHT_PERMILLE, RouteRef


class BackendKind(StrEnum):
    """What a route of a cluster can send requests to."""

    SERVICE = "Service"
    INFERENCE_POOL = "InferencePool"
    AI_SERVICE_BACKEND = "AIServiceBackend"
    """Of Envoy AI Gateway: a server of models behind an address."""
    REVISION = "Revision"
    """Of a Knative Service: one of the versions that it keeps."""
    LORA_ADAPTER = "LoraAdapter"
    """An adapter that the pods of an InferencePool have loaded beside others; requests name it."""
    LLM_INFERENCE_SERVICE = "LLMInferenceService"
    STORAGE_URI = "StorageUri"
    """The files of a model that an InferenceService loads: what it runs is told apart by nothing else."""


@dataclass(frozen=True, slots=True)
class Backend:
    """What a route of a cluster names; ``port`` is a Service's alone, and None until it is known.

    ``subset`` names a part of a Service's copies, as a DestinationRule of Istio divides them; empty for all.
    Of an adapter ``name`` is what its engine calls it; the route says in which pool it is.
    Of a model's files ``name`` is where they are; the route says which InferenceService loads them.
    """

    kind: BackendKind
    name: str
    port: int | None = None
    subset: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}@{self.subset}" if self.subset else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Image:
    """A container to run: what differs from the workload of the stable version, which is cloned.

    ``args`` replace the container's arguments, None leaves them; ``env`` adds to, or replaces, variables by
    name. ``container`` names the container that gets them; None is the only one, or the first.
    """

    image: str
    args: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = ()
    container: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a model and where it answers: ``host:port`` of each copy, or a backend in a cluster.

    In a cluster the copies come and go, so ``endpoints`` is empty and `Readiness.endpoints` says where they
    are. ``image`` is set when the workload is created, and retired, by Serinus.
    """

    version: str
    endpoints: tuple[str, ...] = ()
    backend: Backend | None = None
    image: Image | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """How the gateway divides one model's traffic; the canary gets ``weight_permille`` thousandths.

    Without a stable version the canary, if any, gets everything or nothing; without either the model has
    no route. ``audience`` is whom the gateway treats otherwise than by chance. ``mirror_permille``
    thousandths of the requests that stable answers are copied to the canary, whose answers nobody sees; only
    a canary that nobody gets has any.
    """

    stable: Release | None = None
    canary: Release | None = None
    weight_permille: int = 0
    audience: Audience = EVERYBODY
    mirror_permille: int = 0

    @property
    def exposes(self) -> bool:
        """Whether anybody gets the canary."""
        return self.canary is not None and (self.weight_permille > 0 or self.audience != EVERYBODY)

    @property
    def reaches(self) -> bool:
        """Whether any request reaches the canary, be it a copy."""
        return self.exposes or self.mirror_permille > 0

    @property
    def testers_only(self) -> bool:
        """Whether nobody gets the canary by chance."""
        return self.exposes and self.weight_permille == 0

    @property
    def canary_share(self) -> float:
        """The canary's share of what both versions answer together, copies included, from 0 to 1."""
        if self.mirror_permille:
            return self.mirror_permille / (FULL_WEIGHT_PERMILLE + self.mirror_permille)
        return self.weight_permille / FULL_WEIGHT_PERMILLE

    def gives_more_than(self, other: "Split") -> bool:
        """Whether anybody gets the canary who does not by the other, or more requests are copied."""
        begins = self.exposes and not other.exposes
        more = self.mirror_permille > other.mirror_permille
        return begins or more or self.weight_permille > other.weight_permille


@dataclass(frozen=True, slots=True)
class RoutedModel:
    """A model at its gateway: what a router needs to know to find its route and name the versions on it.

    ``stable`` and ``canary`` are the versions that a rollout moves traffic between, None where there is none
    or nobody knows. ``weight_sum`` is what the pair's weights add up to on the route, as `Survey` found it.
    ``steps_permille`` are the weights of the policy's steps, which the route must be able to express, as it
    must ``audience``. ``mirrors_permille`` are the shares of requests that its shadow steps copy.
    """

    model: str
    route: RouteRef
    namespace: str = "default"
    stable: Release | None = None
    canary: Release | None = None
    weight_sum: int | None = None
    steps_permille: tuple[int, ...] = ()
    audience: AudienceRules = field(default_factory=AudienceRules)
    mirrors_permille: tuple[int, ...] = ()
