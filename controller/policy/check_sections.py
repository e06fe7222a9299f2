"""The sections that checks are written in, by what they measure: each with limits in its own unit."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import Field, WithJsonSchema

from controller.domain.measures import Level
from controller.domain.probes import PROBES
from controller.policy.fields import (
    Kind,
    Latency,
    OfStable,
    OfStableOrPoints,
    Section,
    Share,
    parsed_by,
)
from controller.policy.quality_sections import (
    DriftCheck,
    EvaluationCheck,
    GoldenCheck,
    QualityCheck,
    quality_section,
)
from controller.policy.quantities import QuantityError, shown
from controller.policy.queries import MOST_BYTES, check_query
from controller.policy.selections import OwnCounter, OwnHistogram

ERRORS, LATENCY = "errors", "latency"
QUANTILE = re.compile(r"([a-z][a-z0-9_]{0,55})_p([0-9]{1,2}(?:\.[0-9]{1,3})?)")


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


class ProbesCheck(ErrorsCheck):
    """The share of Serinus' own streamed requests (probe) whose answer failed, though it began with 200."""


class SharesCheck(ErrorsCheck):
    """A share of bad ones among all, from the metrics pack or from two counters of the policy's own."""

    bad: OwnCounter | None = Field(
        default=None,
        description="PromQL that selects the counter of bad ones; with of, and $backend or $version.",
        examples=['refusals_total{model_version="$version"}'],
    )
    of: OwnCounter | None = Field(
        default=None,
        description="PromQL that selects the counter of all of them, bad ones included.",
        examples=['answers_total{model_version="$version"}'],
    )


class LatencyCheck(CheckSection):
    """A quantile of a time, such as latency_p99, latency_p99.9 or ttft_p95."""

    max: Latency | None = Field(default=None, description="The longest time allowed.", examples=["500ms"])
    worse_by: OfStable | None = Field(
        default=None, description="How much longer than stable's, in per cent of stable's.", examples=["20%"]
    )
    histogram: OwnHistogram | None = Field(
        default=None,
        description=(
            "PromQL that selects the buckets of a histogram in seconds; with $backend or $version. For what"
            " the metrics pack does not measure."
        ),
        examples=['vllm:time_to_first_token_seconds_bucket{model_version="$version"}'],
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


class LevelCheck(CheckSection):
    """A number that the metrics pack reads: queue, prompt_tokens or output_tokens."""

    max: Number | None = Field(default=None, description="The largest number allowed.", examples=[5])
    worse_by: OfStable | None = Field(
        default=None, description="How much larger than stable's, in per cent of stable's.", examples=["20%"]
    )


class FillCheck(CheckSection):
    """A share in use that the metrics pack reads: kv_cache."""

    max: Share | None = Field(default=None, description="The largest share in use.", examples=["95%"])
    worse_by: OfStable | None = Field(
        default=None, description="How much larger than stable's, in per cent of stable's.", examples=["20%"]
    )


class MeanTimeCheck(CheckSection):
    """A mean time that the metrics pack reads: mean_latency of a request, token_latency of a token."""

    max: Latency | None = Field(
        default=None, description="The longest mean time allowed.", examples=["200ms"]
    )
    worse_by: OfStable | None = Field(
        default=None, description="How much longer than stable's, in per cent of stable's.", examples=["20%"]
    )


LimitCheck = (
    ErrorsCheck
    | ProbesCheck
    | SharesCheck
    | LatencyCheck
    | QueryCheck
    | LevelCheck
    | FillCheck
    | MeanTimeCheck
)
AnyCheck = LimitCheck | QualityCheck
LEVELS: Mapping[str, type[LevelCheck | FillCheck | MeanTimeCheck]] = {
    Level.QUEUE: LevelCheck,
    Level.KV_CACHE: FillCheck,
    Level.MEAN_LATENCY: MeanTimeCheck,
    Level.PROMPT_TOKENS: LevelCheck,
    Level.OUTPUT_TOKENS: LevelCheck,
    Level.TOKEN_LATENCY: MeanTimeCheck,
}
"""The section of each level that a pack may have."""


def check_section(name: str, written: Collection[str] | None = None) -> type[AnyCheck]:
    """The section that a check of this name is written in; ``written`` are its keys, if they are known."""
    if (quality := quality_section(name, written)) is not None:
        return quality
    if name in (ERRORS, PROBES):
        return ErrorsCheck if name == ERRORS else ProbesCheck
    if name.startswith(f"{LATENCY}_p"):
        return LatencyCheck
    if "query" in (written or ()):
        return QueryCheck
    if name in LEVELS:
        return LEVELS[name]
    if QUANTILE.fullmatch(name):
        return LatencyCheck
    return QueryCheck if written is None else SharesCheck


def is_level(section: type[AnyCheck]) -> bool:
    """Whether the check is of a number as it is now, which the classic rule judges."""
    return issubclass(section, QueryCheck | LevelCheck | FillCheck | MeanTimeCheck)


def limit_of(section: AnyCheck) -> object | None:
    """The limit that needs no stable to compare with; None where there is none."""
    if isinstance(section, GoldenCheck | EvaluationCheck):
        return section.min
    return None if isinstance(section, DriftCheck) else section.max


def compared_by(section: AnyCheck) -> str | None:
    """The key by which users' requests of both versions are compared; None where they are not."""
    if isinstance(section, DriftCheck):
        return "psi"
    sampled = isinstance(section, GoldenCheck | EvaluationCheck)
    return None if sampled or section.worse_by is None else "worse_by"


def own_count(section: AnyCheck) -> str | None:
    """What the policy counts itself."""
    match section:
        case LatencyCheck() | DriftCheck():
            return section.histogram
        case SharesCheck():
            return section.bad
        case QueryCheck():
            return section.query
    return None
