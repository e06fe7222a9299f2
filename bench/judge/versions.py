"""What becomes of requests: how often a version fails, how slow it is, what happens to both at once."""

from dataclasses import dataclass, field
from math import tau

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.judge.arrivals import Floats

Bools = NDArray[np.bool_]
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Version:
    """One version. ``errors`` is the share of requests that fail, ``slower`` multiplies what they take.

    Errors come in ``cluster``s of so many requests in a row. For ``cold_seconds`` (its time constant) after
    its first request the version is up to ``cold`` times slower. Per hour since then ``leak_errors`` are
    added to the share, and ``leak_slower`` to the multiple.
    """

    errors: float = 0.001
    slower: float = 1.0
    cluster: int = 1
    cold: float = 1.0
    cold_seconds: float = 20.0
    leak_errors: float = 0.0
    leak_slower: float = 0.0

    def share(self, age: Floats) -> Floats:
        """The share of requests that fail, by the version's age in seconds."""
        return np.minimum(self.errors + self.leak_errors * age / 3600, 1.0)

    def multiple(self, age: Floats) -> Floats:
        """How much longer requests take, by the version's age in seconds."""
        multiple = self.slower + self.leak_slower * age / 3600
        if self.cold != 1.0:
            multiple = multiple * (1 + (self.cold - 1) * np.exp(-age / self.cold_seconds))
        return multiple


@dataclass(frozen=True, slots=True)
class Outages:
    """A fault of something that both versions need: ``share`` of all requests fail.

    ``count`` times for ``seconds``, about ``spacing`` apart, the first at a time drawn from 0 to ``within``
    seconds after the canary's first traffic.
    """

    share: float
    seconds: float
    within: float
    count: int = 1
    spacing: float = 60.0

    def drawn(self, rng: Generator, start: float) -> Floats:
        """When each begins."""
        gaps = self.seconds + (self.spacing - self.seconds) * 2 * rng.random(self.count)
        gaps[0] = self.within * rng.random()
        return start + np.cumsum(gaps)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What happens to both versions: ``swing`` of the share of errors over a ``period``, and outages.

    ``jitter`` is what happens to each copy by itself: the standard deviation of the logarithm of its speed,
    drawn anew every minute.
    """

    swing: float = 0.0
    period_seconds: float = 7200.0
    outages: Outages | None = None
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Weather:
    """The surroundings of one repetition, drawn. ``speeds`` has a row for each copy, a column a minute."""

    surroundings: Surroundings
    outages: Floats
    speeds: Floats

    def share(self, usual: Floats, at: Floats) -> Floats:
        """The share of requests that fail at each instant, of which ``usual`` is the version's own doing."""
        around, share = self.surroundings, usual
        if around.swing:
            share = np.minimum(share * (1 + around.swing * np.sin(tau * at / around.period_seconds)), 1.0)
        if around.outages is not None:
            last = np.searchsorted(self.outages, at, side="right") - 1
            hit = (last >= 0) & (at < self.outages[last] + around.outages.seconds)
            share = np.where(hit, share + (1 - share) * around.outages.share, share)
        return share

    def speed(self, copy: int, at: Floats) -> Floats:
        """What multiplies the time that a copy takes."""
        row: Floats = self.speeds[copy]
        minute = np.minimum(at // MINUTE, len(row) - 1).astype(np.int64)
        return np.asarray(row[minute])


def drawn_weather(
    surroundings: Surroundings, rng: Generator, *, copies: int, start: float, seconds: float
) -> Weather:
    """The weather of a repetition whose canary gets its first traffic at ``start``."""
    outages = surroundings.outages
    begins = outages.drawn(rng, start) if outages else np.empty(0)
    minutes = int((start + seconds) // MINUTE) + 1 if surroundings.jitter else 1
    return Weather(surroundings, begins, np.exp(surroundings.jitter * rng.standard_normal((copies, minutes))))


@dataclass(slots=True)
class Failing:
    """Decides which requests of one copy fail; clusters go on from one call to the next."""

    cluster: int
    recent: Bools = field(init=False)
    """Whether a cluster began at each of the last ``cluster`` - 1 requests."""

    def __post_init__(self) -> None:
        self.recent = np.zeros(self.cluster - 1, dtype=np.bool_)

    def bad(self, share: Floats, luck: Floats) -> Bools:
        """Whether each request fails, of a share that does on average."""
        if self.cluster == 1:
            return luck < share
        # a request is good if no cluster began at it or the others before it that would reach it
        begins = np.concatenate((self.recent, luck < 1 - (1 - share) ** (1 / self.cluster)))
        self.recent = begins[len(begins) - self.cluster + 1 :]
        begun = np.concatenate(([0], np.cumsum(begins)))
        return np.asarray(begun[self.cluster :] > begun[: -self.cluster])
