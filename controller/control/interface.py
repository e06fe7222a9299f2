"""What a person can ask, whichever way it goes: through the daemon's socket, or through a cluster's API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.control.fleet import FleetView
from controller.control.record_view import RecordView
from controller.control.views import EntryList, OutcomeView, StatusList, StatusView
from controller.control.why import WhyView
from controller.domain.model import CommandKind

ENTRIES_AT_ONCE = 1000
"""Log entries in one answer, at most."""
LONGEST_NOTE = 500
"""Letters in which a person may say why."""


@dataclass(frozen=True, slots=True)
class Order:
    """A release as a person typed it; whoever carries it out checks it first.

    ``endpoints`` are ``HOST:PORT`` of each copy, on one machine. In a cluster: ``backend`` is
    ``[KIND/]NAME[@SUBSET][:PORT]`` of what runs already, or ``image`` is the container to run, with what else
    differs from the stable version's: ``args`` (None leaves them), ``env`` (``NAME=VALUE``), and which
    ``container`` gets them, or ``storage_uri`` is where the files are that an InferenceService shall load.
    None of these: found by the labels of what runs.
    """

    model: str
    version: str
    endpoints: Sequence[str] = ()
    backend: str | None = None
    image: str | None = None
    args: Sequence[str] | None = None
    env: Sequence[str] = ()
    container: str | None = None
    storage_uri: str | None = None


class Control(Protocol):
    """Every call raises a `ControlError`. ``target`` is a model, or the id of one of its rollouts."""

    def deploy(self, order: Order) -> OutcomeView:
        """Begin a rollout. Raises `InvalidRequest` for an order that does not fit this way."""
        ...

    def command(
        self, target: str, kind: CommandKind, note: str = "", asking: int | None = None
    ) -> OutcomeView:
        """Say a person's word to a rollout, with a ``note`` that says why, and return what it led to.

        ``asking`` is the number of the asking that an approve or deny is meant for (`ApprovalView.number`).
        """
        ...

    def pause_all(self, note: str = "") -> FleetView:
        """Have nothing of any model start or step up until it is taken back; ``note`` says why."""
        ...

    def resume_all(self) -> FleetView:
        """Take that back."""
        ...

    def fleet(self) -> FleetView:
        """What holds for all models."""
        ...

    def get(self, target: str | None = None) -> StatusList:
        """Each model's newest rollout, and the older ones that are not over yet."""
        ...

    def status(self, target: str) -> StatusView:
        """The model's newest rollout, or the one that was named."""
        ...

    def why(self, target: str) -> WhyView:
        """The same, explained."""
        ...

    def record(self, target: str) -> RecordView:
        """The same, and the policy that it is judged by."""
        ...

    def history(self, target: str, limit: int, *, every: bool) -> EntryList:
        """The last ``limit`` log entries, oldest first; only those of consequence unless ``every`` is set."""
        ...

    def entries(self, rollout_id: str, after_seq: int, limit: int = ENTRIES_AT_ONCE) -> EntryList:
        """A rollout's log after an entry, in order."""
        ...
