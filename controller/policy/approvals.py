"""What a policy file says about people's approval."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic import ModelWrapValidatorHandler as Handler

from controller.domain.policy import ApprovalRules, Fallback, Gate
from controller.policy.fields import KEY_COMPLAINT, Duration, Found, Section, complaint, together
from controller.policy.quantities import show_duration
from controller.policy.steps import AutoSteps, StepSection

_MOST_PEOPLE = 5


class ApprovalSection(Section):
    """Whose approval is waited for, how long, and what follows without it."""

    before: list[Literal["start", "promotion"]] = Field(
        default=[],
        max_length=2,
        description="Where people are asked, besides steps with approval: true: start, promotion.",
        examples=[["promotion"]],
    )
    people: int = Field(
        default=1,
        ge=1,
        le=_MOST_PEOPLE,
        description="How many people must approve; if several, none of them may be who deployed the version.",
        examples=[2],
    )
    within: Duration | None = Field(
        default=None,
        description="Time for the approval; by default none of its own, the rollout's deadline goes on.",
        examples=["4h"],
    )
    on_timeout: Literal["hold", "rollback"] = Field(
        default="hold",
        description="What is done after within: hold the weight and tell people once more, or rollback.",
        examples=["rollback"],
    )
    on_deny: Literal["hold", "rollback"] = Field(
        default="rollback",
        description="What a person's no does: rollback, or hold, which pauses until somebody says resume.",
        examples=["hold"],
    )

    @model_validator(mode="wrap")
    @classmethod
    def _timeout_of_something(cls, value: Any, handler: Handler[Self]) -> Self:
        found: list[Found] = []
        if isinstance(value, dict) and "on_timeout" in value and "within" not in value:
            error = complaint(
                "without within no time runs out", "add within: 4h, or remove it", KEY_COMPLAINT
            )
            found.append((("on_timeout",), error))
        section: Self = together(value, handler, found)
        return section

    @field_validator("before")
    @classmethod
    def _each_once(cls, before: list[str]) -> list[str]:
        if len(set(before)) < len(before):
            raise complaint(f"{before[0]} is given twice", f"write [{before[0]}]")
        return before

    def to_rules(self) -> ApprovalRules:
        """The rules in the words of the domain."""
        return ApprovalRules(
            before=tuple(Gate(gate) for gate in self.before),
            people=self.people,
            within=self.within,
            on_timeout=Fallback(self.on_timeout),
            on_deny=Fallback(self.on_deny),
        )


def approval_trouble(
    section: ApprovalSection, steps: Sequence[StepSection] | AutoSteps, deadline: timedelta | None
) -> Found | None:
    """What nothing in the policy follows, if anything; ``deadline`` is the rollout's, if that is valid."""
    listed = () if isinstance(steps, AutoSteps) else steps
    if not section.before and not any(step.approval for step in listed):
        at_step = "" if isinstance(steps, AutoSteps) else ", or approval: true to a step"
        return (), complaint("nothing asks for approval", f"add before: [promotion]{at_step}")
    with_traffic = "promotion" in section.before or any(step.approval for step in listed[1:])
    if with_traffic and section.within is not None and deadline is not None and section.within > deadline:
        longest = show_duration(deadline)
        sentence = f"{show_duration(section.within)} is longer than the rollout's deadline ({longest})"
        return ("within",), complaint(sentence, f"write {longest} or less, or raise deadline")
    return None
