"""What the status of a ModelRollout consists of, and how long each part may be.

Words that Serinus may have more of tomorrow (phases, reasons, events) are texts here and no enumerations:
a newer daemon under an older resource definition must still be able to write a rollback.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from controller.adapters.kube.modelrollout import Shape

LONGEST_MESSAGE = 1024
LONGEST_WORD = 63
LONGEST_RECORD = 1024 * 1024
MOST_CHECKS = 64
MOST_ENTRIES = 100
MOST_REQUESTS = 20
MOST_CONDITIONS = 16
MOST_DESTINATIONS = 20
LONGEST_MEMO = 256

Word = Annotated[str, Field(max_length=LONGEST_WORD)]
Message = Annotated[str, Field(max_length=LONGEST_MESSAGE)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Percent = Annotated[float, Field(ge=0, le=100)]
ConditionStatus = Literal["True", "False", "Unknown"]


class Written(Shape):
    """Base of what Serinus writes. A newer one's further keys are ignored."""

    model_config = ConfigDict(extra="ignore")


class ConditionShape(Written):
    """One statement about the rollout that `kubectl wait` can wait for."""

    type: Word
    status: ConditionStatus
    reason: Word
    message: Message
    last_transition_time: datetime = Field(description="When the status last changed.")
    observed_generation: Count = Field(description="The generation of the object that this is about.")


class CheckShape(Written):
    """One check as last measured; values are in the check's own unit: ratio, seconds, or the gauge's."""

    name: Word
    verdict: Word
    reason: Word
    value: float | None = None
    limit: float | None = None
    stable_value: float | None = None
    requests: Count = 0
    stable_requests: Count = 0
    failures: Count = Field(default=0, description="Failing measurements in a row.")
    budget: Count = Field(default=1, description="Failing measurements in a row that fail the rollout.")
    report_only: bool = False
    text: Message = Field(default="", description="The same in a sentence.")


class EntryRequestShape(Written):
    """The person's word that an entry is about."""

    id: Annotated[str, Field(max_length=64)]
    action: Word


class EntryShape(Written):
    """One line of the decision log. Every line is in the daemon's structured log as well."""

    seq: Count = Field(description="Numbered from 1 within an attempt; numbers that lack fell out.")
    at: datetime
    actor: Annotated[str, Field(max_length=128)]
    event: Word
    phase_before: Word
    phase: Word
    reason: Word
    message: Message
    step: Count = Field(description="From 1; 0 before the first.")
    weight_percent: Percent
    mirror_percent: Percent = 0
    verdict: Word
    checks: list[CheckShape] = Field(
        default=[], max_length=MOST_CHECKS, description="Of the newest line, and of lines of consequence."
    )
    request: EntryRequestShape | None = None
    notable: bool = False


class RequestShape(Written):
    """A person's request, and what came of it."""

    id: Annotated[str, Field(max_length=64)]
    action: Word
    by: Annotated[str, Field(max_length=128)]
    at: datetime
    outcome: Literal["Followed", "Refused"]
    message: Message


class PostingShape(Written):
    """A line of the log that somebody is still to be told of."""

    seq: Count
    to: list[Word] = Field(max_length=MOST_DESTINATIONS, description="Names of destinations.")


class MemoShape(Written):
    """What a destination left for itself, such as which message to go on with."""

    destination: Word
    memo: Annotated[str, Field(max_length=LONGEST_MEMO)]


class ModelRolloutStatus(Written):
    """What became of the release. Written by Serinus alone."""

    phase: Word
    reason: Word = Field(description="Why it stands where it stands; serinus why explains the word.")
    message: Message
    verdict: Word = Field(default="UNKNOWN", description="What the checks say of the canary.")
    step: Count = Field(default=0, description="The step of the policy, from 1; 0 before the first.")
    steps: Count = Field(default=0, description="How many steps the policy has.")
    progress: Word = Field(default="", description="Step and steps, for the table: 2/4.")
    weight_percent: Percent = Field(default=0, description="The share of requests asked for the version.")
    mirror_percent: Percent = Field(
        default=0, description="The share of requests that are copied to the version, at the weight 0."
    )
    weight: Word = Field(default="", description="The same with its sign: 5%, or shadow 10%.")
    stable: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="The version that served when the rollout began."
    )
    policy: Word = Field(default="", description="Start of the policy file's SHA-256, in hex.")
    next_at: datetime | None = Field(
        default=None, description="When the step, or the bake, can be over at the earliest."
    )
    conditions: list[ConditionShape] = Field(default=[], max_length=MOST_CONDITIONS)
    checks: list[CheckShape] = Field(default=[], max_length=MOST_CHECKS)
    log: list[EntryShape] = Field(
        default=[],
        max_length=MOST_ENTRIES,
        description="The newest decisions, oldest first; what was of no consequence goes first.",
    )
    requests: list[RequestShape] = Field(
        default=[], max_length=MOST_REQUESTS, description="The last requests, oldest first."
    )
    outbox: list[PostingShape] = Field(
        default=[], max_length=MOST_ENTRIES, description="What is still to be told, oldest first."
    )
    memos: list[MemoShape] = Field(
        default=[], max_length=MOST_DESTINATIONS, description="What destinations left for themselves."
    )
    observed_generation: Count = Field(
        default=0, description="The newest generation whose request was answered."
    )
    attempt: Count = Field(default=0, description="From 1; each retry of an ended rollout is another.")
    ordinal: Count = Field(default=0, description="Order of acceptance among the model's rollouts, from 1.")
    epoch: Count = Field(default=0, description="The leader's term in which this was written.")
    schema_version: Count = Field(default=0, description="The rules that record was written by.")
    model: Word = Field(default="", description="The model that the release was accepted for.")
    record: Annotated[str, Field(max_length=LONGEST_RECORD)] | None = Field(
        default=None, description="The whole rollout, as the daemon reads it back. Not for people."
    )
