"""Sections of a policy file that need no other field of it."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from controller.policy.fields import Duration, Section, complaint, written
from controller.policy.quantities import show_duration

OnSilence = Literal["hold", "rollback"]


class WarmUpSection(Section):
    """The canary's first requests, which are slow and prove nothing."""

    requests: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Golden requests sent to each copy of the canary before it is validated, not counted.",
        examples=[20],
    )


class ValidationSection(Section):
    """Requests with known answers, sent straight to the canary before it gets any traffic."""

    golden: str = Field(
        min_length=1,
        max_length=255,
        description="File with the golden requests, by its path from the policy's own folder.",
        examples=["golden/fraud-detector.yaml"],
    )
    deadline: Duration = Field(
        default=written("5m"),
        description="Time for all golden requests; the canary is not deployed after it.",
        examples=["10m"],
    )


class NoDataSection(Section):
    """What to do when the metric source gives no answer that can be trusted."""

    alert_after: Duration = Field(
        default=written("5m"),
        description="Silence, or an incident that both versions have, after which people are told.",
        examples=["2m"],
    )
    act_after: Duration = Field(
        default=written("15m"), description="Silence after which action is taken.", examples=["30m"]
    )
    action: OnSilence = Field(
        default="rollback", description="What is done then: rollback, or hold the weight.", examples=["hold"]
    )

    @field_validator("act_after")
    @classmethod
    def _after_alert(cls, act_after: timedelta, info: ValidationInfo) -> timedelta:
        alert_after = info.data.get("alert_after")
        if alert_after is not None and act_after < alert_after:
            sentence = (
                f"{show_duration(act_after)} is shorter than alert_after ({show_duration(alert_after)})"
            )
            raise complaint(sentence, "people should be told before something is done")
        return act_after
