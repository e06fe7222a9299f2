"""The parts that a metrics pack is made of: counters, histograms and levels, as its file writes them."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from controller.domain.judge.series import Role


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


MetricName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
MeasureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,55}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
Matchers = Mapping[LabelName, Annotated[str, AfterValidator(_regex)]]


class Part(BaseModel):
    """A mapping of a pack's file: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Counter(Part):
    """One counter. ``where`` are regular expressions that labels must match whole, ``unless`` must not.

    ``formerly`` are names that other versions of the engine give it; they count only where a copy has none
    of the names before them, for some show the same under two.
    """

    metric: MetricName
    formerly: Annotated[tuple[MetricName, ...], Field(max_length=4, strict=False)] = ()
    where: Matchers = Field(default_factory=dict)
    unless: Matchers = Field(default_factory=dict)

    @cached_property
    def identity(self) -> str:
        """The same for equal counters; asked for again and again, by every model at every tick."""
        return repr(self)

    @cached_property
    def by_name(self) -> tuple[Self, ...]:
        """The counter under each of its names, the newest first; itself where it has one."""
        if not self.formerly:
            return (self,)
        # made anew: a copy would keep the identity that is remembered
        fields = {name: getattr(self, name) for name in type(self).model_fields} | {"formerly": ()}
        names = (self.metric, *self.formerly)
        return tuple(type(self)(**{**fields, "metric": name}) for name in names)


class Answers(Counter):
    """Counts answers; those that match ``bad`` are bad, all of them if it is true.

    ``all`` says that it counts every request, bad ones included, which a counter of their own counts, too.
    """

    bad: bool | Matchers = False
    all: bool = False

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.all and self.bad:
            raise ValueError("all: a counter of all requests counts no bad ones by itself")
        return self


class Requests(Counter):
    """Counts all requests, bad ones included."""


class Pulse(Counter):
    """Is there whenever a version is scraped; with a value above 0 if ``positive``."""

    positive: bool = False


class Histogram(Counter):
    """The buckets of a histogram; ``beyond`` counts answers that took long but are missing from it."""

    units_per_second: Annotated[float, Field(strict=False, gt=0)] = 1.0
    beyond: tuple[Counter, ...] = Field(default=(), strict=False)


class Gauge(Counter):
    """A level: the largest of a gauge's series; or, ``per`` another counter, a mean over the last minutes.

    ``divide_by`` is how many of its units make one of the level's.
    """

    per: Counter | None = None
    divide_by: Annotated[float, Field(strict=False, gt=0)] = 1.0


def role_of(counter: Counter, labels: Mapping[str, str]) -> Role:
    """What a series of a pack's counter counts."""
    match counter:
        case Pulse():
            return Role.PULSE
        case Histogram():
            return Role.BUCKET
        case Requests() | Answers(all=True):
            return Role.ALL
        case Answers(bad=bool(bad)):
            return Role.BAD if bad else Role.GOOD
        case Answers(bad=Mapping() as bad):
            matching = all(re.fullmatch(regex, labels.get(label, "")) for label, regex in bad.items())
            return Role.BAD if matching else Role.GOOD
    return Role.BEYOND
