"""A ModelRollout as people write it: what its spec may hold, and the release that it asks for.

The custom resource's schema is generated from these types (`crd`), so the API server refuses what they
refuse; but a server can be older, or its schema replaced, so every object is parsed anew all the same.
"""

from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from controller.adapters.kube.backendspec import backend_fault
from controller.adapters.kube.identity import NAME, key_of
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.domain.release import Backend, BackendKind, Image, Release

FINALIZER = "serinus.dev/rollout"
CREATED_BY = "serinus.dev/created-by"
"""The annotation with the person for whom the daemon made the object."""
SOMEBODY = "somebody"
"""The actor of a request that says not by whom it is."""

_MOST_OVERRIDE_BYTES = 16 * 1024
_MOST_FAULTS = 20
_LONGEST_PERSON = 128
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is no field of a ModelRollout: remove it",
    "model_type": "is missing, or not a mapping",
    "model_attributes_type": "is missing, or not a mapping",
}

Model = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
# one less than on a single machine: it becomes the value of a label
Version = Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
SubsetName = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
BackendName = Annotated[
    str, Field(max_length=253, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._:/-]{0,251}[A-Za-z0-9])?$")
]
ImageName = Annotated[str, Field(max_length=512, pattern=r"^[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]*$")]
StorageUri = Annotated[str, Field(max_length=1024, pattern=r"^[a-z][a-z0-9+.-]{1,31}://[!-~]+$")]
ContainerName = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
VariableName = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_.-][A-Za-z0-9_.-]*$")]
_CLEAN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Argument = Annotated[str, Field(max_length=4096, pattern=_CLEAN)]
RequestId = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
Note = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Person = Annotated[str, Field(min_length=1, max_length=_LONGEST_PERSON, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Shape(BaseModel):
    """Base of what a ModelRollout consists of; keys are camelCase. Silent conversions are errors."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class BackendSpec(Shape):
    """What runs the version already; without a name, found by its labels serinus.dev/model and /version."""

    kind: Literal[
        "Service", "InferencePool", "AIServiceBackend", "Revision", "LoraAdapter", "LLMInferenceService"
    ] = Field(default="Service", description="What the route sends requests to.")
    name: BackendName | None = Field(
        default=None,
        description="The backend's name, in the same namespace; of a LoraAdapter, what its engine calls it.",
    )
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="The Service's port; that of the stable version if absent."
    )
    subset: SubsetName | None = Field(
        default=None, description="The version's part of the Service, by a DestinationRule of Istio."
    )

    @model_validator(mode="after")
    def _as_its_kind(self) -> Self:
        if fault := backend_fault(self.kind, self.name, self.port, self.subset):
            raise PydanticCustomError("backend", "{fault}", {"fault": fault})
        return self


class VariableSpec(Shape):
    """One environment variable."""

    name: VariableName = Field(description="Added, or replaced if the container has it.")
    value: Argument = Field(default="", description="Its value.")


class OverridesSpec(Shape):
    """What differs from the stable version's container besides the image."""

    container: ContainerName | None = Field(
        default=None, description="The container that gets the image; the only one, or the first, if absent."
    )
    args: Annotated[list[Argument], Field(max_length=64)] | None = Field(
        default=None, description="Arguments instead of the container's own."
    )
    env: list[VariableSpec] = Field(
        default=[], max_length=64, description="Environment variables to add or to replace."
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        texts = [*(self.args or ()), *(word for each in self.env for word in (each.name, each.value))]
        size = sum(len(each.encode(errors="surrogatepass")) for each in texts)
        if size > _MOST_OVERRIDE_BYTES:
            raise PydanticCustomError(
                "overrides_too_long",
                "{size} bytes are more than {most}: keep long settings in a ConfigMap",
                {"size": size, "most": _MOST_OVERRIDE_BYTES},
            )
        names = [each.name for each in self.env]
        if doubled := next((name for name in names if names.count(name) > 1), None):
            raise PydanticCustomError("doubled", "env sets {name} twice: keep one", {"name": doubled})
        return self


class RequestSpec(Shape):
    """A person's word. A new id is a new request; an id that was answered is never followed again."""

    id: RequestId = Field(description="Chosen by whoever asks, new for each request.")
    action: Literal["pause", "resume", "abort", "promote", "retry", "approve", "deny"] = Field(
        description="What shall be done."
    )
    by: Person | None = Field(
        default=None, description="Who asks; it stands in the log. An approve or deny must say it."
    )
    note: Note = Field(default="", description="Why; of a deny it is shown to people.")
    asking: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Of an approve or deny: the number of the asking that it is meant for, if not any.",
    )

    @model_validator(mode="after")
    def _answered_by_somebody(self) -> Self:
        if self.action in ("approve", "deny") and self.by is None:
            raise PydanticCustomError("nameless", "an approve or deny says by whom it is: add by")
        return self

    @property
    def actor(self) -> str:
        """Who asks, in the log's words."""
        return self.by or SOMEBODY


class ModelRolloutSpec(Shape):
    """One release of a model; the rest stands in the model's policy file. Only request can be changed."""

    model: Model = Field(description="The model, as its policy file calls it.")
    version: Version = Field(description="The version's name, new for each release.")
    backend: BackendSpec | None = Field(default=None, description="What runs the version already.")
    image: ImageName | None = Field(
        default=None,
        min_length=1,
        description="Container image: the stable version's workload is cloned with it. Instead of backend.",
    )
    overrides: OverridesSpec | None = Field(
        default=None, description="With image only: what else differs from the stable version's container."
    )
    storage_uri: StorageUri | None = Field(
        default=None,
        description=(
            "Where the model's files are, such as gs://BUCKET/PATH: an InferenceService is given them."
            " Instead of backend and image."
        ),
    )
    request: RequestSpec | None = Field(
        default=None, description="A person's word to this rollout; answered in status.requests."
    )

    @model_validator(mode="after")
    def _one_way_to_run(self) -> Self:
        if self.image is not None and self.backend is not None:
            raise PydanticCustomError("both", "a release has a backend or an image, not both: remove one")
        if self.storage_uri is not None and (self.image is not None or self.backend is not None):
            raise PydanticCustomError("files", "storageUri stands for itself: remove backend and image")
        if self.overrides is not None and self.image is None:
            raise PydanticCustomError("no_image", "overrides need an image: add image, or remove overrides")
        return self


def actor_text(name: str) -> str:
    """A person's name as an object can hold it; the same however often it is made of the same name."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:_LONGEST_PERSON] or SOMEBODY


def creator_of(obj: Obj) -> str:
    """Who wanted the rollout: the person for whom the daemon made the object, else the object's own maker."""
    metadata = mapping(obj.get("metadata"))
    person = text(mapping(metadata.get("annotations")).get(CREATED_BY))
    return actor_text(person) if person else f"modelrollout/{key_of(obj).name}"


def parse_spec(obj: Obj) -> ModelRolloutSpec | list[str]:
    """What the object asks for, or what is wrong with it: a sentence for each fault, not empty, bounded."""
    faults = []
    if not NAME.fullmatch(key_of(obj).name):
        faults.append(
            "metadata.name: use at most 63 lower-case letters, digits and -, "
            "with a letter or a digit at both ends"
        )
    try:
        spec = ModelRolloutSpec.model_validate(obj.get("spec"))
    except ValidationError as error:
        return [*faults, *_sentences(error, "spec")]
    return faults or spec


def parse_request(obj: Obj) -> RequestSpec | list[str] | None:
    """The person's word in the object, whatever the rest of its spec has become; None if there is none."""
    written = mapping(obj.get("spec")).get("request")
    if written is None:
        return None
    try:
        return RequestSpec.model_validate(written)
    except ValidationError as error:
        return _sentences(error, "spec.request")


def release_of(spec: ModelRolloutSpec, found: Backend | None) -> Release:
    """The release to roll out. ``found`` is the backend that bears the version's labels, if any."""
    if spec.storage_uri is not None:
        return Release(spec.version, backend=Backend(BackendKind.STORAGE_URI, spec.storage_uri))
    if spec.image is not None:
        return Release(spec.version, backend=found, image=_image(spec.image, spec.overrides))
    named = spec.backend
    if named is not None and named.name is not None:
        backend = Backend(BackendKind(named.kind), named.name, named.port, named.subset or "")
        return Release(spec.version, backend=backend)
    if found is not None and named is not None and named.port is not None:
        found = replace(found, port=named.port)
    return Release(spec.version, backend=found)


def _image(image: str, overrides: OverridesSpec | None) -> Image:
    if overrides is None:
        return Image(image)
    return Image(
        image,
        args=None if overrides.args is None else tuple(overrides.args),
        env=tuple((each.name, each.value) for each in overrides.env),
        container=overrides.container,
    )


def _sentences(error: ValidationError, root: str) -> list[str]:
    found = error.errors(include_url=False, include_input=False)[:_MOST_FAULTS]
    return [f"{_path(root, each['loc'])}: {_said(each['type'], each['msg'])}" for each in found]


def _said(kind: str, words: str) -> str:
    return _SENTENCES.get(kind) or words[:1].lower() + words[1:]


def _path(root: str, location: tuple[int | str, ...]) -> str:
    # a foreign key may be of any length and hold anything
    parts = (f"[{part}]" if isinstance(part, int) else f".{ascii(part)[1:-1][:64]}" for part in location)
    return root + "".join(parts)
