"""What a policy file says about other models and about the hours of the week."""

from pydantic import Field, ValidationInfo, field_validator

from controller.domain.fleet.rules import FleetRules
from controller.policy.fields import Found, Section, complaint, complaints
from controller.policy.names import Label, Model
from controller.policy.quantities import shown
from controller.policy.recurring import RecurrenceSection

_MOST_MODELS = 20
_MOST_TIMES = 20
_HIGHEST_PRIORITY = 1000
_MOST_GPUS = 10_000


class FleetFields(Section):
    """The fields of a policy that are about more than its own model."""

    after: list[Model] = Field(
        default=[],
        max_length=_MOST_MODELS,
        description=(
            "Models whose rollouts come first: this one starts when theirs are over, and waits for a person"
            " if one of them was rolled back."
        ),
        examples=[["text-embedder"]],
    )
    group: Label | None = Field(
        default=None,
        description=(
            "Models of one namespace that name the same group are promoted together or not at all:"
            " each waits for all others, and if one fails, all are rolled back."
        ),
        examples=["search"],
    )
    priority: int = Field(
        default=0,
        ge=-_HIGHEST_PRIORITY,
        le=_HIGHEST_PRIORITY,
        description="Of those that wait for a place, the highest goes first, of equal ones the oldest.",
        examples=[10],
    )
    gpus: int = Field(
        default=0,
        ge=0,
        le=_MOST_GPUS,
        description="GPUs that the canary takes, counted against the operator's budget while it rolls out.",
        examples=[4],
    )
    windows: list[RecurrenceSection] = Field(
        default=[],
        max_length=_MOST_TIMES,
        description="When a rollout may start and step up; any time if there is none.",
        examples=[[{"schedule": "0 9 * * mon-thu", "duration": "7h", "time_zone": "Europe/Berlin"}]],
    )
    freezes: list[RecurrenceSection] = Field(
        default=[],
        max_length=_MOST_TIMES,
        description="When nothing starts or steps up; rollback always may.",
        examples=[[{"schedule": "0 0 20 12 *", "duration": "336h", "name": "end of year"}]],
    )

    @field_validator("after")
    @classmethod
    def _others(cls, after: list[str], info: ValidationInfo) -> list[str]:
        found: list[Found] = []
        for index, model in enumerate(after):
            if model == info.data.get("model"):
                found.append(((index,), complaint("a model cannot come after itself", "remove it")))
            elif model in after[:index]:
                found.append(((index,), complaint(f"{shown(model)} is given twice", "keep one of the two")))
        if found:
            raise complaints(found)
        return after

    def to_fleet(self) -> FleetRules:
        """The rules in the words of the domain."""
        return FleetRules(
            after=tuple(self.after),
            group=self.group or "",
            priority=self.priority,
            gpus=self.gpus,
            windows=tuple(each.to_recurrence() for each in self.windows),
            freezes=tuple(each.to_recurrence() for each in self.freezes),
        )
