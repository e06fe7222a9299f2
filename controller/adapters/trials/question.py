"""What an evaluation is asked, as a CloudEvent, and what it may answer.

**Invariant**: the same trial of the same version always gives the same id, however often it is put. What is
published stays: a field may come, none may go or change its meaning without a new version in the type.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from controller.adapters.notify.cloudevent import Versions
from controller.domain.model import Rollout
from controller.domain.release import Release
from controller.domain.trials import Score, Trial

MOST_CASES = 1_000_000
_MOST_ENDPOINTS = 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class EvaluationData(_Part):
    """Which version is to be evaluated, and where it is."""

    evaluation: str
    model: str
    namespace: str
    rollout: str
    check: str
    number: int = Field(description="Counts the check's trials from 1.")
    version: str = Field(description="The version to evaluate.")
    role: Literal["canary", "stable"]
    versions: Versions
    endpoints: Sequence[str] = Field(description="host:port of copies of the version, 20 at most.")
    weight_percent: float = Field(description="The version's share of the requests, from 0 to 100.")


class EvaluationQuestion(_Part):
    """The whole event."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="The same in every repeat.")
    source: str = Field(description="The model: /serinus/NAMESPACE/MODEL.")
    type: Literal["dev.serinus.evaluation.asked.v1"] = "dev.serinus.evaluation.asked.v1"
    subject: str = Field(description="The rollout.")
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: EvaluationData


class EvaluationAnswer(_Part):
    """The answer's body, with status 200. Whatever else stands in it is ignored.

    A score of cases that are each right or wrong is the share of right ones; of cases that are rated from 0
    to 1, the mean.
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    n: int = Field(ge=1, le=MOST_CASES, description="How many cases, each independent of the others.")
    score: float | None = Field(default=None, ge=0, le=1, description="The mean over the cases.")
    passed: float | None = Field(default=None, ge=0, description="How many cases passed; instead of score.")
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/-]{1,100}$")] | None = Field(
        default=None,
        description="The evaluation's own name. What has the same counts once in a rollout: a program with"
        " one fixed set of cases gives the set's name.",
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.score is None) == (self.passed is None):
            raise ValueError("give score or passed")
        if self.passed is not None and self.passed > self.n:
            raise ValueError("passed is more than n")
        return self

    def to_score(self, question_id: str) -> Score:
        """In the words of the domain."""
        passed = self.passed if self.passed is not None else (self.score or 0.0) * self.n
        return Score(self.n, min(max(self.n - passed, 0.0), float(self.n)), self.id or question_id)


def question_of(
    rollout: Rollout, trial: Trial, evaluation: str, release: Release, endpoints: Sequence[str], at: datetime
) -> EvaluationQuestion:
    """What is asked about one version."""
    canary = release == rollout.release
    stable = rollout.stable.version if rollout.stable else None
    share = rollout.share_permille if canary else 1000 - rollout.share_permille
    role: Literal["canary", "stable"] = "canary" if canary else "stable"
    return EvaluationQuestion(
        id=f"{rollout.id}-{trial.check}-{trial.number}-{role}",
        source=f"/serinus/{rollout.policy.namespace}/{rollout.model}",
        subject=rollout.id,
        time=at,
        data=EvaluationData(
            evaluation=evaluation,
            model=rollout.model,
            namespace=rollout.policy.namespace,
            rollout=rollout.id,
            check=trial.check,
            number=trial.number,
            version=release.version,
            role=role,
            versions=Versions(stable=stable, canary=rollout.release.version),
            endpoints=tuple(endpoints[:_MOST_ENDPOINTS]),
            weight_percent=share / 10,
        ),
    )
