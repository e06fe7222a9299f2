"""How long a route, or a right to it, must be missing before anybody is troubled with it.

An API server that has just started denies everything for a moment, and knows no custom resources yet; and
``kubectl replace --force`` takes a route away to bring it back. Neither shall freeze a rollout until a person
comes. **Source** of the first: measured, 403 and 404 right after the restart of a kube-apiserver.
"""

import time
from collections.abc import Callable, Hashable
from datetime import timedelta


class Patience:
    """Counts from the first of a row of failures, on a monotonic clock."""

    def __init__(self, patience: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = patience.total_seconds()
        self._clock = clock
        self._since: dict[Hashable, float] = {}

    def is_over(self, key: Hashable) -> bool:
        """Whether it has failed for long enough, this time included."""
        now = self._clock()
        return now - self._since.setdefault(key, now) >= self._seconds

    def restore(self, key: Hashable) -> None:
        """It went well: the next failure is a first one again."""
        self._since.pop(key, None)
