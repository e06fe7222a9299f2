"""One rule's own road: its weights route the common requests, its copies count them, scrapes read them.

The invariant: what is counted at the last scrape, or still under way, is what was routed.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from bench.judge.arrivals import Floats, Requests, Stream, Traffic
from bench.judge.versions import Bools, Failing, Surroundings, Version, Weather, drawn_weather

SCRAPE_SECONDS = 15.0
LEAD_SECONDS = 120.0
"""So long is stable alone and scraped before the canary's first traffic."""

CLIENT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""**Source**: the default buckets of the Prometheus client libraries, in seconds."""

SPREAD = 2.0**20
"""The digits of a request's place below this scale choose the copy: they say nothing of the split."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that one repetition is drawn from. ``bounds`` are the histogram's, in seconds."""

    traffic: Traffic
    stable: Version = field(default_factory=Version)
    canary: Version = field(default_factory=Version)
    surroundings: Surroundings = field(default_factory=Surroundings)
    stable_copies: int = 2
    canary_copies: int = 1
    bounds: tuple[float, ...] = CLIENT_BOUNDS


@dataclass(frozen=True, slots=True)
class Chance:
    """What was drawn for one repetition, the same for every rule.

    ``phases`` has one for each copy; ``past`` is what stable's hour before is drawn from.
    """

    stream: Stream
    weather: Weather
    phases: Floats
    start: float
    past: SeedSequence


def drawn(scene: Scene, seed: SeedSequence, *, seconds: float) -> Chance:
    """The luck of one repetition; ``seconds`` is how long it may last from the canary's first traffic."""
    requests_seed, others_seed, past = seed.spawn(3)
    others = default_rng(others_seed)
    copies = scene.canary_copies + scene.stable_copies
    start = LEAD_SECONDS + SCRAPE_SECONDS * others.random()
    weather = drawn_weather(scene.surroundings, others, copies=copies, start=start, seconds=seconds)
    return Chance(
        Stream(scene.traffic, default_rng(requests_seed)), weather, _phases(others, copies), start, past
    )


def _phases(rng: Generator, copies: int) -> Floats:
    return SCRAPE_SECONDS * rng.random(copies)


class Sample(NamedTuple):
    """One scrape of one copy. ``buckets`` are cumulative, the last one without bound."""

    at: float
    good: int
    bad: int
    buckets: tuple[int, ...]


@dataclass(slots=True)
class Copy:
    """One copy of a version: what it answers, and its counters as they were scraped."""

    number: int
    version: Version
    bounds: Floats
    next_scrape: float
    samples: list[Sample] = field(default_factory=list)
    routed: int = 0
    failed: int = 0
    counted: NDArray[np.int64] = field(init=False)
    """Good, bad, and the histogram's buckets, not cumulative."""
    failing: Failing = field(init=False)
    under_way: list[tuple[Floats, Bools, Floats]] = field(default_factory=list)
    """When each answer is complete, whether it is bad, and how long it took."""

    def __post_init__(self) -> None:
        self.counted = np.zeros(2 + len(self.bounds) + 1, dtype=np.int64)
        self.failing = Failing(self.version.cluster)

    def serve(self, requests: Requests, weather: Weather, first: float) -> None:
        """Answer them; counters see an answer when it is complete."""
        age = requests.at - first
        bad = self.failing.bad(weather.share(self.version.share(age), requests.at), requests.luck)
        seconds = requests.seconds * self.version.multiple(age)
        if weather.surroundings.jitter:
            seconds = seconds * weather.speed(self.number, requests.at)
        self.under_way.append((requests.at + seconds, bad, seconds))
        self.routed += len(bad)
        self.failed += int(np.count_nonzero(bad))

    def scrape(self) -> None:
        """Read the counters."""
        at = self.next_scrape
        if self.under_way:
            done, bad, seconds = (np.concatenate(parts) for parts in zip(*self.under_way, strict=True))
            complete = done <= at
            self._count(bad[complete], seconds[complete])
            left = ~complete
            self.under_way = [(done[left], bad[left], seconds[left])] if left.any() else []
        good, bad_count, *buckets = self.counted.tolist()
        self.samples.append(Sample(at, good, bad_count, tuple(np.cumsum(buckets).tolist())))
        self.next_scrape = at + SCRAPE_SECONDS

    def _count(self, bad: Bools, seconds: Floats) -> None:
        failed = int(np.count_nonzero(bad))
        self.counted[0] += len(bad) - failed
        self.counted[1] += failed
        bucket = np.searchsorted(self.bounds, seconds)
        self.counted[2:] += np.bincount(bucket, minlength=len(self.bounds) + 1)


class Lane:
    """Traffic through one gateway. ``now`` is in seconds since the stream began."""

    def __init__(self, scene: Scene, chance: Chance) -> None:
        self.scene = scene
        self.chance = chance
        self.now = 0.0
        self.first = 0.0
        """When the canary got its first traffic."""
        self.permille = 0
        bounds = np.asarray(scene.bounds)
        versions = [scene.canary] * scene.canary_copies + [scene.stable] * scene.stable_copies
        copies = [
            Copy(number, version, bounds, float(phase))
            for number, (version, phase) in enumerate(zip(versions, chance.phases, strict=True))
        ]
        self.canary = copies[: scene.canary_copies]
        self.stable = copies[scene.canary_copies :]
        self._copies = copies

    @property
    def requests(self) -> int:
        """How many the canary was given."""
        return sum(copy.routed for copy in self.canary)

    @property
    def bad(self) -> int:
        """How many of them failed."""
        return sum(copy.failed for copy in self.canary)

    def give(self, permille: int) -> None:
        """The canary's weight from now on."""
        if permille and not self.first:
            self.first = self.now
        self.permille = permille

    def advance(self, to: float) -> None:
        """Requests and scrapes until then; a scrape at that very instant is included."""
        while True:
            copy = min(self._copies, key=lambda one: one.next_scrape)
            if copy.next_scrape > to:
                break
            self._route(copy.next_scrape)
            copy.scrape()
        self._route(to)

    def _route(self, until: float) -> None:
        share = self.permille / 1000
        for requests in self.chance.stream.between(self.now, until):
            if not share:
                self._serve(self.stable, requests, 0.0)
                continue
            canary = requests.place < share
            self._serve(self.canary, requests.only(canary), self.first)
            self._serve(self.stable, requests.only(~canary), 0.0)
        self.now = max(self.now, until)

    def _serve(self, copies: list[Copy], requests: Requests, first: float) -> None:
        weather = self.chance.weather
        if len(copies) == 1:
            copies[0].serve(requests, weather, first)
            return
        which = ((requests.place * SPREAD) % 1.0 * len(copies)).astype(np.int64)
        for index, copy in enumerate(copies):
            copy.serve(requests.only(which == index), weather, first)
