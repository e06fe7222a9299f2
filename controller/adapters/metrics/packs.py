"""Metrics packs: data files that say how to read one gateway or engine.

**Invariant**: requests and bad requests are read from the same series, so that bad ones are never more.
Packs are the operator's, never a policy's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from controller.adapters.naming import backend_name
from controller.domain.judge.series import Role
from controller.domain.policy import CheckKind
from controller.domain.release import Release
from controller.errors import TargetError


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


LATENCY = "latency"
"""The histogram that checks named latency_pNN read."""


class Template(StrEnum):
    """What a label of a version holds."""

    BACKEND = "$backend"
    """``model@version``, see `backend_name`."""
    ENDPOINTS = "$endpoints"
    """``host:port`` of any copy."""
    VERSION = "$version"
    MODEL = "$model"
    SERIES = "$series"
    """What the gateway itself calls the version's upstream, as its router found it."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Counter(_Part):
    """One counter. ``where`` are regular expressions that labels must match whole, ``unless`` must not."""

    metric: MetricName
    where: Matchers = Field(default_factory=dict)
    unless: Matchers = Field(default_factory=dict)

    @cached_property
    def identity(self) -> str:
        """The same for equal counters; asked for again and again, by every model at every tick."""
        return repr(self)


class Answers(Counter):
    """Counts answers; those that match ``bad`` are bad, all of them if it is true."""

    bad: bool | Matchers = False


class Requests(Counter):
    """Counts all requests, bad ones included."""


class Pulse(Counter):
    """Is there whenever a version is scraped; with a value above 0 if ``positive``."""

    positive: bool = False


class Histogram(Counter):
    """The buckets of a histogram; ``beyond`` counts answers that took long but are missing from it."""

    units_per_second: Annotated[float, Field(strict=False, gt=0)] = 1.0
    beyond: tuple[Counter, ...] = Field(default=(), strict=False)


@dataclass(frozen=True, slots=True)
class Selector:
    """The label values that a version's series have."""

    values: Mapping[str, frozenset[str]]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a series is the version's."""
        return all(labels.get(label) in allowed for label, allowed in self.values.items())


class Pack(_Part):
    """How to read one gateway or engine. ``shared_targets``: one scrape target reports on all versions.

    ``answers`` are the requests and what the check ``errors`` reads. ``histograms`` are durations by name:
    ``latency`` is read by ``latency_p99``, ``ttft`` by ``ttft_p95``. ``ratios`` are counters of good and bad
    ones for further checks, by their names.
    """

    about: str
    versions: Annotated[Mapping[LabelName, Annotated[Template, Field(strict=False)]], Field(min_length=1)]
    shared_targets: bool = False
    pulse: Pulse
    answers: Annotated[tuple[Answers, ...], Field(min_length=1, strict=False)]
    histograms: Annotated[Mapping[MeasureName, Histogram], Field(strict=False)] = Field(default_factory=dict)
    ratios: Mapping[MeasureName, Annotated[tuple[Answers, ...], Field(min_length=1, strict=False)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _tells_versions_apart(self) -> Self:
        if set(self.versions.values()) <= {Template.MODEL}:
            known = "$backend, $endpoints, $version or $series"
            raise ValueError(f"versions: no label tells versions apart; use {known}")
        return self

    def counters(self, kind: CheckKind, measure: str) -> tuple[Counter, ...]:
        """What a check counts, of the answers and their latency where it names no measure.

        **Shape**: empty if the pack does not measure it.
        """
        if kind is CheckKind.QUANTILE:
            histogram = self.histograms.get(measure or LATENCY)
            return (histogram, *histogram.beyond) if histogram else ()
        answers = self.ratios.get(measure, ()) if measure else self.answers
        return answers if any(one.bad for one in answers) else ()

    @property
    def by_series(self) -> bool:
        """Whether versions are told apart by names of the gateway's own."""
        return Template.SERIES in self.versions.values()


def selector_of(
    versions: Mapping[str, Template], model: str, release: Release, series: Mapping[str, str]
) -> Selector:
    """Whose series are the release's; none are where ``series``, by version, lacks a name for it."""
    named = series.get(release.version)
    values = {
        Template.BACKEND: frozenset({backend_name(model, release.version)}),
        Template.ENDPOINTS: frozenset(release.endpoints),
        Template.VERSION: frozenset({release.version}),
        Template.MODEL: frozenset({model}),
        Template.SERIES: frozenset({named} if named else ()),
    }
    return Selector({label: values[template] for label, template in versions.items()})


def role_of(counter: Counter, labels: Mapping[str, str]) -> Role:
    """What a series of a pack's counter counts."""
    match counter:
        case Pulse():
            return Role.PULSE
        case Histogram():
            return Role.BUCKET
        case Requests():
            return Role.ALL
        case Answers(bad=bool(bad)):
            return Role.BAD if bad else Role.GOOD
        case Answers(bad=Mapping() as bad):
            matching = all(re.fullmatch(regex, labels.get(label, "")) for label, regex in bad.items())
            return Role.BAD if matching else Role.GOOD
    return Role.BEYOND


def load_pack(name: str, text: str) -> Pack:
    """Parse a pack file. Raises `TargetError`."""
    try:
        return Pack.model_validate(YAML(typ="safe", pure=True).load(text))
    except (YAMLError, ValidationError, RecursionError) as error:
        raise TargetError(f"the metrics pack {name} cannot be read: {error}") from error


def built_in_packs() -> dict[str, Pack]:
    """The packs that come with Serinus, by name."""
    folder = files("controller.adapters.metrics").joinpath("packs")
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    names = [(entry.name.removesuffix(".yaml"), entry) for entry in entries if entry.name.endswith(".yaml")]
    return {name: load_pack(name, entry.read_text("utf-8")) for name, entry in names}
