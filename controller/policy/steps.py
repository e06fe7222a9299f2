"""The steps of a policy: rising weights, and what must hold at each."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    Field,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic import ValidatorFunctionWrapHandler as Handler

from controller.domain.policy import FULL_WEIGHT_PERMILLE, Step
from controller.policy.fields import (
    PERCENT_TEXT,
    Duration,
    Found,
    Section,
    Weight,
    complaint,
    json_schema_of,
    together,
    written,
)
from controller.policy.quantities import QuantityError, parse_weight, show_duration, show_weight

_MOST_STEPS = 50
_MOST_REQUESTS = 1_000_000_000
_SHORTEST_STEP_DEADLINE = timedelta(hours=1)


class StepSection(Section):
    """One weight and what must hold before the next."""

    weight: Weight = Field(description="Share of the traffic that the canary gets.", examples=["5%"])
    hold: Duration = Field(
        default=written("5m"),
        alias="for",
        description="Time at this weight before the next step, as observed.",
        examples=["10m"],
    )
    min_requests: int = Field(
        default=100,
        ge=1,
        le=_MOST_REQUESTS,
        description="Requests that the canary must answer at this weight before the next step.",
        examples=[1000],
    )
    deadline: Duration | None = Field(
        default=None,
        description="Time after which on_deadline says what happens; by default four times for, at least 1h.",
        examples=["2h"],
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_weight(cls, value: object) -> object:
        return (
            {"weight": value}
            if isinstance(value, str | int | float) and not isinstance(value, bool)
            else value
        )

    @field_validator("weight")
    @classmethod
    def _below_everything(cls, weight: int) -> int:
        if weight >= FULL_WEIGHT_PERMILLE:
            raise complaint(
                f"{show_weight(weight)} is no step",
                "leave it out: the promotion follows the last step by itself",
            )
        return weight

    @field_validator("deadline")
    @classmethod
    def _after_hold(cls, deadline: timedelta | None, info: ValidationInfo) -> timedelta | None:
        hold = info.data.get("hold")
        if deadline is not None and hold is not None and deadline <= hold:
            sentence = f"{show_duration(deadline)} is not longer than the step's for ({show_duration(hold)})"
            raise complaint(sentence, f"write more than {show_duration(hold)}")
        return deadline

    def to_step(self) -> Step:
        """The step in the words of the domain."""
        deadline = self.deadline or max(_SHORTEST_STEP_DEADLINE, 4 * self.hold)
        return Step(self.weight, self.hold, self.min_requests, deadline)


def _rising(value: object, handler: Handler) -> Any:
    """Compare neighbours even where a step has other faults, so that all are told at once."""
    found: list[Found] = []
    last: tuple[int, int] | None = None
    for index, step in enumerate(value if isinstance(value, list) else []):
        weight = _weight_if_any(step)
        if weight is None:
            continue
        if last is not None and weight <= last[1]:
            order = "lower than" if weight < last[1] else "the same as"
            sentence = f"{show_weight(weight)} is {order} steps[{last[0]}] ({show_weight(last[1])})"
            found.append(
                ((index, "weight"), complaint(sentence, "each step must be above the one before it"))
            )
        last = index, weight
    return together(value, handler, found)


def _weight_if_any(step: object) -> int | None:
    try:
        return parse_weight(step.get("weight") if isinstance(step, dict) else step)
    except QuantityError:
        return None


_BARE_WEIGHT = {"type": "string", "pattern": PERCENT_TEXT, "description": "The weight alone, such as 5%."}
_StepOrWeight = Annotated[StepSection, WithJsonSchema({"anyOf": [_BARE_WEIGHT, json_schema_of(StepSection)]})]
Steps = Annotated[list[_StepOrWeight], Field(min_length=1, max_length=_MOST_STEPS), WrapValidator(_rising)]
"""The steps in order."""
