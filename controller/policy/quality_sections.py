"""The sections of checks on what a model answers: golden requests, evaluations, and drifts of histograms.

The keys that are written say which section it is: golden, evaluation or psi.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from controller.domain.policy import Check, CheckKind
from controller.domain.trials import Sampling
from controller.policy.fields import (
    PERCENT_TEXT,
    Duration,
    Kind,
    Section,
    WorseBy,
    parsed_by,
    written,
)
from controller.policy.names import Label
from controller.policy.quantities import QuantityError, parse_percent, parse_points, shown
from controller.policy.selections import OwnHistogram

DRIFT = re.compile(r"([a-z][a-z0-9_]{0,55})_drift")
_LATENCY = "latency"
_LARGEST_PSI = 10
SHORTEST_EVERY = timedelta(seconds=10)


def _min(value: object) -> float:
    percent = parse_percent(value, example="92")
    if not 0 < percent < 100:  # noqa: PLR2004 - per cent
        sentence = f"{shown(value)} is not above 0% and below 100%: that every one passes is never shown"
        raise QuantityError(sentence, "write the smallest share that may pass, such as 92%")
    return float(percent / 100)


def _points(value: object) -> WorseBy:
    if isinstance(value, str) and value.endswith("pp"):
        points = parse_points(value)
        if 0 < points < 100:  # noqa: PLR2004 - percentage points
            return WorseBy(points=float(points / 100))
        raise QuantityError(f"{shown(value)} is not above 0pp and below 100pp", "write 2pp, for example")
    raise QuantityError(
        f"{shown(value)} is not in percentage points", "write 2pp: the share may be so much below stable's"
    )


def _psi(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST_PSI:
        sentence = f"{shown(value)} is not a stability index above 0 and at most {_LARGEST_PSI}"
        raise QuantityError(sentence, "write 0.2, for example: 0.1 is a small shift, 0.25 a large one")
    return float(value)


MinShare = Annotated[
    float,
    Kind("a percentage"),
    parsed_by(_min),
    WithJsonSchema({"type": "string", "pattern": PERCENT_TEXT, "examples": ["92%"]}),
]
"""The smallest share of passes, as a ratio."""
Points = Annotated[
    WorseBy,
    Kind("percentage points such as 2pp"),
    parsed_by(_points),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?pp$", "examples": ["2pp"]}),
]
PsiLimit = Annotated[
    float,
    Kind("a number above 0"),
    parsed_by(_psi),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": _LARGEST_PSI}),
]


class _ScoreCheck(Section):
    """What every check of a share of passes can say."""

    min: MinShare | None = Field(
        default=None, description="The smallest share of passes allowed.", examples=["92%"]
    )
    worse_by: Points | None = Field(
        default=None, description="How far below stable's the share may be, in points.", examples=["2pp"]
    )
    report_only: bool = Field(
        default=False,
        description="Whether the check is only shown and never ends the rollout.",
        examples=[True],
    )

    @property
    def limited(self) -> bool:
        """Whether it has any limit."""
        return self.min is not None or self.worse_by is not None

    def _check(self, name: str, sampling: Sampling) -> Check:
        return Check(
            name=name,
            kind=CheckKind.SCORE,
            min=self.min,
            worse_by_points=self.worse_by.points if self.worse_by else None,
            failures=1,
            report_only=self.report_only,
            sampling=sampling,
        )


class GoldenCheck(_ScoreCheck):
    """The share of golden requests that pass, asked again and again while the canary has traffic."""

    golden: str = Field(
        min_length=1,
        max_length=255,
        description="File with the golden requests, by its path from the policy's own folder.",
        examples=["golden/fraud-labels.yaml"],
    )
    every: Duration = Field(
        default=written("1m"), description="Time from one trial to the next, from 10s.", examples=["30s"]
    )
    requests: int = Field(
        default=50,
        ge=1,
        le=500,
        description="Golden requests drawn by chance for each trial, and sent to both versions.",
        examples=[100],
    )
    trials: int = Field(
        default=200, ge=1, le=2000, description="Trials in one rollout at most.", examples=[50]
    )

    def to_check(self, name: str) -> Check:
        """The check in the words of the domain."""
        return self._check(name, Sampling(self.golden, "", self.every, self.requests, self.trials))


class EvaluationCheck(_ScoreCheck):
    """A score from 0 to 1 that a program of the operator's gives a version, with the number of its cases."""

    evaluation: Label = Field(
        description="The program, by the name that the operator's settings give it.",
        examples=["answer-desk"],
    )
    every: Duration = Field(
        default=written("10m"), description="Time from one trial to the next, from 10s.", examples=["30m"]
    )
    trials: int = Field(default=20, ge=1, le=100, description="Trials in one rollout at most.", examples=[5])

    def to_check(self, name: str) -> Check:
        """The check in the words of the domain."""
        return self._check(name, Sampling("", self.evaluation, self.every, 0, self.trials))


class DriftCheck(Section):
    """How far a histogram lies from stable's, as population stability index (PSI): output_tokens_drift."""

    psi: PsiLimit = Field(
        description="The largest index: 0.1 is a small shift, 0.25 a large one.", examples=[0.2]
    )
    histogram: OwnHistogram | None = Field(
        default=None,
        description=(
            "PromQL that selects the buckets of a histogram of any unit; with $backend or $version. For what"
            " the metrics pack does not measure."
        ),
        examples=['score_bucket{model_version="$version"}'],
    )
    report_only: bool = Field(
        default=False,
        description="Whether the check is only shown and never ends the rollout.",
        examples=[True],
    )

    def to_check(self, name: str) -> Check:
        """The check in the words of the domain."""
        measure = drifting(name) if self.histogram is None else None
        return Check(
            name=name,
            kind=CheckKind.PSI,
            max=self.psi,
            failures=1,
            report_only=self.report_only,
            query=self.histogram,
            measure="" if measure in (None, _LATENCY) else str(measure),
        )


QualityCheck = GoldenCheck | EvaluationCheck | DriftCheck
QUALITY: Mapping[str, type[GoldenCheck | EvaluationCheck | DriftCheck]] = {
    "golden": GoldenCheck,
    "evaluation": EvaluationCheck,
    "psi": DriftCheck,
}
"""The section that a key tells of."""


def drifting(name: str) -> str | None:
    """What of a metrics pack a drift of this name is of; None if it names nothing."""
    match = DRIFT.fullmatch(name)
    return match[1] if match else None


def quality_section(name: str, written: Any) -> type[GoldenCheck | EvaluationCheck | DriftCheck] | None:
    """The section of a check that has one of these keys; of a drift by its name where no key is known."""
    for key, section in QUALITY.items():
        if key in (written or ()):
            return section
    return DriftCheck if written is None and DRIFT.fullmatch(name) else None
