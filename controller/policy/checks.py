"""The checks of a policy: which limits go with which name.

The name says how a check is measured: ``errors`` and ``latency_p99`` come from the metrics pack, any other
name brings a query of its own. Each kind has its own section, so that a wrong unit is told at its place.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema

from controller.domain.policy import Check, CheckKind
from controller.policy.catalogue import did_you_mean
from controller.policy.fields import (
    KEY_COMPLAINT,
    Found,
    Kind,
    Latency,
    OfStable,
    OfStableOrPoints,
    Section,
    Share,
    below,
    complaint,
    complaints,
    json_schema_of,
    parsed_by,
)
from controller.policy.quantities import QuantityError, shown
from controller.policy.queries import MOST_BYTES, check_query

_LATENCY = re.compile(r"latency_p([0-9]{1,2}(?:\.[0-9]{1,3})?)")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MOST_CHECKS = 50
_OWN_QUERY = "give a check with a query a name of its own"


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and (bare := re.match(r"[0-9]{1,9}(?:\.[0-9]{1,6})?(?=[a-z%]{1,3}$)", value)):
        sentence = f"{shown(value)} has a unit, but what a query gives is a bare number"
        raise QuantityError(sentence, f"write {bare[0]}, or its value in the unit of the query")
    raise QuantityError(f"{shown(value)} is not a number", "write a number in the unit of the query")


def _query(value: object) -> str:
    if not isinstance(value, str):
        raise QuantityError(f"{shown(value)} is not a query", "write PromQL, in quotes or after |")
    check_query(value)
    return value


Number = Annotated[float, Kind("a number"), parsed_by(_number), WithJsonSchema({"type": "number"})]


class CheckSection(Section):
    """What every check can say."""

    failures: int = Field(
        default=3,
        ge=1,
        le=100,
        description=(
            "Failing measurements in a row that end the rollout. Only for a query, or with judge: threshold."
        ),
        examples=[5],
    )
    critical: bool = Field(
        default=False,
        description=(
            "Whether a single failing measurement ends the rollout. Only for a query, or with"
            " judge: threshold."
        ),
        examples=[True],
    )
    report_only: bool = Field(
        default=False,
        description="Whether the check is only shown and never ends the rollout.",
        examples=[True],
    )


class ErrorsCheck(CheckSection):
    """The share of requests that the gateway or the engine counts as failed."""

    max: Share | None = Field(
        default=None, description="The largest share of failed requests.", examples=["1%"]
    )
    worse_by: OfStableOrPoints | None = Field(
        default=None,
        description="How much larger than stable's the share may be: in points, or in per cent of stable's.",
        examples=["0.5pp"],
    )


class LatencyCheck(CheckSection):
    """A quantile of the time that requests take, such as latency_p99 or latency_p99.9."""

    max: Latency | None = Field(default=None, description="The longest time allowed.", examples=["500ms"])
    worse_by: OfStable | None = Field(
        default=None, description="How much longer than stable's, in per cent of stable's.", examples=["20%"]
    )


class QueryCheck(CheckSection):
    """A number from a PromQL query of the policy's own."""

    query: Annotated[str, parsed_by(_query), WithJsonSchema({"type": "string", "maxLength": MOST_BYTES})] = (
        Field(
            description=(
                "PromQL that gives one number per version. $backend, $version and $model may stand as whole"
                " label values; $backend or $version must."
            ),
            examples=['max(vllm:num_requests_waiting{model_version="$version"})'],
        )
    )
    max: Number | None = Field(
        default=None, description="The largest number allowed, in the unit of the query.", examples=[5]
    )
    worse_by: OfStable | None = Field(
        default=None, description="How much larger than stable's, in per cent of stable's.", examples=["20%"]
    )


AnyCheck = ErrorsCheck | LatencyCheck | QueryCheck


def check_section(name: str) -> type[AnyCheck]:
    """The section that a check of this name is written in."""
    if name == "errors":
        return ErrorsCheck
    return LatencyCheck if name.startswith("latency_p") else QueryCheck


def to_check(name: str, section: AnyCheck) -> Check:
    """The check in the words of the domain."""
    kind, quantile, query = CheckKind.RATIO, None, None
    if isinstance(section, LatencyCheck):
        kind, quantile = CheckKind.QUANTILE, float(Decimal(name.removeprefix("latency_p")) / 100)
    elif isinstance(section, QueryCheck):
        kind, query = CheckKind.GAUGE, section.query
    highest, worse_by = section.max, section.worse_by
    return Check(
        name=name,
        kind=kind,
        max=highest.total_seconds() if isinstance(highest, timedelta) else highest,
        worse_by_ratio=worse_by.ratio if worse_by else None,
        worse_by_points=worse_by.points if worse_by else None,
        quantile=quantile,
        failures=section.failures,
        critical=section.critical,
        report_only=section.report_only,
        query=query,
    )


def _validate(value: object, info: ValidationInfo) -> dict[str, AnyCheck]:
    if not isinstance(value, dict) or not value:
        raise complaint(f"{shown(value)} is not a mapping of checks", "write at least one: errors: {max: 1%}")
    if len(value) > _MOST_CHECKS:
        raise complaint(f"{len(value)} checks are more than {_MOST_CHECKS}", "keep those that decide")
    checks: dict[str, AnyCheck] = {}
    found: list[Found] = []
    for name, raw in value.items():
        checked = _validate_one(name, raw, info)
        if isinstance(checked, list):
            found += checked
        else:
            checks[name] = checked
    if not found and all(check.report_only for check in checks.values()):
        found.append(
            ((), complaint("every check is report_only: nothing could fail", "let at least one check decide"))
        )
    if found:
        raise complaints(found)
    return checks


def _validate_one(name: str, raw: object, info: ValidationInfo) -> AnyCheck | list[Found]:
    if trouble := _name_trouble(name, raw):
        return [((name,), trouble)]
    try:
        section = check_section(name).model_validate(raw, context=info.context)
    except ValidationError as error:
        return below(error, name)
    if section.max is None and section.worse_by is None:
        return [((name,), complaint("the check has no limit", "add max, worse_by or both"))]
    return section


def _name_trouble(name: str, raw: object) -> Any:
    section = check_section(name)
    if section is LatencyCheck:
        match = _LATENCY.fullmatch(name)
        if match is None or not float(match[1]):
            return complaint(
                f"{shown(name)} names no quantile", "write latency_p50, latency_p95, latency_p99.9, …"
            )
    elif section is QueryCheck and not _NAME.fullmatch(name):
        return complaint(
            f"{shown(name)} is not a check's name",
            "use lower-case letters, digits and _, at most 63, a letter first",
            KEY_COMPLAINT,
        )
    has_query = isinstance(raw, dict) and "query" in raw
    if section is QueryCheck and isinstance(raw, dict) and not has_query:
        suggestion = did_you_mean(name, ["errors", "latency_p50", "latency_p95", "latency_p99"])
        return complaint(
            f"{shown(name)} is not measured by the metrics pack and has no query", suggestion, KEY_COMPLAINT
        )
    if section is not QueryCheck and has_query:
        return complaint(
            f"{shown(name)} is measured by the metrics pack and takes no query", _OWN_QUERY, KEY_COMPLAINT
        )
    return None


Checks = Annotated[
    dict[str, AnyCheck],
    PlainValidator(_validate),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "properties": {"errors": json_schema_of(ErrorsCheck)},
            "patternProperties": {rf"^{_LATENCY.pattern}$": json_schema_of(LatencyCheck)},
            "additionalProperties": json_schema_of(QueryCheck),
        }
    ),
]
"""The checks by name."""
