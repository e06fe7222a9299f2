"""The kinds of field that policy and golden files are made of, for pydantic.

Every complaint of ours is one sentence for people and a suggestion. Defaults are written as in a file
(``5m``) and checked like input, so that the JSON Schema and `explain` show what people would write.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema
from pydantic import ValidatorFunctionWrapHandler as Handler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import NullableSchema

from controller.errors import InvariantError
from controller.policy.catalogue import Catalogue
from controller.policy.quantities import (
    QuantityError,
    parse_duration,
    parse_percent,
    parse_points,
    parse_weight,
    show_duration,
    shown,
)

COMPLAINT: Literal["complaint"] = "complaint"
KEY_COMPLAINT: Literal["key_complaint"] = "key_complaint"
"""The same about the key and not about its value."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What people would call a type of field; `explain` says it."""

    words: str


Found = tuple[tuple[str | int, ...], PydanticCustomError]
"""An error and its location, below the validator that raises it."""


class Section(BaseModel):
    """A mapping of a file. Unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)


@dataclass(frozen=True, slots=True)
class WorseBy:
    """How much worse than stable is allowed: a share of stable's value, or a difference of shares."""

    ratio: float | None = None
    points: float | None = None


def catalogue_of(info: ValidationInfo) -> Catalogue:
    """The known names, which the loader gives as pydantic's context."""
    if not isinstance(info.context, Catalogue):
        raise InvariantError("a policy is validated without a catalogue")
    return info.context


def written(default: str) -> Any:
    """A default as a file would say it, for a field of another type: it is parsed like input."""
    return default


class _SchemaForPeople(GenerateJsonSchema):
    """Leaves out what only Python knows: titles made from names, and null, which no file may hold."""

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        """The schema of the value alone."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the library's signature
        """Never."""
        return False


def json_schema_of(section: type[Section]) -> dict[str, Any]:
    """The section as JSON Schema, for an editor."""
    schema = section.model_json_schema(schema_generator=_SchemaForPeople)
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("title", None)
        for field in part.get("properties", {}).values():
            if field.get("default", ...) is None:
                del field["default"]
    return schema


def complaint(
    sentence: str, suggestion: str, kind: Literal["complaint", "key_complaint"] = COMPLAINT
) -> PydanticCustomError:
    """The error to raise in a validator."""
    return PydanticCustomError(kind, "{sentence}", {"sentence": sentence, "suggestion": suggestion})


def complaints(found: Iterable[Found]) -> ValidationError:
    """Several errors at once, to raise in a validator."""
    details = [InitErrorDetails(type=error, loc=location, input=None) for location, error in found]
    return ValidationError.from_exception_data("policy", details)


def below(error: ValidationError, *prefix: str | int) -> list[Found]:
    """What a nested validation found, at locations that begin with ``prefix``."""
    return [
        (
            (*prefix, *item["loc"]),
            PydanticCustomError(item["type"], "{msg}", {**item.get("ctx", {}), "msg": item["msg"]}),
        )
        for item in error.errors(include_url=False)
    ]


def together(value: object, handler: Handler, found: list[Found]) -> Any:
    """What the handler makes of the value; raises its errors together with those already found."""
    try:
        result = handler(value)
    except ValidationError as error:
        raise complaints([*below(error), *found]) from error
    if found:
        raise complaints(found)
    return result


def parsed_by(parse: Callable[[Any], Any]) -> PlainValidator:
    """A validator from a parser that raises `QuantityError`."""

    def validate(value: object) -> Any:
        try:
            return parse(value)
        except QuantityError as error:
            raise complaint(str(error), error.suggestion) from error

    return PlainValidator(validate)


def _duration(shortest: timedelta, units: tuple[str, ...]) -> Callable[[object], timedelta]:
    def parse(value: object) -> timedelta:
        duration = parse_duration(value, units)
        if duration < shortest:
            least = show_duration(shortest)
            raise QuantityError(f"{shown(value)} is shorter than {least}", f"write {least} or more")
        return duration

    return parse


def _weight(value: object) -> int:
    return parse_weight(value)


def _share(value: object) -> float:
    if _is_points(value):
        raise QuantityError(
            f"{value} compares with stable, but this limit is absolute", f"write {str(value)[:-2]}%"
        )
    percent = parse_percent(value)
    if percent >= 100:  # noqa: PLR2004 - per cent
        raise QuantityError(f"{shown(value)} can never be exceeded", "write less than 100%")
    return float(percent / 100)


def _of_stable(value: object) -> WorseBy:
    if _is_points(value):
        suggestion = f"write a percentage of stable's value, such as {str(value)[:-2]}%"
        raise QuantityError(f"{value} can only be said of shares of requests", suggestion)
    return WorseBy(ratio=_within(value, parse_percent(value), 1000, "%"))


def _of_stable_or_points(value: object) -> WorseBy:
    if _is_points(value):
        return WorseBy(points=_within(value, parse_points(value), 100, "pp"))
    if isinstance(value, int | float) and not isinstance(value, bool):
        suggestion = f"write {value}pp (percentage points more than stable) or {value}% (of stable's share)"
        raise QuantityError(f"{value} has no unit", suggestion)
    return _of_stable(value)


def _within(value: object, number: Decimal, highest: int, unit: str) -> float:
    if not 0 < number <= highest:
        sentence = f"{shown(value)} is not above 0{unit} and at most {highest}{unit}"
        raise QuantityError(sentence, "write a value within these limits")
    return float(number / 100)


def _is_points(value: object) -> bool:
    return isinstance(value, str) and value.endswith("pp")


def _text_schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


_NUMBER = r"[0-9]+(\.[0-9]+)?"
_DURATION_TEXT = rf"^(?=.)({_NUMBER}d)?({_NUMBER}h)?({_NUMBER}m)?({_NUMBER}s)?({_NUMBER}ms)?$"
PERCENT_TEXT = rf"^{_NUMBER}%$"
_SECOND, _MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)

Duration = Annotated[
    timedelta,
    Kind("a duration such as 90s, 15m or 1h30m"),
    parsed_by(_duration(_SECOND, ("s", "m", "h"))),
    _text_schema(_DURATION_TEXT, "90s", "15m", "1h30m"),
]
"""A time of a rollout, from one second."""
Latency = Annotated[
    timedelta,
    Kind("a duration such as 800ms or 2s"),
    parsed_by(_duration(_MILLISECOND, ("ms", "s"))),
    _text_schema(_DURATION_TEXT, "800ms", "2s"),
]
"""A time of a request, from one millisecond."""
Weight = Annotated[
    int,
    Kind("a percentage from 0.1% to 100%"),
    parsed_by(_weight),
    _text_schema(PERCENT_TEXT, "5%", "0.1%"),
]
"""A share of traffic, in thousandths."""
Share = Annotated[float, Kind("a percentage"), parsed_by(_share), _text_schema(PERCENT_TEXT, "1%")]
"""An absolute share of requests, as a ratio."""
OfStable = Annotated[WorseBy, Kind("a percentage"), parsed_by(_of_stable), _text_schema(PERCENT_TEXT, "20%")]
"""More than stable, in per cent of stable's value."""
OfStableOrPoints = Annotated[
    WorseBy,
    Kind("percentage points such as 0.5pp, or a percentage"),
    parsed_by(_of_stable_or_points),
    _text_schema(rf"^{_NUMBER}(%|pp)$", "0.5pp", "50%"),
]
"""More than stable, in percentage points or in per cent of stable's share."""
