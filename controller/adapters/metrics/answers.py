"""Reads Prometheus' results into numbers. What is not of the expected shape never passes for data.

A malformed series spoils only itself; a result of another type spoils the whole answer.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.adapters.metrics.client import Answer, QueryError
from controller.domain.vocabulary import Reason

NAME_LABEL = "__name__"
_LATEST_SECONDS = 2**33
_NUMBERS = (int, float)


@dataclass(frozen=True, slots=True)
class RawSeries:
    """One series of a result. **Shape**: ``samples`` are (seconds since 1970, value) as they came.

    None if they are malformed.
    """

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...] | None


def instant(answer: Answer) -> float:
    """The number of a scalar, which the query ``time()`` gives. Raises `QueryError`."""
    _complete(answer)
    sample = _sample(answer.result) if answer.result_type == "scalar" else None
    if sample and 0 < sample[1] < _LATEST_SECONDS:
        return sample[1]
    raise QueryError(Reason.METRICS_INVALID, "Prometheus did not say what time it is")


def series(answer: Answer, result_type: str) -> list[RawSeries]:
    """The series of a ``matrix``, or of a ``vector`` with one sample each. Raises `QueryError`."""
    _complete(answer)
    if answer.result_type != result_type or not isinstance(answer.result, list):
        raise QueryError(Reason.METRICS_INVALID, f"Prometheus gave something else than a {result_type}")
    return [_series(row) for row in answer.result]


def number(answer: Answer) -> float | None:
    """The one number of a gauge's query, None if there is none or not a finite one. Raises `QueryError`."""
    _complete(answer)
    if answer.result_type == "scalar":
        sample = _sample(answer.result)
        return _finite(sample[1]) if sample else None
    found = series(answer, "vector")
    if len(found) > 1:
        raise QueryError(
            Reason.METRICS_AMBIGUOUS, f"the query gives {len(found)} series instead of one number"
        )
    samples = found[0].samples if found else None
    return _finite(samples[0][1]) if samples else None


def _complete(answer: Answer) -> None:
    if not answer.complete:
        raise QueryError(Reason.METRICS_PARTIAL, "Prometheus warns that its answer is not complete")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _series(row: Any) -> RawSeries:
    match row:
        case {"metric": dict(labels), "values": list(pairs)}:
            samples = tuple(_samples(pairs))
            return RawSeries(_texts(labels), samples if len(samples) == len(pairs) else None)
        case {"metric": dict(labels), "value": list(pair)}:
            sample = _sample(pair)
            return RawSeries(_texts(labels), (sample,) if sample else None)
    raise QueryError(Reason.METRICS_INVALID, "Prometheus gave a series without labels or values")


def _texts(labels: Mapping[Any, Any]) -> Mapping[str, str]:
    if not all(isinstance(value, str) for value in labels.values()):
        raise QueryError(Reason.METRICS_INVALID, "Prometheus gave a label that is not text")
    return labels


def _samples(pairs: list[Any]) -> Iterator[tuple[float, float]]:
    for pair in pairs:
        if sample := _sample(pair):
            yield sample


def _sample(pair: Any) -> tuple[float, float] | None:
    try:
        seconds, value = pair
        if type(value) is str and type(seconds) in _NUMBERS and 0 <= seconds < _LATEST_SECONDS:
            return float(seconds), float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    return None
