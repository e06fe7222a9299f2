"""Selections of counters and histograms of a policy's own, as fields of its checks."""

from typing import Annotated

from pydantic import WithJsonSchema

from controller.policy.fields import Kind, parsed_by
from controller.policy.quantities import QuantityError, shown
from controller.policy.queries import MOST_BYTES, check_selection


def _selection(value: object) -> str:
    if not isinstance(value, str):
        raise QuantityError(f"{shown(value)} is not a selection", "write PromQL, in quotes")
    check_selection(value)
    return value


def _buckets(value: object) -> str:
    text = _selection(value)
    if not (name := text.split("{", 1)[0].strip()).endswith("_bucket"):
        raise QuantityError(f"{shown(name)} is not the buckets of a histogram", "name the metric …_bucket")
    return text


_WORDS = Kind("PromQL that selects one metric")
_SCHEMA = WithJsonSchema({"type": "string", "maxLength": MOST_BYTES})
OwnCounter = Annotated[str, _WORDS, parsed_by(_selection), _SCHEMA]
"""The series of a counter."""
OwnHistogram = Annotated[str, _WORDS, parsed_by(_buckets), _SCHEMA]
"""The series of a histogram's buckets."""
