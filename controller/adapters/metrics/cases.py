"""What one rollout wants to know, and what was found for it so far.

The invariant: a case has a problem or all of its series; a series belongs to one version of it.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.adapters.metrics.answers import NAME_LABEL, RawSeries
from controller.adapters.metrics.counters import Counter, Histogram, Pulse, role_of
from controller.adapters.metrics.packs import Pack, Selector, Template, selector_of
from controller.adapters.metrics.sought import Sought, counted_of, sought_by
from controller.domain.judge.series import Arm, Role, Series, Window, newcomers
from controller.domain.model import Rollout
from controller.domain.observation import NoReading
from controller.domain.recognition import pack_of
from controller.domain.release import Release
from controller.domain.vocabulary import Reason

BOUND_LABEL = "le"

Key = tuple[str, Role, str, float]
"""A series: what it counts for and how, and what tells it from others."""


@dataclass(slots=True, eq=False)
class Case:
    """One rollout in a batch. ``since`` is where its counts go on."""

    rollout: Rollout
    pack: Pack
    since: datetime
    warnings: list[str] = field(default_factory=list)
    problem: NoReading | None = None
    found: dict[tuple[str, str], dict[Key, Series]] = field(default_factory=lambda: defaultdict(dict))
    """By what was sought."""
    renamed: dict[str, dict[int, tuple[str, str]]] = field(default_factory=lambda: defaultdict(dict))
    """Under which of a counter's names series were found: what was sought, by the name's place."""

    @property
    def releases(self) -> dict[Arm, Release]:
        """The versions to measure; stable is missing in a first deployment."""
        arms = {Arm.CANARY: self.rollout.release, Arm.STABLE: self.rollout.stable}
        return {arm: release for arm, release in arms.items() if release is not None}

    @property
    def sought(self) -> tuple[Sought, ...]:
        """What is counted, besides the pulse."""
        return sought_by(self.pack, counted_of(self.rollout))

    def selectors(self, versions: Mapping[str, Template]) -> dict[Arm, Selector]:
        """Whose series are read, where these labels tell versions apart."""
        return {arm: selector(versions, self.rollout, release) for arm, release in self.releases.items()}

    def check_names(self) -> None:
        """Note a problem where the pack's labels cannot tell the two versions apart: they must never mix."""
        if self.pack.refused:
            self.fail(Reason.METRICS_AMBIGUOUS, self.pack.refused)
            return
        if self.pack.by_series:
            for release in self.releases.values():
                known = self.rollout.route.series
                names = [name for version, name in known if version == release.version] or [""]
                for name in names:
                    self._check_series(release.version, name)
        selectors = tuple(self.selectors(self.pack.versions).values())
        if len(selectors) > 1 and selectors[0].overlaps(selectors[1]):
            pack = pack_of(self.rollout)
            self.fail(Reason.METRICS_AMBIGUOUS, f"the metrics pack {pack} cannot tell the two versions apart")

    def _check_series(self, version: str, name: str) -> None:
        if not name:
            message = f"the gateway's metrics do not tell {version} apart: has its backendRef a filter?"
            self.fail(Reason.METRICS_AMBIGUOUS, message)
        elif "." in name:
            message = f"Envoy's metrics cut {name} off at its first dot: give the route a name without dots"
            self.fail(Reason.METRICS_AMBIGUOUS, message)

    def fail(self, reason: Reason, message: str) -> None:
        """Note a problem; the first one stays."""
        self.problem = self.problem or NoReading(reason, message)

    @property
    def series(self) -> list[Series]:
        """All that was found, each counter of a copy under one of its names."""
        return [
            one
            for identity, found in self.found.items()
            for one in found.values()
            if (one.arm, one.target) not in self._named_anew(identity)
        ]

    def _named_anew(self, identity: tuple[str, str]) -> set[tuple[Arm, str]]:
        """The versions' copies that show what was sought under a newer name, too."""
        for names in self.renamed.values():
            place = next((place for place, sought in names.items() if sought == identity), 0)
            newer = [self.found[sought] for at, sought in names.items() if at < place]
            if newer:
                return {(one.arm, one.target) for found in newer for one in found.values()}
        return set()

    def add(self, sought: Sought, arm: Arm, raw: RawSeries) -> None:
        """Take a series in. Two counters of one measure must not both count it."""
        one, metric = _series(sought, arm, raw), sought.counter.metric
        if one is None:
            self.fail(Reason.METRICS_INVALID, f"a series of {metric} is malformed")
        elif any(_key(one) in found for found in self.found.values()):
            self.fail(Reason.METRICS_INVALID, f"{metric} has the same series twice")
        else:
            self.found[sought.identity][_key(one)] = one
            if sought.renamed:
                self.renamed[sought.renamed][sought.place] = sought.identity

    def forget_before(self, begin: datetime) -> None:
        """Drop what was only needed to see how often the versions are scraped."""
        oldest = begin.timestamp()
        for found in self.found.values():
            for key, one in found.items():
                samples = tuple(sample for sample in one.samples if not sample[0] < oldest)
                found[key] = replace(one, samples=samples)

    def newcomers(self, window: Window) -> set[Key]:
        """The series that came late: new, or back."""
        return {_key(one) for one in newcomers(self.series, window)}

    def put_in_front(self, sought: Sought, arm: Arm, raw: RawSeries, late: set[Key]) -> None:
        """Give a series that came late the last value that it had before the window."""
        before, found = _series(sought, arm, raw), self.found[sought.identity]
        if before is not None and (key := _key(before)) in late:
            late.discard(key)
            found[key] = replace(found[key], samples=(*before.samples, *found[key].samples))

    def has(self, sought: Sought, keys: set[Key]) -> bool:
        """Whether one of the series is what was sought."""
        return not keys.isdisjoint(self.found[sought.identity])


def selector(versions: Mapping[str, Template], rollout: Rollout, release: Release) -> Selector:
    """Whose series are those of one of the rollout's versions."""
    series, namespace = rollout.route.series, rollout.policy.namespace
    copies = release == rollout.release and rollout.mirror_permille > 0
    requested = rollout.policy.route.rule or ""
    return selector_of(versions, rollout.model, release, series, namespace, requested, copies=copies)


def owners(
    cases: Sequence[Case], versions: Mapping[str, Template], rows: Iterable[RawSeries]
) -> Iterator[tuple[Case, Arm, RawSeries]]:
    """Whose each series is; a series that only looks like somebody's is left out."""
    label = next(iter(versions))
    index: dict[str, list[tuple[Case, Arm, Selector]]] = defaultdict(list)
    for case in cases:
        for arm, own in case.selectors(versions).items():
            for value in own.values[label]:
                index[value].append((case, arm, own))
    for raw in rows:
        for case, arm, own in index.get(raw.labels.get(label, ""), ()):
            if own.selects(raw.labels):
                yield case, arm, raw


def _key(one: Series) -> Key:
    return one.measure, one.role, one.identity, one.bound_seconds


def _series(sought: Sought, arm: Arm, raw: RawSeries) -> Series | None:
    counter = sought.counter
    role = role_of(counter, raw.labels)
    bound = _bound(counter, raw.labels) if role is Role.BUCKET else math.inf
    if raw.samples is None or bound is None:
        return None
    samples = raw.samples
    if isinstance(counter, Pulse) and counter.positive:
        samples = tuple(sample for sample in samples if sample[1] > 0)
    identity, target = _identity(counter, raw.labels), _target(raw.labels)
    return Series(identity, arm, role, samples, bound, target, sought.measure)


def _target(labels: Mapping[str, str]) -> str:
    """What Prometheus scraped: its own two labels, unless the series was made by a rule or another server."""
    known = "job" in labels and "instance" in labels
    return f"{labels['job']} {labels['instance']}" if known else ""


def _identity(counter: Counter, labels: Mapping[str, str]) -> str:
    own = {label: value for label, value in labels.items() if label not in (NAME_LABEL, BOUND_LABEL)}
    return f"{counter.metric}{sorted(own.items())}"


def _bound(counter: Counter, labels: Mapping[str, str]) -> float | None:
    try:
        bound = float(labels[BOUND_LABEL])
    except (KeyError, ValueError):
        return None
    units = counter.units_per_second if isinstance(counter, Histogram) else 1.0
    return bound / units if bound > 0 else None
