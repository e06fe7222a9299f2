"""Metrics packs: data files that say how to read one gateway or engine.

**Invariant**: requests and bad requests are read from series of which bad ones are never more: the same, or
those of all requests beside those of bad ones. Packs are the operator's, never a policy's. What a pack cannot
measure it says itself, so that a policy that asks for it is refused with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from controller.adapters.metrics.counters import (
    Answers,
    Counter,
    Gauge,
    Histogram,
    LabelName,
    MeasureName,
    MetricName,
    Part,
    Pulse,
)
from controller.adapters.naming import (
    adapter_names,
    backend_name,
    service_names,
    shadow_name,
    testers_name,
)
from controller.domain.measures import Level
from controller.domain.policy import CheckKind
from controller.domain.release import Release
from controller.errors import TargetError

LATENCY = "latency"
"""The histogram that checks named latency_pNN read."""
ERRORS = "errors"
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Template(StrEnum):
    """What a label of a version holds."""

    BACKEND = "$backend"
    """``model@version``, see `backend_name`; while it only gets copies of requests, see `shadow_name`."""
    ENDPOINTS = "$endpoints"
    """``host:port`` of any copy."""
    VERSION = "$version"
    MODEL = "$model"
    SERIES = "$series"
    """What the gateway itself calls the version's upstream, as its router found it."""
    SERVICE = "$service"
    """What Traefik calls the version's Service, see `service_names`."""
    ADAPTER = "$adapter"
    """What the engine calls the version's LoRA adapter."""
    REQUESTED = "$requested"
    """The model that requests ask for, where a route makes an adapter's name of it."""


_OF_ALL_VERSIONS = frozenset({Template.MODEL, Template.REQUESTED})
_OF_A_CLUSTER = frozenset({Template.SERIES, Template.SERVICE, Template.ADAPTER})


@dataclass(frozen=True, slots=True)
class Selector:
    """The label values that a version's series have."""

    values: Mapping[str, frozenset[str]]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a series is the version's."""
        return all(labels.get(label) in allowed for label, allowed in self.values.items())

    @property
    def empty(self) -> bool:
        """Whether no series can be the version's."""
        return not all(self.values.values())

    def overlaps(self, other: "Selector") -> bool:
        """Whether one series could be both versions': none of their labels tells them apart."""
        return all(allowed & other.values.get(label, allowed) for label, allowed in self.values.items())


class Pack(Part):
    """How to read one gateway or engine. ``shared_targets``: one scrape target reports on all versions.

    ``answers`` are the requests and what the check ``errors`` reads. ``histograms`` are durations by name:
    ``latency`` is read by ``latency_p99``, ``ttft`` by ``ttft_p95``. ``ratios`` are counters of good and bad
    ones for further checks, by their names; ``levels`` are numbers as they are now. ``token_histograms``,
    whose bounds are tokens, tell whether both versions get like requests; drifts are of them. ``in_flight``
    are gauges whose sum is the requests that were taken and not answered yet. ``lacks`` says of a check that
    people expect why it cannot be measured, ``refused`` why nothing can. ``recognised_by`` are names of
    metrics that nothing else shows. ``caveats`` is what people should know who use it, ``unmirrored`` why
    requests that are copied to the canary are not counted, where they are not.
    """

    about: Sentence
    versions: Mapping[LabelName, Annotated[Template, Field(strict=False)]] = Field(default_factory=dict)
    shared_targets: bool = False
    pulse: Pulse
    answers: Annotated[tuple[Answers, ...], Field(strict=False)] = ()
    histograms: Annotated[Mapping[MeasureName, Histogram], Field(strict=False)] = Field(default_factory=dict)
    ratios: Mapping[MeasureName, Annotated[tuple[Answers, ...], Field(min_length=1, strict=False)]] = Field(
        default_factory=dict
    )
    levels: Mapping[Annotated[Level, Field(strict=False)], Gauge] = Field(default_factory=dict)
    token_histograms: Annotated[
        Mapping[Literal["prompt_tokens", "output_tokens"], Histogram], Field(strict=False)
    ] = Field(default_factory=dict)
    in_flight: Annotated[tuple[MetricName, ...], Field(max_length=4, strict=False)] = ()
    lacks: Mapping[MeasureName, Sentence] = Field(default_factory=dict)
    recognised_by: Annotated[tuple[MetricName, ...], Field(strict=False)] = ()
    caveats: Annotated[tuple[Sentence, ...], Field(strict=False)] = ()
    unmirrored: Sentence | None = None
    refused: Sentence | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for trouble in self._troubles():
            raise ValueError(trouble)
        return self

    def _troubles(self) -> Iterator[str]:
        if not self.refused and set(self.versions.values()) <= _OF_ALL_VERSIONS:
            known = ", ".join(one for one in Template if one not in _OF_ALL_VERSIONS)
            yield f"versions: no label tells versions apart; use one of {known}, or say why it is refused"
        if self.in_flight and set(self.versions.values()) <= {Template.MODEL}:
            yield "in_flight: no label tells versions apart"
        if not self.refused and not self.answers:
            yield "answers: requests are counted by at least one counter"
        measured = {ERRORS: self.counts_errors, **dict.fromkeys((*self.histograms, *self.ratios), True)}
        for name in (ERRORS, LATENCY):
            if not self.refused and not measured.get(name) and name not in self.lacks:
                yield f"lacks: say why {name} is not measured"
        for name in self.lacks:
            if measured.get(name):
                yield f"lacks: {name} is measured"

    def counters(self, kind: CheckKind, measure: str) -> tuple[Counter, ...]:
        """What a check counts, of the answers and their latency where it names no measure.

        **Shape**: empty if the pack does not measure it.
        """
        if kind is CheckKind.QUANTILE:
            histogram = self.histograms.get(measure or LATENCY) or self._of_tokens(measure)
            return (histogram, *histogram.beyond) if histogram else ()
        if kind is CheckKind.PSI:
            spread = self.histograms.get(measure or LATENCY) or self._of_tokens(measure)
            return (spread, *spread.beyond) if spread else ()
        answers = self.ratios.get(measure, ()) if measure else self.answers
        return answers if any(one.bad for one in answers) else ()

    def _of_tokens(self, measure: str) -> Histogram | None:
        found = (histogram for name, histogram in self.token_histograms.items() if name == measure)
        return next(found, None)

    @property
    def counts_errors(self) -> bool:
        """Whether any of the answers are bad ones."""
        return any(one.bad for one in self.answers)

    @property
    def by_series(self) -> bool:
        """Whether versions are told apart by names of the gateway's own."""
        return Template.SERIES in self.versions.values()

    @property
    def by_upstream(self) -> bool:
        """Whether it counts what each upstream of a route got."""
        return bool({Template.BACKEND, Template.SERIES} & set(self.versions.values()))

    @property
    def of_adapters(self) -> bool:
        """Whether versions are told apart by the names of adapters, which may run in the same pods."""
        return Template.ADAPTER in self.versions.values()

    @property
    def cluster_only(self) -> bool:
        """Whether only a cluster has what tells the versions apart."""
        return bool(_OF_A_CLUSTER & set(self.versions.values()))


def selector_of(
    versions: Mapping[str, Template],
    model: str,
    release: Release,
    series: Sequence[tuple[str, str]],
    namespace: str = "",
    requested: str = "",
    *,
    copies: bool = False,
) -> Selector:
    """Whose series are the release's; none are where ``series``, by version, lacks a name for it.

    It names a backend otherwise only while its requests are testers' alone, or ``copies`` says that it only
    gets copies of requests. ``requested`` is the model that requests ask for, where that is not the policy's
    own name.
    """
    named = frozenset(name for version, name in series if version == release.version)
    usual = shadow_name(model, release.version) if copies else backend_name(model, release.version)
    backend = of_testers(model, release, series) or usual
    values = {
        Template.BACKEND: frozenset({backend}),
        Template.ENDPOINTS: frozenset(release.endpoints),
        Template.VERSION: frozenset({release.version}),
        Template.MODEL: frozenset({model}),
        Template.SERIES: named,
        Template.SERVICE: service_names(namespace, release.backend),
        Template.ADAPTER: adapter_names(release.backend),
        Template.REQUESTED: frozenset({requested or model}),
    }
    return Selector({label: values[template] for label, template in versions.items()})


def of_testers(model: str, release: Release, series: Sequence[tuple[str, str]]) -> str:
    """The backend's name while the version's requests are testers' alone; empty at any other time."""
    name = testers_name(model, release.version)
    return name if (release.version, name) in series else ""


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
