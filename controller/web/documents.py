"""What the API says and takes beyond the documents of ``serinus ... -o json``.

Requests are hostile until parsed: unknown fields, other types and texts beyond their length are refused.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controller.control.check_views import View
from controller.control.interface import Order
from controller.control.policy_views import PolicyFaultView, PolicyStanding
from controller.control.protocol import Name, Note, RequestId
from controller.control.views import Document, StatusList, StatusView

_MOST_ASKING = 1_000_000_000
"""The highest number that a ModelRollout can hold."""

Text = Annotated[str, StringConstraints(max_length=1024)]
Argument = Annotated[str, StringConstraints(max_length=4096)]


class ModelView(View):
    """A model that has a policy, a rollout, or both. ``namespace`` is None on one machine.

    ``valid`` says whether the policy's file is valid as it is now, None where no policy is for the model.
    """

    model: str
    namespace: str | None
    policy: str | None
    valid: bool | None
    rollout: StatusView | None


class ModelList(Document):
    """By name. ``continue`` asks for the next page, None at the end."""

    items: tuple[ModelView, ...]
    following: str | None = Field(default=None, serialization_alias="continue")


class ModelDetail(Document):
    """One model: its policy, what is wrong with the policy's file, its newest rollouts, newest first."""

    model: str
    namespace: str | None
    policy: PolicyStanding | None
    faults: tuple[PolicyFaultView, ...]
    rollouts: tuple[StatusView, ...]


class RolloutPage(StatusList):
    """As ``serinus get -o json``. ``continue`` asks for the next page, None at the end."""

    following: str | None = Field(default=None, serialization_alias="continue")


class CallerView(Document):
    """Who the daemon takes the caller for, and where they may read; on one machine the namespace is empty."""

    name: str
    namespaces: tuple[str, ...]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: RequestId = Field(
        description="Chosen by whoever asks, new for each request: repeated it is answered as before."
    )


class ActionRequest(_Request):
    """A person's word to a rollout."""

    kind: Literal["promote", "abort", "pause", "resume", "retry", "approve", "deny"]
    reason: Note = Field(default="", description="Why, on one line; it stands in the log.")
    asking: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=_MOST_ASKING,
        description="Of an approve or deny: the number of the asking that it is meant for.",
    )


class DeployRequest(_Request):
    """A new version: ``endpoints`` on one machine; in a cluster one of the rest, or none."""

    version: Text = Field(min_length=1)
    endpoints: Annotated[tuple[Text, ...], Field(max_length=1024)] = ()
    backend: Text | None = Field(
        default=None, description="[KIND/]NAME[@SUBSET][:PORT] of what runs already."
    )
    image: Text | None = Field(default=None, description="The container to run.")
    args: Annotated[tuple[Argument, ...], Field(max_length=64)] | None = None
    env: Annotated[tuple[Argument, ...], Field(max_length=64)] = Field(
        default=(), description="NAME=VALUE each."
    )
    container: Name | None = None
    storage_uri: Text | None = Field(
        default=None, description="Where the files are that an InferenceService shall load."
    )

    def order(self, model: str) -> Order:
        """As the command line would give it."""
        return Order(
            model,
            self.version,
            self.endpoints,
            self.backend,
            self.image,
            self.args,
            self.env,
            self.container,
            self.storage_uri,
        )
