"""Answers that are remembered for a while, and rates of calls: both in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Monotonic = Callable[[], float]


class Memory(Generic[K, V]):
    """Of the ``most`` newest, each until its time is over."""

    def __init__(self, most: int, monotonic: Monotonic = time.monotonic) -> None:
        self._most = most
        self._monotonic = monotonic
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """What was put, while it counts."""
        until, value = self._kept.get(key, (0.0, None))
        if value is not None and self._monotonic() < until:
            return value
        self._kept.pop(key, None)
        return None

    def put(self, key: K, value: V, seconds: float) -> None:
        """Keep it for so long."""
        self._kept[key] = (self._monotonic() + seconds, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


class Rates:
    """So many calls a second from each, and ``burst`` at once; of the ``most`` who called last."""

    def __init__(
        self, per_second: float, burst: int, most: int = 4096, monotonic: Monotonic = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most = most
        self._monotonic = monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> float:
        """0 if the call is within the rate, else after how many seconds the next one is."""
        now = self._monotonic()
        left, at = self._left.get(who, (float(self._burst), now))
        left = min(left + (now - at) * self._per_second, self._burst)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._keep(who, left if wait else left - 1, now)
        return wait

    def give_back(self, who: str) -> None:
        """The call was a good one: it does not count."""
        left, at = self._left.get(who, (float(self._burst), self._monotonic()))
        self._keep(who, min(left + 1, self._burst), at)

    def _keep(self, who: str, left: float, at: float) -> None:
        self._left[who] = (left, at)
        self._left.move_to_end(who)
        while len(self._left) > self._most:
            self._left.popitem(last=False)
