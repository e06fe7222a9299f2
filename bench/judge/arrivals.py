"""Requests before anybody answers them: when they come, and the chances that they carry.

The invariant: a stream depends on its seed alone, not on who asks or in what pieces, so that every rule is
run on the same requests. A request brings its own luck: which version it meets is decided by its place in
the split, whether it fails and how long it takes by what that version does with the rest.
"""

from dataclasses import dataclass
from math import inf, log, pi, tau
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK_SECONDS = 15
"""Requests are drawn for so many seconds at a time; a bursty rate changes every second."""


class Shape(Protocol):
    """How long requests take on a version that is neither slow nor fast."""

    def draw(self, rng: Generator, count: int) -> Floats:
        """Seconds, one for each request."""
        ...


@dataclass(frozen=True, slots=True)
class Lognormal:
    """The usual latency of a small model; ``tail`` of the requests take a Pareto multiple of theirs."""

    median_seconds: float = 0.12
    sigma: float = 0.5
    tail: float = 0.0
    tail_index: float = 1.5

    def draw(self, rng: Generator, count: int) -> Floats:
        """Seconds, one for each request."""
        seconds = rng.lognormal(log(self.median_seconds), self.sigma, count)
        if self.tail:
            multiple = 1 + rng.pareto(self.tail_index, count)
            seconds = np.where(rng.random(count) < self.tail, seconds * multiple, seconds)
        return seconds


@dataclass(frozen=True, slots=True)
class Tokens:
    """A language model: a first token, then so many more. Chats are short, ``long_share`` is documents."""

    first_token_seconds: float = 0.25
    per_token_seconds: float = 0.02
    chat_tokens: float = 80.0
    long_tokens: float = 500.0
    long_share: float = 0.3
    sigma: float = 0.7

    def draw(self, rng: Generator, count: int) -> Floats:
        """Seconds from the request to its last token."""
        typical = np.where(rng.random(count) < self.long_share, self.long_tokens, self.chat_tokens)
        tokens = typical * rng.lognormal(0.0, self.sigma, count)
        first = rng.lognormal(log(self.first_token_seconds), 0.4, count)
        return first + tokens * self.per_token_seconds


@dataclass(frozen=True, slots=True)
class Traffic:
    """``rate`` requests per second on average.

    It swings by the share ``swing`` over ``period_seconds``. ``burstiness`` is the squared coefficient of
    variation of each second's rate: 0 is Poisson, 1 comes in bursts.
    """

    rate: float
    swing: float = 0.0
    period_seconds: float = 7200.0
    burstiness: float = 0.0
    shape: Shape = Lognormal()

    def rates(self, start: float, rng: Generator) -> Floats:
        """The rate of each second of a block."""
        middles = start + np.arange(BLOCK_SECONDS) + 0.5
        rates: Floats = self.rate * (1 + self.swing * np.sin(tau * middles / self.period_seconds + pi / 4))
        if self.burstiness:
            rates = rates * rng.gamma(1 / self.burstiness, self.burstiness, BLOCK_SECONDS)
        return rates


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by time. **Shape**: all arrays are equally long.

    ``place`` is where in the split a request falls, ``luck`` decides whether it fails (both uniform from 0 to
    1), ``seconds`` is how long it takes on a version of the usual speed.
    """

    at: Floats
    place: Floats
    luck: Floats
    seconds: Floats

    def part(self, low: int, high: int) -> "Requests":
        """Those of these indices."""
        cut = slice(low, high)
        return Requests(self.at[cut], self.place[cut], self.luck[cut], self.seconds[cut])

    def only(self, mask: NDArray[np.bool_]) -> "Requests":
        """Those that the mask takes."""
        return Requests(self.at[mask], self.place[mask], self.luck[mask], self.seconds[mask])


class Stream:
    """All requests to one model, from second 0 on; drawn as far as somebody asks."""

    def __init__(self, traffic: Traffic, rng: Generator) -> None:
        self._traffic = traffic
        self._rng = rng
        self._blocks: list[Requests | None] = []

    def between(self, start: float, end: float) -> list[Requests]:
        """The requests from ``start`` on and before ``end``, in pieces by time."""
        pieces: list[Requests] = []
        at = start
        while at < end:
            number = int(at // BLOCK_SECONDS)
            block = self._block(number)
            at = float((number + 1) * BLOCK_SECONDS)
            low, high = np.searchsorted(block.at, (start, end if end < at else inf))
            if low < high:
                pieces.append(block.part(int(low), int(high)))
        return pieces

    def forget_before(self, at: float) -> None:
        """Nobody will ask for these any more."""
        for number in range(min(int(at // BLOCK_SECONDS), len(self._blocks)) - 1, -1, -1):
            if self._blocks[number] is None:
                return
            self._blocks[number] = None

    def _block(self, number: int) -> Requests:
        while len(self._blocks) <= number:
            self._blocks.append(self._drawn(float(len(self._blocks) * BLOCK_SECONDS)))
        block = self._blocks[number]
        assert block is not None, "asked for requests that were forgotten"
        return block

    def _drawn(self, start: float) -> Requests:
        rng = self._rng
        counts = rng.poisson(self._traffic.rates(start, rng))
        total = int(counts.sum())
        seconds = start + np.repeat(np.arange(BLOCK_SECONDS, dtype=np.float64), counts)
        at = np.sort(seconds + rng.random(total))
        return Requests(at, rng.random(total), rng.random(total), self._traffic.shape.draw(rng, total))
