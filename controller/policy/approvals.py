"""What a policy file says about people's approval, and about gates."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic import ModelWrapValidatorHandler as Handler

from controller.domain.policy import ApprovalRules, Fallback, GateRules, Milestone
from controller.policy.fields import KEY_COMPLAINT, Duration, Found, Section, complaint, together
from controller.policy.names import Label
from controller.policy.quantities import show_duration, shown
from controller.policy.steps import AutoSteps, StepSection

_MOST_PEOPLE = 5


class _AskingSection(Section):
    """Where somebody is asked, how long the answer may take, and what follows without a yes."""

    before: list[Literal["start", "promotion"]] = Field(
        default=[],
        max_length=2,
        description="Where it is asked for, besides steps that say so themselves: start, promotion.",
        examples=[["promotion"]],
    )
    within: Duration | None = Field(
        default=None,
        description="Time for the answer; by default none of its own, the rollout's deadline goes on.",
        examples=["4h"],
    )
    on_timeout: Literal["hold", "rollback"] = Field(
        default="hold",
        description="What is done after within: hold the weight and tell people once more, or rollback.",
        examples=["rollback"],
    )
    on_deny: Literal["hold", "rollback"] = Field(
        default="rollback",
        description="What a no does: rollback, or hold, which pauses until a person says resume.",
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


class ApprovalSection(_AskingSection):
    """Whose approval is waited for, how long, and what follows without it."""

    people: int = Field(
        default=1,
        ge=1,
        le=_MOST_PEOPLE,
        description="How many people must approve; if several, none of them may be who deployed the version.",
        examples=[2],
    )

    def to_rules(self) -> ApprovalRules:
        """The rules in the words of the domain."""
        return ApprovalRules(
            before=tuple(Milestone(each) for each in self.before),
            people=self.people,
            within=self.within,
            on_timeout=Fallback(self.on_timeout),
            on_deny=Fallback(self.on_deny),
        )


class GateSection(_AskingSection):
    """A program of the operator's that must let a rollout pass."""

    name: Label = Field(
        description="The gate, by the name that the operator's settings give it.", examples=["release-desk"]
    )
    on_error: Literal["hold", "rollback"] = Field(
        default="hold",
        description=(
            "What is done when it cannot be asked, or gives no word: hold, tell people and ask again,"
            " or rollback."
        ),
        examples=["rollback"],
    )

    def to_rules(self) -> GateRules:
        """The rules in the words of the domain."""
        return GateRules(
            name=self.name,
            before=tuple(Milestone(each) for each in self.before),
            within=self.within,
            on_timeout=Fallback(self.on_timeout),
            on_deny=Fallback(self.on_deny),
            on_error=Fallback(self.on_error),
        )


def approval_trouble(
    section: ApprovalSection, steps: Sequence[StepSection] | AutoSteps, deadline: timedelta | None
) -> Found | None:
    """What nothing in the policy follows, if anything; ``deadline`` is the rollout's, if that is valid."""
    listed = () if isinstance(steps, AutoSteps) else steps
    if not section.before and not any(step.approval for step in listed):
        at_step = "" if isinstance(steps, AutoSteps) else ", or approval: true to a step"
        return (), complaint("nothing asks for approval", f"add before: [promotion]{at_step}")
    return _too_long(section, deadline, at_later_step=any(step.approval for step in listed[1:]))


def gate_troubles(
    sections: Sequence[GateSection],
    steps: Sequence[StepSection] | AutoSteps,
    deadline: timedelta | None,
) -> list[Found]:
    """As `approval_trouble`, of each gate."""
    listed, found, known = () if isinstance(steps, AutoSteps) else steps, [], set[str]()
    for index, section in enumerate(sections):
        trouble: Found | None = None
        at_steps = [step.gate == section.name for step in listed]
        if section.name in known:
            trouble = ("name",), complaint(f"{shown(section.name)} is given twice", "keep one of the two")
        elif not section.before and not any(at_steps):
            at_step = "" if isinstance(steps, AutoSteps) else f", or gate: {section.name} to a step"
            trouble = (), complaint("nothing asks this gate", f"add before: [promotion]{at_step}")
        else:
            trouble = _too_long(section, deadline, at_later_step=any(at_steps[1:]))
        known.add(section.name)
        if trouble is not None:
            found.append(((index, *trouble[0]), trouble[1]))
    return found


def _too_long(section: _AskingSection, deadline: timedelta | None, *, at_later_step: bool) -> Found | None:
    """Time for an answer while the canary has traffic, beyond which the rollout's own deadline lies."""
    with_traffic = "promotion" in section.before or at_later_step
    if with_traffic and section.within is not None and deadline is not None and section.within > deadline:
        longest = show_duration(deadline)
        sentence = f"{show_duration(section.within)} is longer than the rollout's deadline ({longest})"
        return ("within",), complaint(sentence, f"write {longest} or less, or raise deadline")
    return None
