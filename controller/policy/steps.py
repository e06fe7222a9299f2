"""The steps of a policy: rising weights, and what must hold at each; or a ceiling, and the judge chooses."""

from collections.abc import Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import (
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from controller.domain.policy import FULL_WEIGHT_PERMILLE, Step
from controller.policy.fields import (
    PERCENT_TEXT,
    Duration,
    Kind,
    Section,
    Weight,
    complaint,
    json_schema_of,
    written,
)
from controller.policy.names import Label
from controller.policy.quantities import show_duration, show_weight, shown
from controller.policy.rising import rising
from controller.policy.testers import BARE_TESTERS, TESTERS

_MOST_STEPS = 50
_MOST_REQUESTS = 1_000_000_000
_SHORTEST_STEP_DEADLINE = timedelta(hours=1)
_AUTO = "auto"
_NEARLY_AUTO = (_AUTO, "automatic")
_FIRST_PERMILLE = 10
_PERCENT = 10
"""In thousandths."""
_GROWTH_PERCENT = 40
"""From weight to weight of auto steps. Source: reference/judge.md, exposure budget."""
_LAST_LOOKS = 4


class StepSection(Section):
    """One weight and what must hold before the next; or a step at which only testers get it, or nobody.

    At a shadow nobody gets it: requests are copied to it.
    """

    testers: bool = Field(
        default=False,
        description="In place of a weight: only the audience's testers get the canary. Alone: testers.",
        examples=[True],
    )
    shadow: Weight | None = Field(
        default=None,
        description=(
            "In place of a weight: share of the requests that are copied to the canary, before anybody gets"
            " it; nobody sees its answers. The step is left out where the route cannot copy requests."
        ),
        examples=["10%"],
    )
    weight: Weight | None = Field(
        default=None,
        description="Share of the traffic that the canary gets; required but for testers and shadows.",
        examples=["5%"],
    )
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
    approval: bool = Field(
        default=False,
        description="Whether people must approve before the canary gets this weight: see approval.",
        examples=[True],
    )
    gate: Label | None = Field(
        default=None,
        description="Gate that must let it pass before the canary gets this weight: see gates.",
        examples=["release-desk"],
    )
    deadline: Duration | None = Field(
        default=None,
        description="Time after which on_deadline says what happens; by default four times for, at least 1h.",
        examples=["2h"],
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_weight(cls, value: object) -> object:
        if value == TESTERS:
            return {TESTERS: True}
        return (
            {"weight": value}
            if isinstance(value, str | int | float) and not isinstance(value, bool)
            else value
        )

    @field_validator("weight")
    @classmethod
    def _below_everything(cls, weight: int | None, info: ValidationInfo) -> int | None:
        testers = info.data.get("testers", False)
        copies = "shadow" not in info.data or info.data["shadow"] is not None
        if weight is None and not testers and not copies:
            raise PydanticKnownError("missing")
        if copies and (weight is not None or testers):
            raise complaint("a shadow gives nobody the canary", "make two steps, the shadow first")
        if weight is not None and testers:
            raise complaint("a step for testers has no weight", "remove it; a weight is a step of its own")
        if weight is not None and weight >= FULL_WEIGHT_PERMILLE:
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
        deadline = self.deadline or _step_deadline(self.hold)
        return Step(
            weight_permille=self.weight or 0,
            hold=self.hold,
            min_requests=self.min_requests,
            deadline=deadline,
            approval=self.approval,
            gate=self.gate or "",
            testers=self.testers,
            mirror_permille=self.shadow or 0,
        )


class AutoSteps(Section):
    """Weights that the sequential judge chooses, as high as its budget of bad requests allows."""

    max_weight: Weight = Field(
        default=written("50%"),
        description="The largest weight before the promotion.",
        examples=["30%"],
    )

    @field_validator("max_weight")
    @classmethod
    def _between_first_and_everything(cls, weight: int) -> int:
        if weight < _FIRST_PERMILLE:
            sentence = (
                f"{show_weight(weight)} is below {show_weight(_FIRST_PERMILLE)}, where auto steps begin"
            )
            raise complaint(sentence, f"write {show_weight(_FIRST_PERMILLE)} or more, or list the weights")
        if weight >= FULL_WEIGHT_PERMILLE:
            sentence = f"{show_weight(weight)} leaves stable nothing to be compared with"
            raise complaint(sentence, "write less than 100%; the promotion follows by itself")
        return weight

    def to_steps(self, interval: timedelta) -> tuple[Step, ...]:
        """The ladder that the judge climbs: one check at each weight, a longer look at the last.

        Its weights are whole percents, which any route can express whose weights add up to 100.
        """
        weights, weight = [], _FIRST_PERMILLE
        while weight < self.max_weight:
            weights.append(weight)
            weight += max(weight * _GROWTH_PERCENT // 100 // _PERCENT, 1) * _PERCENT
        holds = [*(interval for _ in weights), _LAST_LOOKS * interval]
        ladder = zip([*weights, self.max_weight], holds, strict=True)
        return tuple(Step(weight, hold, 0, _step_deadline(hold)) for weight, hold in ladder)


def _step_deadline(hold: timedelta) -> timedelta:
    return max(_SHORTEST_STEP_DEADLINE, 4 * hold)


_BARE_WEIGHT = {"type": "string", "pattern": PERCENT_TEXT, "description": "The weight alone, such as 5%."}
_Listed = Annotated[list[StepSection], Field(min_length=1, max_length=_MOST_STEPS), WrapValidator(rising)]
_LISTED: TypeAdapter[list[StepSection]] = TypeAdapter(_Listed)


def is_auto(value: object) -> bool:
    """Whether the text of a file leaves the weights to the judge."""
    return value == _AUTO or (isinstance(value, dict) and _form_trouble(value) is None)


def _validate(value: object, info: ValidationInfo) -> list[StepSection] | AutoSteps:
    if trouble := _form_trouble(value):
        raise complaint(*trouble)
    if is_auto(value):
        return AutoSteps.model_validate({} if value == _AUTO else value, context=info.context)
    return _LISTED.validate_python(value, strict=True, context=info.context)


def _form_trouble(value: object) -> tuple[str, str] | None:
    """What is neither a list nor auto, but close to one of them, with a suggestion."""
    if value == {}:
        return "the mapping is empty", f"write {_AUTO}, or {{max_weight: 30%}}"
    if isinstance(value, dict) and not value.keys().isdisjoint({"weight", "shadow"}):
        return "a mapping is not a list", "begin each step with a -, also a single one"
    if value == [_AUTO]:
        return f"{_AUTO} is no step of a list", f"write steps: {_AUTO}, without brackets"
    if isinstance(value, str) and value != _AUTO and get_close_matches(value[:20].lower(), _NEARLY_AUTO):
        return f"{shown(value)} is not a list", f"did you mean {_AUTO}?"
    return None


def to_steps(steps: Sequence[StepSection] | AutoSteps, interval: timedelta) -> tuple[Step, ...]:
    """The steps in the words of the domain. ``interval`` is the time from check to check."""
    if isinstance(steps, AutoSteps):
        return steps.to_steps(interval)
    return tuple(step.to_step() for step in steps)


def _json_schema() -> dict[str, Any]:
    either = {"oneOf": [{"required": [name]} for name in ("weight", TESTERS, "shadow")]}
    steps = {"anyOf": [_BARE_WEIGHT, BARE_TESTERS, json_schema_of(StepSection) | either]}
    listed = {"type": "array", "items": steps, "minItems": 1, "maxItems": _MOST_STEPS}
    automatic = {"const": _AUTO, "description": AutoSteps.__doc__}
    return {"anyOf": [listed, automatic, json_schema_of(AutoSteps) | {"minProperties": 1}]}


Steps = Annotated[
    AutoSteps | list[StepSection],
    Kind("a list, or auto"),
    PlainValidator(_validate),
    WithJsonSchema(_json_schema()),
]
"""The steps in order, or the ceiling of auto steps."""
